//! The way to the data: what clients wrote comes out of the journal, what peers wrote goes into the engine.

use std::rc::Rc;

use engine::active::sync::{Covered, Export, Merge};
use engine::active::{self, remote, settle};
use engine::ctx::Ctx;
use engine::journal::Drain;
use replication::borrowed;
use replication::codec::{self, Malformed};
use replication::overlay::Levels;
use replication::shared::Shared;
use smallvec::SmallVec;

use crate::blocking;
use crate::tracking::Own;
use crate::worker::{Worker, unix_ms};

/// Bytes of a chunk, if one group is not larger by itself: a message carries it as it is.
const CHUNK_BYTES: usize = super::frames::PART_BYTES;

/// What a look at the journal has brought.
pub struct Drained {
    /// Groups that follow each other, in chunks.
    pub chunks: Vec<Shared>,
    /// Nothing up to this version follows.
    pub promise: u64,
    /// A writer is at work: there is more soon.
    pub waiting: bool,
}

/// See the [module's page](self).
pub struct Data {
    worker: Rc<Worker>,
    drain: Drain,
    gathered: Vec<u8>,
    levels: Levels,
    /// Groups of others carried out.
    pub applied: u64,
}

impl Data {
    pub fn new(worker: Rc<Worker>) -> Data {
        Data { worker, drain: Drain::default(), gathered: Vec::new(), levels: Levels::default(), applied: 0 }
    }

    /// Takes what clients have written since the last time.
    pub fn drain(&mut self) -> Drained {
        let now = unix_ms() << replication::stamp::COUNTER_BITS;
        let (mut chunks, gathered) = (Vec::new(), &mut self.gathered);
        let done = self.drain.round(&self.worker.server.keyspace.journal, now, |run| {
            let mut rest = run.bytes;
            while !rest.is_empty() {
                let n = fitting(rest, CHUNK_BYTES.saturating_sub(gathered.len()), gathered.is_empty());
                gathered.extend_from_slice(&rest[..n]);
                rest = &rest[n..];
                if !rest.is_empty() {
                    chunks.push(std::mem::take(gathered).into());
                }
            }
        });
        if !gathered.is_empty() {
            chunks.push(std::mem::take(gathered).into());
        }
        if done.waiting {
            self.worker.server.keyspace.journal.stay_awake();
        }
        Drained { chunks, promise: done.promise, waiting: done.waiting }
    }
}

/// Groups that are looked at together before they are carried out.
const BATCH: usize = 16;

/// A group that is about to be carried out: version, writes, and database and hash of its first key.
type Ready<'a> = (u64, &'a [u8], Option<(usize, u64)>);

/// Groups in batches. The keys of a batch are brought into the cache together while the one before is carried out, so that
/// their misses overlap: first the buckets, then what they hold.
struct Ahead<'a> {
    rest: &'a [u8],
    batch: SmallVec<[Ready<'a>; BATCH]>,
}

impl<'a> Ahead<'a> {
    fn of(groups: &'a [u8], ctx: &Ctx<'_>) -> Ahead<'a> {
        let mut ahead = Ahead { rest: groups, batch: SmallVec::new() };
        ahead.look(ctx);
        ahead
    }

    /// The next batch, and looks at the one behind it.
    fn next(&mut self, ctx: &Ctx<'_>) -> Option<SmallVec<[Ready<'a>; BATCH]>> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return None;
        }
        let pinned = crossbeam_epoch::pin();
        for (db, hash) in batch.iter().filter_map(|(.., key)| *key) {
            ctx.keyspace.prefetch_entry(db, hash, &pinned);
        }
        self.look(ctx);
        Some(batch)
    }

    fn look(&mut self, ctx: &Ctx<'_>) {
        let keyspace = ctx.keyspace;
        let pinned = crossbeam_epoch::pin();
        while self.batch.len() < BATCH
            && let Some((version, len)) = codec::peek_group(self.rest)
        {
            let (group, rest) = self.rest.split_at(len);
            self.rest = rest;
            let writes = &group[codec::GROUP_HEAD..];
            let key = borrowed::first_key(writes).filter(|(db, _)| (*db as usize) < keyspace.databases());
            let key = key.map(|(db, name)| (db as usize, keyspace.hash(name)));
            if let Some((db, hash)) = key {
                keyspace.prefetch_bucket(db, hash, &pinned);
            }
            self.batch.push((version, writes, key));
        }
    }
}

/// Brings the members near that group `i` and those behind it want of the key that the group before it has used. Returns the
/// group at which to look again.
fn members_ahead(ctx: &Ctx<'_>, batch: &[Ready<'_>], i: usize) -> usize {
    let Some((db, hash)) = batch[i].2.filter(|key| batch[i - 1].2 == Some(*key)) else { return i + 1 };
    let run = batch[i..].iter().take_while(|(_, _, key)| *key == Some((db, hash)));
    let end = i + run.clone().count();
    if let Some((_, name)) = borrowed::first_key(batch[i].1) {
        let members = run.filter_map(|(_, writes, _)| borrowed::first_member(writes));
        ctx.prefetch_members(db, (name, hash), members);
    }
    end
}

/// Bytes of the groups at the front of a run that take at most `room` together; of one at least, if there must be one.
fn fitting(run: &[u8], room: usize, must: bool) -> usize {
    if run.len() <= room {
        return run.len();
    }
    let mut to = 0;
    while let Some((_, len)) = codec::peek_group(&run[to..])
        && (to + len <= room || to == 0 && must)
    {
        to += len;
    }
    to
}

