//! One entry: its meaning, its bytes and back.

use super::END;
use crate::number::{fmt_i64, parse_i64};

/// An element of a listpack, borrowed from it or about to be stored in it.
///
/// The order is that of the variants, then of their values: good for sorting out duplicates, not what any command
/// shows.
///
/// To store a text it need not be classified first: a `Str` that is a canonical integer is stored as the integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entry<'a> {
    Str(&'a [u8]),
    Int(i64),
}

impl<'a> From<&'a [u8]> for Entry<'a> {
    fn from(text: &'a [u8]) -> Self {
        Entry::Str(text)
    }
}

impl From<i64> for Entry<'_> {
    fn from(value: i64) -> Self {
        Entry::Int(value)
    }
}

impl<'a> Entry<'a> {
    /// Whether the entry's text is `text`. Nothing is allocated.
    pub fn is_text(&self, text: &[u8]) -> bool {
        match *self {
            Entry::Str(own) => own == text,
            Entry::Int(value) => parse_i64(text) == Some(value),
        }
    }

    /// The text; `digits` lends the room if it is an integer.
    #[inline]
    pub fn text<'b>(&self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            Entry::Str(text) => text,
            Entry::Int(value) => digits.format(value).as_bytes(),
        }
    }

    /// Appends the text.
    #[inline]
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match *self {
            Entry::Str(text) => out.extend_from_slice(text),
            Entry::Int(value) => fmt_i64(out, value),
        }
    }

    /// The text in an allocation of its own.
    pub fn to_vec(&self) -> Vec<u8> {
        self.text(&mut itoa::Buffer::new()).to_vec()
    }

    /// The length of the text in bytes.
    pub fn text_len(&self) -> usize {
        self.text(&mut itoa::Buffer::new()).len()
    }

    /// The integer, if the text is a canonical one.
    #[inline]
    pub fn as_int(&self) -> Option<i64> {
        match *self {
            Entry::Int(value) => Some(value),
            Entry::Str(text) => parse_i64(text),
        }
    }
}

/// The bytes of an entry in a listpack from its first byte on: encoding and data, without the back length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'a> {
    pub entry: Entry<'a>,
    /// Bytes of encoding and data.
    pub len: usize,
}

/// Decodes the entry that `bytes` starts with. `None`: the end mark, an undefined encoding, or bytes missing.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> Option<Raw<'_>> {
    let tag = *bytes.first()?;
    match tag {
        0x00..=0x7f => Some(Raw { entry: Entry::Int(i64::from(tag)), len: 1 }),
        0x80..=0xbf => decode_str(bytes, 1, usize::from(tag & 0x3f)),
        0xc0..=0xdf => {
            let low = *bytes.get(1)?;
            // Thirteen bits at the top of sixteen, shifted back down with the sign.
            let value = (i16::from_be_bytes([tag << 3, 0]) | i16::from(low) << 3) >> 3;
            Some(Raw { entry: Entry::Int(i64::from(value)), len: 2 })
        }
        0xe0..=0xef => decode_str(bytes, 2, usize::from(tag & 0x0f) << 8 | usize::from(*bytes.get(1)?)),
        0xf0 => decode_str(bytes, 5, u32::from_le_bytes(*bytes.get(1..)?.first_chunk()?) as usize),
        0xf1 => decode_int::<2>(bytes),
        0xf2 => decode_int::<3>(bytes),
        0xf3 => decode_int::<4>(bytes),
        0xf4 => decode_int::<8>(bytes),
        0xf5..=END => None,
    }
}

#[inline]
fn decode_str(bytes: &[u8], head: usize, len: usize) -> Option<Raw<'_>> {
    let len = head + len;
    Some(Raw { entry: Entry::Str(bytes.get(head..len)?), len })
}

#[inline]
fn decode_int<const N: usize>(bytes: &[u8]) -> Option<Raw<'_>> {
    let data: [u8; N] = *bytes.get(1..)?.first_chunk()?;
    let mut wide = [0u8; 8];
    wide[..N].copy_from_slice(&data);
    let unused = 64 - 8 * N as u32;
    Some(Raw { entry: Entry::Int(i64::from_le_bytes(wide) << unused >> unused), len: 1 + N })
}

/// How many bytes the back length of an entry of `len` bytes takes.
///
/// The limits are the format's: all but the first are one less than what the groups of seven bits could hold.
#[inline]
pub(super) fn back_size(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// Reads the back length that ends right before `end`: the length it states and the bytes it takes.
#[inline]
pub(super) fn read_back(bytes: &[u8], end: usize) -> Option<(usize, usize)> {
    let mut len = 0u64;
    for size in 1..=5 {
        let byte = *bytes.get(end.checked_sub(size)?)?;
        len |= u64::from(byte & 0x7f) << (7 * (size - 1));
        if byte & 0x80 == 0 {
            return Some((len as usize, size));
        }
    }
    None
}

/// An entry ready to be copied into a listpack.
#[derive(Debug)]
pub(super) struct Encoded<'a> {
    /// Encoding, and the data of integers.
    head: [u8; 9],
    head_len: u8,
    /// The data of strings.
    body: &'a [u8],
}

impl<'a> Encoded<'a> {
    pub fn new(entry: Entry<'a>) -> Self {
        match entry {
            Entry::Int(value) => Self::int(value),
            Entry::Str(text) => match parse_i64(text) {
                Some(value) => Self::int(value),
                None => Self::str(text),
            },
        }
    }

