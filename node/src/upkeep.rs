//! What a worker does now and then: a task beside its connections.
//!
//! All of it hangs on one timer, so that a worker which has nothing to do wakes once a period.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::balance::{self, Load};
use crate::config::Config;
use crate::eviction;
use crate::expiry::Sweep;
use crate::jobs;
use crate::memcached;
use crate::memory;
use crate::pulse::Pulse;
use crate::worker::Worker;

/// Clients per turn from which on `dynamic-hz` makes turns more frequent.
const CLIENTS_PER_TURN: usize = 200;
const HZ_MAX: u32 = 500;
/// Looks at the load from one look at unused memory to the next.
const PURGE_LOOKS: u32 = 100;

/// Turns per second: `hz`, or more with many clients if `dynamic-hz` is on.
pub fn hz(config: &Config, clients: usize) -> u32 {
    let mut hz = config.hz;
    while config.dynamic_hz && hz < HZ_MAX && clients / hz as usize > CLIENTS_PER_TURN {
        hz = (hz * 2).min(HZ_MAX);
    }
    hz
}

/// Runs for ever, on the worker's thread.
pub async fn run(worker: Rc<Worker>) {
    let mut pulse = Pulse::new().expect("a worker needs a timer");
    let (mut watch, mut sweep) = (Watch::new(), Sweep::default());
    loop {
        let period = Duration::from_secs(1) / hz(&worker.config.borrow(), worker.server.clients.len());
        pulse.after(period).await.expect("a timer can be set and read");
        watch.look(&worker);
        while eviction::relieve(&worker) {
            tokio::task::yield_now().await;
        }
        if worker.index == 0 {
            memcached::flush::look(&worker);
        }
        jobs::look(&worker).await;
        sweep.turn(&worker, period).await;
    }
}

/// An eye on the worker's load: has connections moved if that helps. More rarely it sees to memory that is no longer
/// used: if the worker has nothing to do, nobody else does.
struct Watch {
    load: Load,
    looked: Instant,
    looks: u32,
}

impl Watch {
    fn new() -> Watch {
        Watch { load: Load::new(), looked: Instant::now(), looks: 0 }
    }

    fn look(&mut self, worker: &Worker) {
        // Turns may come more often.
        if self.looked.elapsed() < balance::EVERY {
            return;
        }
        self.looked = Instant::now();
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(PURGE_LOOKS) {
            memory::purge_old();
        }
        if let Some(shed) = self.load.look(worker) {
            worker.shed.set(shed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_clients_make_turns_more_frequent() {
        let mut config = Config::new(std::path::Path::new("/"));
        (config.hz, config.dynamic_hz) = (10, true);
        for (clients, expected) in [(0, 10), (2_000, 10), (2_200, 20), (30_000, 160), (1_000_000, 500)] {
            assert_eq!(hz(&config, clients), expected, "{clients}");
        }
        config.dynamic_hz = false;
        assert_eq!(hz(&config, 1_000_000), 10);
    }
}
