//! A server process in a directory of its own, on a free loopback port, gone when its [`Server`] is dropped.
//!
//! Two kinds stand side by side in every comparison: the real `redis-server` and ours. Which file is started:
//! - [`Kind::Redis`]: `$REDIS_BIN`, else `redis-server` on the path.
//! - [`Kind::Everwrite`]: `$EVERWRITE_BIN`, else what `cargo build -p everwrite` makes in the profile of the running
//!   test, built on first use. Any program that takes Redis's options can stand in, `redis-server` itself included.
//!
//! Only processes started here are ever signalled, by their pid.

use crate::client::Client;
use crate::wait::wait_for;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Which program a [`Server`] runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The real thing.
    Redis,
    /// Ours.
    Everwrite,
}

impl Kind {
    /// The word used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Redis => "redis",
            Kind::Everwrite => "everwrite",
        }
    }

    /// The file to execute.
    pub fn program(self) -> PathBuf {
        match self {
            Kind::Redis => std::env::var_os("REDIS_BIN").unwrap_or("redis-server".into()).into(),
            Kind::Everwrite => everwrite_program().to_path_buf(),
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    child: Child,
    address: SocketAddr,
    dir: PathBuf,
    options: Vec<String>,
    /// Set in its environment.
    env: Vec<(String, String)>,
    ready_after: Duration,
}

/// How long a server may take until it answers PING.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How often that is tried: often enough to tell how long a start takes.
const READY_POLL: Duration = Duration::from_micros(300);
/// How long a server may take to end after SIGTERM before it is killed.
const END_WITHIN: Duration = Duration::from_secs(10);
/// Another process may take a port between our probe and the server's bind.
const PORT_TRIES: usize = 5;
/// How often a server is started again that finds its port taken, and after how long.
const AGAIN_TRIES: usize = 20;
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Ports that no connection gets by itself.
const PORTS: std::ops::Range<u32> = 10_000..32_000;

impl Server {
    /// Starts a server without persistence and waits until it answers.
    pub fn start(kind: Kind) -> Server {
        Server::start_with(kind, &[])
    }

    /// [`Server::start`] with more options, e.g. `&["--maxmemory", "10mb"]`. Panics, with the server's log, if it
    /// does not come up.
    pub fn start_with(kind: Kind, options: &[&str]) -> Server {
        Server::start_under(kind, options, &[])
    }

    /// [`Server::start_with`] more in its environment.
    pub fn start_under(kind: Kind, options: &[&str], env: &[(&str, &str)]) -> Server {
        let options: Vec<String> = options.iter().map(|o| o.to_string()).collect();
        let env: Vec<_> = env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let dir = fresh_dir(kind.name());
        let mut log = String::new();
        for _ in 0..PORT_TRIES {
            let address = free_address();
            let child = spawn(kind, address, &dir, &options, &env)
                .unwrap_or_else(|e| panic!("{:?}: {e}", kind.program()));
            let (options, env) = (options.clone(), env.clone());
            let ready_after = Duration::ZERO;
            let mut server = Server { kind, child, address, dir: dir.clone(), options, env, ready_after };
            if server.wait_ready() {
                return server;
            }
            log = server.log();
            server.kill();
        }
        panic!("{} {options:?} did not come up; its log:\n{log}", kind.name());
    }

    /// A new connection.
    pub fn client(&self) -> Client {
        Client::connect(self.address)
            .unwrap_or_else(|e| panic!("{} at {}: {e}", self.kind.name(), self.address))
    }

    /// Ends the process with SIGTERM, then starts it again in the same directory on the same port.
    pub fn restart(&mut self) {
        self.terminate();
        self.start_again();
    }

    /// Starts the process again after it has ended, in the same directory on the same port.
    pub fn start_again(&mut self) {
        for _ in 0..AGAIN_TRIES {
            self.launch_again();
            if self.wait_ready() {
                return;
            }
            // Somebody else has the port for a moment.
            if !self.log().trim_end().ends_with("Address already in use") {
                break;
            }
            self.kill();
            std::thread::sleep(AGAIN_AFTER);
        }
        panic!("{} did not come up again; its log:\n{}", self.kind.name(), self.log());
    }

    /// [`Server::start_again`] without waiting for its first answer, if it comes to one.
    pub fn launch_again(&mut self) {
        self.child = spawn(self.kind, self.address, &self.dir, &self.options, &self.env)
            .expect("starts a second time");
    }

    /// What the next start is told.
    pub fn set_options(&mut self, options: Vec<String>) {
        self.options = options;
    }

    /// Stops it where it is, or lets it go on.
    pub fn suspend(&self, stop: bool) {
        let signal = if stop { "-STOP" } else { "-CONT" };
        let _ = Command::new("kill").args([signal, &self.pid().to_string()]).status();
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGTERM, and SIGKILL if that does not help.
    pub fn terminate(&mut self) {
        let _ = Command::new("kill").arg(self.pid().to_string()).status();
        if wait_for(END_WITHIN, || self.child.try_wait().ok().flatten()).is_none() {
            self.kill();
        }
    }

    /// SIGKILL: what a crash looks like from outside.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends the process and leaves its directory there.
    pub fn keep(mut self) -> PathBuf {
        self.kill();
        let kept = self.dir.with_extension("kept");
        if fs::rename(&self.dir, &kept).is_ok() { kept } else { self.dir.clone() }
    }

    /// Which program this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long the last start took, from its execution to the first answer to PING.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Its working directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What it wrote to standard output and error so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    fn wait_ready(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < READY_WITHIN {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            let answer = Client::connect(self.address).and_then(|mut c| c.cmd("PING"));
            // One that asks for a password is ready, too.
            if answer.is_ok_and(|reply| !reply.to_string().starts_with("-LOADING")) {
                self.ready_after = began.elapsed();
                return true;
            }
            std::thread::sleep(READY_POLL);
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::env::var_os("KEEP_DIRS").is_none() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn spawn(
    kind: Kind,
    address: SocketAddr,
    dir: &Path,
    options: &[String],
    env: &[(String, String)],
) -> io::Result<Child> {
    let log = File::options().create(true).append(true).open(dir.join("log"))?;
    Command::new(kind.program())
        .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""])
        .arg("--dir")
        .arg(dir)
        .args(["--enable-debug-command", "yes", "--enable-protected-configs", "yes"])
        .args(options)
        // A panic's own words are then the end of the log.
        .env("RUST_BACKTRACE", "0")
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// A loopback address nobody listens on just now. Below those that connections get: a server that is started again finds its
/// port free.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(7_919);
    let free = std::iter::repeat_with(|| begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)))
        .take(PORTS.len())
        .map(|n| (PORTS.start + n % PORTS.len() as u32) as u16)
        .find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
    free.and_then(|probe| probe.local_addr().ok()).expect("a free loopback port")
}

