//! Streams: their nodes, and who is reading them.
//!
//! ```text
//! stream   = length (key node)*  entries:length  last:mark  [first:mark deleted:mark added:length]  length group*
//! key      = string of 16 bytes: the id of the node's first entry, big endian       node = string of a listpack
//! mark     = length length                                                          milliseconds, sequence
//! group    = name:string last:mark [read:length]  length pending*  length consumer*
//! pending  = id delivered:millis deliveries:length                  what the group's consumers have not acknowledged
//! consumer = name:string seen:millis [active:millis]  length id*    each id is pending in the group
//! ```
//!
//! What is in brackets came with Redis 7.0 (kind 19), `active` with 7.2 (kind 21).

use super::{Error, Kind, NodeSummary, Reader, Writer, check_node};
use crate::StreamId;
use crate::listpack::Listpack;

/// A stream as it is saved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stream {
    pub nodes: Vec<StreamNode>,
    /// Entries that are not deleted.
    pub length: u64,
    pub last_id: StreamId,
    /// The first entry that is not deleted; zero if there is none.
    pub first_id: StreamId,
    /// The highest id that was ever deleted.
    pub max_deleted_id: StreamId,
    /// Entries that were ever added.
    pub entries_added: u64,
    pub groups: Vec<Group>,
}

/// Up to some hundred entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamNode {
    /// What the entries' ids are relative to.
    pub key: StreamId,
    pub entries: Listpack,
}

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: Vec<u8>,
    pub last_id: StreamId,
    /// How many entries the group has read; `None` if that is not known.
    pub entries_read: Option<u64>,
    /// Ascending by id, no id twice.
    pub pending: Vec<Pending>,
    /// No name twice.
    pub consumers: Vec<Consumer>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    pub id: StreamId,
    pub delivered_ms: i64,
    pub deliveries: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    pub name: Vec<u8>,
    pub seen_ms: i64,
    /// When it last got something; before Redis 7.2 the same as `seen_ms`.
    pub active_ms: i64,
    /// Ascending; each is pending in the group, and with no other consumer.
    pub pending: Vec<StreamId>,
}

/// What "not known" is written as.
const READ_UNKNOWN: u64 = u64::MAX;

fn read_id(reader: &mut Reader<'_>) -> Result<StreamId, Error> {
    Ok(StreamId::from_bytes(reader.array()?))
}

fn read_mark(reader: &mut Reader<'_>) -> Result<StreamId, Error> {
    Ok(StreamId { ms: reader.length()?, seq: reader.length()? })
}

impl Stream {
    /// Reads a stream of any of its three kinds.
    ///
    /// The length, and before Redis 7.0 the counters, are those of the nodes, whatever the payload states.
    pub(super) fn read(reader: &mut Reader<'_>, kind: Kind) -> Result<Self, Error> {
        let mut stream = Stream::default();
        let mut first = None;
        for _ in 0..reader.count(2)? {
            let (node, summary) = read_node(reader)?;
            if stream.nodes.last().is_some_and(|last| last.key >= node.key) {
                return Err(reader.malformed("stream nodes are not ascending").into());
            }
            stream.length += summary.live;
            first = first.or(summary.first);
            stream.nodes.push(node);
        }
        let stated = reader.length()?;
        if stated != stream.length && (reader.sanitizes() || stream.nodes.is_empty()) {
            return Err(reader.malformed("stream length differs from its entries").into());
        }
        stream.last_id = read_mark(reader)?;
        if kind == Kind::Stream1 {
            stream.first_id = first.unwrap_or_default();
            stream.entries_added = stream.length;
        } else {
            stream.first_id = read_mark(reader)?;
            stream.max_deleted_id = read_mark(reader)?;
            stream.entries_added = reader.length()?;
        }
        for _ in 0..reader.count(5)? {
            stream.groups.push(Group::read(reader, kind)?);
        }
        if kind == Kind::Stream1 {
            stream.count_reads();
        }
        if twice(stream.groups.iter().map(|group| &group.name[..])) {
            return Err(reader.malformed("consumer group twice").into());
        }
        Ok(stream)
    }

    /// Says how many entries groups have read, as far as that is plain: before Redis 7.0 nobody counted.
    fn count_reads(&mut self) {
        let (first, last, count) = (self.first_id, self.last_id, self.length);
        for group in &mut self.groups {
            group.entries_read = match group.last_id {
                _ if count == 0 => Some(0),
                id if id == last => Some(count),
                id if id < first => Some(0),
                id if id == first => Some(1),
                _ => None,
            };
        }
    }

    /// Writes the stream as kind 19, or 21 if `active` times are to be kept.
    pub fn write(&self, writer: &mut Writer, kind: Kind) {
        writer.length(self.nodes.len() as u64);
        for node in &self.nodes {
            writer.stream_node(node.key, node.entries.as_bytes());
        }
        writer.length(self.length);
        for mark in [self.last_id, self.first_id, self.max_deleted_id] {
            writer.mark(mark);
        }
        writer.length(self.entries_added);
        writer.length(self.groups.len() as u64);
        for group in &self.groups {
            group.write(writer, kind);
        }
    }
}

