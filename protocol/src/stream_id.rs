//! The id of a stream entry: when it was added, and a number among those of the same millisecond.
//!
//! ```text
//! text = ms ["-" seq]        numbers as C reads them, see [`parse_u64_loose`](crate::number::parse_u64_loose)
//! ```

use crate::number::parse_u64_loose;

/// Longest text of an id that is looked at.
const TEXT_MAX: usize = 127;

/// The id of a stream entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    pub ms: u64,
    pub seq: u64,
}

/// An id as a client writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrittenId {
    Whole(StreamId),
    /// `5`: the sequence is left out.
    Ms(u64),
    /// `5-*`: the sequence is to be found.
    Auto(u64),
}

impl StreamId {
    /// No entry has this id.
    pub const ZERO: StreamId = StreamId { ms: 0, seq: 0 };
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// The id in sixteen bytes, big endian, as streams are saved with it.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        StreamId::from_u128(u128::from_be_bytes(bytes))
    }

    pub fn to_bytes(self) -> [u8; 16] {
        self.to_u128().to_be_bytes()
    }

    fn from_u128(both: u128) -> Self {
        StreamId { ms: (both >> 64) as u64, seq: both as u64 }
    }

    fn to_u128(self) -> u128 {
        u128::from(self.ms) << 64 | u128::from(self.seq)
    }

    /// The id after this one, if there is one.
    pub fn next(self) -> Option<Self> {
        self.to_u128().checked_add(1).map(Self::from_u128)
    }

    /// The id before this one, if there is one.
    pub fn previous(self) -> Option<Self> {
        self.to_u128().checked_sub(1).map(Self::from_u128)
    }

    /// Appends `ms-seq`.
    #[inline]
    pub fn write_to(self, out: &mut Vec<u8>) {
        let mut text = itoa::Buffer::new();
        out.extend_from_slice(text.format(self.ms).as_bytes());
        out.push(b'-');
        out.extend_from_slice(text.format(self.seq).as_bytes());
    }
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl WrittenId {
    /// Reads an id. A zero byte ends it, as in C.
    #[inline]
    pub fn parse(text: &[u8]) -> Option<WrittenId> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let text = memchr::memchr(0, text).map_or(text, |end| &text[..end]);
        let Some(dash) = memchr::memchr(b'-', text) else {
            return parse_u64_loose(text).map(WrittenId::Ms);
        };
        let ms = parse_u64_loose(&text[..dash])?;
        match &text[dash + 1..] {
            b"*" => Some(WrittenId::Auto(ms)),
            seq => Some(WrittenId::Whole(StreamId { ms, seq: parse_u64_loose(seq)? })),
        }
    }

    /// The id, with a sequence for one that is left out.
    pub fn or_seq(self, seq: u64) -> StreamId {
        match self {
            WrittenId::Whole(id) => id,
            WrittenId::Ms(ms) | WrittenId::Auto(ms) => StreamId { ms, seq },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_clients_write_them() {
        let id = |ms, seq| Some(WrittenId::Whole(StreamId { ms, seq }));
        for (text, read) in [
            ("1-2", id(1, 2)),
            ("5", Some(WrittenId::Ms(5))),
            ("5-*", Some(WrittenId::Auto(5))),
            ("5-007", id(5, 7)),
            ("18446744073709551615-18446744073709551615", id(u64::MAX, u64::MAX)),
            ("1-2\0x", id(1, 2)),
        ] {
            assert_eq!(WrittenId::parse(text.as_bytes()), read, "{text}");
        }
        for text in ["", "-", "+", "*", "1-", "-1", "1-2-3", "1-*-", "abc", "18446744073709551616"] {
            assert_eq!(WrittenId::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(WrittenId::parse(&[b'0'; 128]), None);
    }

    #[test]
    fn ids_follow_each_other() {
        let last_of_ms = StreamId { ms: 3, seq: u64::MAX };
        assert_eq!(last_of_ms.next(), Some(StreamId { ms: 4, seq: 0 }));
        assert_eq!(last_of_ms.next().and_then(StreamId::previous), Some(last_of_ms));
        assert_eq!((StreamId::MAX.next(), StreamId::ZERO.previous()), (None, None));
        assert_eq!(last_of_ms.to_string(), "3-18446744073709551615");
        assert_eq!(StreamId::from_bytes(last_of_ms.to_bytes()), last_of_ms);
    }
}
