//! Full sync: all data with what is remembered of them, from one node to another that merges them into its own.
//!
//! The export goes through the shards a bucket of keys at a time, so it shows no single moment. It need not: every effect
//! that is newer than what the sync's head says is still remembered by marks, which travel with their keys, and so is
//! recognised when it comes again by its stream. What the export may contain is bounded by the version in its last record.
//!
//! The merge takes, for each key, what the other has, and folds into that what it knows itself and the other does not
//! (S8). What it has and the other has not, and what has no mark that the other lacks, was deleted there.
//!
//! A piece is records, one behind the other; a key is in one record, however large.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use replication::codec::{Malformed, Reader, Writer};
use replication::effect::{Key, Write};
use replication::overlay::{Levels, Plain};
use replication::{Place, Stamp};
use smallvec::SmallVec;

use super::arrival::Arrival;
use super::stage::Stage;
use crate::ctx::Ctx;
use crate::effect::{Deadline, Effect, NewValue};
use crate::entry::EntryRef;
use crate::journal::{Journal, encode};
use crate::shard::Shard;
use crate::value::{Value, ValueRef};

/// Keys whose places are brought near together.
const BATCH: usize = 16;

pub(super) const KEY: u64 = 1;
/// A key that is not there and that has marks.
pub(super) const MARKS: u64 = 2;
pub(super) const CLEARED: u64 = 3;
pub(super) const END: u64 = 4;
/// What is settled where the records that follow come from.
pub(super) const SETTLED: u64 = 5;
/// Keys tell how old they are even if that is settled: see [`Export::for_newcomer`].
pub(super) const AGED: u64 = 6;
/// What is known where the records come from to have arrived everywhere.
pub(super) const KNOWN: u64 = 7;

/// A full sync being given. One at a time for each who receives one; any number at once. While there is one, nothing is settled
/// here: effects that are not in it yet name list elements by positions in a state that the keys that went before still
/// have.
#[derive(Default)]
pub struct Export {
    /// Set while it goes on.
    journal: Option<Arc<Journal>>,
    shard: usize,
    db: usize,
    /// Position in the table; `None`: the table is done, marks without keys are next.
    at: Option<u64>,
    begun: bool,
    /// Hashes of the keys with marks that were told of in this table.
    told: HashSet<u64>,
    done: bool,
    /// The last one told.
    settled: Option<u64>,
    aged: bool,
}

impl Export {
    /// One for a node that has data of its own, which nobody here has heard of: it compares how old its keys are with those
    /// it gets.
    pub fn for_newcomer() -> Export {
        let mut export = Export::default();
        export.aged = true;
        export
    }

    /// The next piece, of about `bytes` bytes; `None` after the last.
    pub fn next(&mut self, ctx: &mut Ctx<'_>, bytes: usize) -> Option<Vec<u8>> {
        if self.done {
            return None;
        }
        ctx.locks.release();
        self.journal.get_or_insert_with(|| {
            ctx.keyspace.journal.exporting(1);
            ctx.keyspace.journal.clone()
        });
        let mut w = Writer::default();
        if self.aged && self.settled.is_none() {
            w.int(AGED);
        }
        while w.0.len() < bytes && !self.done {
            self.step(ctx, &mut w, bytes);
        }
        ctx.locks.release();
        Some(w.0)
    }

