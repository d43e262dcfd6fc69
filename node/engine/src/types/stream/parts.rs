//! A stream as parts with names, each with a value: what nodes tell each other about it.
//!
//! ```text
//! name                          value                              how writes meet
//! "e" id                        (field value)*                     the later has it
//! "g" group                     last-id [read]                     the greater has it, but for XGROUP SETID
//! "c" group consumer            -                                  the later has it; one with something pending is there
//! "p" group id                  delivered deliveries consumer      the later has it; a claim needs one that is there
//! "l" group id                  -                                  never told of alone: it comes with whole streams
//! "d"                           highest id removed by its id       the greater has it, but for XSETID
//! "m"                           last-id added                      the later has it; who removes the last entry raises it
//! ```
//!
//! Ids are sixteen bytes, big endian, numbers as the codec of effects has them, a group before something else has its length
//! before it. A stream that a client has made has an `m`; one without any part is not there. That an entry is acknowledged is
//! the removal of its `p`: a claim that finds none does nothing, so acknowledging beats claiming, whichever is the later.
//! An "l" is an entry that the group has passed and nobody has been given yet: so it is where the stream comes from.
//! With a group goes what belongs to it and is older than its removal, though the group may have been made again since.

use protocol::StreamId;
use protocol::listpack::Entry;
use replication::codec::{Malformed, Reader, Writer};

use super::{Group, NodeLimits, Stream, StreamEntry};

