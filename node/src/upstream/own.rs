//! Keys to which clients of a replica that may be written to have given a deadline.
//!
//! A replica removes nothing that has expired: its master says when. Of what was written here the master knows nothing, so it would
//! stay for ever, hidden. What is due of it is removed here, beside the periodic work of the first worker.
//!
//! A note is no more than a reason to look at a key at that time; the key itself says whether it is due, or when it will be.

use std::collections::BTreeSet;

use engine::command::Facts;
use engine::command::keys::touched;
use engine::ctx::Ctx;
use engine::expiry;
use parking_lot::Mutex;
use protocol::Args;

/// Keys that are remembered. Of further ones nothing is, and they stay until somebody writes to them.
const NOTES_MAX: usize = 1 << 20;
/// Notes that one sweep looks at.
const SWEEP: usize = 256;

/// See the [module's page](self).
#[derive(Default)]
pub struct Own {
    /// Deadline, database and key.
    notes: Mutex<BTreeSet<(u64, usize, Vec<u8>)>>,
}

impl Own {
    /// Notes the keys of a command that a client has just run, as far as they expire. Their shards must still be held.
    #[cold]
    pub fn note(&self, ctx: &Ctx<'_>, facts: &'static Facts, args: Args<'_>) {
        touched(facts, args, |i| {
            let key = &args[i];
            let due = if ctx.holds(key) { ctx.peek(key).and_then(|entry| entry.deadline()) } else { None };
            if let Some(at) = due {
                self.add(at, ctx.db, key.to_vec());
            }
        });
    }

    fn add(&self, at: u64, db: usize, key: Vec<u8>) {
        let mut notes = self.notes.lock();
        if notes.len() < NOTES_MAX {
            notes.insert((at, db, key));
        }
    }

    /// Removes what is due, or some of it; true if there is more. No shard may be held.
    pub fn sweep(&self, ctx: &mut Ctx<'_>) -> bool {
        for _ in 0..SWEEP {
            let Some((db, key)) = self.next(ctx.env.now_ms) else { return false };
            if let Some(later) = expiry::remove_due(ctx, db, &key) {
                self.add(later, db, key);
            }
            ctx.locks.release();
        }
        true
    }

    fn next(&self, now_ms: u64) -> Option<(usize, Vec<u8>)> {
        let mut notes = self.notes.lock();
        let due = notes.first().is_some_and(|(at, ..)| *at <= now_ms);
        due.then(|| notes.pop_first()).flatten().map(|(_, db, key)| (db, key))
    }

    /// What is here is another's now: all of it goes by its master, or nothing does.
    pub fn forget(&self) {
        self.notes.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use engine::command::CommandId;
    use engine::effect::{Deadline, Effect, NewValue};
    use engine::keyspace::Keyspace;
    use protocol::OwnedArgs;

    use super::*;

    fn put(ctx: &mut Ctx<'_>, key: &str, deadline: Deadline) {
        ctx.begin();
        let hash = ctx.keyspace.hash(key.as_bytes());
        ctx.locks.hold_one(ctx.keyspace.shard_of(hash));
        ctx.key(key.as_bytes()).apply(Effect::Put { value: NewValue::String(b"v"), deadline, absent: false });
    }

    fn noted(own: &Own, ctx: &mut Ctx<'_>, key: &str, deadline: Deadline) {
        put(ctx, key, deadline);
        let set = OwnedArgs::from_slices([&b"SET"[..], key.as_bytes(), b"v"]);
        own.note(ctx, CommandId::named(b"SET").expect("a command").facts(), set.view());
        ctx.locks.release();
    }

    #[test]
    fn what_was_noted_goes_when_it_is_due_and_nothing_else_does() {
        let (keyspace, own) = (Keyspace::new(1, 1), Own::default());
        let mut ctx = Ctx::new(&keyspace, 1);
        ctx.env.tick(1_000);
        noted(&own, &mut ctx, "due", Deadline::At(2_000));
        noted(&own, &mut ctx, "put off", Deadline::At(2_000));
        noted(&own, &mut ctx, "kept", Deadline::At(2_000));
        noted(&own, &mut ctx, "no deadline", Deadline::Clear);
        put(&mut ctx, "put off", Deadline::At(3_000));
        put(&mut ctx, "kept", Deadline::Clear);
        put(&mut ctx, "a master's", Deadline::At(2_000));
        ctx.locks.release();
        let mut left = |now| {
            ctx.env.tick(now);
            assert!(!own.sweep(&mut ctx));
            keyspace.sizes(0).0
        };
        assert_eq!([left(1_999), left(2_000), left(2_999), left(3_000)], [5, 4, 4, 3]);
    }
}