fn read_node(reader: &mut Reader<'_>) -> Result<(StreamNode, NodeSummary), Error> {
    let key = reader.bytes()?;
    let Ok(key) = <[u8; 16]>::try_from(&key[..]) else {
        return Err(reader.malformed("stream node's key is not 16 bytes").into());
    };
    let key = StreamId::from_bytes(key);
    let entries = super::elements::read_listpack(reader)?;
    let summary = check_node(key, entries.view())?;
    Ok((StreamNode { key, entries }, summary))
}

impl Group {
    fn read(reader: &mut Reader<'_>, kind: Kind) -> Result<Self, Error> {
        let name = reader.bytes()?;
        let last_id = read_mark(reader)?;
        let entries_read = match kind {
            Kind::Stream1 => None,
            _ => Some(reader.length()?).filter(|read| *read != READ_UNKNOWN),
        };
        let mut pending = Vec::new();
        for _ in 0..reader.count(25)? {
            pending.push(Pending::read(reader)?);
        }
        sort_unique(&mut pending, |pending| pending.id, PENDING_TWICE, reader)?;
        let mut group = Group { name, last_id, entries_read, pending, consumers: Vec::new() };
        for _ in 0..reader.count(10)? {
            group.consumers.push(Consumer::read(reader, kind)?);
        }
        if twice(group.consumers.iter().map(|consumer| &consumer.name[..])) {
            return Err(reader.malformed("Duplicate stream consumer detected").into());
        }
        group.check_owners(reader)?;
        Ok(group)
    }

    /// Each id that a consumer has not acknowledged is pending in the group, and with that consumer alone.
    fn check_owners(&self, reader: &Reader<'_>) -> Result<(), Error> {
        let mut owned: Vec<_> =
            self.consumers.iter().flat_map(|consumer| consumer.pending.iter().copied()).collect();
        sort_unique(&mut owned, |id| *id, TAKEN, reader)?;
        let mut pending = self.pending.iter();
        if !owned.iter().all(|id| pending.any(|pending| pending.id == *id)) {
            return Err(reader.malformed("consumer's pending entry is not the group's").into());
        }
        if reader.sanitizes() && owned.len() != self.pending.len() {
            return Err(reader.malformed("pending entry without a consumer").into());
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer, kind: Kind) {
        writer.stream_group(&self.name, self.last_id, self.entries_read);
        writer.length(self.pending.len() as u64);
        for pending in &self.pending {
            writer.pending(pending);
        }
        writer.length(self.consumers.len() as u64);
        for consumer in &self.consumers {
            let active = (kind == Kind::Stream3).then_some(consumer.active_ms);
            writer.consumer(&consumer.name, consumer.seen_ms, active);
            writer.length(consumer.pending.len() as u64);
            consumer.pending.iter().for_each(|id| writer.id(*id));
        }
    }
}

impl Pending {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let id = read_id(reader)?;
        Ok(Pending { id, delivered_ms: reader.millis()?, deliveries: reader.length()? })
    }
}

impl Consumer {
    fn read(reader: &mut Reader<'_>, kind: Kind) -> Result<Self, Error> {
        let name = reader.bytes()?;
        let seen_ms = reader.millis()?;
        let active_ms = if kind == Kind::Stream3 { reader.millis()? } else { seen_ms };
        let mut pending = Vec::new();
        for _ in 0..reader.count(16)? {
            pending.push(read_id(reader)?);
        }
        sort_unique(&mut pending, |id| *id, TAKEN, reader)?;
        Ok(Consumer { name, seen_ms, active_ms, pending })
    }
}

fn twice<'n>(names: impl Iterator<Item = &'n [u8]>) -> bool {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

const PENDING_TWICE: &str = "pending entry twice";
const TAKEN: &str = "Stream consumer PEL entry already has a consumer assigned";

/// Puts elements in the order in which Redis writes them anyway. None may be there twice, says `rule`.
fn sort_unique<T>(
    elements: &mut [T],
    id: impl Fn(&T) -> StreamId,
    rule: &'static str,
    reader: &Reader<'_>,
) -> Result<(), Error> {
    elements.sort_unstable_by_key(&id);
    if elements.windows(2).any(|pair| id(&pair[0]) == id(&pair[1])) {
        return Err(reader.malformed(rule).into());
    }
    Ok(())
}

impl Writer {
    /// One node of a stream; `entries` is a listpack.
    pub fn stream_node(&mut self, key: StreamId, entries: &[u8]) {
        self.text(&key.to_bytes());
        self.text(entries);
    }

    /// An id as two lengths.
    pub fn mark(&mut self, id: StreamId) {
        self.length(id.ms);
        self.length(id.seq);
    }

    /// An id as sixteen bytes.
    pub fn id(&mut self, id: StreamId) {
        self.raw(&id.to_bytes());
    }

    /// The head of a group; its pending entries and consumers follow.
    pub fn stream_group(&mut self, name: &[u8], last: StreamId, entries_read: Option<u64>) {
        self.text(name);
        self.mark(last);
        self.length(entries_read.unwrap_or(READ_UNKNOWN));
    }

    pub fn pending(&mut self, pending: &Pending) {
        self.id(pending.id);
        self.millis(pending.delivered_ms);
        self.length(pending.deliveries);
    }

    /// The head of a consumer; the ids pending with it follow.
    pub fn consumer(&mut self, name: &[u8], seen_ms: i64, active_ms: Option<i64>) {
        self.text(name);
        self.millis(seen_ms);
        if let Some(active) = active_ms {
            self.millis(active);
        }
    }
}
