//! The forward log: what peers may still need, by stream and number.
//!
//! Each stream is a stretch without holes, in chunks of groups that came together. Memory is bounded: beyond the bound the
//! oldest chunks go to a [`Spill`] (a file, in production); beyond the spill's own bound they are dropped, and who needs
//! them is served by a full sync.

use std::collections::{BTreeMap, VecDeque};

use crate::codec;
use crate::origin::{Author, Stream};
use crate::shared::Shared;
use crate::vector::Have;

/// Groups that follow each other in a stream, as their origin encoded them (see [`codec::groups`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Number of the first group.
    pub first: u64,
    /// How many there are, at least one.
    pub groups: u64,
    /// Version of the last.
    pub version: u64,
    pub bytes: Shared,
}

impl Chunk {
    /// A chunk of the groups in `bytes`, which are whole and at least one.
    pub fn of(first: u64, bytes: Shared) -> Chunk {
        let (mut groups, mut version, mut rest) = (0, 0, &bytes[..]);
        while let Some((at, len)) = codec::peek_group(rest) {
            (groups, version, rest) = (groups + 1, at, &rest[len..]);
        }
        assert!(groups > 0, "a chunk holds groups");
        Chunk { first, groups, version, bytes }
    }

    /// Number of the last group.
    pub fn last(&self) -> u64 {
        self.first + self.groups - 1
    }

    fn holds(&self, seq: u64) -> bool {
        (self.first..=self.last()).contains(&seq)
    }

    /// The groups from number `seq` on that take at most `max` bytes together; at least one. The chunk holds `seq`.
    pub fn stretch(&self, seq: u64, max: usize) -> Chunk {
        let mut from = 0;
        for _ in self.first..seq {
            from += codec::peek_group(&self.bytes[from..]).map_or(0, |(_, len)| len);
        }
        if seq == self.first && self.bytes.len() <= max {
            return self.clone();
        }
        let (mut to, mut groups, mut version) = (from, 0, 0);
        while let Some((at, len)) = codec::peek_group(&self.bytes[to..])
            && (groups == 0 || to + len - from <= max)
        {
            (to, groups, version) = (to + len, groups + 1, at);
        }
        Chunk { first: seq, groups, version, bytes: self.bytes.part(from..to) }
    }
}

/// Where old chunks wait outside memory.
pub trait Spill {
    /// Takes a chunk. False if there is no room: the chunk is dropped.
    fn push(&mut self, stream: Stream, chunk: &Chunk) -> bool;
    /// The chunk that holds a number.
    fn get(&self, stream: Stream, seq: u64) -> Option<Chunk>;
    /// Groups below `seq` are not needed any more.
    fn trim(&mut self, stream: Stream, seq: u64);
}

/// No spill: what does not fit into memory is dropped.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSpill;

impl Spill for NoSpill {
    fn push(&mut self, _: Stream, _: &Chunk) -> bool {
        false
    }

    fn get(&self, _: Stream, _: u64) -> Option<Chunk> {
        None
    }

    fn trim(&mut self, _: Stream, _: u64) {}
}

/// A spill in memory, for tests.
#[derive(Clone, Debug, Default)]
pub struct MemorySpill {
    pub room: usize,
    /// By number of the first group.
    chunks: BTreeMap<(Stream, u64), Chunk>,
}

impl MemorySpill {
    pub fn new(room: usize) -> MemorySpill {
        MemorySpill { room, chunks: BTreeMap::new() }
    }
}

impl Spill for MemorySpill {
    fn push(&mut self, stream: Stream, chunk: &Chunk) -> bool {
        let fits = self.chunks.len() < self.room;
        if fits {
            self.chunks.insert((stream, chunk.first), chunk.clone());
        }
        fits
    }

    fn get(&self, stream: Stream, seq: u64) -> Option<Chunk> {
        let (_, chunk) = self.chunks.range((stream, 0)..=(stream, seq)).next_back()?;
        chunk.holds(seq).then(|| chunk.clone())
    }

    fn trim(&mut self, stream: Stream, seq: u64) {
        self.chunks.retain(|(s, _), chunk| *s != stream || chunk.last() >= seq);
    }
}

