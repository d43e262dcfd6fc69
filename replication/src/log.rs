//! The forward log: what peers may still need, by stream and number.
//!
//! Each stream is a stretch without holes. Memory is bounded: beyond the bound the oldest entries go to a [`Spill`]
//! (a file, in production); beyond the spill's own bound they are dropped, and who needs them is served by a full sync.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::origin::{Author, Stream};
use crate::vector::Have;

/// One group as its origin encoded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub version: u64,
    pub payload: Arc<[u8]>,
}

/// Where old entries wait outside memory.
pub trait Spill {
    /// Takes an entry. False if there is no room: the entry is dropped.
    fn push(&mut self, stream: Stream, seq: u64, entry: &Entry) -> bool;
    fn get(&self, stream: Stream, seq: u64) -> Option<Entry>;
    /// Entries below `seq` are not needed any more.
    fn trim(&mut self, stream: Stream, seq: u64);
}

/// No spill: what does not fit into memory is dropped.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSpill;

impl Spill for NoSpill {
    fn push(&mut self, _: Stream, _: u64, _: &Entry) -> bool {
        false
    }

    fn get(&self, _: Stream, _: u64) -> Option<Entry> {
        None
    }

    fn trim(&mut self, _: Stream, _: u64) {}
}

/// A spill in memory, for tests.
#[derive(Clone, Debug, Default)]
pub struct MemorySpill {
    pub room: usize,
    entries: BTreeMap<(Stream, u64), Entry>,
}

impl MemorySpill {
    pub fn new(room: usize) -> MemorySpill {
        MemorySpill { room, entries: BTreeMap::new() }
    }
}

impl Spill for MemorySpill {
    fn push(&mut self, stream: Stream, seq: u64, entry: &Entry) -> bool {
        let fits = self.entries.len() < self.room;
        if fits {
            self.entries.insert((stream, seq), entry.clone());
        }
        fits
    }

    fn get(&self, stream: Stream, seq: u64) -> Option<Entry> {
        self.entries.get(&(stream, seq)).cloned()
    }

    fn trim(&mut self, stream: Stream, seq: u64) {
        self.entries.retain(|(s, n), _| *s != stream || *n >= seq);
    }
}

/// A stretch of one stream.
#[derive(Clone, Debug, Default)]
struct Stretch {
    /// Number of the first entry, spilled or not.
    first: u64,
    /// Number of the first entry in memory.
    resident: u64,
    entries: VecDeque<Entry>,
}

/// The log.
#[derive(Clone, Debug)]
pub struct Log<S> {
    streams: BTreeMap<Stream, Stretch>,
    bytes: usize,
    limit: usize,
    spill: S,
}

/// About what an entry costs beside its payload.
const ENTRY_BYTES: usize = 48;

fn cost(entry: &Entry) -> usize {
    entry.payload.len() + ENTRY_BYTES
}