    fn step(&mut self, ctx: &mut Ctx<'_>, w: &mut Writer, bytes: usize) {
        if self.shard == ctx.keyspace.shard_count() {
            ctx.locks.release();
            let until = ctx.keyspace.journal.ceiling(ctx.keyspace.latest_version());
            let mut known = u64::MAX;
            ctx.each_shard(|shard| {
                known = known.min(shard.overlay.as_ref().map_or(0, |overlay| overlay.levels().known));
            });
            w.int(KNOWN);
            w.int(known);
            w.int(END);
            w.int(until);
            self.done = true;
            return;
        }
        ctx.locks.hold_one(self.shard);
        spread(ctx, self.shard);
        let label = ctx.keyspace.journal.first_label();
        let shard = ctx.locks.get(self.shard);
        if !std::mem::replace(&mut self.begun, true) {
            self.at = Some(0);
            put_cleared(w, shard, self.db as u32);
        }
        let settled = shard.overlay.as_ref().map_or(0, |overlay| overlay.levels().settled);
        if self.settled.replace(settled) != Some(settled) {
            w.int(SETTLED);
            w.int(settled);
        }
        let aged = self.aged;
        match self.at {
            Some(at) => {
                let (db, told) = (&shard.dbs[self.db], &mut self.told);
                self.at = db.walk(at, |entry| {
                    if put_key(w, shard, self.db, entry, (label, aged)) {
                        told.insert(db.hash(entry.key()));
                    }
                    w.0.len() < bytes
                });
            }
            None => {
                put_lone_marks(w, shard, self.db, (label, aged), &self.told);
                self.told.clear();
                self.begun = false;
                self.db += 1;
                if self.db == shard.dbs.len() {
                    (self.shard, self.db) = (self.shard + 1, 0);
                }
            }
        }
    }
}

/// However it ends, things may be settled again.
impl Drop for Export {
    fn drop(&mut self) {
        if let Some(journal) = &self.journal {
            journal.exporting(-1);
        }
    }
}

/// Makes marks of what is jotted down in a shard, which is held.
fn spread(ctx: &mut Ctx<'_>, shard: usize) {
    let (shard, writer) = ctx.locks.get_to_write(shard);
    let Some(mut overlay) = shard.overlay.take() else { return };
    let (env, out) = (&ctx.env, &mut ctx.out);
    let stage = Stage { shard, env, out, writer, stamp: Stamp::default(), touched: false };
    overlay.spread(&stage);
    stage.shard.overlay = Some(overlay);
}

fn put_cleared(w: &mut Writer, shard: &Shard, db: u32) {
    if let Some(place) = shard.overlay.as_ref().and_then(|overlay| overlay.cleared(db)) {
        w.int(CLEARED);
        w.int(u64::from(db));
        w.int(place.version);
        w.int(u64::from(place.origin));
        w.int(u64::from(place.sub));
    }
}

/// True if the key has marks.
fn put_key(
    w: &mut Writer,
    shard: &Shard,
    db: usize,
    entry: EntryRef<'_>,
    (label, aged): (u16, bool),
) -> bool {
    w.int(KEY);
    w.int(db as u64);
    w.bytes(entry.key());
    let stamp = entry.stamp();
    // What is settled here may not be there yet, where the stamp would be taken for that of a young value.
    let settled = shard.overlay.as_ref().map_or(0, |overlay| overlay.levels().settled);
    let marked = shard.overlay.as_ref().is_some_and(|overlay| overlay.marked(db as u32, entry.key()));
    w.int(if marked || stamp.version > settled { stamp.version } else { 0 });
    w.int(u64::from(if stamp.origin == 0 { label } else { stamp.origin }));
    if aged {
        w.int(stamp.version);
    }
    w.option(entry.deadline());
    encode::value(w, entry.value(), 0);
    put_deadlines(w, entry.value());
    put_marks(w, shard, db, entry.key());
    marked
}

fn put_deadlines(w: &mut Writer, value: ValueRef<'_>) {
    let deadlines = value.deadlines();
    let mut int = itoa::Buffer::new();
    w.int(deadlines.map_or(0, |all| all.len() as u64));
    for (member, at) in deadlines.into_iter().flat_map(|all| all.iter()) {
        w.bytes(member.text(&mut int));
        w.int(at);
    }
}

fn put_marks(w: &mut Writer, shard: &Shard, db: usize, name: &[u8]) {
    let overlay = shard.overlay.as_ref().filter(|overlay| overlay.marked(db as u32, name));
    w.int(u64::from(overlay.is_some()));
    if let Some(overlay) = overlay {
        overlay.pack(db as u32, name, w);
    }
}

