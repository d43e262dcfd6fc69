//! Objects: what a key holds, read from its kind on.

use super::elements::{DEADLINE_MAX, Dates, NO_DATE, NodeFormat, read_listpack, read_ziplist};
use super::{DatedPairs, Error, Job, Kind, List, Nodes, Reader, Scored, Stream, Text, TextPairs, Texts};
use crate::intset::Intset;
use crate::listpack::{Entry, Listpack};
use crate::number::parse_f64;
use crate::zipmap::Zipmap;

/// An object. What is packed is here in full, what is not is pulled from the reader.
#[derive(Debug)]
pub enum Object<'r, 'a> {
    String(Text),
    List(List<'r, 'a>),
    Set(Set<'r, 'a>),
    Zset(Zset<'r, 'a>),
    Hash(Hash<'r, 'a>),
    Stream(Box<Stream>),
    Job(Box<Job>),
}

#[derive(Debug)]
pub enum Set<'r, 'a> {
    Intset(Intset),
    Packed(Listpack),
    Members(Texts<'r, 'a>),
}

#[derive(Debug)]
pub enum Zset<'r, 'a> {
    /// Member, score, member, score... the lowest score first; every score is a number.
    Packed(Listpack),
    Members(Scored<'r, 'a>),
}

#[derive(Debug)]
pub enum Hash<'r, 'a> {
    /// Field, value, field, value...
    Packed(Listpack),
    Pairs(TextPairs<'r, 'a>),
    /// Field, value, deadline, field, value, deadline...; a deadline is unix ms, 0 for none.
    PackedDated(Listpack),
    Dated(DatedPairs<'r, 'a>),
}

/// Reads an object of a kind.
///
/// Elements that are pulled may turn out twice: it is for the caller, who puts them where duplicates show, to refuse
/// the object then.
pub fn read_object<'r, 'a>(reader: &'r mut Reader<'a>, kind: Kind) -> Result<Object<'r, 'a>, Error> {
    match kind {
        Kind::String => reader.text().map(Object::String),
        Kind::List | Kind::ListZiplist | Kind::ListQuicklist | Kind::ListQuicklist2 => {
            read_list(reader, kind).map(Object::List)
        }
        Kind::Set | Kind::SetIntset | Kind::SetListpack => read_set(reader, kind).map(Object::Set),
        Kind::Zset | Kind::ZsetText | Kind::ZsetZiplist | Kind::ZsetListpack => {
            read_zset(reader, kind).map(Object::Zset)
        }
        Kind::Hash | Kind::HashZipmap | Kind::HashZiplist | Kind::HashListpack => {
            read_hash(reader, kind).map(Object::Hash)
        }
        Kind::HashDated | Kind::HashDatedValkey | Kind::HashListpackDated => {
            read_dated_hash(reader, kind).map(Object::Hash)
        }
        Kind::Stream1 | Kind::Stream2 | Kind::Stream3 => {
            Stream::read(reader, kind).map(|stream| Object::Stream(Box::new(stream)))
        }
        Kind::Job => Job::read(reader).map(|job| Object::Job(Box::new(job))),
        Kind::Module1 | Kind::Module2 => Err(Error::Module { name: module_name(reader.length()?) }),
    }
}

fn read_list<'r, 'a>(reader: &'r mut Reader<'a>, kind: Kind) -> Result<List<'r, 'a>, Error> {
    Ok(match kind {
        Kind::ListZiplist => List::Nodes(Nodes::new(reader, 1, NodeFormat::Ziplist)),
        Kind::ListQuicklist => {
            let count = some(reader.count(1)?)?;
            List::Nodes(Nodes::new(reader, count, NodeFormat::Ziplist))
        }
        Kind::ListQuicklist2 => {
            let count = some(reader.count(2)?)?;
            List::Nodes(Nodes::new(reader, count, NodeFormat::Contained))
        }
        _ => {
            let count = some(reader.count(1)?)?;
            List::Elements(Texts::new(reader, count))
        }
    })
}

