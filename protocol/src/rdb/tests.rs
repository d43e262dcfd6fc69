//! Tests of objects, and what they share: reading an object to its end, and writing it again.

mod golden;
mod hostile;
mod old;

use std::io::Read;
use std::sync::LazyLock;

use super::*;
use crate::listpack::{Entry, Listpack};
use crate::number::{fmt_f64, fmt_i64};
use crate::{StreamId, dump, ziplist};

/// A row of `testdata/dumps.tsv`; `testdata/record_dumps.py` made it and says what it is.
struct Row {
    kind: &'static str,
    compressed: bool,
    payload: Vec<u8>,
    content: Vec<Vec<u8>>,
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn recorded() -> &'static [Row] {
    static ROWS: LazyLock<Vec<Row>> = LazyLock::new(parse_recorded);
    &ROWS
}

fn parse_recorded() -> Vec<Row> {
    let rows = include_str!("../../testdata/dumps.tsv").lines().map(|line| {
        let [kind, _, compressed, payload, content] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not a row: {line}");
        };
        let content =
            content.split(' ').map(|word| if word == "-" { Vec::new() } else { unhex(word) }).collect();
        Row { kind, compressed: compressed == "yes", payload: unhex(payload), content }
    });
    rows.collect()
}

/// Reads an object to its end: its type and its content, flattened.
fn content(reader: &mut Reader<'_>, kind: Kind) -> Result<(&'static str, Vec<Vec<u8>>), Error> {
    let mut out = Vec::new();
    let name = match read_object(reader, kind)? {
        Object::String(Text::Bytes(text)) => {
            out.push(text);
            "string"
        }
        Object::String(Text::Int(value)) => {
            out.push(value.to_string().into_bytes());
            "string"
        }
        Object::List(list) => {
            list_content(list, &mut out)?;
            "list"
        }
        Object::Set(set) => {
            set_content(set, &mut out)?;
            "set"
        }
        Object::Zset(zset) => {
            zset_content(zset, &mut out)?;
            "zset"
        }
        Object::Hash(hash) => {
            hash_content(hash, &mut out)?;
            "hash"
        }
        Object::Stream(stream) => {
            stream_content(&stream, &mut out);
            "stream"
        }
        Object::Job(job) => {
            out.extend([job.start_ms, job.interval_ms].map(|ms| ms.to_string().into_bytes()));
            out.extend([job.script].into_iter().chain(job.keys).chain(job.arguments));
            "job"
        }
    };
    Ok((name, out))
}

fn list_content(list: List<'_, '_>, out: &mut Vec<Vec<u8>>) -> Result<(), Error> {
    match list {
        List::Elements(mut texts) => {
            while let Some(text) = texts.next()? {
                out.push(text.to_vec());
            }
        }
        List::Nodes(mut nodes) => {
            while let Some(node) = nodes.next()? {
                match node {
                    Node::Big(text) => out.push(text),
                    Node::Packed(listpack) => out.extend(listpack.iter().map(|entry| entry.to_vec())),
                }
            }
        }
    }
    Ok(())
}

fn set_content(set: Set<'_, '_>, out: &mut Vec<Vec<u8>>) -> Result<(), Error> {
    match set {
        Set::Intset(intset) => out.extend(intset.iter().map(|value| value.to_string().into_bytes())),
        Set::Packed(listpack) => out.extend(listpack.iter().map(|entry| entry.to_vec())),
        Set::Members(mut texts) => {
            while let Some(text) = texts.next()? {
                out.push(text.to_vec());
            }
        }
    }
    out.sort();
    Ok(())
}

fn zset_content(zset: Zset<'_, '_>, out: &mut Vec<Vec<u8>>) -> Result<(), Error> {
    match zset {
        Zset::Packed(listpack) => out.extend(listpack.iter().map(|entry| entry.to_vec())),
        Zset::Members(mut members) => {
            // The highest comes first.
            while let Some((member, score)) = members.next()? {
                let mut text = Vec::new();
                fmt_f64(&mut text, score);
                out.splice(0..0, [member.to_vec(), text]);
            }
        }
    }
    Ok(())
}

fn hash_content(hash: Hash<'_, '_>, out: &mut Vec<Vec<u8>>) -> Result<(), Error> {
    let mut pairs = Vec::new();
    match hash {
        Hash::Packed(listpack) => {
            pairs.extend(listpack.pairs().map(|(field, value)| [field.to_vec(), value.to_vec()]))
        }
        Hash::Pairs(mut texts) => {
            while let Some((field, value)) = texts.next()? {
                pairs.push([field.to_vec(), value.to_vec()]);
            }
        }
        Hash::PackedDated(listpack) => {
            let words: Vec<_> = listpack.iter().map(|entry| entry.to_vec()).collect();
            for triple in words.chunks(3) {
                pairs.push([triple[0].clone(), [&triple[1][..], b"@", &triple[2]].concat()]);
            }
        }
        Hash::Dated(mut dated) => {
            while let Some((field, value, at)) = dated.next()? {
                let at = at.unwrap_or(0).to_string();
                pairs.push([field.to_vec(), [value, b"@", at.as_bytes()].concat()]);
            }
        }
    }
    pairs.sort();
    out.extend(pairs.into_iter().flatten());
    Ok(())
}

