//! Where values are written to.

use super::{Kind, encoding};
use crate::lzf::{self, WORTH_TRYING};
use crate::number::{fmt_i64, parse_i64};

/// The longest text that is tried as an integer: `-2147483648`.
const INT32_TEXT_MAX: usize = 11;

/// Writes RDB's primitives into a buffer of its own.
///
/// Made once and used for many objects. An object is its kind (in a file
/// the key comes between), then what the [module's page](super) says: for a hash its [`length`](Self::length), then
/// fields and values by [`text`](Self::text); for packed collections the bytes by [`text`](Self::text).
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    compress: bool,
}

impl Writer {
    /// An empty buffer; `compress` is what `rdbcompression` says.
    pub fn new(compress: bool) -> Self {
        Writer { out: Vec::new(), compress }
    }

    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.out
    }

    /// What was written, to add to it or to drain it.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Forgets what was written, keeps the room.
    pub fn clear(&mut self) {
        self.out.clear();
    }

    /// The kind of the object that follows.
    pub fn kind(&mut self, kind: Kind) {
        self.out.push(kind.byte());
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// A length, a number of elements, or another unsigned number.
    pub fn length(&mut self, length: u64) {
        match length {
            0..64 => self.out.push(length as u8),
            64..16384 => self.raw(&[0x40 | (length >> 8) as u8, length as u8]),
            _ => match u32::try_from(length) {
                Ok(length) => {
                    self.out.push(0x80);
                    self.raw(&length.to_be_bytes());
                }
                Err(_) => {
                    self.out.push(0x81);
                    self.raw(&length.to_be_bytes());
                }
            },
        }
    }

    /// A string: as an integer if it is one of up to 32 bits, compressed if that is wanted and helps, or as it is.
    pub fn text(&mut self, text: &[u8]) {
        if text.len() <= INT32_TEXT_MAX
            && let Some(value) = parse_i64(text).and_then(|value| i32::try_from(value).ok())
        {
            return self.int32(value);
        }
        if self.compress && text.len() >= WORTH_TRYING && self.compressed(text) {
            return;
        }
        self.length(text.len() as u64);
        self.raw(text);
    }

    /// A string that is known to be an integer.
    pub fn int(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(value) => self.int32(value),
            Err(_) => {
                let mut text = Vec::with_capacity(20);
                fmt_i64(&mut text, value);
                self.length(text.len() as u64);
                self.raw(&text);
            }
        }
    }

    /// A double in binary.
    pub fn double(&mut self, value: f64) {
        self.raw(&value.to_le_bytes());
    }

    /// A point in time.
    pub fn millis(&mut self, ms: i64) {
        self.raw(&ms.to_le_bytes());
    }

    /// A list's node that is one big element.
    pub fn big_node(&mut self, element: &[u8]) {
        self.length(1);
        self.text(element);
    }

    /// A list's node that is a listpack.
    pub fn packed_node(&mut self, listpack: &[u8]) {
        self.length(2);
        self.text(listpack);
    }

    fn int32(&mut self, value: i32) {
        let bytes = value.to_le_bytes();
        if let Ok(value) = i8::try_from(value) {
            self.raw(&[0xc0 | encoding::INT8, value as u8]);
        } else if i16::try_from(value).is_ok() {
            self.raw(&[0xc0 | encoding::INT16, bytes[0], bytes[1]]);
        } else {
            self.out.push(0xc0 | encoding::INT32);
            self.raw(&bytes);
        }
    }

    /// Writes the string compressed, unless it does not shrink.
    fn compressed(&mut self, text: &[u8]) -> bool {
        // The lengths come first and are known last: the string is compressed behind the most they can take.
        const HEAD_MAX: usize = 1 + 9 + 9;
        let start = self.out.len();
        self.raw(&[0; HEAD_MAX]);
        let shrunk = lzf::compress(text, &mut self.out);
        let packed = self.out.len() - start - HEAD_MAX;
        if !shrunk {
            self.out.truncate(start);
            return false;
        }
        self.out.push(0xc0 | encoding::LZF);
        self.length(packed as u64);
        self.length(text.len() as u64);
        let body = start + HEAD_MAX..start + HEAD_MAX + packed;
        let head = body.end..self.out.len();
        let size = head.len();
        let mut room = [0; HEAD_MAX];
        room[..size].copy_from_slice(&self.out[head]);
        self.out.copy_within(body, start + size);
        self.out[start..start + size].copy_from_slice(&room[..size]);
        self.out.truncate(start + size + packed);
        true
    }
}