/// The name of a part, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    Entry(StreamId),
    Group(&'a [u8]),
    Consumer { group: &'a [u8], consumer: &'a [u8] },
    Pending { group: &'a [u8], id: StreamId },
    Late { group: &'a [u8], id: StreamId },
    Deleted,
    Marks,
}

fn id_of(bytes: &[u8]) -> Result<StreamId, Malformed> {
    bytes.try_into().map(StreamId::from_bytes).map_err(|_| Malformed::Short)
}

fn take_id(r: &mut Reader<'_>) -> Result<StreamId, Malformed> {
    let (id, rest) = r.0.split_at_checked(16).ok_or(Malformed::Short)?;
    r.0 = rest;
    id_of(id)
}

fn put_id(w: &mut Writer, id: StreamId) {
    w.0.extend_from_slice(&id.to_bytes());
}

impl<'a> Part<'a> {
    pub fn parse(name: &'a [u8]) -> Result<Part<'a>, Malformed> {
        let (tag, rest) = name.split_first().ok_or(Malformed::Short)?;
        let mut r = Reader(rest);
        Ok(match tag {
            b'e' => Part::Entry(id_of(rest)?),
            b'g' => Part::Group(rest),
            b'c' => Part::Consumer { group: r.bytes()?, consumer: r.0 },
            b'p' => Part::Pending { group: r.bytes()?, id: id_of(r.0)? },
            b'l' => Part::Late { group: r.bytes()?, id: id_of(r.0)? },
            b'd' => Part::Deleted,
            b'm' => Part::Marks,
            tag => return Err(Malformed::Tag(u64::from(*tag))),
        })
    }

    pub fn name(self) -> Vec<u8> {
        let mut w = Writer::default();
        match self {
            Part::Entry(id) => {
                w.0.push(b'e');
                put_id(&mut w, id);
            }
            Part::Group(group) => {
                w.0.push(b'g');
                w.0.extend_from_slice(group);
            }
            Part::Consumer { group, consumer } => {
                w.0.push(b'c');
                w.bytes(group);
                w.0.extend_from_slice(consumer);
            }
            Part::Pending { group, id } => {
                w.0.push(b'p');
                w.bytes(group);
                put_id(&mut w, id);
            }
            Part::Late { group, id } => {
                w.0.push(b'l');
                w.bytes(group);
                put_id(&mut w, id);
            }
            Part::Deleted => w.0.push(b'd'),
            Part::Marks => w.0.push(b'm'),
        }
        w.0
    }
}

/// The value of an entry's part.
pub fn entry_value<'e>(pairs: impl Iterator<Item = (Entry<'e>, Entry<'e>)>) -> Vec<u8> {
    let (mut w, mut int) = (Writer::default(), itoa::Buffer::new());
    for (field, value) in pairs {
        w.bytes(field.text(&mut int));
        w.bytes(value.text(&mut int));
    }
    w.0
}

/// The value of a group's part: greater is later in the stream, and known is greater than not known.
pub fn group_value(last: StreamId, read: Option<u64>) -> Vec<u8> {
    let mut value = last.to_bytes().to_vec();
    value.extend(read.into_iter().flat_map(u64::to_be_bytes));
    value
}

pub fn pending_value(delivered_ms: i64, deliveries: u64, consumer: &[u8]) -> Vec<u8> {
    let mut w = Writer::default();
    w.signed(delivered_ms);
    w.int(deliveries);
    w.0.extend_from_slice(consumer);
    w.0
}

pub fn marks_value(last: StreamId, added: u64) -> Vec<u8> {
    let mut w = Writer::default();
    put_id(&mut w, last);
    w.int(added);
    w.0
}

impl Stream {
    /// Whether the stream has no part: then there is none.
    pub fn is_nothing(&self) -> bool {
        !self.made && self.len == 0 && self.groups.is_empty() && self.max_deleted_id == StreamId::ZERO
    }

    /// The value of a part.
    pub fn part(&self, part: Part<'_>) -> Option<Vec<u8>> {
        match part {
            Part::Entry(id) => self.get(id).map(|entry: StreamEntry<'_>| entry_value(entry.pairs())),
            Part::Group(name) => self.group(name).map(|group| group_value(group.last_id, group.entries_read)),
            Part::Consumer { group, consumer } => {
                let found = self.group(group)?.consumers().get(consumer);
                found.filter(|consumer| !consumer.leaving).map(|_| Vec::new())
            }
            Part::Pending { group, id } => {
                let group = self.group(group)?;
                let pending = group.pending(id)?;
                let consumer = &group.consumers().at(pending.consumer).name;
                Some(pending_value(pending.delivered_ms, pending.deliveries, consumer))
            }
            Part::Late { group, id } => self.group(group)?.is_late(id).then(Vec::new),
            Part::Deleted => {
                (self.max_deleted_id != StreamId::ZERO).then(|| self.max_deleted_id.to_bytes().to_vec())
            }
            Part::Marks => self.made.then(|| marks_value(self.marked, self.entries_added)),
        }
    }

    /// Visits all parts, in an order in which they can be set: groups before what belongs to them, the marks last, as what
    /// they count is added to by entries.
    pub fn each_part(&self, mut visit: impl FnMut(Part<'_>, Vec<u8>)) {
        let mut see = |part: Part<'_>| {
            if let Some(value) = self.part(part) {
                visit(part, value);
            }
        };
        self.iter().for_each(|entry| see(Part::Entry(entry.id)));
        for group in self.groups() {
            let name = &group.name[..];
            see(Part::Group(name));
            for consumer in group.consumers().iter() {
                see(Part::Consumer { group: name, consumer: &consumer.name });
            }
            for (id, _) in group.pending_range(StreamId::ZERO, StreamId::MAX) {
                see(Part::Pending { group: name, id });
            }
        }
        for group in self.groups() {
            group.late().for_each(|id| see(Part::Late { group: &group.name, id }));
        }
        see(Part::Deleted);
        see(Part::Marks);
    }

    /// The names of the parts that belong to a group.
    pub fn parts_of_group(&self, name: &[u8]) -> Vec<Vec<u8>> {
        let Some(group) = self.group(name) else { return Vec::new() };
        let consumers = group.consumers().iter();
        let consumers =
            consumers.map(|consumer| Part::Consumer { group: name, consumer: &consumer.name }.name());
        let pending = group.pending_range(StreamId::ZERO, StreamId::MAX);
        consumers.chain(pending.map(|(id, _)| Part::Pending { group: name, id }.name())).collect()
    }

    /// How many parts there are.
    pub fn part_count(&self) -> usize {
        let mut count = 0;
        self.each_part(|_, _| count += 1);
        count
    }

    /// Gives a part a value, or none. What belongs to a group that is not there is dropped.
    pub fn set_part(
        &mut self,
        part: Part<'_>,
        value: Option<&[u8]>,
        limits: NodeLimits,
    ) -> Result<(), Malformed> {
        match (part, value) {
            (Part::Entry(id), Some(value)) => return self.set_entry(id, value, limits),
            (Part::Entry(id), None) => {
                // How far the stream has got is another part's affair.
                let (max_deleted, marked) = (self.max_deleted_id, self.marked);
                self.remove(id);
                (self.max_deleted_id, self.marked) = (max_deleted, marked);
                if id == self.last_id {
                    self.last_id = marked.max(self.top());
                }
            }
            (Part::Group(name), Some(value)) => return self.set_group_part(name, value),
            (Part::Group(name), None) => {
                self.remove_group(name);
            }
            (Part::Consumer { group, consumer }, value) => {
                let Some(group) = self.group_mut(group) else { return Ok(()) };
                match value {
                    Some(_) => {
                        let seen_ms = group.consumers().get(consumer).map_or(0, |consumer| consumer.seen_ms);
                        group.see(consumer, seen_ms);
                    }
                    None => group.forget_consumer(consumer),
                }
            }
            (Part::Pending { group, id }, Some(value)) => {
                let mut r = Reader(value);
                let (delivered_ms, deliveries) = (r.signed()?, r.int()?);
                let Some(group) = self.group_mut(group) else { return Ok(()) };
                let unknown = group.consumers().get(r.0).is_none();
                if unknown {
                    group.see(r.0, delivered_ms);
                }
                group.give(id, r.0, delivered_ms, deliveries);
                if unknown {
                    group.forget_consumer(r.0);
                }
                group.forget_late(id);
            }
            (Part::Pending { group, id }, None) => {
                if let Some(group) = self.group_mut(group) {
                    group.acknowledge(id);
                    group.forget_late(id);
                }
            }
            (Part::Late { group, id }, value) => {
                let Some(group) = self.group_mut(group) else { return Ok(()) };
                match value {
                    Some(_) => group.note_late(id),
                    None => group.forget_late(id),
                }
            }
            (Part::Deleted, value) => self.max_deleted_id = value.map_or(Ok(StreamId::ZERO), id_of)?,
            (Part::Marks, None) => self.made = false,
            (Part::Marks, Some(value)) => return self.set_marks_part(value),
        }
        Ok(())
    }

    /// The id of the last entry that is there.
    fn top(&self) -> StreamId {
        if self.len == 0 { StreamId::ZERO } else { self.last_entry_id() }
    }

    fn set_entry(&mut self, id: StreamId, value: &[u8], limits: NodeLimits) -> Result<(), Malformed> {
        let mut r = Reader(value);
        let mut pairs = Vec::new();
        while !r.0.is_empty() {
            pairs.push((Entry::Str(r.bytes()?), Entry::Str(r.bytes()?)));
        }
        let (max_deleted, added, marked) = (self.max_deleted_id, self.entries_added, self.marked);
        if id <= self.last_id && self.remove(id) {
            // The same entry, with other content.
            (self.max_deleted_id, self.entries_added, self.marked) =
                (max_deleted, added.wrapping_sub(1), marked);
        }
        self.add(id, pairs.into_iter(), limits);
        Ok(())
    }

    /// A group has moved on elsewhere. What is here of what it has passed, and was not delivered there, is late: parts that
    /// say what was delivered follow.
    fn set_group_part(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        let mut r = Reader(value);
        let last = take_id(&mut r)?;
        let read = r.0.try_into().ok().map(u64::from_be_bytes);
        let Some(before) = self.group(name).map(|group| group.last_id) else {
            self.add_group(Group::new(name, last, read));
            return Ok(());
        };
        let passed = before.next().filter(|from| *from <= last);
        let passed: Vec<StreamId> =
            passed.into_iter().flat_map(|from| self.range(from, last)).map(|entry| entry.id).collect();
        if let Some(group) = self.group_mut(name) {
            (group.last_id, group.entries_read) = (last, read);
            passed.into_iter().for_each(|id| group.note_late(id));
        }
        Ok(())
    }

    fn set_marks_part(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let mut r = Reader(value);
        let (last, added) = (take_id(&mut r)?, r.int()?);
        self.made = true;
        (self.marked, self.last_id) = (last, last.max(self.top()));
        self.entries_added = added.max(self.len);
        Ok(())
    }
}
