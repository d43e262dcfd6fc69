//! What was written here lately, as it came.
//!
//! Most that a node writes is settled before an effect comes that is older, so marks made of it would be thrown away unused.
//! Writes that need nothing of what was there before are *jotted down* instead: one record behind the other, in the order of
//! their versions. When they are settled they are dropped from the front. Only when somebody asks for the marks of a key are
//! its records made into marks ([`Overlay::spread_key`](super::Overlay)).
//!
//! A key has marks, or records here, or neither. What is not jotted down (a DEL, an APPEND) makes marks of the records first; only a
//! Put leaves them: it is told by the key's stamp that what is older does not count. For that each record knows the stamp
//! that the key had before: a record that does not follow the one before it begins anew.
//!
//! Records of one key are a chain: each knows the version of the one before, and an index tells in which stretch a version is.
//!
//! Bounded: each shard has some room, and one that is written to much borrows more of what all have together. Who finds
//! [`Jottings::is_full`] all the same makes marks.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::effect::Kind;
use crate::stamp::{Place, Stamp};

/// Bytes of a shard's records; and what a shard gets more at a time that is written to much.
const LIMIT: usize = 256 << 10;
/// Bytes that a shard has at most.
const LIMIT_MAX: usize = 8 << 20;
/// Bytes that all shards together have beside their own.
const EXTRA_MAX: usize = 64 << 20;

/// Of those, what is given away.
static EXTRA: AtomicUsize = AtomicUsize::new(0);
/// Room that is kept when nothing is jotted down.
const ROOM: usize = 4 << 10;

/// What was written to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jot<'a> {
    /// A cell was overwritten or removed.
    Cell(Kind, &'a [u8]),
    /// A number in a string was added to.
    Add { delta: i64, result: i64 },
    /// A number in a hash's field was added to. `there`: there was one.
    AddField { field: &'a [u8], delta: i64, result: i64, there: bool },
    /// A member's score was added to: bits of floats. `before`: what it was.
    AddScore { member: &'a [u8], delta: u64, result: u64, before: Option<u64> },
    /// An element was added to a list, at its head or its tail.
    Push { head: bool },
    /// The deadline of a key of this type was set, or taken away. `before`: what it was.
    Expire { kind: Kind, at: Option<u64>, before: Option<u64> },
}

impl Jot<'_> {
    pub fn kind(&self) -> Kind {
        match self {
            Jot::Cell(kind, _) => *kind,
            Jot::Add { .. } => Kind::String,
            Jot::AddField { .. } => Kind::Hash,
            Jot::AddScore { .. } => Kind::Zset,
            Jot::Push { .. } => Kind::List,
            Jot::Expire { kind, .. } => *kind,
        }
    }
}

/// One write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub place: Place,
    /// The stamp that the key had before.
    pub before: Stamp,
    pub db: u32,
    pub name: &'a [u8],
    /// The key was made by it.
    pub create: bool,
    pub jot: Jot<'a>,
}

/// len u32, version u64, origin u16, sub u32, before u64 u16, db u32, flags u8, kind u8, length of the name u32.
const HEAD: usize = 38;
const CREATE: u8 = 1;
/// Its marks have been made.
const DEAD: u8 = 2;
/// What was added to was there; a deadline was.
const THERE: u8 = 4;
/// A deadline is there now.
const DUE: u8 = 8;
const WHAT: u8 = 0xf0;
const CELL: u8 = 0x10;
const ADD: u8 = 0x20;
const HEAD_PUSH: u8 = 0x30;
const TAIL_PUSH: u8 = 0x40;
const ADD_FIELD: u8 = 0x50;
const ADD_SCORE: u8 = 0x60;
const EXPIRE: u8 = 0x70;
const FLAGS: usize = 32;
/// Bytes of a stretch, from which the next record begins a new one.
const STRETCH: usize = 2 << 10;

/// Records that follow each other.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Where the first begins.
    at: usize,
    /// The lowest and the highest version.
    first: u64,
    last: u64,
}

/// See the [module's page](self).
#[derive(Debug, Default)]
pub(super) struct Jottings {
    bytes: Vec<u8>,
    /// Room that is borrowed, bytes.
    extra: usize,
    /// Where the first record begins.
    from: usize,
    /// The lowest and the highest version of those that are not settled.
    first: u64,
    last: u64,
    stretches: Vec<Stretch>,
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].try_into().map_or(0, u64::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].try_into().map_or(0, u32::from_le_bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes[at..at + 2].try_into().map_or(0, u16::from_le_bytes)
}

