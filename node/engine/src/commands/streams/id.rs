//! Ids as arguments.

use protocol::error::streams::{BAD_END, BAD_START, INVALID_ID};
use protocol::{ErrorReply, StreamId, WrittenId};
use smallvec::SmallVec;

/// An id; the sequence is 0 if it is left out.
pub fn id(arg: &[u8]) -> Result<StreamId, ErrorReply> {
    match WrittenId::parse(arg) {
        None | Some(WrittenId::Auto(_)) => Err(INVALID_ID),
        Some(written) => Ok(written.or_seq(0)),
    }
}

/// Several ids.
pub fn ids<'a>(args: impl Iterator<Item = &'a [u8]>) -> Result<SmallVec<[StreamId; 4]>, ErrorReply> {
    args.map(id).collect()
}

/// An id or `-` or `+`; `seq` if the sequence is left out.
pub fn id_or_edge(arg: &[u8], seq: u64) -> Result<StreamId, ErrorReply> {
    match arg {
        b"-" => Ok(StreamId::ZERO),
        b"+" => Ok(StreamId::MAX),
        arg => match WrittenId::parse(arg) {
            None | Some(WrittenId::Auto(_)) => Err(INVALID_ID),
            Some(written) => Ok(written.or_seq(seq)),
        },
    }
}

/// A bound as it is written: the id, and whether it is excluded.
fn bound(arg: &[u8], seq: u64) -> Result<(StreamId, bool), ErrorReply> {
    match arg {
        [b'(', rest @ ..] if !rest.is_empty() => match WrittenId::parse(rest) {
            None | Some(WrittenId::Auto(_)) => Err(INVALID_ID),
            Some(written) => Ok((written.or_seq(seq), true)),
        },
        arg => Ok((id_or_edge(arg, seq)?, false)),
    }
}

/// Where an interval begins: the lowest id in it.
pub fn lower(arg: &[u8]) -> Result<StreamId, ErrorReply> {
    match bound(arg, 0)? {
        (id, true) => id.next().ok_or(BAD_START),
        (id, false) => Ok(id),
    }
}

/// Where an interval ends: the highest id in it.
pub fn upper(arg: &[u8]) -> Result<StreamId, ErrorReply> {
    match bound(arg, u64::MAX)? {
        (id, true) => id.previous().ok_or(BAD_END),
        (id, false) => Ok(id),
    }
}
