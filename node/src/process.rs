//! What the server shows the system of itself: its title, its pid file, its place in the queue when memory runs out.

use std::fs;
use std::io;
use std::sync::OnceLock;

use parking_lot::Mutex;

use crate::config::Config;
use crate::config::choice::OomScoreAdj;
use crate::system;

/// Descriptors beside those of clients: files, listening sockets, event loops.
pub const OTHER_FILES: u64 = 32;

const OOM_SCORE: &str = "/proc/self/oom_score_adj";
/// What the kernel accepts either way.
const OOM_SCORE_MAX: i32 = 1000;

/// The first word of the command line, and the path of the configuration file.
static STARTED_AS: OnceLock<(String, String)> = OnceLock::new();
/// The score that the process had before it was changed here; `None` while it is not.
static OOM_SCORE_BEFORE: Mutex<Option<i32>> = Mutex::new(None);

/// Goes to the background: this returns in the child, without a terminal.
pub fn daemonize() -> Result<(), String> {
    system::daemonize().map_err(|e| format!("Can't go to the background: {e}"))
}

/// Notes what the process was started as, and does what must be done before it has other threads.
pub fn prepare(config: &Config, file: Option<&std::path::Path>) {
    let name = std::env::args_os().next().unwrap_or_default().to_string_lossy().into_owned();
    let file = file.map_or_else(String::new, |f| f.display().to_string());
    let _ = STARTED_AS.set((name, file));
    if config.set_proc_title {
        system::make_room_for_title();
        set_title(config);
    }
    if config.oom_score_adj != OomScoreAdj::No
        && let Err(e) = set_oom_score(config)
    {
        tracing::warn!("Unable to write oom_score_adj: {e}");
    }
}

/// The program's file.
pub fn executable() -> String {
    std::env::current_exe().map_or_else(|_| String::new(), |path| path.display().to_string())
}

/// Shows the title in the process list, as `proc-title-template` says.
pub fn set_title(config: &Config) {
    if config.set_proc_title {
        system::set_title(&title(config));
    }
}

fn title(config: &Config) -> String {
    let (name, file) = STARTED_AS.get().cloned().unwrap_or_default();
    let address = match config.bind.0.first() {
        Some(addr) if config.port != 0 => format!("{}:{}", addr.trim_start_matches('-'), config.port),
        _ => config.unixsocket.clone(),
    };
    let values = [
        ("{title}", name),
        ("{listen-addr}", address),
        ("{server-mode}", String::new()),
        ("{port}", config.port.to_string()),
        ("{tls-port}", config.tls_port.to_string()),
        ("{config-file}", file),
        ("{unixsocket}", config.unixsocket.clone()),
    ];
    let filled = values
        .iter()
        .fold(config.proc_title_template.clone(), |text, (name, value)| text.replace(name, value));
    filled.trim_end().to_string()
}

/// Tells the kernel how readily to kill this process when memory runs out; back to where it was if the directive is off.
pub fn set_oom_score(config: &Config) -> io::Result<()> {
    let read = || fs::read_to_string(OOM_SCORE).ok().and_then(|text| text.trim().parse().ok());
    let mut kept = OOM_SCORE_BEFORE.lock();
    let before = *kept.get_or_insert_with(|| read().unwrap_or(0));
    let score = match config.oom_score_adj {
        OomScoreAdj::No => before,
        OomScoreAdj::Relative => before + config.oom_score_adj_values.0[0],
        OomScoreAdj::Absolute => config.oom_score_adj_values.0[0],
    };
    fs::write(OOM_SCORE, score.clamp(-OOM_SCORE_MAX, OOM_SCORE_MAX).to_string())?;
    if config.oom_score_adj == OomScoreAdj::No {
        *kept = None;
    }
    Ok(())
}

/// Where the pid is written: where configured, or if in the background, at the usual place.
fn pid_path(config: &Config) -> Option<&str> {
    match config.pidfile.as_str() {
        "" if config.daemonize => Some("/var/run/redis.pid"),
        "" => None,
        path => Some(path),
    }
}

/// Writes the pid file. Not being able to is no reason not to start.
pub fn write_pid_file(config: &Config) {
    if let Some(path) = pid_path(config)
        && let Err(e) = fs::write(path, format!("{}\n", std::process::id()))
    {
        tracing::warn!("Failed to write PID file: {}", reason(&e));
    }
}

/// Removes what would be taken for signs of a running server.
pub fn remove_traces(config: &Config) {
    for path in
        [pid_path(config), Some(config.unixsocket.as_str()).filter(|p| !p.is_empty())].into_iter().flatten()
    {
        // It may be gone already.
        let _ = fs::remove_file(path);
    }
}

/// The system's words for an error, without the number that Rust puts after them.
pub fn reason(e: &io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_string()
}