impl Record<'_> {
    fn read(bytes: &[u8]) -> Record<'_> {
        let (flags, kind) = (bytes[FLAGS], Kind::from_code(u64::from(bytes[33])).unwrap_or(Kind::Hash));
        let name_len = u32_at(bytes, 34) as usize;
        let (name, rest) = bytes[HEAD..].split_at(name_len);
        let jot = match flags & WHAT {
            CELL => Jot::Cell(kind, rest),
            ADD => Jot::Add { delta: u64_at(rest, 0) as i64, result: u64_at(rest, 8) as i64 },
            ADD_FIELD => Jot::AddField {
                delta: u64_at(rest, 0) as i64,
                result: u64_at(rest, 8) as i64,
                there: flags & THERE != 0,
                field: &rest[16..],
            },
            ADD_SCORE => Jot::AddScore {
                delta: u64_at(rest, 0),
                result: u64_at(rest, 8),
                before: (flags & THERE != 0).then(|| u64_at(rest, 16)),
                member: &rest[24..],
            },
            EXPIRE => Jot::Expire {
                kind,
                at: (flags & DUE != 0).then(|| u64_at(rest, 0)),
                before: (flags & THERE != 0).then(|| u64_at(rest, 8)),
            },
            what => Jot::Push { head: what == HEAD_PUSH },
        };
        Record {
            place: Place { version: u64_at(bytes, 4), origin: u16_at(bytes, 12), sub: u32_at(bytes, 14) },
            before: Stamp { version: u64_at(bytes, 18), origin: u16_at(bytes, 26) },
            db: u32_at(bytes, 28),
            name,
            create: flags & CREATE != 0,
            jot,
        }
    }
}

