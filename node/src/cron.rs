//! Housekeeping that belongs to no worker: what has to be looked at now and then. Runs on the main thread, ten times a
//! second whatever `hz` says: none of it gets better by being done more often.

use std::time::{Duration, Instant};

use crate::aof::rewrite;
use crate::persist::background;
use crate::pulse::Pulse;
use crate::replicas::watch;
use crate::samples::Reading;
use crate::server::Server;
use crate::shutdown;
use crate::worker;
use crate::{overload, strain};

const PERIOD: Duration = Duration::from_millis(100);

/// Periods between two looks at the files of certificates.
const ROTATION: u64 = 10;

/// Runs for ever.
pub async fn run(server: &'static Server) {
    let mut pulse = Pulse::new().expect("housekeeping needs a timer");
    // The first look is at once: what counts from the start counts from then.
    let mut wait = Duration::ZERO;
    let mut generation = server.config.generation();
    let mut looks = 0u64;
    loop {
        pulse.after(wait).await.expect("a timer can be set and read");
        wait = PERIOD;
        if !server.switches.cron() {
            continue;
        }
        shutdown::look(server);
        sample(server);
        background::look(server);
        rewrite::look(server);
        server.client_memory.check(server);
        watch::look(server);
        overload::look(server);
        strain::look(server);
        looks += 1;
        if looks.is_multiple_of(ROTATION) {
            rotate(server);
        }
        server.tracking.limit(server, server.config.get().tracking_table_max_keys);
        if server.config.generation() != generation {
            generation = server.config.generation();
            // Idle connections look at their limits again.
            server.clients.all().iter().for_each(|client| client.nudge());
        }
    }
}

/// Takes over certificates whose files have changed.
fn rotate(server: &Server) {
    let config = server.config.get();
    if !config.tls_rotation {
        return;
    }
    match server.tls.rotate(&config) {
        None => {}
        Some(Ok(())) => tracing::info!("Certificates have changed: new TLS connections meet the new ones"),
        Some(Err(e)) => tracing::warn!("Certificates have changed, but can't be used: {e}"),
    }
}

fn sample(server: &Server) {
    let sum = |of: fn(&worker::WorkerHandle) -> u64| server.workers().iter().map(of).sum();
    server.samples.take(Reading {
        at: Instant::now(),
        commands: sum(|w| w.stats.processed.get()),
        bytes_in: sum(|w| w.stats.net_in.get()),
        bytes_out: sum(|w| w.stats.net_out.get()),
    });
}
