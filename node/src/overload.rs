//! `overload-protect-percent`: while the process takes more processor time than that share of what its `server-threads` have, some
//! of the clients that keep it busy are closed, a few each second, until it does not any more.
//!
//! Closed are clients that have asked something within the last second, in no order. Never closed are replicas and masters,
//! clients that wait, subscribe or monitor, and those that said CLIENT NO-EVICT. Who connects anew is served.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::client::{Class, Client, flag};
use crate::server::Server;
use crate::system;
use crate::worker::unix_ms;

/// Time over which the load is measured.
const PERIOD: Duration = Duration::from_secs(1);
/// Clients that are closed in one such time, at most.
const CLOSED_MAX: usize = 10;
/// Where a client is never closed.
const SPARED: u32 =
    flag::BLOCKED | flag::MONITOR | flag::PUBSUB | flag::NO_EVICT | flag::REPLICA | flag::MASTER;

/// See the [module's page](self).
#[derive(Default)]
pub struct Overload {
    /// When the processor time was read last, and what it was. `None`: it is not watched.
    last: Mutex<Option<(Instant, Duration)>>,
    pub closed: AtomicU64,
}

/// To be called now and then.
pub fn look(server: &Server) {
    let percent = server.config.get().overload_protect_percent;
    let mut last = server.overload.last.lock();
    if percent == 0 {
        *last = None;
        return;
    }
    let now = Instant::now();
    if last.is_some_and(|(at, _)| now.duration_since(at) < PERIOD) {
        return;
    }
    let cpu = system::cpu_own();
    let used = cpu.system + cpu.user;
    if let Some((at, before)) = last.replace((now, used)) {
        let load = load(used.saturating_sub(before), now.duration_since(at), server.threads);
        if load > f64::from(percent) {
            shed(server, load);
        }
    }
}

/// Percent of what so many threads could take.
fn load(used: Duration, passed: Duration, threads: usize) -> f64 {
    100.0 * used.as_secs_f64() / passed.as_secs_f64().max(1e-6) / threads as f64
}

fn shed(server: &Server, load: f64) {
    let now = unix_ms();
    let clients = server.clients.all();
    let busy = clients.iter().filter(|client| may_go(client, now)).take(CLOSED_MAX);
    let closed = busy.map(|client| server.disconnect(client)).count();
    server.overload.closed.fetch_add(closed as u64, Relaxed);
    tracing::warn!(
        "The processor load is {load:.0} %, above overload-protect-percent: {closed} clients closed"
    );
}

fn may_go(client: &Client, now_ms: u64) -> bool {
    let active = now_ms.saturating_sub(client.active_ms.load(Relaxed)) <= PERIOD.as_millis() as u64;
    active && client.class() == Class::Normal && client.flags.load(Relaxed) & SPARED == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_of_all_threads() {
        let s = Duration::from_secs;
        assert_eq!(load(s(1), s(1), 1), 100.0);
        assert_eq!(load(s(3), s(2), 2), 75.0);
        assert_eq!(load(s(0), s(2), 2), 0.0);
    }

    #[test]
    fn who_waits_or_is_idle_stays() {
        let client = Client::new(1, 0, String::new(), String::new(), -1, 5_000);
        client.active_ms.store(5_000, Relaxed);
        assert!(may_go(&client, 5_500));
        assert!(!may_go(&client, 9_000));
        client.set(flag::BLOCKED, true);
        assert!(!may_go(&client, 5_500));
    }
}
