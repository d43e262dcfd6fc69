//! `maxmemory`: whether there is room, and making some.

use std::sync::atomic::{AtomicU64, Ordering::*};

/// The limit in force, and what counts against it.
#[derive(Default)]
pub struct Memory {
    /// Bytes; 0: no limit.
    limit: AtomicU64,
}

impl Memory {
    pub fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Relaxed);
    }

    /// Whether commands that need memory are refused.
    #[inline]
    pub fn is_full(&self) -> bool {
        let limit = self.limit.load(Relaxed);
        limit > 0 && crate::memory::used() > limit
    }
}
