//! `force-eviction-percent`: while more than that share of the machine's memory is used, whoever uses it, keys are evicted
//! by the policy as if `maxmemory` were that much lower than what is used here. With `noeviction` writes are refused.

use crate::memory::used;
use crate::server::Server;
use crate::system;

/// To be called now and then.
pub fn look(server: &Server) {
    let percent = server.config.get().force_eviction_percent;
    // A replica's master makes room.
    if percent == 0 || server.upstream.is_replica() {
        return server.memory.force(0);
    }
    let (total, available) = (system::total_memory(), system::available_memory());
    server.memory.force(match available {
        Some(available) => limit(total, available, percent.into(), used()),
        None => 0,
    });
}

/// How much this process may use, where `percent` of `total` bytes may be used altogether; 0: there is no reason for a limit.
fn limit(total: u64, available: u64, percent: u64, used: u64) -> u64 {
    let allowed = total / 100 * percent;
    match total.saturating_sub(available).saturating_sub(allowed) {
        0 => 0,
        excess => used.saturating_sub(excess).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_to_go() {
        assert_eq!(limit(1000, 300, 70, 200), 0);
        assert_eq!(limit(1000, 250, 70, 200), 150);
        assert_eq!(limit(1000, 0, 70, 200), 1);
    }
}