/// A stretch of one stream.
#[derive(Clone, Debug, Default)]
struct Stretch {
    /// Number of the first group, spilled or not.
    first: u64,
    /// Number of the first group in memory; if there is none, of the next to come.
    resident: u64,
    chunks: VecDeque<Chunk>,
}

impl Stretch {
    fn next(&self) -> u64 {
        self.chunks.back().map_or(self.resident, |chunk| chunk.last() + 1)
    }

    fn get(&self, seq: u64) -> Option<&Chunk> {
        let at = self.chunks.partition_point(|chunk| chunk.last() < seq);
        self.chunks.get(at).filter(|chunk| chunk.holds(seq))
    }

    /// Takes the oldest chunk out of memory.
    fn pop(&mut self) -> Option<Chunk> {
        let chunk = self.chunks.pop_front()?;
        self.resident = chunk.last() + 1;
        Some(chunk)
    }
}

/// The log.
#[derive(Clone, Debug)]
pub struct Log<S> {
    streams: BTreeMap<Stream, Stretch>,
    bytes: usize,
    limit: usize,
    spill: S,
}

/// About what a chunk costs beside its bytes.
const CHUNK_BYTES: usize = 72;

fn cost(chunk: &Chunk) -> usize {
    chunk.bytes.len() + CHUNK_BYTES
}

impl<S: Spill> Log<S> {
    pub fn new(limit: usize, spill: S) -> Log<S> {
        Log { streams: BTreeMap::new(), bytes: 0, limit, spill }
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that may be in memory, from now on.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        while self.bytes > self.limit && self.spill_one() {}
    }

    pub fn spill(&self) -> &S {
        &self.spill
    }

    /// Appends a chunk. If it does not follow the last, what was before cannot be served any more.
    pub fn append(&mut self, stream: Stream, chunk: Chunk) {
        let stretch = self.streams.entry(stream).or_default();
        if stretch.next() != chunk.first {
            self.bytes -= stretch.chunks.iter().map(cost).sum::<usize>();
            *stretch = Stretch { first: chunk.first, resident: chunk.first, chunks: VecDeque::new() };
            self.spill.trim(stream, u64::MAX);
        }
        self.bytes += cost(&chunk);
        stretch.chunks.push_back(chunk);
        while self.bytes > self.limit && self.spill_one() {}
    }

    /// The chunk that holds a group.
    pub fn get(&self, stream: Stream, seq: u64) -> Option<Chunk> {
        let stretch = self.streams.get(&stream)?;
        if seq < stretch.first {
            return None;
        }
        match seq < stretch.resident {
            true => self.spill.get(stream, seq),
            false => stretch.get(seq).cloned(),
        }
    }

    /// Whether everything after `from` up to `to` can be served.
    pub fn serves(&self, stream: Stream, from: u64, to: u64) -> bool {
        let first = self.streams.get(&stream).map_or(u64::MAX, |stretch| stretch.first);
        from >= to || from + 1 >= first
    }

    /// Groups up to `seq` are not needed any more. They go with the last group of their chunk.
    pub fn trim(&mut self, stream: Stream, seq: u64) {
        let Some(stretch) = self.streams.get_mut(&stream) else { return };
        while stretch.chunks.front().is_some_and(|chunk| chunk.last() <= seq)
            && let Some(chunk) = stretch.pop()
        {
            self.bytes -= cost(&chunk);
        }
        if seq + 1 > stretch.first {
            stretch.first = (seq + 1).min(stretch.next());
            self.spill.trim(stream, stretch.first);
        }
    }

    /// Groups up to this version are not needed any more, in any stream. What has left memory stays until it is trimmed.
    pub fn trim_known(&mut self, version: u64) {
        let known = |stretch: &Stretch| {
            stretch.chunks.iter().take_while(|chunk| chunk.version <= version).last().map(Chunk::last)
        };
        let ends: Vec<(Stream, u64)> =
            self.streams.iter().filter_map(|(stream, stretch)| Some((*stream, known(stretch)?))).collect();
        for (stream, seq) in ends {
            self.trim(stream, seq);
        }
    }

    pub fn forget(&mut self, author: Author) {
        let gone: Vec<Stream> = self.streams.keys().filter(|s| s.author == author).copied().collect();
        for stream in gone {
            if let Some(stretch) = self.streams.remove(&stream) {
                self.bytes -= stretch.chunks.iter().map(cost).sum::<usize>();
            }
            self.spill.trim(stream, u64::MAX);
        }
    }

