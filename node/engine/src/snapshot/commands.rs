//! Entries as the commands that make them again: the base of an append-only file without RDB in it.
//!
//! Keys are absent before. Collections are added to by some elements at a time, as Redis does, so that no command is
//! larger than clients may send. Deadlines of members are commands that plain Redis does not know; it has none to load.

use std::collections::BTreeSet;

use protocol::StreamId;
use protocol::listpack::Entry;
use protocol::number::fmt_f64;

use crate::entry::EntryRef;
use crate::journal::feed;
use crate::types::stream::{Group, Part};
use crate::types::{Deadlines, Hash, List, Set, Stream, Zset};
use crate::value::ValueRef;

/// Elements that one command adds.
const ELEMENTS: usize = 64;
/// Ids in one remark: readers, also Redis, take lines of 1,023 bytes, and an id has at most 41.
const LATE_IDS: usize = 20;

/// A command being put together: its words stay where they are from one to the next.
#[derive(Default)]
struct Words {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// How many of them every command begins with, and how many elements follow these.
    fixed: usize,
    elements: usize,
}

impl Words {
    fn new(fixed: &[&[u8]]) -> Words {
        let mut words = Words { fixed: fixed.len(), ..Words::default() };
        fixed.iter().for_each(|word| words.push(word));
        words
    }

    fn push(&mut self, word: &[u8]) {
        self.bytes.extend_from_slice(word);
        self.ends.push(self.bytes.len());
    }

    fn entry(&mut self, entry: Entry<'_>) {
        self.push(entry.text(&mut itoa::Buffer::new()));
    }

    fn int(&mut self, n: i64) {
        self.push(itoa::Buffer::new().format(n).as_bytes());
    }

    fn id(&mut self, id: StreamId) {
        self.push(id.to_string().as_bytes());
    }

    /// An element is complete: writes the command down if it has enough.
    fn element(&mut self, out: &mut Vec<u8>) {
        self.elements += 1;
        if self.elements == ELEMENTS {
            self.finish(out);
        }
    }

    /// Writes the command down, if it has elements, and goes back to its beginning.
    fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.elements) > 0 {
            self.write(out);
        }
        self.ends.truncate(self.fixed);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
    }

    fn write(&self, out: &mut Vec<u8>) {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let words: Vec<&[u8]> = starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end]).collect();
        feed::encode(out, words.into_iter());
    }
}

fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    feed::encode(out, words.iter().copied());
}

/// Writes a key down. `due`: members with deadlines up to this are left out. `remarks`: the reader knows such.
pub fn write(entry: EntryRef<'_>, due: u64, remarks: bool, out: &mut Vec<u8>) {
    let key = entry.key();
    match entry.value() {
        ValueRef::Int(n) => command(out, &[b"SET", key, itoa::Buffer::new().format(n).as_bytes()]),
        ValueRef::Bytes(bytes) => command(out, &[b"SET", key, bytes]),
        ValueRef::Raw(bytes) => command(out, &[b"SET", key, bytes]),
        ValueRef::Tagged(string) => {
            if remarks {
                out.extend_from_slice(format!("{}{}\r\n", feed::TAG, string.tag).as_bytes());
            }
            command(out, &[b"SET", key, &string.bytes]);
        }
        ValueRef::List(list) => elements_of_list(key, list, out),
        ValueRef::Set(set) => members(key, set, due, out),
        ValueRef::Zset(zset) => scores(key, zset, due, out),
        ValueRef::Hash(hash) => fields(key, hash, due, out),
        ValueRef::Stream(stream) => stream_parts(key, stream, remarks, out),
    }
    if let Some(at) = entry.deadline() {
        command(out, &[b"PEXPIREAT", key, itoa::Buffer::new().format(at).as_bytes()]);
    }
}

fn elements_of_list(key: &[u8], list: &List, out: &mut Vec<u8>) {
    let mut words = Words::new(&[b"RPUSH", key]);
    list.range(0, false, list.len(), |element| {
        words.entry(element);
        words.element(out);
    });
    words.finish(out);
}