/// Keys with marks that were not there when the table was gone through; they may be there by now.
fn put_lone_marks(w: &mut Writer, shard: &Shard, db: usize, head: (u16, bool), told: &HashSet<u64>) {
    let Some(overlay) = &shard.overlay else { return };
    let table = &shard.dbs[db];
    for name in overlay.names(db as u32).filter(|name| !told.contains(&table.hash(name))) {
        if let Some(entry) = table.get(table.hash(name), name) {
            put_key(w, shard, db, entry, head);
            continue;
        }
        w.int(MARKS);
        w.int(db as u64);
        w.bytes(name);
        put_marks(w, shard, db, name);
    }
}

/// Whether the other node has received the effect at a place; see [`replication::replica::Replica::covered`].
pub type Covered = Box<dyn Fn(Place) -> bool>;

/// A full sync being taken. While there is one, nothing is settled here. What is left in the context's outbox must be seen
/// to after each piece; the context then holds a shard.
pub struct Merge {
    covered: Covered,
    journal: Arc<Journal>,
    /// Hashes of the keys that came; `None`: there was nothing here before, so nothing can have been deleted there.
    seen: Option<HashSet<u64>>,
    ended: bool,
    /// What is settled where the records come from, and the most that any said.
    settled: u64,
    most: u64,
    /// What is known there to have arrived everywhere.
    known: u64,
    /// When databases were emptied last, as the other remembers it.
    cleared: BTreeMap<u32, Place>,
    /// Keys tell how old they are.
    aged: bool,
    newcomer: bool,
    /// This node becomes a member: see [`Merge::begin`].
    joins: bool,
    rest: Rest,
}

/// The keys of a newcomer that the members have not got, while they are written once more.
#[derive(Default)]
struct Rest {
    /// Shards gone through.
    shard: usize,
    keys: Vec<Key>,
}

impl Merge {
    /// `newcomer`: nobody has ever heard of this node, whatever data it has. If the other has settled anything, it is a member
    /// of a mesh that this node joins: all that the members have takes the place of what is here, and what is here besides,
    /// or is younger, is written once more, as a client would. So it is an effect like any other, whatever the members do
    /// meanwhile. (Among newcomers all that is there is an effect that is not settled.)
    pub fn begin(ctx: &mut Ctx<'_>, covered: Covered, newcomer: bool) -> Merge {
        let journal = ctx.keyspace.journal.clone();
        journal.merging(1);
        let idle = |shard: &Shard| {
            shard.dbs.iter().all(|db| db.is_empty()) && shard.overlay.as_ref().is_none_or(|o| o.is_empty())
        };
        ctx.locks.release();
        let blank = ctx.keyspace.sum(|shard| usize::from(!idle(shard))) == 0;
        Merge {
            covered,
            journal,
            seen: (!blank).then(HashSet::new),
            ended: false,
            settled: 0,
            most: 0,
            known: 0,
            cleared: BTreeMap::new(),
            aged: false,
            newcomer,
            joins: false,
            rest: Rest::default(),
        }
    }

    /// Takes a piece.
    pub fn take(&mut self, ctx: &mut Ctx<'_>, piece: &[u8]) -> Result<(), Malformed> {
        let mut r = Reader(piece);
        let mut ready = Vec::with_capacity(BATCH);
        while !r.0.is_empty() {
            let tag = r.int()?;
            if let KEY | MARKS = tag {
                let arrival = Arrival::read(&mut r, tag == KEY, self.aged)?;
                if arrival.db as usize >= ctx.keyspace.databases() {
                    return Err(Malformed::Number);
                }
                if arrival.marked {
                    self.put_all(ctx, &mut ready)?;
                    self.key(ctx, &arrival, Some(&mut r))?;
                } else {
                    ready.push(arrival);
                    if ready.len() == BATCH {
                        self.put_all(ctx, &mut ready)?;
                    }
                }
                continue;
            }
            self.put_all(ctx, &mut ready)?;
            match tag {
                CLEARED => {
                    let db = r.small()?;
                    let place = Place { version: r.int()?, origin: r.label()?, sub: r.small()? };
                    let last = self.cleared.entry(db).or_default();
                    *last = place.max(*last);
                }
                SETTLED => {
                    self.settled = r.int()?;
                    self.joins |= self.newcomer && self.settled > 0;
                    self.settle(ctx);
                }
                AGED => self.aged = true,
                KNOWN => self.known = r.int()?,
                END => {
                    let until = r.int()?;
                    ctx.each_shard(|shard| shard.overlay.get_or_insert_default().expect_again(until));
                    self.ended = true;
                }
                tag => return Err(Malformed::Tag(tag)),
            }
        }
        self.put_all(ctx, &mut ready)
    }

