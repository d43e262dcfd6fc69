//! Ziplist: the ancestor of the listpack, met in RDB files and DUMP payloads older than Redis 7. Only read here.
//!
//! ```text
//! ziplist = total:u32le  tail:u32le  count:u16le  entry*  0xFF     tail: offset of the last entry
//! entry   = previous  encoding  data                               count 65535: too many, count them yourself
//! previous = u8 below 254 | 0xFE u32le                             length of the whole previous entry
//!
//! encoding                                 data
//! 00llllll                                 string of l bytes
//! 01llllll llllllll                        string of l bytes
//! 10...... u32be                           string of that many bytes
//! C0 | D0 | E0 | F0 | FE                   integer of 2 | 4 | 8 | 3 | 1 bytes, little endian, signed
//! F1 to FD                                 integer 0 to 12, no data
//! ```

use crate::listpack::{Entry, Listpack};
use crate::malformed::Malformed;

const HEADER: usize = 10;
const END: u8 = 0xff;
const COUNT_UNKNOWN: u16 = u16::MAX;
const PREVIOUS_WIDE: u8 = 0xfe;

/// A borrowed ziplist, all of it checked.
#[derive(Debug, Clone, Copy)]
pub struct Ziplist<'a> {
    /// Without the end mark.
    bytes: &'a [u8],
    len: usize,
}

impl<'a> Ziplist<'a> {
    /// Checks the frame and every entry. Never panics, allocates nothing.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let broken = |offset, rule| Err(Malformed { format: "ziplist", offset, rule });
        let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
            return broken(0, "shorter than its header");
        };
        let [a, b, c, d, e, f, g, h, i, j] = *header;
        if u32::from_le_bytes([a, b, c, d]) as usize != bytes.len() {
            return broken(0, "total differs from the length");
        }
        if bytes.len() == HEADER || bytes.last() != Some(&END) {
            return broken(bytes.len(), "no end mark");
        }
        let entries = &bytes[..bytes.len() - 1];
        let (tail, len) = check_entries(entries)?;
        if u32::from_le_bytes([e, f, g, h]) as usize != tail {
            return broken(4, "tail is not the last entry");
        }
        let stated = u16::from_le_bytes([i, j]);
        if stated != COUNT_UNKNOWN && usize::from(stated) != len {
            return broken(8, "count differs from the entries");
        }
        Ok(Ziplist { bytes: entries, len })
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let bytes = self.bytes;
        let mut at = HEADER;
        std::iter::from_fn(move || {
            let raw = decode(bytes.get(at..)?)?;
            at += raw.len;
            Some(raw.entry)
        })
    }

    /// The same entries as a listpack.
    pub fn to_listpack(&self) -> Listpack {
        let mut listpack = Listpack::with_capacity(self.bytes.len());
        listpack.extend(self.iter());
        listpack.shrink_to_fit();
        listpack
    }
}

/// Walks the entries; returns the offset of the last one and how many there are.
fn check_entries(bytes: &[u8]) -> Result<(usize, usize), Malformed> {
    let (mut at, mut tail, mut len) = (HEADER, HEADER, 0);
    let mut previous = 0;
    while at < bytes.len() {
        let Some(raw) = decode(&bytes[at..]) else {
            return Err(Malformed { format: "ziplist", offset: at, rule: "entry undefined or cut off" });
        };
        if raw.previous != previous {
            return Err(Malformed {
                format: "ziplist",
                offset: at,
                rule: "wrong length of the previous entry",
            });
        }
        (tail, previous) = (at, raw.len);
        at += raw.len;
        len += 1;
    }
    Ok((tail, len))
}

struct Raw<'a> {
    entry: Entry<'a>,
    /// What it states about the entry before it.
    previous: usize,
    /// All its bytes.
    len: usize,
}

/// Decodes the entry that `bytes` starts with.
fn decode(bytes: &[u8]) -> Option<Raw<'_>> {
    let (previous, head) = match *bytes.first()? {
        PREVIOUS_WIDE => (u32::from_le_bytes(*bytes.get(1..)?.first_chunk()?) as usize, 5),
        END => return None,
        narrow => (usize::from(narrow), 1),
    };
    let (entry, len) = decode_value(&bytes[head..])?;
    Some(Raw { entry, previous, len: head + len })
}

/// Decodes encoding and data; the length is that of both.
fn decode_value(bytes: &[u8]) -> Option<(Entry<'_>, usize)> {
    let tag = *bytes.first()?;
    match tag {
        0x00..=0x3f => decode_str(bytes, 1, usize::from(tag)),
        0x40..=0x7f => decode_str(bytes, 2, usize::from(tag & 0x3f) << 8 | usize::from(*bytes.get(1)?)),
        0x80..=0xbf => decode_str(bytes, 5, u32::from_be_bytes(*bytes.get(1..)?.first_chunk()?) as usize),
        0xc0 => decode_int::<2>(bytes),
        0xd0 => decode_int::<4>(bytes),
        0xe0 => decode_int::<8>(bytes),
        0xf0 => decode_int::<3>(bytes),
        0xfe => decode_int::<1>(bytes),
        0xf1..=0xfd => Some((Entry::Int(i64::from(tag - 0xf1)), 1)),
        _ => None,
    }
}