fn read_set<'r, 'a>(reader: &'r mut Reader<'a>, kind: Kind) -> Result<Set<'r, 'a>, Error> {
    Ok(match kind {
        Kind::SetIntset => {
            let intset = Intset::from_bytes(reader.bytes()?)?;
            some(intset.len() as u64)?;
            Set::Intset(intset)
        }
        Kind::SetListpack => Set::Packed(checked(read_listpack(reader)?, 1, reader)?),
        _ => {
            let count = some(reader.count(1)?)?;
            Set::Members(Texts::new(reader, count))
        }
    })
}

fn read_zset<'r, 'a>(reader: &'r mut Reader<'a>, kind: Kind) -> Result<Zset<'r, 'a>, Error> {
    let packed = match kind {
        Kind::ZsetListpack => read_listpack(reader)?,
        Kind::ZsetZiplist => read_ziplist(reader)?,
        _ => {
            let as_text = kind == Kind::ZsetText;
            let count = some(reader.count(if as_text { 2 } else { 9 })?)?;
            return Ok(Zset::Members(Scored::new(reader, count, as_text)));
        }
    };
    let packed = checked(packed, 2, reader)?;
    check_scores(&packed, reader)?;
    Ok(Zset::Packed(packed))
}

fn read_hash<'r, 'a>(reader: &'r mut Reader<'a>, kind: Kind) -> Result<Hash<'r, 'a>, Error> {
    let packed = match kind {
        Kind::HashListpack => read_listpack(reader)?,
        Kind::HashZiplist => read_ziplist(reader)?,
        Kind::HashZipmap => Zipmap::new(&reader.bytes()?)?.to_listpack(),
        _ => {
            let count = some(reader.count(2)?)?;
            return Ok(Hash::Pairs(TextPairs::new(reader, count)));
        }
    };
    Ok(Hash::Packed(checked(packed, 2, reader)?))
}

fn read_dated_hash<'r, 'a>(reader: &'r mut Reader<'a>, kind: Kind) -> Result<Hash<'r, 'a>, Error> {
    let dates = match kind {
        Kind::HashDatedValkey => Dates::Behind,
        // The earliest deadline; a listpack's entries do not go by it.
        _ => Dates::Before(reader.millis()?),
    };
    if kind == Kind::HashListpackDated {
        let packed = checked(read_listpack(reader)?, 3, reader)?;
        check_dates(&packed, reader)?;
        return Ok(Hash::PackedDated(packed));
    }
    let count = some(reader.count(3)?)?;
    Ok(Hash::Dated(DatedPairs::new(reader, count, dates)))
}

fn check_dates(packed: &Listpack, reader: &Reader<'_>) -> Result<(), Error> {
    let is_date = |entry: Entry<'_>| entry.as_int().is_some_and(|at| (0..=DEADLINE_MAX).contains(&at));
    match packed.iter().skip(2).step_by(3).all(is_date) {
        true => Ok(()),
        false => Err(reader.malformed(NO_DATE).into()),
    }
}

/// A count that has to be of something.
fn some(count: u64) -> Result<u64, Error> {
    if count == 0 { Err(Error::Empty) } else { Ok(count) }
}

/// A packed collection of groups of `step` entries, not empty; if asked for, without a group twice.
fn checked(packed: Listpack, step: usize, reader: &Reader<'_>) -> Result<Listpack, Error> {
    some(packed.len() as u64)?;
    if !packed.len().is_multiple_of(step) {
        return Err(reader.malformed("odd number of entries in pairs").into());
    }
    if reader.sanitizes() && packed.view().has_duplicates(step) {
        return Err(reader.malformed("element twice").into());
    }
    Ok(packed)
}

fn check_scores(packed: &Listpack, reader: &Reader<'_>) -> Result<(), Error> {
    let mut before = f64::NEG_INFINITY;
    for (_, score) in packed.pairs() {
        let Some(score) = score_of(score) else {
            return Err(reader.malformed("score is not a number").into());
        };
        if reader.sanitizes() && score < before {
            return Err(reader.malformed("scores out of order").into());
        }
        before = score;
    }
    Ok(())
}

fn score_of(entry: Entry<'_>) -> Option<f64> {
    match entry {
        Entry::Int(score) => Some(score as f64),
        Entry::Str(text) => parse_f64(text),
    }
}

/// A module type's name: nine characters of six bits each, before ten bits of version.
pub(super) fn module_name(id: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).rev().map(|index| char::from(LETTERS[(id >> (10 + 6 * index)) as usize & 63])).collect()
}
