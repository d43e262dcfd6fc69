//! A process that stands for a snapshot under way. Where Redis forks, people and programs look for its child, and end a save
//! by killing that. So there is a child here, too: it has none of the data and does nothing but wait for its end, which
//! comes when the server lets go of it or is gone. If a signal ends it before, that ends the snapshot.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::snapshot::Job;
use crate::process;
use crate::server::Server;

/// The name that the program has as such a process.
const NAME: &str = "everwrite-snapshot";

/// While this is there, so is the process.
pub struct StandIn {
    _leash: ChildStdin,
}

/// If this process is one that stands for a snapshot: waits for its end, and returns true.
pub fn serve(program: &OsStr) -> bool {
    let called = program == NAME;
    if called {
        // Nothing is ever written: the read ends when the other end is closed.
        let _ = std::io::stdin().read(&mut [0]);
    }
    called
}

/// Starts a process for a snapshot. Without one the snapshot is written all the same.
pub fn start(server: &Server, job: &Arc<Job>) -> Option<StandIn> {
    let spawned = Command::new("/proc/self/exe")
        .arg0(NAME)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match spawned {
        Ok(child) => {
            server.persistence.stand_ins.fetch_add(1, Relaxed);
            watch(child, job.clone())
        }
        Err(e) => {
            tracing::debug!("No process stands for the snapshot: {}", process::reason(&e));
            None
        }
    }
}

fn watch(mut child: Child, job: Arc<Job>) -> Option<StandIn> {
    let leash = child.stdin.take()?;
    let watch = move || {
        if let Ok(status) = child.wait()
            && let Some(signal) = status.signal()
        {
            job.kill(signal);
        }
    };
    std::thread::Builder::new().name("stand-in".into()).spawn(watch).expect("a thread can be started");
    Some(StandIn { _leash: leash })
}