    /// Keys without marks, whose buckets are brought into the cache together.
    fn put_all(&mut self, ctx: &mut Ctx<'_>, ready: &mut Vec<Arrival<'_>>) -> Result<(), Malformed> {
        let hashes: SmallVec<[u64; BATCH]> = ready.iter().map(|key| ctx.keyspace.hash(key.name)).collect();
        let pinned = crossbeam_epoch::pin();
        for (key, hash) in ready.iter().zip(&hashes) {
            ctx.keyspace.prefetch_bucket(key.db as usize, *hash, &pinned);
        }
        drop(pinned);
        for (key, hash) in ready.drain(..).zip(hashes) {
            if !key.put_new(ctx, hash) {
                self.key(ctx, &key, None)?;
            } else if let Some(seen) = &mut self.seen {
                seen.insert(number(ctx, key.db, key.name));
            }
        }
        Ok(())
    }

    /// All pieces have come: what was deleted there goes here. An error if the last piece is missing. True: there is more to
    /// do, by [`Merge::write_rest`].
    pub fn end(&mut self, ctx: &mut Ctx<'_>) -> Result<bool, Malformed> {
        if !self.ended {
            return Err(Malformed::Short);
        }
        let joins = self.joins && self.seen.is_some();
        if !joins {
            if let Some(seen) = self.seen.take() {
                self.remove_unseen(ctx, &seen)?;
            }
            self.clear(ctx);
        }
        self.know(ctx);
        Ok(joins)
    }

    /// What was known there is here now. A third node may have settled as much, and has forgotten what elements of lists were
    /// called before: effects that are made here must not name them so.
    fn know(&self, ctx: &mut Ctx<'_>) {
        self.journal.raise_floor(self.known);
        let levels = Levels { known: self.known, ..Levels::default() };
        for shard in 0..ctx.keyspace.shard_count() {
            super::settle::settle_now(ctx, shard, levels);
        }
    }

    /// Writes some of what only a newcomer has once more, of about so many bytes. True: there is more.
    pub fn write_rest(&mut self, ctx: &mut Ctx<'_>, bytes: usize) -> bool {
        while ctx.locks.writer.gathered() < bytes {
            let Some(key) = self.rest.keys.pop() else {
                if self.rest.shard == ctx.keyspace.shard_count() {
                    self.clear(ctx);
                    ctx.locks.release();
                    return false;
                }
                self.rest.keys = self.only_here(ctx, self.rest.shard);
                self.rest.shard += 1;
                continue;
            };
            let (shard, entry) = look_up(ctx, &key);
            if let Some(entry) = entry.filter(|entry| self.is_brought(shard, key.db as usize, *entry)) {
                let value = (entry.value().to_owned(), entry.deadline());
                self.write_again(ctx, &key, value);
            }
        }
        ctx.locks.release();
        true
    }

    /// Keys of a shard that this newcomer has brought along, and that have not come.
    fn only_here(&self, ctx: &mut Ctx<'_>, number_of_shard: usize) -> Vec<Key> {
        ctx.locks.hold_one(number_of_shard);
        spread(ctx, number_of_shard);
        let (shard, mut found) = (ctx.locks.get(number_of_shard), Vec::new());
        for (db, table) in shard.dbs.iter().enumerate() {
            let brought = table.iter().filter(|entry| self.is_brought(shard, db, *entry));
            let keys = brought.map(|entry| Key { db: db as u32, name: entry.key().to_vec() });
            found.extend(keys.filter(|key| {
                self.seen.as_ref().is_some_and(|s| !s.contains(&number(ctx, key.db, &key.name)))
            }));
        }
        found
    }

