//! A key as it comes in a full sync.

use replication::Stamp;
use replication::borrowed::{self, ValueRef};
use replication::codec::{Malformed, Reader};
use replication::effect::Key;
use replication::overlay::Overlay;

use super::stage::{Stage, built};
use crate::ctx::Ctx;
use crate::entry::Entry;
use crate::types::{hash, set, zset};
use crate::value::{self, Value};

/// What is said of a key, but for its marks.
pub(super) struct Arrival<'a> {
    pub db: u32,
    pub name: &'a [u8],
    /// Version of the key, settled or not; the highest there is, if it is not there.
    pub age: u64,
    /// Marks follow.
    pub marked: bool,
    head: Option<Head<'a>>,
    /// Of members.
    deadlines: Vec<(&'a [u8], u64)>,
}

/// What is there.
struct Head<'a> {
    stamp: Stamp,
    deadline: Option<u64>,
    value: ValueRef<'a>,
}

impl<'a> Arrival<'a> {
    /// `there`: it is not only marks. `aged`: it tells how old it is even if that is settled.
    pub fn read(r: &mut Reader<'a>, there: bool, aged: bool) -> Result<Arrival<'a>, Malformed> {
        let (db, name) = (r.small()?, r.bytes()?);
        let (mut age, mut head, mut deadlines) = (u64::MAX, None, Vec::new());
        if there {
            let stamp = Stamp { version: r.int()?, origin: r.label()? };
            age = if aged { r.int()? } else { stamp.version };
            head = Some(Head { stamp, deadline: r.option()?, value: borrowed::take_value(r)? });
            for _ in 0..r.count()? {
                deadlines.push((r.bytes()?, r.int()?));
            }
        }
        Ok(Arrival { db, name, age, marked: r.int()? != 0, head, deadlines })
    }

    pub fn key(&self) -> Key {
        Key { db: self.db, name: self.name.to_vec() }
    }

    /// Puts it where nothing is. Returns its version, 0 if it is not there.
    pub fn install(&self, stage: &mut Stage<'_>, key: &Key) -> u64 {
        let Some(Head { stamp, deadline, value }) = &self.head else { return 0 };
        stage.shard.clock.observe(stamp.version);
        let value = value_of(value, stage);
        let mut place = stage.key(key.db, &key.name);
        let access = place.access();
        place.put_entry(Entry::new(&key.name, value, *deadline, *stamp, access));
        for (member, at) in &self.deadlines {
            match place.value() {
                Some(value::ValueRef::Hash(_)) => drop(hash::apply_expire(&mut place, member, Some(*at))),
                Some(value::ValueRef::Set(_)) => drop(set::apply_expire(&mut place, member, Some(*at))),
                Some(value::ValueRef::Zset(_)) => drop(zset::apply_expire(&mut place, member, Some(*at))),
                _ => {}
            }
        }
        stage.echo_whole(key);
        stamp.version
    }

    /// Puts a key that is not here, of which nothing is remembered here, and that has no deadlines. False: it is something else.
    /// Its shard is held afterwards.
    pub fn put_new(&self, ctx: &mut Ctx<'_>, hash: u64) -> bool {
        let Some(Head { stamp, deadline: None, value }) = &self.head else { return false };
        if self.marked || !self.deadlines.is_empty() {
            return false;
        }
        let number = ctx.keyspace.shard_of(hash);
        ctx.locks.hold_one(number);
        ctx.begin_echo();
        let (shard, writer) = ctx.locks.get_to_write(number);
        let matters = |overlay: &Overlay| {
            overlay.marked(self.db, self.name)
                || overlay.cleared(self.db).is_some()
                || overlay.any_reclaimed()
        };
        if shard.overlay.as_deref().is_some_and(matters) {
            return false;
        }
        let (env, out) = (&ctx.env, &mut ctx.out);
        let mut stage = Stage { shard, env, out, writer, stamp: Stamp::default(), touched: false };
        if stage.key_at(self.db, self.name, hash).exists() {
            return false;
        }
        stage.shard.clock.observe(stamp.version);
        stage.shard.overlay.get_or_insert_default().expect_again(stamp.version);
        let value = value_of(value, &stage);
        let mut place = stage.key_at(self.db, self.name, hash);
        let access = place.access();
        place.put_entry(Entry::new(self.name, value, None, *stamp, access));
        place.echo_whole();
        place.changed(true);
        true
    }
}

fn value_of(value: &ValueRef<'_>, stage: &Stage<'_>) -> Value {
    match value {
        ValueRef::String(bytes) => Value::string(bytes),
        value => built(&value.to_owned(), &stage.env.tuning),
    }
}
