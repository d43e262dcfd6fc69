//! Where values are read from: a slice, or a source that is read in pieces.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};

use super::{Error, Kind, encoding};
use crate::crc64::Crc64;
use crate::lzf;
use crate::malformed::Malformed;
use crate::number::{fmt_i64, parse_f64};

/// How much is read from a source at once.
const BUFFER: usize = 64 * 1024;
/// How much room is made for a string on its length's word alone, if what the source still has is unknown.
const TRUST: u64 = 1024 * 1024;

/// Reads RDB's primitives. Over a slice nothing is copied that need not be; over a source one buffer is.
pub struct Reader<'a> {
    /// What can be read without asking the source.
    window: Cow<'a, [u8]>,
    /// How much of the window has been read.
    at: usize,
    source: Option<&'a mut (dyn Read + 'a)>,
    /// What the source still has beyond the window, if known.
    beyond: Option<u64>,
    /// What came before the window.
    before: u64,
    /// Over all that was read, up to `digested` in the window.
    crc: Option<Crc64>,
    digested: usize,
    /// A string that does not fit the window, while it is compressed.
    scratch: Vec<u8>,
    sanitize: bool,
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader at {}", self.position())
    }
}

/// A string object: integers that are encoded as such stay integers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    Bytes(Vec<u8>),
    Int(i64),
}

/// What precedes a string or a number of elements.
enum Length {
    Plain(u64),
    Encoded(u8),
}

