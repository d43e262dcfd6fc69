//! What the files of a member's log consist of.
//!
//! ```text
//! file   = "EWMEMBR1" record*
//! record = length: u32le  checksum: u64le  kind: u8  body      length and checksum are of kind and body
//! ```
//!
//! The checksum is that of RDB files. A base is a head, pieces, libraries and an end; a log is everything that followed.

use std::io::{self, Read};

use protocol::crc64;
use replication::codec::{Malformed, Reader, Writer};
use replication::message::Message;
use replication::overlay::Levels;

/// At the front of each file.
pub const MAGIC: &[u8; 8] = b"EWMEMBR1";
/// Bytes before a record's kind.
const HEAD: usize = 12;
/// The highest kind there is.
const KIND_MAX: u8 = 9;
/// Bytes that a piece must have to be worth compressing.
const COMPRESS_FROM: usize = 512;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// What the copy that follows has: a [`Message::Snapshot`].
    Head(Message),
    /// A piece of it, see [`engine::active::sync`].
    Piece(Vec<u8>),
    /// The copy is whole; how far the members were.
    End(Levels),
    /// Groups of a stream: a [`Message::Part`].
    Groups(Message),
    /// The members were this far.
    Levels(Levels),
    /// A peer's copy was merged. Until the next base only what this node wrote itself can be used.
    Merged,
    /// The functions that there are now, as FUNCTION DUMP gives them: what earlier versions wrote.
    Functions(Vec<u8>),
    /// All that is known of functions, see [`crate::scripting::ledger`].
    Libraries(Vec<u8>),
}

/// Appends a record.
pub fn put(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; HEAD]);
    out.push(kind);
    body(out);
    let (len, sum) = ((out.len() - at - HEAD) as u32, crc64::checksum(&out[at + HEAD..]));
    out[at..at + 4].copy_from_slice(&len.to_le_bytes());
    out[at + 4..at + HEAD].copy_from_slice(&sum.to_le_bytes());
}

impl Record {
    /// Appends the record. `compress`: pieces, where that makes them smaller.
    pub fn put(&self, out: &mut Vec<u8>, compress: bool) {
        match self {
            Record::Head(message) => put(out, 1, |out| put_message(out, message)),
            Record::Piece(piece) => {
                let packed = (compress && piece.len() >= COMPRESS_FROM)
                    .then(|| zstd::bulk::compress(piece, 1).ok())
                    .flatten()
                    .filter(|packed| packed.len() < piece.len());
                match packed {
                    Some(packed) => put(out, 3, |out| {
                        out.extend_from_slice(&(piece.len() as u32).to_le_bytes());
                        out.extend_from_slice(&packed);
                    }),
                    None => put(out, 2, |out| out.extend_from_slice(piece)),
                }
            }
            Record::End(levels) => put(out, 4, |out| put_levels(out, *levels)),
            Record::Groups(message) => put(out, 5, |out| put_message(out, message)),
            Record::Levels(levels) => put(out, 6, |out| put_levels(out, *levels)),
            Record::Merged => put(out, 7, |_| {}),
            Record::Functions(dump) => put(out, 8, |out| out.extend_from_slice(dump)),
            Record::Libraries(told) => put(out, 9, |out| out.extend_from_slice(told)),
        }
    }

    fn take(bytes: &[u8]) -> Result<Record, Malformed> {
        let (kind, body) = bytes.split_first().ok_or(Malformed::Short)?;
        Ok(match kind {
            1 => Record::Head(Message::decode(body)?),
            2 => Record::Piece(body.to_vec()),
            3 => {
                let (size, packed) = body.split_first_chunk().ok_or(Malformed::Short)?;
                let size = u32::from_le_bytes(*size) as usize;
                Record::Piece(zstd::bulk::decompress(packed, size).map_err(|_| Malformed::Short)?)
            }
            4 => Record::End(take_levels(body)?),
            5 => Record::Groups(Message::decode(body)?),
            6 => Record::Levels(take_levels(body)?),
            7 => Record::Merged,
            8 => Record::Functions(body.to_vec()),
            9 => Record::Libraries(body.to_vec()),
            kind => return Err(Malformed::Tag(u64::from(*kind))),
        })
    }
}

fn put_message(out: &mut Vec<u8>, message: &Message) {
    let mut w = Writer(std::mem::take(out));
    message.encode_to(&mut w);
    *out = w.0;
}

fn put_levels(out: &mut Vec<u8>, levels: Levels) {
    let mut w = Writer(std::mem::take(out));
    for level in [levels.horizon, levels.known, levels.settled, levels.agreed] {
        w.int(level);
    }
    *out = w.0;
}

fn take_levels(body: &[u8]) -> Result<Levels, Malformed> {
    let mut r = Reader(body);
    let levels = Levels { horizon: r.int()?, known: r.int()?, settled: r.int()?, agreed: r.int()? };
    r.end()?;
    Ok(levels)
}

/// Why no further record can be read.
#[derive(Debug)]
pub enum Stop {
    /// The file ends within a record: its writer was killed.
    Torn,
    /// What is there is no record.
    Damaged(String),
    Io(io::Error),
}

/// The records of a file, one after the other.
pub struct Records<R> {
    file: R,
    /// Behind the last whole record.
    pub at: u64,
    buffer: Vec<u8>,
}

impl<R: Read> Records<R> {
    /// Reads the file's first bytes.
    pub fn open(mut file: R) -> Result<Records<R>, Stop> {
        let mut magic = [0; MAGIC.len()];
        match read_up_to(&mut file, &mut magic)? {
            n if n < magic.len() => Err(Stop::Torn),
            _ if magic != *MAGIC => Err(Stop::Damaged("this is no file of a member's log".into())),
            n => Ok(Records { file, at: n as u64, buffer: Vec::new() }),
        }
    }

