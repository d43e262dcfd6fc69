//! What DEBUG turns on and off, for tests.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Largest list element that is packed with others unless a test says otherwise, bytes.
pub const PACKED_THRESHOLD: usize = 1 << 30;

/// See the [module's page](self).
pub struct Switches {
    active_expire: AtomicBool,
    cron: AtomicBool,
    packed_threshold: AtomicUsize,
    skip_checksum: AtomicBool,
    deny_scripts_ignored: AtomicBool,
    aof_flush_sleep_us: AtomicU64,
    asleep: AtomicUsize,
}

impl Default for Switches {
    fn default() -> Self {
        Switches {
            active_expire: AtomicBool::new(true),
            cron: AtomicBool::new(true),
            packed_threshold: AtomicUsize::new(PACKED_THRESHOLD),
            skip_checksum: AtomicBool::new(false),
            deny_scripts_ignored: AtomicBool::new(false),
            aof_flush_sleep_us: AtomicU64::new(0),
            asleep: AtomicUsize::new(0),
        }
    }
}

impl Switches {
    /// Whether expired keys that nobody asks for are looked for.
    pub fn active_expire(&self) -> bool {
        self.active_expire.load(Relaxed)
    }

    pub fn set_active_expire(&self, on: bool) {
        self.active_expire.store(on, Relaxed);
    }

    /// Whether housekeeping runs.
    pub fn cron(&self) -> bool {
        self.cron.load(Relaxed)
    }

    pub fn set_cron(&self, on: bool) {
        self.cron.store(on, Relaxed);
    }

    /// Largest list element that is packed with others, bytes.
    pub fn packed_threshold(&self) -> usize {
        self.packed_threshold.load(Relaxed)
    }

    pub fn set_packed_threshold(&self, bytes: usize) {
        self.packed_threshold.store(bytes, Relaxed);
    }

    /// Whether checksums of dump payloads are passed over.
    pub fn skip_checksum(&self) -> bool {
        self.skip_checksum.load(Relaxed)
    }

    pub fn set_skip_checksum(&self, on: bool) {
        self.skip_checksum.store(on, Relaxed);
    }

    /// Whether scripts may call commands that are not for scripts.
    pub fn deny_scripts_ignored(&self) -> bool {
        self.deny_scripts_ignored.load(Relaxed)
    }

    pub fn set_deny_scripts_ignored(&self, on: bool) {
        self.deny_scripts_ignored.store(on, Relaxed);
    }

    /// How long whoever writes to the append-only file waits before.
    pub fn aof_flush_sleep(&self) -> Duration {
        Duration::from_micros(self.aof_flush_sleep_us.load(Relaxed))
    }

    /// Whether the server is to look as if it were dead.
    pub fn is_asleep(&self) -> bool {
        self.asleep.load(Relaxed) > 0
    }

    pub fn sleep(&self, time: Duration) {
        self.asleep.fetch_add(1, Relaxed);
        std::thread::sleep(time);
        self.asleep.fetch_sub(1, Relaxed);
    }

    pub fn set_aof_flush_sleep(&self, us: u64) {
        self.aof_flush_sleep_us.store(us, Relaxed);
    }
}