impl<'a> Reader<'a> {
    /// Reads a slice.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::over(Cow::Borrowed(bytes), None, Some(0))
    }

    /// Reads a source, in pieces of 64 KB. `len` is how much it has, if known; it is not read any further.
    ///
    /// Knowing it, lengths that cannot be true are refused at once; else memory is set aside as the bytes arrive.
    /// The source may be read past the end of the last object.
    pub fn from_source(source: &'a mut (dyn Read + 'a), len: Option<u64>) -> Self {
        Self::over(Cow::Owned(Vec::new()), Some(source), len)
    }

    fn over(window: Cow<'a, [u8]>, source: Option<&'a mut (dyn Read + 'a)>, beyond: Option<u64>) -> Self {
        let (at, before, digested) = (0, 0, 0);
        Reader {
            window,
            at,
            source,
            beyond,
            before,
            crc: None,
            digested,
            scratch: Vec::new(),
            sanitize: false,
        }
    }

    /// Also refuses packed payloads with a field or member twice, and sorted sets out of order.
    ///
    /// Not the default: it takes time, and what it finds makes commands answer oddly, no more. It is
    /// what `sanitize-dump-payload` asks for.
    pub fn sanitizing(mut self, sanitize: bool) -> Self {
        self.sanitize = sanitize;
        self
    }

    /// Also computes the checksum of all that is read from here on.
    pub fn with_checksum(mut self) -> Self {
        self.crc = Some(Crc64::new());
        self.digested = self.at;
        self
    }

    pub(super) fn sanitizes(&self) -> bool {
        self.sanitize
    }

    /// The checksum of all that was read, if it is computed.
    pub fn checksum(&mut self) -> Option<u64> {
        self.digest();
        self.crc.as_ref().map(Crc64::value)
    }

    /// How many bytes were read.
    pub fn position(&self) -> u64 {
        self.before + self.at as u64
    }

    /// How many bytes there still are, if known.
    pub fn remaining(&self) -> Option<u64> {
        self.beyond.map(|beyond| beyond + self.buffered() as u64)
    }

    /// The next byte, not yet read, or `None` at the end.
    pub fn peek(&mut self) -> Result<Option<u8>, Error> {
        match self.fill(1) {
            Ok(()) => Ok(Some(self.window[self.at])),
            Err(Error::Malformed(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.fill(N)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.window[self.at..self.at + N]);
        self.at += N;
        Ok(bytes)
    }

    pub fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    /// The kind of the object that follows, or that follows the key.
    pub fn kind(&mut self) -> Result<Kind, Error> {
        Kind::try_from(self.byte()?)
    }

    /// Eight bytes, signed: a point in time.
    pub fn millis(&mut self) -> Result<i64, Error> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// A double in binary.
    pub fn double(&mut self) -> Result<f64, Error> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// A double as text, the way of old.
    pub fn double_text(&mut self) -> Result<f64, Error> {
        match self.byte()? {
            255 => Ok(f64::NEG_INFINITY),
            254 => Ok(f64::INFINITY),
            253 => Ok(f64::NAN),
            len => {
                let text = self.slice(u64::from(len))?;
                parse_f64(text).ok_or_else(|| self.malformed("not a double").into())
            }
        }
    }

    /// A length; encodings are an error.
    pub fn length(&mut self) -> Result<u64, Error> {
        match self.length_or_encoding()? {
            Length::Plain(length) => Ok(length),
            Length::Encoded(_) => Err(self.malformed("encoding where a length should be").into()),
        }
    }

    /// The number of elements that follow, of at least `size` bytes each.
    pub fn count(&mut self, size: u64) -> Result<u64, Error> {
        let count = self.length()?;
        match self.remaining() {
            Some(remaining) if count > remaining / size => {
                Err(self.malformed("more elements than bytes").into())
            }
            _ => Ok(count),
        }
    }

    /// A string appended to `out`.
    pub fn text_into(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        match self.length_or_encoding()? {
            Length::Plain(length) => self.bytes_into(length, out),
            Length::Encoded(encoding::LZF) => self.compressed_into(out),
            Length::Encoded(code) => {
                fmt_i64(out, self.integer(code)?);
                Ok(())
            }
        }
    }

    /// A string of its own, in an allocation of its own size.
    pub fn bytes(&mut self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        self.text_into(&mut out)?;
        out.shrink_to_fit();
        Ok(out)
    }

    /// A string, as an integer if it is encoded as one.
    pub fn text(&mut self) -> Result<Text, Error> {
        let mut out = Vec::new();
        match self.length_or_encoding()? {
            Length::Plain(length) => self.bytes_into(length, &mut out)?,
            Length::Encoded(encoding::LZF) => self.compressed_into(&mut out)?,
            Length::Encoded(code) => return self.integer(code).map(Text::Int),
        }
        out.shrink_to_fit();
        Ok(Text::Bytes(out))
    }

    /// A string appended to `out`, or the integer that it is encoded as.
    pub fn text_onto(&mut self, out: &mut Vec<u8>) -> Result<Option<i64>, Error> {
        match self.length_or_encoding()? {
            Length::Plain(length) => self.bytes_into(length, out)?,
            Length::Encoded(encoding::LZF) => self.compressed_into(out)?,
            Length::Encoded(code) => return self.integer(code).map(Some),
        }
        Ok(None)
    }

    /// Something is wrong where the reader is.
    pub(super) fn malformed(&self, rule: &'static str) -> Malformed {
        Malformed { format: "rdb", offset: self.position() as usize, rule }
    }

    fn length_or_encoding(&mut self) -> Result<Length, Error> {
        let byte = self.byte()?;
        match byte {
            0x00..=0x3f => Ok(Length::Plain(u64::from(byte))),
            0x40..=0x7f => Ok(Length::Plain(u64::from(byte & 0x3f) << 8 | u64::from(self.byte()?))),
            0x80 => Ok(Length::Plain(u64::from(u32::from_be_bytes(self.array()?)))),
            0x81 => Ok(Length::Plain(u64::from_be_bytes(self.array()?))),
            0x82..=0xbf => Err(self.malformed("undefined length").into()),
            0xc0..=0xff => Ok(Length::Encoded(byte & 0x3f)),
        }
    }

    fn integer(&mut self, code: u8) -> Result<i64, Error> {
        match code {
            encoding::INT8 => Ok(i64::from(self.byte()? as i8)),
            encoding::INT16 => Ok(i64::from(i16::from_le_bytes(self.array()?))),
            encoding::INT32 => Ok(i64::from(i32::from_le_bytes(self.array()?))),
            _ => Err(self.malformed("undefined string encoding").into()),
        }
    }

    fn compressed_into(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let packed = self.length()?;
        let len = usize::try_from(self.length()?).map_err(|_| self.malformed("string too long"))?;
        let start = self.position() as usize;
        lzf::decompress(self.slice(packed)?, len, out)
            .map_err(|error| Error::Malformed(Malformed { offset: start + error.offset, ..error }))
    }

    fn bytes_into(&mut self, len: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        match self.remaining() {
            Some(remaining) if len > remaining => return Err(self.cut_off()),
            Some(_) if out.is_empty() => out.reserve_exact(len as usize),
            Some(_) => out.reserve(len as usize),
            None => out.reserve_exact(len.min(TRUST) as usize),
        }
        let mut left = len;
        while left > 0 {
            self.fill(1)?;
            let piece = left.min(self.buffered() as u64) as usize;
            out.extend_from_slice(&self.window[self.at..self.at + piece]);
            self.at += piece;
            left -= piece as u64;
        }
        Ok(())
    }

    /// `len` bytes in one piece, until the next read.
    fn slice(&mut self, len: u64) -> Result<&[u8], Error> {
        if len > BUFFER as u64 && len > self.buffered() as u64 {
            let mut scratch = std::mem::take(&mut self.scratch);
            scratch.clear();
            self.bytes_into(len, &mut scratch)?;
            self.scratch = scratch;
            return Ok(&self.scratch);
        }
        let len = len as usize;
        self.fill(len)?;
        self.at += len;
        Ok(&self.window[self.at - len..self.at])
    }

    fn buffered(&self) -> usize {
        self.window.len() - self.at
    }

    /// Makes the window hold at least `len` unread bytes, at most [`BUFFER`].
    #[inline]
    fn fill(&mut self, len: usize) -> Result<(), Error> {
        if self.buffered() >= len { Ok(()) } else { self.refill(len) }
    }

    #[cold]
    fn refill(&mut self, len: usize) -> Result<(), Error> {
        self.digest();
        let Some(source) = self.source.as_mut() else { return Err(self.cut_off()) };
        let window = self.window.to_mut();
        window.drain(..self.at);
        self.before += self.at as u64;
        (self.at, self.digested) = (0, 0);

        let mut filled = window.len();
        let room = BUFFER.min(usize::try_from(self.beyond.unwrap_or(u64::MAX)).unwrap_or(BUFFER));
        window.resize(filled + room, 0);
        let read = read_some(source, window, &mut filled, len);
        let unfilled = window.len() - filled;
        window.truncate(filled);
        self.beyond = self.beyond.map(|beyond| beyond - (room - unfilled) as u64);
        read?;
        if self.buffered() >= len { Ok(()) } else { Err(self.cut_off()) }
    }

    fn digest(&mut self) {
        if let Some(crc) = &mut self.crc {
            crc.update(&self.window[self.digested..self.at]);
            self.digested = self.at;
        }
    }

    fn cut_off(&self) -> Error {
        self.malformed("cut off").into()
    }
}

/// Reads until `filled` is at least `wanted`, the room is full, or the source ends.
fn read_some(source: &mut dyn Read, room: &mut [u8], filled: &mut usize, wanted: usize) -> io::Result<()> {
    while *filled < wanted && *filled < room.len() {
        match source.read(&mut room[*filled..]) {
            Ok(0) => break,
            Ok(count) => *filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
