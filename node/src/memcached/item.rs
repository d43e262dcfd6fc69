//! A string as memcached sees it.

use engine::access;
use engine::ctx::{Ctx, KeyMut};
use engine::effect::{Deadline, Effect, NewValue};
use engine::entry::EntryRef;
use engine::tuning::notify;
use engine::types::string::IntText;
use engine::value::Value;
use replication::Stamp;

/// In a tag, above the client flags: a newer value is known to exist somewhere.
pub const STALE: u64 = 1 << 32;
/// A client has been told to make the value anew.
pub const PROMISED: u64 = 1 << 33;

/// Exptimes up to this are relative, seconds.
const RELATIVE_MAX: i64 = 30 * 24 * 3600;

/// The latest time there is, unix ms: beyond, an item that is to go at some time would be one that stays.
const LATEST: u64 = 1 << 52;

/// When an item goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exptime {
    Never,
    /// Unix ms.
    At(u64),
    /// It is gone already.
    Past,
}

impl Exptime {
    /// 0: never; negative: at once; up to thirty days: in so many seconds; beyond: at this unix time.
    pub fn of(exptime: i64, now_ms: u64) -> Exptime {
        let at = match u64::try_from(exptime) {
            Err(_) => return Exptime::Past,
            Ok(0) => return Exptime::Never,
            Ok(seconds) if exptime <= RELATIVE_MAX => now_ms + seconds * 1000,
            Ok(seconds) => seconds.saturating_mul(1000).min(LATEST),
        };
        if at <= now_ms { Exptime::Past } else { Exptime::At(at) }
    }
}

/// The unique number of what a write left. Versions rise with each write of a node; two nodes may use one at the same time,
/// so who wrote counts, too.
pub fn unique(stamp: Stamp) -> u64 {
    stamp.version ^ u64::from(stamp.origin) << 44
}

/// A string that was found.
pub struct Item<'a> {
    pub bytes: &'a [u8],
    pub tag: u64,
    pub unique: u64,
    pub deadline: Option<u64>,
    /// Seconds since it was last used.
    pub idle_s: u64,
    /// It was used later than written, by a second at least: what keys remember of their use is no finer.
    pub hit: bool,
}

impl<'a> Item<'a> {
    fn of(entry: EntryRef<'a>, ctx: &Ctx<'_>, text: &'a mut IntText) -> Option<Item<'a>> {
        let value = entry.value();
        let idle_s = u64::from(access::idle_seconds(entry.access(), ctx.env.clock));
        let idle_s = if ctx.env.tuning.policy.is_lfu() { 0 } else { idle_s };
        let used_s = (ctx.env.now_ms / 1000).saturating_sub(idle_s);
        Some(Item {
            tag: value.tag(),
            unique: unique(entry.stamp()),
            deadline: entry.deadline(),
            idle_s,
            hit: !ctx.env.tuning.policy.is_lfu() && used_s > entry.stamp().ms() / 1000,
            bytes: value.string_bytes(text)?,
        })
    }

    /// Looks an item up, without any trace.
    pub fn peek<'t>(ctx: &'t Ctx<'_>, key: &[u8], text: &'t mut IntText) -> Option<Item<'t>> {
        Item::of(ctx.peek(key)?, ctx, text)
    }

    /// Looks an item up, which counts as a use of it.
    pub fn read<'t>(ctx: &'t Ctx<'_>, key: &[u8], text: &'t mut IntText) -> Option<Item<'t>> {
        Item::of(ctx.read(key)?, ctx, text)
    }

    pub fn client_flags(&self) -> u32 {
        self.tag as u32
    }

    /// Seconds it has left; -1: it stays.
    pub fn ttl_s(&self, now_ms: u64) -> i64 {
        self.deadline.map_or(-1, |at| at.saturating_sub(now_ms).div_ceil(1000) as i64)
    }
}

/// What becomes of the deadline of an item that is put.
#[derive(Clone, Copy, Debug)]
pub enum Lasts {
    As(Exptime),
    Keep,
}

/// Puts a string, or removes the key if the string is to be gone already.
pub fn put(key: &mut KeyMut<'_, '_>, bytes: &[u8], tag: u64, lasts: Lasts, absent: bool) {
    let deadline = match lasts {
        Lasts::As(Exptime::Past) => return remove(key),
        Lasts::As(Exptime::At(at)) => Deadline::At(at),
        Lasts::As(Exptime::Never) => Deadline::Clear,
        Lasts::Keep => Deadline::Keep,
    };
    let value = match tag {
        0 => NewValue::String(bytes),
        tag => NewValue::Built(Value::tagged(bytes.to_vec(), tag)),
    };
    key.apply(Effect::Put { value, deadline, absent });
    key.notify(notify::STRING, "set");
    if matches!(deadline, Deadline::At(_)) {
        key.notify(notify::GENERIC, "expire");
    }
}

pub fn remove(key: &mut KeyMut<'_, '_>) {
    if key.exists() {
        key.apply(Effect::Clear);
        key.notify(notify::GENERIC, "del");
    }
}

/// Gives what is there another deadline.
pub fn touch(key: &mut KeyMut<'_, '_>, exptime: Exptime) {
    match exptime {
        Exptime::Past => remove(key),
        Exptime::Never => drop(key.apply(Effect::ExpireAt(None))),
        Exptime::At(at) => {
            key.apply(Effect::ExpireAt(Some(at)));
            key.notify(notify::GENERIC, "expire");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exptimes_are_relative_up_to_thirty_days() {
        let now = 1_700_000_000_000;
        for (exptime, expected) in [
            (0, Exptime::Never),
            (-1, Exptime::Past),
            (1, Exptime::At(now + 1000)),
            (RELATIVE_MAX, Exptime::At(now + RELATIVE_MAX as u64 * 1000)),
            (RELATIVE_MAX + 1, Exptime::Past),
            (1_700_000_000, Exptime::Past),
            (1_700_000_001, Exptime::At(now + 1000)),
        ] {
            assert_eq!(Exptime::of(exptime, now), expected, "{exptime}");
        }
    }
}