/// What is to be found in the recorded content, each after its name.
fn stream_content(stream: &Stream, out: &mut Vec<Vec<u8>>) {
    let id = |id: StreamId| format!("{}-{}", id.ms, id.seq);
    let mut fact = |name: &str, value: String| out.extend([name.as_bytes().to_vec(), value.into_bytes()]);
    fact("length", stream.length.to_string());
    fact("last-generated-id", id(stream.last_id));
    fact("max-deleted-entry-id", id(stream.max_deleted_id));
    fact("entries-added", stream.entries_added.to_string());
    fact("recorded-first-entry-id", id(stream.first_id));
    for group in &stream.groups {
        fact("name", String::from_utf8(group.name.clone()).unwrap());
        fact("last-delivered-id", id(group.last_id));
        fact("entries-read", group.entries_read.map_or("nil".into(), |read| read.to_string()));
        fact("pel-count", group.pending.len().to_string());
        for consumer in &group.consumers {
            fact("name", String::from_utf8(consumer.name.clone()).unwrap());
            fact("seen-time", consumer.seen_ms.to_string());
            fact("pel-count", consumer.pending.len().to_string());
        }
    }
}

/// Reads an object and writes it again.
fn rewrite(reader: &mut Reader<'_>, kind: Kind, writer: &mut Writer) -> Result<(), Error> {
    writer.kind(kind);
    match read_object(reader, kind)? {
        Object::String(Text::Bytes(text)) => writer.text(&text),
        Object::String(Text::Int(value)) => writer.int(value),
        Object::Set(Set::Intset(intset)) => writer.text(intset.as_bytes()),
        Object::Set(Set::Packed(packed))
        | Object::Zset(Zset::Packed(packed))
        | Object::Hash(Hash::Packed(packed)) => {
            writer.text(packed.as_bytes());
        }
        Object::Set(Set::Members(mut texts)) | Object::List(List::Elements(mut texts)) => {
            writer.length(texts.hint() as u64);
            while let Some(text) = texts.next()? {
                writer.text(text);
            }
        }
        Object::Zset(Zset::Members(mut members)) => {
            writer.length(members.hint() as u64);
            while let Some((member, score)) = members.next()? {
                writer.text(member);
                writer.double(score);
            }
        }
        Object::Hash(Hash::Pairs(mut pairs)) => {
            writer.length(pairs.hint() as u64);
            while let Some((field, value)) = pairs.next()? {
                writer.text(field);
                writer.text(value);
            }
        }
        Object::List(List::Nodes(mut nodes)) => {
            let mut written = Vec::new();
            while let Some(node) = nodes.next()? {
                written.push(node);
            }
            writer.length(written.len() as u64);
            written.iter().for_each(|node| match node {
                Node::Big(element) => writer.big_node(element),
                Node::Packed(listpack) => writer.packed_node(listpack.as_bytes()),
            });
        }
        Object::Stream(stream) => stream.write(writer, kind),
        // Only others write them.
        Object::Job(_) | Object::Hash(Hash::PackedDated(_) | Hash::Dated(_)) => {}
    }
    Ok(())
}

fn rewritten(payload: &[u8], compress: bool) -> Vec<u8> {
    let (kind, mut reader) = dump::open(dump::verify(payload).unwrap()).unwrap();
    let mut writer = Writer::new(compress);
    rewrite(&mut reader, kind, &mut writer).unwrap();
    dump::seal(writer.buffer(), VERSION);
    writer.as_bytes().to_vec()
}

fn check_content(payload: &[u8], row: &Row) {
    let (kind, reader) = dump::open(dump::verify(payload).unwrap()).unwrap();
    let mut reader = reader.sanitizing(true);
    let (name, content) = content(&mut reader, kind).unwrap();
    assert_eq!((name, reader.remaining()), (row.kind, Some(0)));
    if name != "stream" {
        return assert_eq!(content, row.content);
    }
    let mut rest = &row.content[..];
    for fact in content.chunks(2) {
        let found = rest.windows(2).position(|words| words == fact);
        let found = found.unwrap_or_else(|| panic!("{fact:?} not in {rest:?}"));
        rest = &rest[found + 1..];
    }
}

fn read(kind: Kind, bytes: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    content(&mut Reader::new(bytes), kind).map(|(_, content)| content)
}

fn rule(result: Result<Vec<Vec<u8>>, Error>) -> &'static str {
    match result {
        Err(Error::Malformed(malformed)) => malformed.rule,
        other => panic!("{other:?}"),
    }
}

fn texts(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// The string that holds `bytes`.
fn string(bytes: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new(true);
    writer.text(bytes);
    writer.as_bytes().to_vec()
}

/// A source that gives a byte or two at a time.
struct Trickle<'b>(&'b [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let some = 1 + self.0.len() % 2;
        let room_len = room.len().min(some);
        self.0.read(&mut room[..room_len])
    }
}