    /// Whether anything of a key's value was there before anybody listened.
    fn is_brought(&self, shard: &Shard, db: usize, entry: EntryRef<'_>) -> bool {
        let overlay = shard.overlay.as_ref();
        match overlay.is_some_and(|overlay| overlay.marked(db as u32, entry.key())) {
            true => overlay.is_some_and(|overlay| overlay.has_base(db as u32, entry.key())),
            false => entry.stamp().version <= self.settled,
        }
    }

    /// What a newcomer has at a key, if that is younger than what has come.
    fn younger(&self, ctx: &mut Ctx<'_>, key: &Key, age: u64) -> Option<(Value, Option<u64>)> {
        let (shard, entry) = look_up(ctx, key);
        let entry = entry?;
        let marked = shard.overlay.as_ref().is_some_and(|overlay| overlay.marked(key.db, &key.name));
        // What is younger than all that is settled is an effect as it is.
        let brought = !marked && entry.stamp().version <= self.settled;
        (brought && entry.stamp().version > age).then(|| (entry.value().to_owned(), entry.deadline()))
    }

    /// Writes a value as a client would, now.
    fn write_again(&self, ctx: &mut Ctx<'_>, key: &Key, (value, deadline): (Value, Option<u64>)) {
        ctx.locks.hold_one(ctx.keyspace.shard_of(ctx.keyspace.hash(&key.name)));
        ctx.begin();
        let value = NewValue::Built(value);
        let deadline = deadline.map_or(Deadline::Clear, Deadline::At);
        ctx.key_in(key.db as usize, &key.name).apply(Effect::Put { value, deadline, absent: false });
    }

    /// What the other has emptied is emptied here, but for what is younger.
    fn clear(&self, ctx: &mut Ctx<'_>) {
        for (db, place) in &self.cleared {
            for shard in 0..ctx.keyspace.shard_count() {
                ctx.locks.hold_one(shard);
                ctx.begin_echo();
                let overlay = ctx.locks.get(shard).overlay.as_ref();
                // What is settled has happened to all that came, and to all that was here.
                if overlay.is_none_or(|overlay| overlay.levels().settled < place.version) {
                    super::remote::clear_shard(ctx, shard, *place, *db);
                }
            }
        }
    }

    /// Keys come without marks for what is settled there. It is so everywhere, and has to be so here.
    fn settle(&mut self, ctx: &mut Ctx<'_>) {
        if self.settled <= self.most {
            return;
        }
        self.most = self.settled;
        // Where nobody waited for this node, nothing it writes may be as old as that.
        self.journal.raise_floor(self.most);
        let levels = Levels { settled: self.most, ..Levels::default() };
        for shard in 0..ctx.keyspace.shard_count() {
            super::settle::settle_now(ctx, shard, levels);
        }
    }

    /// Whether a key was put here as a whole, and the other has not heard of it yet.
    fn is_new_there(&self, shard: &Shard, db: usize, entry: EntryRef<'_>, label: u16) -> bool {
        let Some(overlay) = &shard.overlay else { return false };
        let stamp = entry.stamp();
        let stamp = Stamp { origin: if stamp.origin == 0 { label } else { stamp.origin }, ..stamp };
        stamp.version > overlay.levels().settled
            && !overlay.marked(db as u32, entry.key())
            && overlay.cleared(db as u32).is_none()
            && !(self.covered)(Place::new(stamp, 0))
    }

    fn remove_unseen(&self, ctx: &mut Ctx<'_>, seen: &HashSet<u64>) -> Result<(), Malformed> {
        for shard in 0..ctx.keyspace.shard_count() {
            ctx.locks.hold_one(shard);
            spread(ctx, shard);
            let (mut unseen, label) = (Vec::new(), self.journal.first_label());
            for (db, table) in ctx.locks.get(shard).dbs.iter().enumerate() {
                let gone =
                    table.iter().filter(|entry| !self.is_new_there(ctx.locks.get(shard), db, *entry, label));
                let keys = gone.map(|entry| Key { db: db as u32, name: entry.key().to_vec() });
                unseen.extend(keys.filter(|key| !seen.contains(&number(ctx, key.db, &key.name))));
            }
            for key in unseen {
                self.replace(ctx, &key, |_| Ok(()))?;
            }
        }
        Ok(())
    }

