//! Version vectors: how far a node has every stream.
//!
//! A position is a dense sequence number. What a node has of a stream is a prefix, so `seq <= have` is a duplicate,
//! `have + 1` is next and anything else a gap. Beside the number stands the version of that effect: versions rise along
//! a stream, so a stamp kept in the overlay can be tested against a vector without its sequence number.

use std::collections::BTreeMap;

use crate::origin::{Author, Stream};
use crate::stamp::Stamp;

/// How far a node has one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Have {
    /// The last effect's number; the first is 1.
    pub seq: u64,
    /// The last effect's version.
    pub version: u64,
}

/// How far a node has every stream it has heard of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vector {
    streams: BTreeMap<Stream, Have>,
}

/// What an effect's number says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    Duplicate,
    Next,
    /// Effects before it are missing.
    Gap,
}

impl Vector {
    pub fn have(&self, stream: Stream) -> Have {
        self.streams.get(&stream).copied().unwrap_or_default()
    }

    pub fn judge(&self, stream: Stream, seq: u64) -> Arrival {
        match self.have(stream).seq {
            have if seq <= have => Arrival::Duplicate,
            have if seq == have + 1 => Arrival::Next,
            _ => Arrival::Gap,
        }
    }

    pub fn advance(&mut self, stream: Stream, have: Have) {
        let at = self.streams.entry(stream).or_default();
        if have.seq > at.seq {
            *at = have;
        }
    }

    /// Takes the further of the two positions in every stream.
    pub fn join(&mut self, other: &Vector) {
        for (stream, have) in &other.streams {
            self.advance(*stream, *have);
        }
    }

    /// Whether this vector is at least as far as the other in every stream.
    pub fn covers(&self, other: &Vector) -> bool {
        other.streams.iter().all(|(stream, have)| self.have(*stream).seq >= have.seq)
    }

    /// Whether the effect with this stamp, made by `author` in any lane, is surely among those the vector has.
    pub fn covers_stamp(&self, author: Author, stamp: Stamp) -> bool {
        let mut lanes = self.lanes(author).peekable();
        lanes.peek().is_some() && lanes.all(|(_, have)| have.version >= stamp.version)
    }

    /// The streams of one author.
    pub fn lanes(&self, author: Author) -> impl Iterator<Item = (Stream, Have)> + '_ {
        let from = Stream { author, lane: 0 };
        let to = Stream { author, lane: u16::MAX };
        self.streams.range(from..=to).map(|(s, h)| (*s, *h))
    }

    pub fn iter(&self) -> impl Iterator<Item = (Stream, Have)> + '_ {
        self.streams.iter().map(|(s, h)| (*s, *h))
    }

    pub fn forget(&mut self, author: Author) {
        self.streams.retain(|stream, _| stream.author != author);
    }
}

impl FromIterator<(Stream, Have)> for Vector {
    fn from_iter<T: IntoIterator<Item = (Stream, Have)>>(iter: T) -> Self {
        Vector { streams: iter.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tell_duplicates_from_gaps() {
        let stream = Stream { author: Author { uuid: 1, incarnation: 1 }, lane: 0 };
        let mut v = Vector::default();
        assert_eq!(v.judge(stream, 1), Arrival::Next);
        assert_eq!(v.judge(stream, 2), Arrival::Gap);
        v.advance(stream, Have { seq: 3, version: 30 });
        assert_eq!(v.judge(stream, 3), Arrival::Duplicate);
        assert_eq!(v.judge(stream, 4), Arrival::Next);
        assert!(v.covers_stamp(stream.author, Stamp { version: 30, origin: 1 }));
        assert!(!v.covers_stamp(stream.author, Stamp { version: 31, origin: 1 }));
    }
}
