//! Which [jobs](crate::types::Job) a database has in one shard, and when they are due: an index beside the table, kept where
//! entries come and go, so that nobody has to look for them.

use std::collections::{BTreeMap, HashMap};

use crate::types::Job;
use crate::value::ValueRef;

/// See the [module's page](self). Empty, it takes no memory but itself.
#[derive(Default)]
pub struct Jobs {
    /// When each is due.
    by_key: HashMap<Box<[u8]>, u64>,
    /// The owner of each, by when it is due.
    by_due: BTreeMap<(u64, Box<[u8]>), u128>,
}

impl Jobs {
    /// Notes what is at a key now.
    pub fn note(&mut self, key: &[u8], value: ValueRef<'_>) {
        self.forget(key);
        let Some(job) = Job::of(value) else { return };
        self.by_key.insert(key.into(), job.due);
        self.by_due.insert((job.due, key.into()), job.owner);
    }

    pub fn forget(&mut self, key: &[u8]) {
        if let Some((key, due)) = self.by_key.remove_entry(key) {
            self.by_due.remove(&(due, key));
        }
    }

    /// The keys and owners of jobs that are due at `now`, those that have waited longest first.
    pub fn due(&self, now: u64) -> impl Iterator<Item = (&[u8], u128)> {
        let due = self.by_due.iter().take_while(move |((due, _), _)| *due <= now);
        due.map(|((_, key), owner)| (&key[..], *owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctx::Ctx;
    use crate::effect::{Deadline, Effect, NewValue};
    use crate::keyspace::Keyspace;

    fn put(ctx: &mut Ctx<'_>, due: u64) {
        let job = Job {
            repeats: true,
            due,
            interval: 1,
            owner: 7,
            script: Vec::new(),
            keys: Vec::new(),
            arguments: Vec::new(),
        };
        let value = NewValue::Built(job.to_value());
        ctx.key(b"j").apply(Effect::Put { value, deadline: Deadline::Clear, absent: false });
    }

    /// Which databases have a job that is due.
    fn due(ctx: &Ctx<'_>, now: u64) -> Vec<usize> {
        let shard = ctx.locks.get(ctx.keyspace.shard_of(ctx.keyspace.hash(b"j")));
        let has = |db: &usize| shard.dbs[*db].due_jobs(now).any(|(key, owner)| key == b"j" && owner == 7);
        (0..ctx.keyspace.databases()).filter(has).collect()
    }

    #[test]
    fn the_index_goes_with_the_table() {
        let keyspace = Keyspace::new(2, 1);
        let mut ctx = Ctx::new(&keyspace, 1);
        ctx.locks.hold_all();
        ctx.begin();
        put(&mut ctx, 10);
        assert_eq!((due(&ctx, 9), due(&ctx, 10)), (vec![], vec![0]));
        put(&mut ctx, 20);
        assert_eq!((due(&ctx, 19), due(&ctx, 20)), (vec![], vec![0]));
        ctx.key(b"j").apply(Effect::ExpireAt(Some(1_000)));
        assert_eq!(due(&ctx, 20), [0], "a deadline moves the entry");
        ctx.swap(0, 1);
        assert_eq!(due(&ctx, 20), [1]);
        ctx.swap(0, 1);
        ctx.key(b"j").apply(Effect::Put {
            value: NewValue::String(b"x"),
            deadline: Deadline::Clear,
            absent: false,
        });
        assert_eq!(due(&ctx, 20), [] as [usize; 0], "another value has taken its place");
        put(&mut ctx, 20);
        ctx.key(b"j").apply(Effect::Clear);
        assert_eq!(due(&ctx, 20), [] as [usize; 0]);
        put(&mut ctx, 20);
        ctx.flush(0);
        assert_eq!(due(&ctx, 20), [] as [usize; 0]);
    }
}