    /// How far the log goes in each stream.
    pub fn ends(&self) -> impl Iterator<Item = (Stream, Have)> + '_ {
        self.streams.iter().map(|(stream, stretch)| {
            let version = stretch.chunks.back().map_or(0, |chunk| chunk.version);
            (*stream, Have { seq: stretch.next().saturating_sub(1), version })
        })
    }

    /// Moves the oldest chunk of the longest stream out of memory.
    fn spill_one(&mut self) -> bool {
        let longest = self.streams.iter_mut().max_by_key(|(_, stretch)| stretch.chunks.len());
        let Some((stream, stretch)) = longest else { return false };
        let Some(chunk) = stretch.pop() else { return false };
        self.bytes -= cost(&chunk);
        if !self.spill.push(*stream, &chunk) {
            // A hole: nothing up to here can be served.
            stretch.first = stretch.resident;
            self.spill.trim(*stream, stretch.first);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream { author: Author { uuid: 1, incarnation: 1 }, lane: 0 }
    }

    /// Groups numbered from `first` on, 40 bytes each.
    fn chunk(first: u64, groups: u64) -> Chunk {
        let mut w = codec::Writer::default();
        for seq in first..first + groups {
            let at = w.0.len();
            codec::begin_group(&mut w, seq * 10);
            w.0.extend_from_slice(&[0; 28]);
            codec::end_group(&mut w, at);
        }
        Chunk::of(first, w.0.into())
    }

    #[test]
    fn memory_is_bounded_and_the_rest_is_spilled_then_dropped() {
        let mut log = Log::new(500, MemorySpill::new(3));
        for n in 0..4 {
            log.append(stream(), chunk(2 * n + 1, 2));
        }
        assert!(log.bytes() <= 500 && log.serves(stream(), 0, 8), "one is spilled");
        for n in 4..6 {
            log.append(stream(), chunk(2 * n + 1, 2));
        }
        assert!(log.serves(stream(), 0, 12), "three are spilled");
        assert_eq!(log.get(stream(), 2), Some(chunk(1, 2)));
        log.append(stream(), chunk(13, 2));
        assert!(!log.serves(stream(), 0, 14) && log.get(stream(), 1).is_none());
        assert!(log.serves(stream(), 8, 14) && log.get(stream(), 9).is_some());
        assert_eq!(log.ends().collect::<Vec<_>>(), [(stream(), Have { seq: 14, version: 140 })]);
    }

    #[test]
    fn what_is_known_everywhere_goes() {
        let mut log = Log::new(10_000, NoSpill);
        (0..4).for_each(|n| log.append(stream(), chunk(2 * n + 1, 2)));
        log.trim_known(59);
        assert!(log.serves(stream(), 4, 8) && !log.serves(stream(), 3, 8));
        log.trim_known(5);
        assert_eq!(log.get(stream(), 5), Some(chunk(5, 2)));
        log.trim_known(1_000);
        assert_eq!(log.bytes(), 0);
        log.append(stream(), chunk(9, 1));
        assert!(log.serves(stream(), 8, 9));
    }

    #[test]
    fn a_jump_starts_a_new_stretch() {
        let mut log = Log::new(10_000, NoSpill);
        log.append(stream(), chunk(1, 1));
        log.append(stream(), chunk(7, 3));
        assert!(!log.serves(stream(), 0, 9) && !log.serves(stream(), 5, 9) && log.serves(stream(), 6, 9));
        log.trim(stream(), 8);
        assert!(log.serves(stream(), 8, 9) && !log.serves(stream(), 7, 9));
        assert_eq!(log.get(stream(), 9), Some(chunk(7, 3)), "a chunk stays until its last group goes");
        log.trim(stream(), 9);
        assert_eq!(log.bytes(), 0);
        log.append(stream(), chunk(10, 1));
        assert_eq!(log.get(stream(), 10).map(|c| c.version), Some(100));
    }

    #[test]
    fn a_stretch_begins_and_ends_between_groups() {
        let whole = chunk(5, 4);
        assert_eq!(whole.stretch(5, 160), whole);
        assert_eq!(whole.stretch(6, 100), chunk(6, 2));
        assert_eq!(whole.stretch(8, 1), chunk(8, 1));
    }
}
