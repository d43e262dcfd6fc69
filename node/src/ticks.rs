//! A clock cheap enough to be read once per command: the processor's time stamp counter where there is one.
//!
//! Ticks are turned into time by comparing how far they and the system's clock have come since the start, so the rate
//! gets more exact the longer the process runs.
#![expect(unsafe_code, reason = "reads the time stamp counter")]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

static START: OnceLock<(u64, Instant)> = OnceLock::new();

/// The counter now. Comparable only within this process.
#[inline]
pub fn now() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction exists on every x86-64 and has no effect but its result.
    unsafe {
        std::arch::x86_64::_rdtsc()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        START.get().map_or(0, |(_, start)| start.elapsed().as_nanos() as u64)
    }
}

/// Takes the reference point. To be called once, early; waits a millisecond for a first rate.
pub fn start() {
    START.get_or_init(|| (now(), Instant::now()));
    std::thread::sleep(Duration::from_millis(1));
}

/// Ticks per microsecond.
pub fn per_us() -> f64 {
    let Some((ticks, start)) = START.get() else { return 1000.0 };
    let ns = start.elapsed().as_nanos().max(1) as f64;
    (now().wrapping_sub(*ticks) as f64 * 1000.0 / ns).max(1e-3)
}
