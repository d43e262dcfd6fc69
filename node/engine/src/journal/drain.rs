//! The one reader: merges the desks into a single stream of rising versions.

use std::sync::Arc;
use std::sync::atomic::Ordering::*;

use replication::codec;

use super::Journal;
use super::desk::Desk;
use super::writer::ROOM;

/// Groups that follow each other, as [`replication::codec::groups`] reads them.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    pub bytes: &'a [u8],
    pub groups: u64,
    /// Version of the last of them.
    pub version: u64,
}

/// What a round has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// No group up to this version follows in a later round.
    pub promise: u64,
    pub groups: u64,
    /// Groups wait for a later round, which will deliver them: at least one writer was at work. Who will look again soon by
    /// himself says so: [`Journal::stay_awake`].
    pub waiting: bool,
}

/// What one desk has given and was not delivered yet.
struct Source {
    desk: Arc<Desk>,
    bytes: Vec<u8>,
    at: usize,
}

impl Source {
    /// All has been delivered. What a burst has left of room goes back when less of it is needed.
    fn rest(&mut self) {
        let needed = self.bytes.len();
        self.bytes.clear();
        self.at = 0;
        if needed < self.bytes.capacity() / 4 {
            self.bytes.shrink_to(ROOM.max(2 * needed));
        }
    }

    /// The version of the next group.
    fn head(&self) -> Option<u64> {
        codec::peek_group(&self.bytes[self.at..]).map(|(version, _)| version)
    }

    /// The groups with versions up to `limit` from here on.
    fn take(&mut self, limit: u64) -> Run<'_> {
        let (from, mut groups, mut last) = (self.at, 0, 0);
        while let Some((version, len)) = codec::peek_group(&self.bytes[self.at..])
            && version <= limit
        {
            self.at += len;
            groups += 1;
            last = version;
        }
        Run { bytes: &self.bytes[from..self.at], groups, version: last }
    }
}

/// The drain. There must be only one at a time.
#[derive(Default)]
pub struct Drain {
    sources: Vec<Source>,
    floor: u64,
}

impl Drain {
    /// One round. `now`: the time as a version, see [`replication::stamp::at`]. Runs are delivered in the order of versions.
    pub fn round(&mut self, journal: &Journal, now: u64, mut deliver: impl FnMut(Run<'_>)) -> Drained {
        self.meet(journal);
        journal.asleep.store(true, SeqCst);
        let last = self.sources.iter().map(|source| source.desk.state.lock().last).max().unwrap_or(0);
        self.floor = self.floor.max(now).max(last).max(journal.floor.load(Relaxed));
        journal.floor.store(self.floor, SeqCst);
        // Once more: a writer that signs on after this sees the floor.
        self.meet(journal);
        let promise = self.collect();
        let mut done = Drained { promise, ..Drained::default() };
        while let Some((next, limit)) = self.next(promise) {
            let run = self.sources[next].take(limit);
            done.groups += run.groups;
            deliver(run);
        }
        done.waiting = self.sources.iter().any(|source| source.at < source.bytes.len());
        done
    }

    /// Learns of new writers, and forgets those that are gone.
    fn meet(&mut self, journal: &Journal) {
        let mut desks = journal.desks.lock();
        let done = |desk: &Desk| {
            let state = desk.state.lock();
            state.left && state.bytes.is_empty()
        };
        desks.retain(|desk| !done(desk));
        self.sources.retain(|source| source.at < source.bytes.len() || !done(&source.desk));
        for desk in desks
            .iter()
            .filter(|desk| self.sources.iter().all(|s| !Arc::ptr_eq(&s.desk, desk)))
            .collect::<Vec<_>>()
        {
            self.sources.push(Source { desk: desk.clone(), bytes: Vec::new(), at: 0 });
        }
    }

    /// Takes what is on the desks. Returns what can be promised.
    fn collect(&mut self) -> u64 {
        let mut promise = self.floor;
        for source in &mut self.sources {
            if source.at == source.bytes.len() {
                source.rest();
            }
            let mut desk = source.desk.state.lock();
            promise = promise.min(desk.open.unwrap_or(u64::MAX));
            if source.bytes.is_empty() {
                std::mem::swap(&mut desk.bytes, &mut source.bytes);
            } else {
                source.bytes.drain(..source.at);
                source.at = 0;
                source.bytes.append(&mut desk.bytes);
            }
            source.desk.emptied.notify_all();
        }
        promise
    }

    /// The source of the next run, and the version up to which it may go on by itself.
    fn next(&self, promise: u64) -> Option<(usize, u64)> {
        let mut heads: Vec<(u64, usize)> =
            self.sources.iter().enumerate().filter_map(|(i, source)| Some((source.head()?, i))).collect();
        heads.sort_unstable();
        let (first, at) = *heads.first().filter(|(version, _)| *version <= promise)?;
        let limit = heads.get(1).map_or(promise, |(second, _)| promise.min(*second).max(first));
        Some((at, limit))
    }
}