    /// Takes a key. `marks`: where its marks come from, if it has any.
    fn key(
        &mut self,
        ctx: &mut Ctx<'_>,
        arrival: &Arrival<'_>,
        marks: Option<&mut Reader<'_>>,
    ) -> Result<(), Malformed> {
        let key = arrival.key();
        if let Some(seen) = &mut self.seen {
            seen.insert(number(ctx, key.db, &key.name));
        }
        let mine = if self.joins { self.younger(ctx, &key, arrival.age) } else { None };
        self.replace(ctx, &key, |stage| {
            let mut newest = arrival.install(stage, &key);
            let mut overlay = stage.shard.overlay.take().unwrap_or_default();
            let unpacked = marks.map_or(Ok(0), |r| overlay.unpack(stage, &key, r));
            newest = newest.max(*unpacked.as_ref().unwrap_or(&0));
            // From those who made them they come once more, even if this sync breaks off.
            overlay.expect_again(newest);
            stage.shard.overlay = Some(overlay);
            // What is written here from now on is newer than all that the key has.
            stage.shard.clock.observe(newest);
            unpacked.map(drop)
        })?;
        if let Some(mine) = mine {
            self.write_again(ctx, &key, mine);
        }
        Ok(())
    }

    /// Puts what the other has in the place of what is here, and folds in what it does not know.
    fn replace(
        &self,
        ctx: &mut Ctx<'_>,
        key: &Key,
        put: impl FnOnce(&mut Stage<'_>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let number = ctx.keyspace.shard_of(ctx.keyspace.hash(&key.name));
        ctx.locks.hold_one(number);
        ctx.begin_echo();
        let (shard, writer) = ctx.locks.get_to_write(number);
        let (env, out) = (&ctx.env, &mut ctx.out);
        let mut stage = Stage { shard, env, out, writer, stamp: Stamp::default(), touched: false };
        let mut overlay = stage.shard.overlay.take().unwrap_or_default();
        overlay.spread_key(&stage, key);
        let mut mine = overlay.export_key(&stage, key);
        // What is settled here and there the other knows, and has maybe forgotten. (What is settled here only, a node that
        // has just come may never have heard of.)
        let settled = overlay.levels().settled.min(self.settled);
        let known_there = |place: Place| match place.origin {
            // A delete that every node computes alike.
            u16::MAX => place.is_settled(self.settled),
            _ => (self.covered)(place),
        };
        mine.retain(|(place, _)| !place.is_settled(settled) && !known_there(*place));
        overlay.forget(key);
        stage.remove(key);
        stage.shard.overlay = Some(overlay);
        put(&mut stage)?;
        let mut overlay = stage.shard.overlay.take().unwrap_or_default();
        // A deadline that is settled here, before a younger effect of mine takes it away.
        overlay.lapse(&mut stage, key);
        let write = |effect| Write { key: key.clone(), create: false, effect };
        let mine = mine.into_iter().map(|(place, effect)| (place, write(effect)));
        overlay.apply_all_again(&mut stage, mine);
        overlay.lapse(&mut stage, key);
        stage.shard.overlay = Some(overlay);
        stage.key(key.db, &key.name).changed(true);
        Ok(())
    }
}

/// However the sync ends, things may be settled again.
impl Drop for Merge {
    fn drop(&mut self) {
        self.journal.merging(-1);
    }
}

/// A key's entry in its shard, which is held afterwards and has nothing jotted down.
fn look_up<'c>(ctx: &'c mut Ctx<'_>, key: &Key) -> (&'c Shard, Option<EntryRef<'c>>) {
    let hash = ctx.keyspace.hash(&key.name);
    let number = ctx.keyspace.shard_of(hash);
    ctx.locks.hold_one(number);
    spread(ctx, number);
    let shard = ctx.locks.get(number);
    (shard, shard.dbs[key.db as usize].get(hash, &key.name))
}

/// Tells keys apart.
fn number(ctx: &Ctx<'_>, db: u32, name: &[u8]) -> u64 {
    ctx.keyspace.hash(name) ^ u64::from(db).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