fn members(key: &[u8], set: &Set, due: u64, out: &mut Vec<u8>) {
    let mut words = Words::new(&[b"SADD", key]);
    for member in set.live(due).iter() {
        words.entry(member);
        words.element(out);
    }
    words.finish(out);
    member_deadlines(key, set.deadlines(), due, out);
}

fn member_deadlines(key: &[u8], deadlines: Option<&Deadlines>, due: u64, out: &mut Vec<u8>) {
    for (member, at) in deadlines.into_iter().flat_map(|d| d.iter()).filter(|(_, at)| *at > due) {
        let mut words = Words::new(&[b"PEXPIREMEMBERAT", key]);
        words.entry(member);
        words.int(at as i64);
        words.write(out);
    }
}

fn scores(key: &[u8], zset: &Zset, due: u64, out: &mut Vec<u8>) {
    let mut words = Words::new(&[b"ZADD", key]);
    let mut score_text = Vec::new();
    for (member, score) in zset.live(due).iter() {
        score_text.clear();
        fmt_f64(&mut score_text, score);
        words.push(&score_text);
        words.entry(member);
        words.element(out);
    }
    words.finish(out);
    member_deadlines(key, zset.deadlines(), due, out);
}

fn fields(key: &[u8], hash: &Hash, due: u64, out: &mut Vec<u8>) {
    let mut words = Words::new(&[b"HMSET", key]);
    for (field, value) in hash.live(due).iter() {
        words.entry(field);
        words.entry(value);
        words.element(out);
    }
    words.finish(out);
    for (field, at) in hash.deadlines().into_iter().flat_map(|d| d.iter()).filter(|(_, at)| *at > due) {
        let mut words = Words::new(&[b"HPEXPIREAT", key]);
        words.int(at as i64);
        words.push(b"FIELDS");
        words.push(b"1");
        words.entry(field);
        words.write(out);
    }
}

