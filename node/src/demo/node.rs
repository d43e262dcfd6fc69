//! A node of the demo: a process, its port and its directory.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::client::Client;

const READY_WITHIN: Duration = Duration::from_secs(20);

/// See the [module's page](self). The process and its directory go when it is dropped.
pub struct Node {
    name: char,
    child: Child,
    port: u16,
    dir: PathBuf,
}

impl Node {
    /// Starts a node on a free port and waits until it answers.
    pub fn start(number: usize) -> Result<Node, String> {
        let name = char::from(b'A' + number as u8);
        let problem = |e: std::io::Error| format!("Node {name}: {e}");
        let port = free_port().map_err(problem)?;
        let dir = std::env::temp_dir().join(format!("everwrite-demo-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).map_err(problem)?;
        let log = std::fs::File::create(dir.join("log")).map_err(problem)?;
        let program = std::env::current_exe().map_err(problem)?;
        let child = Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--server-threads", "1"])
            .args(["--active-replica", "yes", "--multi-master", "yes", "--enable-debug-command", "local"])
            .arg("--dir")
            .arg(&dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(problem)?)
            .stderr(log)
            .spawn()
            .map_err(problem)?;
        let mut node = Node { name, child, port, dir };
        node.wait_ready()?;
        Ok(node)
    }

    fn wait_ready(&mut self) -> Result<(), String> {
        let began = Instant::now();
        while began.elapsed() < READY_WITHIN {
            if self.ask(&["PING"]).is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
                return Err(format!("Node {} ended ({status}):\n{log}", self.name));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(format!("Node {} does not answer", self.name))
    }

    pub fn name(&self) -> char {
        self.name
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Asks something over a connection of its own.
    pub fn ask(&self, words: &[&str]) -> Result<String, String> {
        let asked = Client::connect(self.port).and_then(|mut client| client.ask(words));
        asked.map_err(|e| format!("Node {}: {}: {e}", self.name, words.join(" ")))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