    fn int(value: i64) -> Self {
        const I24: std::ops::RangeInclusive<i64> = -(1 << 23)..=(1 << 23) - 1;
        match value {
            0..=127 => Self::headed(&[value as u8], b""),
            -4096..=4095 => Self::headed(&[0xc0 | (value >> 8) as u8 & 0x1f, value as u8], b""),
            _ if i16::try_from(value).is_ok() => Self::wide::<2>(0xf1, value),
            _ if I24.contains(&value) => Self::wide::<3>(0xf2, value),
            _ if i32::try_from(value).is_ok() => Self::wide::<4>(0xf3, value),
            _ => Self::wide::<8>(0xf4, value),
        }
    }

    fn wide<const N: usize>(tag: u8, value: i64) -> Self {
        let mut head = [tag; 9];
        head[1..].copy_from_slice(&value.to_le_bytes());
        Encoded { head, head_len: 1 + N as u8, body: b"" }
    }

    fn str(text: &'a [u8]) -> Self {
        match text.len() {
            len @ 0..64 => Self::headed(&[0x80 | len as u8], text),
            len @ 64..4096 => Self::headed(&[0xe0 | (len >> 8) as u8, len as u8], text),
            len => {
                let [a, b, c, d] = (len as u32).to_le_bytes();
                Self::headed(&[0xf0, a, b, c, d], text)
            }
        }
    }

    fn headed(bytes: &[u8], body: &'a [u8]) -> Self {
        let mut head = [0; 9];
        head[..bytes.len()].copy_from_slice(bytes);
        Encoded { head, head_len: bytes.len() as u8, body }
    }

    /// Bytes without the back length.
    fn len(&self) -> usize {
        usize::from(self.head_len) + self.body.len()
    }

    /// Bytes in the listpack.
    pub fn size(&self) -> usize {
        self.len() + back_size(self.len())
    }

    /// Writes the entry at the start of `room`, which is at least [`Self::size`] bytes.
    pub fn write(&self, room: &mut [u8]) {
        let (head, len) = (usize::from(self.head_len), self.len());
        room[..head].copy_from_slice(&self.head[..head]);
        room[head..len].copy_from_slice(self.body);
        let back = &mut room[len..len + back_size(len)];
        let mut rest = len;
        for byte in back.iter_mut().rev() {
            *byte = rest as u8 | 0x80;
            rest >>= 7;
        }
        back[0] &= 0x7f;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(entry: Entry<'_>) -> Vec<u8> {
        let encoded = Encoded::new(entry);
        let mut bytes = vec![0; encoded.size()];
        encoded.write(&mut bytes);
        bytes
    }

    #[test]
    fn encodings_are_the_shortest() {
        for (value, bytes) in [
            (0, &[0x00, 1][..]),
            (127, &[0x7f, 1]),
            (128, &[0xc0, 0x80, 2]),
            (-1, &[0xdf, 0xff, 2]),
            (4095, &[0xcf, 0xff, 2]),
            (-4096, &[0xd0, 0x00, 2]),
            (4096, &[0xf1, 0x00, 0x10, 3]),
            (-32768, &[0xf1, 0x00, 0x80, 3]),
            (32768, &[0xf2, 0x00, 0x80, 0x00, 4]),
            (-8388608, &[0xf2, 0x00, 0x00, 0x80, 4]),
            (8388608, &[0xf3, 0x00, 0x00, 0x80, 0x00, 5]),
            (-2147483649, &[0xf4, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 9]),
        ] {
            assert_eq!(encoded(Entry::Int(value)), bytes, "{value}");
        }
        assert_eq!(encoded(Entry::Str(b"abc")), b"\x83abc\x04");
        assert_eq!(encoded(Entry::Str(b"12")), [12, 1]);
        assert_eq!(encoded(Entry::Str(b"")), [0x80, 1]);
    }

    #[test]
    fn back_lengths_end_where_the_format_says() {
        for (len, size) in [
            (1usize, 1usize),
            (127, 1),
            (128, 2),
            (16_382, 2),
            (16_383, 3),
            (2_097_150, 3),
            (2_097_151, 4),
            (2_200_000, 4),
        ] {
            let head = if len < 66 {
                1
            } else if len < 4098 {
                2
            } else {
                5
            };
            let text = vec![b'x'; len - head];
            let bytes = encoded(Entry::Str(&text));
            assert_eq!(bytes.len(), len + size, "{len}");
            assert_eq!(read_back(&bytes, bytes.len()), Some((len, size)), "{len}");
        }
    }

    proptest! {
        #[test]
        fn integers_come_back(value: i64, shift in 0u32..64) {
            let value = value >> shift;
            let bytes = encoded(Entry::Int(value));
            let raw = decode(&bytes).unwrap();
            prop_assert_eq!(raw.entry, Entry::Int(value));
            prop_assert_eq!(read_back(&bytes, bytes.len()), Some((raw.len, bytes.len() - raw.len)));
        }

        #[test]
        fn texts_come_back(text in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..70),
            "-?[0-9]{1,21}".prop_map(String::into_bytes),
            (60usize..5000).prop_map(|len| vec![b'x'; len]),
        ]) {
            let bytes = encoded(Entry::Str(&text));
            let raw = decode(&bytes).unwrap();
            prop_assert!(raw.entry.is_text(&text));
            prop_assert_eq!(raw.entry.to_vec(), text);
            prop_assert_eq!(matches!(raw.entry, Entry::Int(_)), raw.entry.as_int().is_some());
            prop_assert_eq!(read_back(&bytes, bytes.len()), Some((raw.len, bytes.len() - raw.len)));
        }
    }
}