fn stream_parts(key: &[u8], stream: &Stream, remarks: bool, out: &mut Vec<u8>) {
    let gone = gone_and_pending(stream);
    let mut before = gone.iter().peekable();
    for entry in stream.iter() {
        while let Some(id) = before.next_if(|id| **id < entry.id) {
            stand_in(key, *id, out);
        }
        let mut words = Words::new(&[b"XADD", key]);
        words.id(entry.id);
        for (field, value) in entry.pairs() {
            words.entry(field);
            words.entry(value);
        }
        words.write(out);
    }
    before.for_each(|id| stand_in(key, *id, out));
    if stream.is_empty() && gone.is_empty() {
        // An entry that is trimmed at once: only so is there a stream.
        command(out, &[b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"]);
    }
    if gone.is_empty() {
        set_id(key, stream, out);
    }
    for group in stream.groups() {
        if remarks {
            late(stream, group, out);
        }
        consumer_group(key, group, out);
    }
    if !gone.is_empty() {
        gone.iter().for_each(|id| command(out, &[b"XDEL", key, id.to_string().as_bytes()]));
        set_id(key, stream, out);
    }
}

/// Entries that are pending though they are gone, in order: to claim them they have to be there.
fn gone_and_pending(stream: &Stream) -> BTreeSet<StreamId> {
    let pending = |group| Group::pending_range(group, StreamId::ZERO, StreamId::MAX).map(|(id, _)| id);
    stream.groups().flat_map(pending).filter(|id| stream.get(*id).is_none()).collect()
}

/// An entry that is there for a while.
fn stand_in(key: &[u8], id: StreamId, out: &mut Vec<u8>) {
    command(out, &[b"XADD", key, id.to_string().as_bytes(), b"x", b"y"]);
}

/// Remarks before a group is made: what is late for it.
fn late(stream: &Stream, group: &Group, out: &mut Vec<u8>) {
    let ids: Vec<String> = stream.late(group).map(|id| id.to_string()).collect();
    for ids in ids.chunks(LATE_IDS) {
        out.extend_from_slice(format!("{}{}\r\n", feed::LATE, ids.join(" ")).as_bytes());
    }
}

/// Writes down what has become of a part of a stream. `known`: it was there before; `last`: the stream's last id then. False:
/// it takes more than that.
pub(crate) fn stream_part(
    key: &[u8],
    stream: &Stream,
    part: Part<'_>,
    known: bool,
    last: StreamId,
    out: &mut Vec<u8>,
) -> bool {
    match part {
        Part::Entry(id) => match stream.get(id) {
            Some(entry) if !known && id > last => {
                let mut words = Words::new(&[b"XADD", key]);
                words.id(id);
                for (field, value) in entry.pairs() {
                    words.entry(field);
                    words.entry(value);
                }
                words.write(out);
            }
            None if known => {
                command(out, &[b"XDEL", key, id.to_string().as_bytes()]);
                if stream.last_id() < last {
                    set_id(key, stream, out);
                }
            }
            None => {}
            Some(_) => return false,
        },
        Part::Deleted | Part::Marks => set_id(key, stream, out),
        Part::Group(name) => match stream.group(name) {
            Some(group) if known => group_at(&[b"XGROUP", b"SETID", key, name], group, out),
            Some(group) => group_at(&[b"XGROUP", b"CREATE", key, name], group, out),
            None if known => command(out, &[b"XGROUP", b"DESTROY", key, name]),
            None => {}
        },
        Part::Consumer { group, consumer } => {
            let Some(found) = stream.group(group) else { return true };
            let word: &[u8] = match found.consumers().get(consumer) {
                Some(_) => b"CREATECONSUMER",
                None => b"DELCONSUMER",
            };
            command(out, &[b"XGROUP", word, key, group, consumer]);
        }
        // It is with who is told of it alone.
        Part::Late { .. } => {}
        Part::Pending { group, id } => {
            let Some(found) = stream.group(group) else { return true };
            if found.pending(id).is_none() {
                command(out, &[b"XACK", key, group, id.to_string().as_bytes()]);
                return true;
            }
            let owner = found.consumers().iter().find(|consumer| consumer.pending.get(id).is_some());
            let Some(owner) = owner.filter(|_| stream.get(id).is_some()) else { return false };
            claim(key, found, &owner.name, id, out);
        }
    }
    true
}

fn set_id(key: &[u8], stream: &Stream, out: &mut Vec<u8>) {
    let mut words = Words::new(&[b"XSETID", key]);
    // In a mesh parts of a stream come one by one: Redis takes no numbers that contradict each other.
    words.id(stream.last_id());
    words.push(b"ENTRIESADDED");
    words.int((stream.entries_added() as i64).max(stream.len() as i64));
    words.push(b"MAXDELETEDID");
    words.id(stream.max_deleted_id().min(stream.last_id()));
    words.write(out);
}

fn group_at(words: &[&[u8]], group: &Group, out: &mut Vec<u8>) {
    let mut words = Words::new(words);
    words.id(group.last_id);
    words.push(b"ENTRIESREAD");
    words.int(group.entries_read.map_or(-1, |n| n as i64));
    words.write(out);
}

fn claim(key: &[u8], group: &Group, consumer: &[u8], id: StreamId, out: &mut Vec<u8>) {
    let Some(pending) = group.pending(id) else { return };
    let mut words = Words::new(&[b"XCLAIM", key, &group.name, consumer, b"0"]);
    words.id(id);
    words.push(b"TIME");
    words.int(pending.delivered_ms);
    words.push(b"RETRYCOUNT");
    words.int(pending.deliveries as i64);
    words.push(b"JUSTID");
    words.push(b"FORCE");
    words.write(out);
}

fn consumer_group(key: &[u8], group: &Group, out: &mut Vec<u8>) {
    group_at(&[b"XGROUP", b"CREATE", key, &group.name], group, out);
    for consumer in group.consumers().iter() {
        // Nobody comes with what is claimed for it.
        if !consumer.is_nobody() {
            command(out, &[b"XGROUP", b"CREATECONSUMER", key, &group.name, &consumer.name]);
        }
        for (id, ()) in consumer.pending.iter() {
            claim(key, group, &consumer.name, id, out);
        }
    }
}