impl Jottings {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.from == self.bytes.len()
    }

    #[inline]
    pub fn is_full(&mut self) -> bool {
        self.bytes.len() >= LIMIT + self.extra && !self.borrow_room()
    }

    #[cold]
    fn borrow_room(&mut self) -> bool {
        if self.extra >= LIMIT_MAX {
            return false;
        }
        let more = |given: usize| (given + LIMIT <= EXTRA_MAX).then_some(given + LIMIT);
        let lent = EXTRA.fetch_update(Relaxed, Relaxed, more).is_ok();
        self.extra += if lent { LIMIT } else { 0 };
        lent
    }

    fn give_back(&mut self) {
        EXTRA.fetch_sub(std::mem::take(&mut self.extra), Relaxed);
    }

    /// Whether there may be a record of a write with this version.
    #[inline]
    pub fn spans(&self, version: u64) -> bool {
        !self.is_empty() && (self.first..=self.last).contains(&version)
    }

    /// Adds a record. Those of other nodes may have versions below the last one's: they stay a little longer.
    #[inline]
    pub fn push(&mut self, record: &Record<'_>) {
        let Record { place, before, db, name, create, jot } = record;
        let mut bytes = [0; 24];
        let (what, numbers, cell): (u8, &[u64], &[u8]) = match *jot {
            Jot::Cell(_, cell) => (CELL, &[], cell),
            Jot::Add { delta, result } => (ADD, &[delta as u64, result as u64], &[]),
            Jot::AddField { field, delta, result, there } => {
                (ADD_FIELD | if there { THERE } else { 0 }, &[delta as u64, result as u64], field)
            }
            Jot::AddScore { member, delta, result, before } => {
                let there = if before.is_some() { THERE } else { 0 };
                (ADD_SCORE | there, &[delta, result, before.unwrap_or_default()], member)
            }
            Jot::Expire { at, before, .. } => {
                let flags = at.map_or(0, |_| DUE) | before.map_or(0, |_| THERE);
                (EXPIRE | flags, &[at.unwrap_or_default(), before.unwrap_or_default()], &[])
            }
            Jot::Push { head: true } => (HEAD_PUSH, &[], &[]),
            Jot::Push { head: false } => (TAIL_PUSH, &[], &[]),
        };
        for (slot, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            slot.copy_from_slice(&number.to_le_bytes());
        }
        let numbers = &bytes[..8 * numbers.len()];
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&((HEAD + name.len() + numbers.len() + cell.len()) as u32).to_le_bytes());
        head[4..12].copy_from_slice(&place.version.to_le_bytes());
        head[12..14].copy_from_slice(&place.origin.to_le_bytes());
        head[14..18].copy_from_slice(&place.sub.to_le_bytes());
        head[18..26].copy_from_slice(&before.version.to_le_bytes());
        head[26..28].copy_from_slice(&before.origin.to_le_bytes());
        head[28..32].copy_from_slice(&db.to_le_bytes());
        head[FLAGS] = what | u8::from(*create);
        head[33] = jot.kind() as u8;
        head[34..].copy_from_slice(&(name.len() as u32).to_le_bytes());
        let empty = self.is_empty();
        self.first = if empty { place.version } else { self.first.min(place.version) };
        self.last = if empty { place.version } else { self.last.max(place.version) };
        self.index(place.version);
        self.bytes.reserve(HEAD + name.len() + numbers.len() + cell.len());
        self.bytes.extend_from_slice(&head);
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(numbers);
        self.bytes.extend_from_slice(cell);
    }

    /// A record with this version is about to be added.
    #[inline]
    fn index(&mut self, version: u64) {
        match self.stretches.last_mut() {
            Some(last) if self.bytes.len() - last.at < STRETCH => {
                (last.first, last.last) = (last.first.min(version), last.last.max(version));
            }
            _ => self.stretches.push(Stretch { at: self.bytes.len(), first: version, last: version }),
        }
    }

    /// Drops what is settled.
    pub fn settle(&mut self, settled: u64) {
        while !self.is_empty() {
            if u64_at(&self.bytes, self.from + 4) > settled {
                // What is settled and has not gone yet nobody asks for.
                self.first = self.first.max(settled + 1);
                break;
            }
            self.from += u32_at(&self.bytes, self.from) as usize;
        }
        if self.is_empty() {
            self.clear();
        } else if self.from > self.bytes.len() / 2 {
            let whole = self.stretches.partition_point(|stretch| stretch.at <= self.from);
            self.stretches.drain(..whole.saturating_sub(1));
            self.stretches.iter_mut().for_each(|s| s.at = s.at.saturating_sub(self.from));
            self.bytes.drain(..self.from);
            self.from = 0;
        }
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(ROOM);
        self.stretches.clear();
        self.give_back();
        self.from = 0;
    }

    /// All records that count, in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut rest = &self.bytes[self.from..];
        std::iter::from_fn(move || {
            while !rest.is_empty() {
                let (record, more) = rest.split_at(u32_at(rest, 0) as usize);
                rest = more;
                if record[FLAGS] & DEAD == 0 {
                    return Some(Record::read(record));
                }
            }
            None
        })
    }

    /// Where the records of a key are that lead to its stamp without a gap, in order. Each follows what was there before, so one
    /// look at the records finds them all, from the last one back.
    pub fn chain(&self, db: u32, name: &[u8], stamp: Stamp) -> Vec<usize> {
        let (mut chain, mut wanted, mut end) = (Vec::new(), stamp, self.bytes.len());
        let mut starts = Vec::new();
        for stretch in self.stretches.iter().rev() {
            if !self.spans(wanted.version) {
                break;
            }
            let begin = stretch.at.max(self.from);
            if (stretch.first..=stretch.last).contains(&wanted.version) {
                starts.clear();
                starts.extend(self.starts(begin, end));
                for at in starts.iter().rev() {
                    if let Some(before) = self.before(*at, db, name, wanted) {
                        chain.push(*at);
                        wanted = before;
                    }
                }
            }
            end = begin;
        }
        chain.reverse();
        chain
    }

    /// Where the records between two of them begin.
    fn starts(&self, begin: usize, end: usize) -> impl Iterator<Item = usize> {
        let mut at = begin;
        std::iter::from_fn(move || {
            let start = (at < end).then_some(at)?;
            at += u32_at(&self.bytes, at) as usize;
            Some(start)
        })
    }

    /// The stamp that a key had before a record, if that is of the key, counts, and gave it the stamp `after`. (Of one group's
    /// records all but the first have the stamp before that they have after.)
    fn before(&self, at: usize, db: u32, name: &[u8], after: Stamp) -> Option<Stamp> {
        if u64_at(&self.bytes, at + 4) != after.version || self.bytes[at + FLAGS] & DEAD != 0 {
            return None;
        }
        let record = self.record(at);
        (record.place.origin == after.origin && record.db == db && record.name == name)
            .then_some(record.before)
    }

    /// The record at a place that [`Jottings::chain`] has told.
    pub fn record(&self, at: usize) -> Record<'_> {
        Record::read(&self.bytes[at..at + u32_at(&self.bytes, at) as usize])
    }

    /// Marks have been made of these records: they do not count any more.
    pub fn kill(&mut self, records: &[usize]) {
        records.iter().for_each(|at| self.bytes[at + FLAGS] |= DEAD);
    }
}

