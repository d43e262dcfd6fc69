//! How recently or often a key was used: 24 bits per key, kept for eviction and OBJECT IDLETIME / FREQ.
//!
//! Under an LFU policy the bits are `minutes (16) | counter (8)`: a logarithmic counter that a use increments with a
//! probability falling with its value, and that decays with the minutes since it was last looked at. Otherwise they are
//! a clock of seconds, good for 194 days.

use crate::ctx::Env;
use crate::entry::EntryRef;
use crate::tuning::{EvictionPolicy, Tuning};

/// LFU counter of a new key: not the first to go.
const LFU_NEW: u32 = 5;
const CLOCK_MASK: u32 = (1 << 24) - 1;

/// The clock of a batch at `now_ms`: seconds, or minutes under LFU.
pub fn clock(now_ms: u64, policy: EvictionPolicy) -> u32 {
    if policy.is_lfu() { (now_ms / 60_000) as u32 & 0xffff } else { (now_ms / 1000) as u32 & CLOCK_MASK }
}

/// The record of a key made now.
pub fn fresh(env: &Env) -> u32 {
    untouched(env.clock, &env.tuning)
}

/// The record of a key that nothing is known of.
pub fn untouched(clock: u32, tuning: &Tuning) -> u32 {
    if tuning.policy.is_lfu() { clock << 8 | LFU_NEW } else { clock }
}

/// The record of a key last used `idle` seconds ago, under a policy other than LFU.
pub fn idle_for(idle: u32, clock: u32) -> u32 {
    clock.wrapping_sub(idle) & CLOCK_MASK
}

/// The record of a key with a given LFU counter.
pub fn used_often(counter: u8, clock: u32) -> u32 {
    clock << 8 | u32::from(counter)
}

/// Records a use.
#[inline]
pub fn touch(entry: &EntryRef<'_>, env: &Env) {
    if env.tuning.policy.is_lfu() {
        let counter = frequency(entry.access(), env.clock, &env.tuning);
        entry.set_access(env.clock << 8 | raised(counter, env));
    } else if entry.access() != env.clock {
        entry.set_access(env.clock);
    }
}

fn raised(counter: u32, env: &Env) -> u32 {
    if counter == 255 {
        return 255;
    }
    let base = counter.saturating_sub(LFU_NEW);
    let odds = u64::from(base) * u64::from(env.tuning.lfu_log_factor) + 1;
    counter + u32::from(env.random_below(odds) == 0)
}

/// The LFU counter as it is now, decayed since the last use.
pub fn frequency(access: u32, minutes_now: u32, tuning: &Tuning) -> u32 {
    let elapsed = minutes_now.wrapping_sub(access >> 8) & 0xffff;
    let periods = elapsed.checked_div(tuning.lfu_decay_time).unwrap_or(0);
    (access & 0xff).saturating_sub(periods)
}

/// Seconds since the last use, under a policy other than LFU.
pub fn idle_seconds(access: u32, clock: u32) -> u32 {
    clock.wrapping_sub(access) & CLOCK_MASK
}