impl<S: Spill> Log<S> {
    pub fn new(limit: usize, spill: S) -> Log<S> {
        Log { streams: BTreeMap::new(), bytes: 0, limit, spill }
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends the entry `seq`. If it does not follow the last, what was before cannot be served any more.
    pub fn append(&mut self, stream: Stream, seq: u64, entry: Entry) {
        let stretch = self.streams.entry(stream).or_default();
        if stretch.resident + stretch.entries.len() as u64 != seq {
            self.bytes -= stretch.entries.iter().map(cost).sum::<usize>();
            *stretch = Stretch { first: seq, resident: seq, entries: VecDeque::new() };
            self.spill.trim(stream, u64::MAX);
        }
        self.bytes += cost(&entry);
        stretch.entries.push_back(entry);
        while self.bytes > self.limit && self.spill_one() {}
    }

    pub fn get(&self, stream: Stream, seq: u64) -> Option<Entry> {
        let stretch = self.streams.get(&stream)?;
        if seq < stretch.first {
            return None;
        }
        match seq.checked_sub(stretch.resident) {
            Some(at) => stretch.entries.get(at as usize).cloned(),
            None => self.spill.get(stream, seq),
        }
    }

    /// Whether everything after `from` up to `to` can be served.
    pub fn serves(&self, stream: Stream, from: u64, to: u64) -> bool {
        let first = self.streams.get(&stream).map_or(u64::MAX, |stretch| stretch.first);
        from >= to || from + 1 >= first
    }

    /// Entries up to `seq` are not needed any more.
    pub fn trim(&mut self, stream: Stream, seq: u64) {
        let Some(stretch) = self.streams.get_mut(&stream) else { return };
        while stretch.resident <= seq
            && let Some(entry) = stretch.entries.pop_front()
        {
            self.bytes -= cost(&entry);
            stretch.resident += 1;
        }
        if seq + 1 > stretch.first {
            stretch.first = (seq + 1).min(stretch.resident);
            self.spill.trim(stream, stretch.first);
        }
    }

    pub fn forget(&mut self, author: Author) {
        let gone: Vec<Stream> = self.streams.keys().filter(|s| s.author == author).copied().collect();
        for stream in gone {
            if let Some(stretch) = self.streams.remove(&stream) {
                self.bytes -= stretch.entries.iter().map(cost).sum::<usize>();
            }
            self.spill.trim(stream, u64::MAX);
        }
    }

    /// How far the log goes in each stream.
    pub fn ends(&self) -> impl Iterator<Item = (Stream, Have)> + '_ {
        self.streams.iter().map(|(stream, stretch)| {
            let seq = (stretch.resident + stretch.entries.len() as u64).saturating_sub(1);
            (*stream, Have { seq, version: stretch.entries.back().map_or(0, |e| e.version) })
        })
    }

    /// Moves the oldest entry of the longest stream out of memory.
    fn spill_one(&mut self) -> bool {
        let longest = self.streams.iter_mut().max_by_key(|(_, stretch)| stretch.entries.len());
        let Some((stream, stretch)) = longest else { return false };
        let Some(entry) = stretch.entries.pop_front() else { return false };
        self.bytes -= cost(&entry);
        if !self.spill.push(*stream, stretch.resident, &entry) {
            // A hole: nothing up to here can be served.
            stretch.first = stretch.resident + 1;
            self.spill.trim(*stream, stretch.first);
        }
        stretch.resident += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream { author: Author { uuid: 1, incarnation: 1 }, lane: 0 }
    }

    fn entry(n: u64) -> Entry {
        Entry { version: n, payload: vec![0; 52].into() }
    }

    #[test]
    fn memory_is_bounded_and_the_rest_is_spilled_then_dropped() {
        let mut log = Log::new(500, MemorySpill::new(3));
        for seq in 1..=5 {
            log.append(stream(), seq, entry(seq));
        }
        assert!(log.serves(stream(), 0, 5));
        for seq in 6..=8 {
            log.append(stream(), seq, entry(seq));
        }
        assert!(log.bytes() <= 500);
        assert!(log.serves(stream(), 0, 8), "three are spilled");
        assert_eq!(log.get(stream(), 1).map(|e| e.version), Some(1));
        log.append(stream(), 9, entry(9));
        assert!(!log.serves(stream(), 0, 9) && log.get(stream(), 1).is_none());
        assert!(log.serves(stream(), 4, 9) && log.get(stream(), 5).is_some());
    }

    #[test]
    fn a_jump_starts_a_new_stretch() {
        let mut log = Log::new(10_000, NoSpill);
        log.append(stream(), 1, entry(1));
        log.append(stream(), 7, entry(7));
        assert!(!log.serves(stream(), 0, 7) && !log.serves(stream(), 5, 7) && log.serves(stream(), 6, 7));
        log.trim(stream(), 7);
        assert_eq!(log.bytes(), 0);
        assert!(log.serves(stream(), 7, 7));
        log.append(stream(), 8, entry(8));
        assert_eq!(log.get(stream(), 8).map(|e| e.version), Some(8));
    }
}