impl Clone for Jottings {
    /// Borrows nothing.
    fn clone(&self) -> Jottings {
        let Jottings { bytes, from, first, last, stretches, .. } = self;
        let (bytes, stretches) = (bytes.clone(), stretches.clone());
        Jottings { bytes, extra: 0, from: *from, first: *first, last: *last, stretches }
    }
}

impl Drop for Jottings {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(version: u64, name: &'static [u8], jot: Jot<'static>) -> Record<'static> {
        let place = Place { version, origin: 3, sub: 1 };
        let before = Stamp { version: version - 1, origin: 2 };
        Record { place, before, db: 5, name, create: version.is_multiple_of(2), jot }
    }

    #[test]
    fn records_come_back_until_they_are_settled_or_made_into_marks() {
        let mut jottings = Jottings::default();
        let jots = [
            Jot::Cell(Kind::Zset, b"member"),
            Jot::Add { delta: -7, result: i64::MIN },
            Jot::Push { head: true },
            Jot::Push { head: false },
            Jot::AddField { field: b"", delta: -1, result: 7, there: true },
            Jot::AddField { field: b"field", delta: 1, result: 1, there: false },
            Jot::AddScore { member: b"m", delta: 1, result: u64::MAX, before: Some(3) },
            Jot::AddScore { member: b"member", delta: 1, result: 2, before: None },
        ];
        for (jot, version) in jots.into_iter().zip(10..) {
            jottings.push(&record(version, if version == 12 { b"" } else { b"key" }, jot));
        }
        let seen: Vec<String> = jottings.records().map(|r| format!("{r:?}")).collect();
        let put = jots
            .into_iter()
            .zip(10..)
            .map(|(jot, v)| format!("{:?}", record(v, if v == 12 { b"" } else { b"key" }, jot)));
        assert!(put.eq(seen));
        jottings.settle(11);
        assert!(!jottings.spans(11) && jottings.spans(12) && jottings.spans(17) && !jottings.spans(18));
        let last = Stamp { version: 13, origin: 3 };
        assert_eq!(jottings.chain(5, b"key", last).len(), 1, "its forerunner is of another key");
        jottings.kill(&jottings.chain(5, b"key", last));
        assert!(jottings.chain(5, b"key", last).is_empty());
        assert_eq!(jottings.records().map(|r| r.place.version).collect::<Vec<_>>(), [12, 14, 15, 16, 17]);
        jottings.settle(17);
        assert!(jottings.is_empty() && !jottings.spans(17));
    }

    #[test]
    fn a_chain_is_found_across_stretches() {
        let mut jottings = Jottings::default();
        let stamp = |version| Stamp { version, origin: 3 };
        let mut before = [Stamp::default(); 10];
        for version in 1..2_000u64 {
            let (key, name) = (version as usize % 10, [(version % 10) as u8]);
            // What the first key had before 1000 was replaced.
            let gap = key == 0 && version == 1_000;
            let place = Place { version, origin: 3, sub: 0 };
            let last = std::mem::replace(&mut before[key], stamp(version));
            let before = if gap { stamp(999_999) } else { last };
            let jot = Jot::Push { head: true };
            jottings.push(&Record { place, before, db: 0, name: &name, create: false, jot });
            if version == 700 {
                jottings.settle(500);
            }
        }
        let versions = |key: u8, last: u64| -> Vec<u64> {
            let chain = jottings.chain(0, &[key], stamp(last));
            chain.into_iter().map(|at| jottings.record(at).place.version).collect()
        };
        assert_eq!(versions(7, 1_997), (507..2_000).step_by(10).collect::<Vec<_>>());
        assert_eq!(versions(0, 1_990).first(), Some(&1_000));
        assert!(versions(3, 1_997).is_empty());
    }
}