fn decode_str(bytes: &[u8], head: usize, len: usize) -> Option<(Entry<'_>, usize)> {
    let len = head + len;
    Some((Entry::Str(bytes.get(head..len)?), len))
}

fn decode_int<const N: usize>(bytes: &[u8]) -> Option<(Entry<'_>, usize)> {
    let data: [u8; N] = *bytes.get(1..)?.first_chunk()?;
    let mut wide = [0u8; 8];
    wide[..N].copy_from_slice(&data);
    let unused = 64 - 8 * N as u32;
    Some((Entry::Int(i64::from_le_bytes(wide) << unused >> unused), 1 + N))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::number::parse_i64;
    use proptest::prelude::*;

    /// An independent writer of the format, for tests here and of RDB.
    pub(crate) fn build(texts: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        let (mut tail, mut previous) = (HEADER, 0usize);
        for text in texts {
            let start = bytes.len();
            match u8::try_from(previous) {
                Ok(narrow @ ..254) => bytes.push(narrow),
                _ => bytes.extend([&[0xfe][..], &(previous as u32).to_le_bytes()].concat()),
            }
            push_value(&mut bytes, text);
            (tail, previous) = (start, bytes.len() - start);
        }
        bytes.push(END);
        let total = bytes.len() as u32;
        bytes[..4].copy_from_slice(&total.to_le_bytes());
        bytes[4..8].copy_from_slice(&(tail as u32).to_le_bytes());
        bytes[8..10].copy_from_slice(&(texts.len() as u16).to_le_bytes());
        bytes
    }

    fn push_value(bytes: &mut Vec<u8>, text: &[u8]) {
        let len = text.len();
        match parse_i64(text) {
            Some(value @ 0..=12) => bytes.push(0xf1 + value as u8),
            Some(value @ -128..128) => bytes.extend([0xfe, value as u8]),
            Some(value @ -32768..32768) => bytes.extend([&[0xc0][..], &value.to_le_bytes()[..2]].concat()),
            Some(value @ -8388608..8388608) => {
                bytes.extend([&[0xf0][..], &value.to_le_bytes()[..3]].concat())
            }
            Some(value) if i32::try_from(value).is_ok() => {
                bytes.extend([&[0xd0][..], &value.to_le_bytes()[..4]].concat());
            }
            Some(value) => bytes.extend([&[0xe0][..], &value.to_le_bytes()].concat()),
            None => {
                match len {
                    0..64 => bytes.push(len as u8),
                    64..16384 => bytes.extend([0x40 | (len >> 8) as u8, len as u8]),
                    _ => bytes.extend([&[0x80][..], &(len as u32).to_be_bytes()].concat()),
                }
                bytes.extend(text);
            }
        }
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..6),
            "-?[0-9]{1,20}".prop_map(String::into_bytes),
            (0usize..20_000).prop_map(|len| vec![b'x'; len]),
        ]
    }

    #[test]
    fn every_rule_is_checked() {
        let good = build(&[b"abc".to_vec(), b"12".to_vec(), b"500".to_vec()]);
        assert_eq!(good[HEADER..], [0, 3, 97, 98, 99, 5, 0xfd, 2, 0xc0, 244, 1, END]);
        for (at, byte, rule) in [
            (0, 1, "total differs from the length"),
            (21, 0, "no end mark"),
            (4, 11, "tail is not the last entry"),
            (8, 2, "count differs from the entries"),
            (15, 4, "wrong length of the previous entry"),
            (11, 60, "entry undefined or cut off"),
            (16, 0xff, "entry undefined or cut off"),
            (16, 0xc1, "entry undefined or cut off"),
            (15, 0xff, "entry undefined or cut off"),
            (18, 0xd0, "entry undefined or cut off"),
        ] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(Ziplist::new(&bad).unwrap_err().rule, rule, "{at}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn entries_come_back(texts in prop::collection::vec(text(), 0..12)) {
            let bytes = build(&texts);
            let ziplist = Ziplist::new(&bytes).unwrap();
            prop_assert_eq!(ziplist.len(), texts.len());
            prop_assert!(ziplist.iter().map(|entry| entry.to_vec()).eq(texts.iter().cloned()));
            let same: Listpack = texts.iter().map(|text| &text[..]).collect();
            prop_assert_eq!(ziplist.to_listpack(), same);
        }

        #[test]
        fn damage_is_survived(texts in prop::collection::vec(text(), 0..4), at: prop::sample::Index, byte: u8) {
            let mut bytes = build(&texts);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(ziplist) = Ziplist::new(&bytes) {
                prop_assert_eq!(ziplist.iter().count(), ziplist.len());
            }
            let _ = Ziplist::new(&bytes[..at]);
        }
    }
}