    /// The next record; `None` at the end.
    pub fn read(&mut self) -> Result<Option<Record>, Stop> {
        let mut head = [0; HEAD];
        match read_up_to(&mut self.file, &mut head)? {
            0 => return Ok(None),
            n if n < HEAD => return Err(Stop::Torn),
            _ => {}
        }
        let [a, b, c, d, sum @ ..] = head;
        let (len, sum) = (u32::from_le_bytes([a, b, c, d]) as usize, u64::from_le_bytes(sum));
        self.buffer.clear();
        if (&mut self.file).take(len as u64).read_to_end(&mut self.buffer).map_err(Stop::Io)? < len {
            // It may say that it is longer than it is: then others follow.
            return Err(match holds_record(&self.buffer) {
                true => self.damaged("its length is wrong"),
                false => Stop::Torn,
            });
        }
        // After a power failure a file may end with zeros that nobody wrote.
        if len == 0 || crc64::checksum(&self.buffer) != sum {
            return Err(if self.ends_here(&head)? {
                Stop::Torn
            } else {
                self.damaged("its checksum is wrong")
            });
        }
        let record =
            Record::take(&self.buffer).map_err(|e| self.damaged(&format!("it makes no sense: {e:?}")))?;
        self.at += (HEAD + len) as u64;
        Ok(Some(record))
    }

    /// Whether nothing follows but zeros, or nothing at all.
    fn ends_here(&mut self, head: &[u8]) -> Result<bool, Stop> {
        let blank = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        let nothing = blank(head) && blank(&self.buffer);
        let mut rest = [0; 4096];
        loop {
            match read_up_to(&mut self.file, &mut rest)? {
                0 => return Ok(true),
                n if nothing && blank(&rest[..n]) => {}
                _ => return Ok(false),
            }
        }
    }

    fn damaged(&self, what: &str) -> Stop {
        Stop::Damaged(format!("the record at byte {}: {what}", self.at))
    }
}

/// Bytes whose checksums are computed to find a record. After so many there is none.
const SEARCH_MAX: usize = 256 << 20;

/// Whether there is a whole record somewhere.
fn holds_record(bytes: &[u8]) -> bool {
    let mut left = SEARCH_MAX;
    for at in 0..bytes.len().saturating_sub(HEAD) {
        let [a, b, c, d, sum @ .., kind] = &bytes[at..=at + HEAD] else { return false };
        let len = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let Some(body) = bytes.get(at + HEAD..at + HEAD + len).filter(|_| (1..=KIND_MAX).contains(kind))
        else {
            continue;
        };
        left = left.saturating_sub(len);
        if len > 0 && left > 0 && crc64::checksum(body).to_le_bytes() == *sum {
            return true;
        }
    }
    false
}

fn read_up_to(file: &mut impl Read, into: &mut [u8]) -> Result<usize, Stop> {
    let mut n = 0;
    while n < into.len() {
        match file.read(&mut into[n..]) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Stop::Io(e)),
        }
    }
    Ok(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> (Vec<u8>, Vec<Record>) {
        let levels = Levels { horizon: 4, known: 3, settled: 2, agreed: 1 };
        let records = vec![
            Record::Head(Message::Held(Default::default())),
            Record::Piece(vec![7; 2000]),
            Record::Piece(vec![8; 3]),
            Record::Functions(b"code".to_vec()),
            Record::Libraries(b"told".to_vec()),
            Record::End(levels),
            Record::Levels(levels),
            Record::Merged,
        ];
        let mut bytes = MAGIC.to_vec();
        records.iter().for_each(|record| record.put(&mut bytes, true));
        (bytes, records)
    }

    fn read(bytes: &[u8]) -> (Vec<Record>, Option<Stop>, u64) {
        let mut records = match Records::open(bytes) {
            Ok(records) => records,
            Err(stop) => return (Vec::new(), Some(stop), 0),
        };
        let mut all = Vec::new();
        loop {
            match records.read() {
                Ok(Some(record)) => all.push(record),
                Ok(None) => return (all, None, records.at),
                Err(stop) => return (all, Some(stop), records.at),
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let (bytes, records) = written();
        assert!(bytes.len() < 2000, "pieces are compressed");
        let (read, stop, at) = read(&bytes);
        assert!(stop.is_none(), "{stop:?}");
        assert_eq!((read, at), (records, bytes.len() as u64));
    }

    #[test]
    fn a_file_may_end_anywhere() {
        let (bytes, records) = written();
        for end in 0..bytes.len() {
            let (read, stop, at) = read(&bytes[..end]);
            assert_eq!(read, records[..read.len()]);
            assert!(at as usize <= end);
            assert!(
                stop.is_none() && at as usize == end || matches!(stop, Some(Stop::Torn)),
                "{end}: {stop:?}"
            );
        }
        let zeros = [&bytes[..], &[0; 5000]].concat();
        let (read, stop, at) = read(&zeros);
        assert!(matches!(stop, Some(Stop::Torn)), "{stop:?}");
        assert_eq!((read, at), (records, bytes.len() as u64));
    }

    #[test]
    fn a_flipped_bit_is_damage_unless_it_is_in_the_last_record() {
        let (bytes, records) = written();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x10;
            let (read, stop, _) = read(&bytes);
            assert!(stop.is_some(), "{at}");
            let is_last = read.len() + 1 == records.len();
            let magic = at < MAGIC.len();
            assert!(magic || is_last || matches!(stop, Some(Stop::Damaged(_))), "{at}: {stop:?}");
            assert!(read.len() < records.len());
            assert_eq!(read, records[..read.len()]);
        }
    }
}
