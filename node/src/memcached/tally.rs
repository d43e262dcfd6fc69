//! What `stats` counts of commands, per worker.

use crate::stats::Count;

#[derive(Clone, Copy, Debug)]
pub enum Tally {
    CmdGet,
    CmdSet,
    CmdFlush,
    CmdTouch,
    CmdMeta,
    GetHits,
    GetMisses,
    DeleteHits,
    DeleteMisses,
    IncrHits,
    IncrMisses,
    DecrHits,
    DecrMisses,
    CasHits,
    CasMisses,
    CasBadval,
    TouchHits,
    TouchMisses,
}

/// Names as `stats` shows them, in the order of the numbers.
pub const NAMES: [&str; 18] = [
    "cmd_get",
    "cmd_set",
    "cmd_flush",
    "cmd_touch",
    "cmd_meta",
    "get_hits",
    "get_misses",
    "delete_hits",
    "delete_misses",
    "incr_hits",
    "incr_misses",
    "decr_hits",
    "decr_misses",
    "cas_hits",
    "cas_misses",
    "cas_badval",
    "touch_hits",
    "touch_misses",
];

/// A worker's counts.
#[derive(Default)]
pub struct Tallies([Count; NAMES.len()]);

impl Tallies {
    #[inline]
    pub fn add(&self, tally: Tally) {
        self.0[tally as usize].add(1);
    }

    /// One of two, as something was found or not.
    pub fn add_either(&self, hit: bool, hits: Tally, misses: Tally) {
        self.add(if hit { hits } else { misses });
    }

    pub fn get(&self, index: usize) -> u64 {
        self.0[index].get()
    }

    pub fn reset(&self) {
        self.0.iter().for_each(|count| count.set(0));
    }
}
