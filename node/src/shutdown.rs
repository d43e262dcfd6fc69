//! The end of the process: asked for by SHUTDOWN, at once, or by a signal, at the next housekeeping. Until then SHUTDOWN
//! ABORT takes a signal back.

use std::sync::atomic::{AtomicBool, Ordering::*};

use tokio::signal::unix::{SignalKind, signal};

use crate::process;
use crate::server::Server;

/// Whether the end has been asked for.
#[derive(Default)]
pub struct Shutdown {
    asked: AtomicBool,
}

impl Shutdown {
    pub fn is_asked(&self) -> bool {
        self.asked.load(Acquire)
    }

    /// Takes it back; false if nobody had asked.
    pub fn abort(&self) -> bool {
        let asked = self.asked.swap(false, AcqRel);
        if asked {
            tracing::info!("Shutdown manually aborted.");
        }
        asked
    }
}

/// Waits for SIGTERM and SIGINT, for ever. A second one ends the process at once.
pub async fn heed_signals(server: &'static Server) {
    let (mut term, mut interrupt) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(term), Ok(interrupt)) => (term, interrupt),
        (Err(e), _) | (_, Err(e)) => return tracing::warn!("Can't wait for signals: {e}"),
    };
    loop {
        let name = tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!("Received {name} scheduling shutdown...");
        if server.shutdown.asked.swap(true, AcqRel) && name == "SIGINT" {
            tracing::info!("You insist... exiting now.");
            leave(server);
        }
    }
}

/// Ends the process: its files tell no longer of a running server.
pub fn leave(server: &Server) -> ! {
    let config = server.config.get();
    tracing::info!("User requested shutdown...");
    if !config.save.rules().is_empty() {
        tracing::warn!("The data is not saved: persistence is not supported yet.");
    }
    process::remove_traces(&config);
    tracing::info!("Everwrite is now ready to exit, bye bye...");
    std::process::exit(0)
}