/// A new directory below the system's temporary one.
pub fn fresh_dir(label: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("everwrite-test-{}-{number}-{label}", std::process::id()));
    fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    dir
}

fn everwrite_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match std::env::var_os("EVERWRITE_BIN") {
        Some(path) => path.into(),
        None => build_everwrite(),
    })
}

/// Builds the server in the profile this test was built in, so that a bare `cargo test` needs no preparation.
fn build_everwrite() -> PathBuf {
    let exe = std::env::current_exe().expect("the path of this test");
    let profile_dir = exe.ancestors().skip(1).find(|d| !d.ends_with("deps")).expect("a target directory");
    let profile = match profile_dir.file_name().and_then(|n| n.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("Cargo.toml");
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--package", "everwrite", "--bin", "everwrite", "--profile", profile])
        .arg("--target-dir")
        .arg(profile_dir.parent().expect("a target directory"))
        .arg("--manifest-path")
        .arg(manifest)
        .status();
    assert!(built.is_ok_and(|s| s.success()), "cargo build -p everwrite failed");
    profile_dir.join("everwrite")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_answers_and_is_gone_when_dropped() {
        let server = Server::start(Kind::Redis);
        assert_eq!(server.client().cmd("PING").unwrap().to_string(), "+PONG");
        let (address, dir) = (server.address(), server.dir().to_path_buf());
        drop(server);
        assert!(Client::connect(address).is_err());
        assert!(!dir.exists());
    }

    #[test]
    fn a_restarted_server_keeps_its_directory() {
        let mut server = Server::start(Kind::Redis);
        server.client().cmd("SET k v").unwrap();
        server.client().cmd("SAVE").unwrap();
        server.restart();
        assert_eq!(server.client().cmd("GET k").unwrap().to_string(), "\"v\"");
    }
}
