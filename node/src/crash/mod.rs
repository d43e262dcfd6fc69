//! What is left behind by a process that crashes: a report in its log, as Redis writes one.
//!
//! A signal that means a crash (a bad memory access, `abort`, which also ends every panic) meets a handler that does next to
//! nothing: the process may be broken in any way, and its thread may hold any lock ([`signal`]). It notes what happened and
//! where, writes one line, wakes a thread that was started for this and has been asleep since, and waits. That thread writes
//! the [`report`]: the stack by the names of functions ([`symbols`]), the client and command under way, and INFO, in an order in
//! which what may hang comes last. When the report is done, or has not grown for some seconds, the handler lets the signal do
//! what it would have done.
//!
//! The report tells of commands by name only: arguments may be secret, and a log is read by others than a database.

mod report;
mod signal;
mod symbols;

use std::sync::atomic::Ordering::Relaxed;

use crate::server::Server;

/// Watches for crashes from now on, while `crash-log-enabled` says so.
pub fn watch(server: &'static Server) -> std::io::Result<()> {
    enable(server.config.get().crash_log_enabled);
    let wakes = signal::install()?;
    std::thread::Builder::new().name("crash".into()).spawn(move || {
        if let Some(crash) = wakes.wait() {
            report::write(server, &crash);
            signal::finish();
        }
    })?;
    Ok(())
}

/// Whether crashes are to be reported.
pub fn enable(yes: bool) {
    signal::ENABLED.store(yes, Relaxed);
}

pub use signal::prepare_thread;