/// Bytes of the groups at the front of a chunk that have versions up to this one.
pub fn up_to(version: u64, chunk: &[u8]) -> usize {
    let mut to = 0;
    while let Some((_, len)) = codec::peek_group(&chunk[to..]).filter(|(at, _)| *at <= version) {
        to += len;
    }
    to
}

impl Data {
    /// Names the node anew, see [`active::rename`].
    pub fn rename(&mut self, label: u16) -> u64 {
        let mut ctx = self.worker.ctx.borrow_mut();
        self.worker.tick(&mut ctx);
        active::rename(&mut ctx, label)
    }

    /// Begins to remember what late effects of others may need, and to note what is written here.
    pub fn listen(&mut self, label: u16) {
        let keyspace = &self.worker.server.keyspace;
        active::activate(keyspace, Some(label));
        keyspace.journal.listen(true);
    }

    /// Carries out what a node wrote, up to this version. The groups are well formed.
    pub fn apply(&mut self, label: u16, version: u64, groups: &[u8]) {
        // Whoever sees one of them writes above it, whatever keys it writes.
        self.worker.server.keyspace.journal.raise_floor(version);
        let mut ctx = self.worker.ctx.borrow_mut();
        self.worker.tick(&mut ctx);
        let mut ahead = Ahead::of(groups, &ctx);
        while let Some(batch) = ahead.next(&ctx) {
            let mut look_at = 1;
            for (i, &(version, writes, key)) in batch.iter().enumerate() {
                if i == look_at {
                    look_at = members_ahead(&ctx, &batch, i);
                }
                let hash = key.map(|(_, hash)| hash);
                if let Err(e) = remote::apply(&mut ctx, label, version, writes, hash) {
                    tracing::error!("A peer's group {version} cannot be read: {e:?}");
                }
                self.deliver(&mut ctx);
                self.applied += 1;
            }
        }
        ctx.locks.release();
    }

    /// Whether what is settled may be forgotten now: not while a full sync goes on.
    pub fn may_settle(&self) -> bool {
        !self.worker.server.keyspace.journal.is_syncing()
    }

    /// How far the members were when the data heeded that last.
    pub fn settled_levels(&self) -> Levels {
        let shard = self.worker.server.keyspace.cell(0).lock.lock();
        shard.overlay.as_ref().map_or_else(Levels::default, |overlay| overlay.levels())
    }

    /// Everything up to the horizon has arrived here: while nothing may be forgotten, that is all there is to note.
    pub fn reach(&self, levels: Levels) {
        self.worker.server.keyspace.journal.reach(levels.horizon);
    }

    /// Forgets what nobody needs any more, if the members have got further.
    pub fn settle(&mut self, levels: Levels) {
        if levels == self.levels {
            return;
        }
        self.levels = levels;
        let mut ctx = self.worker.ctx.borrow_mut();
        self.worker.tick(&mut ctx);
        for shard in 0..ctx.keyspace.shard_count() {
            settle::settle(&mut ctx, shard, levels);
            self.deliver(&mut ctx);
        }
        ctx.locks.release();
    }

    /// Serves clients that wait for what has come, and tells those who want to hear of it.
    fn deliver(&self, ctx: &mut Ctx<'static>) {
        if !ctx.out.is_quiet() {
            blocking::deliver(&self.worker, &mut Own::nobody(), ctx);
        }
    }

    /// What is remembered. Looks at every shard.
    pub fn overlay(&self) -> settle::Size {
        settle::size(&self.worker.server.keyspace)
    }

    /// The next piece of a snapshot, of about so many bytes.
    pub fn next_piece(&mut self, export: &mut Export, bytes: usize) -> Option<Vec<u8>> {
        let mut ctx = self.worker.ctx.borrow_mut();
        self.worker.tick(&mut ctx);
        let piece = export.next(&mut ctx, bytes);
        ctx.locks.release();
        piece
    }

    /// Begins to take a snapshot. `covered`: what the other end has. `newcomer`: see [`Merge::begin`].
    pub fn merge(&mut self, covered: Covered, newcomer: bool) -> Merge {
        let mut ctx = self.worker.ctx.borrow_mut();
        self.worker.tick(&mut ctx);
        Merge::begin(&mut ctx, covered, newcomer)
    }

    pub fn merge_piece(&mut self, merge: &mut Merge, piece: &[u8]) -> Result<(), Malformed> {
        self.merging(|ctx| merge.take(ctx, piece))
    }

    /// True: there is more to do, by [`Data::write_rest`].
    pub fn end_merge(&mut self, merge: &mut Merge) -> Result<bool, Malformed> {
        self.merging(|ctx| merge.end(ctx))
    }

    /// Writes some of what only this newcomer has. True: there is more.
    pub fn write_rest(&mut self, merge: &mut Merge, bytes: usize) -> bool {
        self.merging(|ctx| merge.write_rest(ctx, bytes))
    }

    fn merging<T>(&mut self, step: impl FnOnce(&mut Ctx<'static>) -> T) -> T {
        let mut ctx = self.worker.ctx.borrow_mut();
        self.worker.tick(&mut ctx);
        let done = step(&mut ctx);
        self.deliver(&mut ctx);
        ctx.locks.release();
        done
    }
}
