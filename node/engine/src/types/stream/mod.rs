//! The stream: entries in the order of their ids, and groups of consumers that read them.
//!
//! ```text
//! nodes    1-0: [1-0 1-1 2-0 ...]   7-3: [7-3 7-4 ...]   9-0: [9-0 9-1]       each up to some hundred entries
//! groups   "g": has delivered up to 7-3;  pending 1-1 (alice), 7-3 (bob);  consumers alice, bob
//! ```
//!
//! * A [`Node`] is a listpack just as Redis has it, so that DUMP and RDB copy it; an [`IdMap`] finds the node of an id.
//! * A [`Group`] remembers how far it has read, and what its consumers were given and have not acknowledged.
//! * [`progress`] estimates how many entries a group has yet to read.
//!
//! Ids only grow where a client adds entries. An entry that was added at another node may arrive later than entries with
//! higher ids: it is put into its place, and groups that have read past that place note it as *late*, to deliver it first.

mod apply;
mod consumers;
mod group;
mod id_map;
mod node;
mod parts;
mod progress;
mod radix;
mod stored;
#[cfg(test)]
mod tests;
mod trim;

use protocol::StreamId;

pub(crate) use apply::*;
pub use consumers::{Consumer, Consumers};
pub use group::{Group, Pending};
pub use id_map::IdMap;
pub use node::{Node, Pair, Pairs, StreamEntry};
pub use parts::{Part, entry_value, group_value, marks_value, pending_value};
pub use trim::{Keep, Trim};

use crate::tuning::Tuning;

/// Largest node, bytes, whatever the settings say; also the largest entry.
pub const NODE_BYTES_MAX: usize = 1 << 30;

/// How much goes into one node.
#[derive(Clone, Copy, Debug)]
pub struct NodeLimits {
    pub bytes: usize,
    /// 0: any number.
    pub entries: usize,
}

impl From<&Tuning> for NodeLimits {
    fn from(tuning: &Tuning) -> Self {
        let bytes = match tuning.stream_node_max_bytes {
            0 => NODE_BYTES_MAX,
            bytes => bytes.min(NODE_BYTES_MAX),
        };
        NodeLimits { bytes, entries: tuning.stream_node_max_entries }
    }
}

/// See the [module's page](self).
#[derive(Clone)]
pub struct Stream {
    nodes: IdMap<Node>,
    len: u64,
    /// No automatic id is lower. The last entry's, or `marked` if that is higher.
    last_id: StreamId,
    /// How far the stream has got beside its entries: a removed one was further, or a client has said so.
    marked: StreamId,
    /// Of the first entry; zero if there is none.
    first_id: StreamId,
    /// The highest that was removed by its id.
    max_deleted_id: StreamId,
    /// Entries that were ever added.
    entries_added: u64,
    /// In the order of their names.
    #[expect(clippy::vec_box, reason = "groups are large, and one more moves the others")]
    groups: Vec<Box<Group>>,
    /// A client has made it: it stays even if it is empty. Else it was put together from what other nodes have told.
    made: bool,
}

impl Default for Stream {
    fn default() -> Self {
        Stream {
            nodes: IdMap::default(),
            len: 0,
            last_id: StreamId::ZERO,
            marked: StreamId::ZERO,
            first_id: StreamId::ZERO,
            max_deleted_id: StreamId::ZERO,
            entries_added: 0,
            groups: Vec::new(),
            made: true,
        }
    }
}

impl Stream {
    /// A stream that has no part yet, not even that it is there.
    pub fn of_parts() -> Stream {
        Stream { made: false, ..Stream::default() }
    }

    /// Whether a client has made it.
    pub fn is_made(&self) -> bool {
        self.made
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// A stream without entries is still a stream.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The entries from one id to another, both included, in order.
    pub fn range(
        &self,
        from: StreamId,
        to: StreamId,
    ) -> impl DoubleEndedIterator<Item = StreamEntry<'_>> + use<'_> {
        let start = self.nodes.floor(from).map_or(from, |(key, _)| key);
        let entries = self.nodes.range(start, to).flat_map(|(key, node)| node.live_entries(key));
        entries.filter(move |entry| from <= entry.id && entry.id <= to)
    }

    /// How many entries there are from one id to another, both included; `max` at most.
    pub fn count(&self, from: StreamId, to: StreamId, max: usize) -> usize {
        let start = self.nodes.floor(from).map_or(from, |(key, _)| key);
        let mut nodes = self.nodes.range(start, to).peekable();
        let mut count = 0;
        while let Some((key, node)) = nodes.next() {
            if count >= max {
                break;
            }
            let whole = key >= from && nodes.peek().is_some_and(|(next, _)| *next <= to);
            count += match whole {
                true => node.live() as usize,
                false => node.live_entries(key).filter(|entry| from <= entry.id && entry.id <= to).count(),
            };
        }
        count.min(max)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = StreamEntry<'_>> + use<'_> {
        self.range(StreamId::ZERO, StreamId::MAX)
    }

    /// The entry with an id.
    pub fn get(&self, id: StreamId) -> Option<StreamEntry<'_>> {
        let (key, node) = self.nodes.floor(id)?;
        node.get(key, id)
    }

    /// The id of the last entry; of a stream without entries, the last one that was given.
    pub fn last_entry_id(&self) -> StreamId {
        self.iter().next_back().map_or(self.last_id, |entry| entry.id)
    }

    /// Adds an entry. False if there is one with this id.
    pub fn add<'e>(
        &mut self,
        id: StreamId,
        fields: impl Iterator<Item = Pair<'e>> + Clone,
        limits: NodeLimits,
    ) -> bool {
        if id > self.last_id || self.nodes.is_empty() {
            self.append(id, fields, limits);
        } else if self.get(id).is_some() {
            return false;
        } else {
            self.add_late(id, fields, limits);
        }
        self.len += 1;
        self.entries_added += 1;
        self.last_id = self.last_id.max(id);
        self.first_id = if self.len == 1 { id } else { self.first_id.min(id) };
        true
    }

    #[inline]
    fn append<'e>(
        &mut self,
        id: StreamId,
        fields: impl Iterator<Item = Pair<'e>> + Clone,
        limits: NodeLimits,
    ) {
        let bytes = fields.clone().map(|(field, value)| text_len(field) + text_len(value)).sum();
        if let Some((key, node)) = self.nodes.last_mut() {
            if node.has_room(bytes, limits) {
                return node.push(key, id, fields);
            }
            node.close();
        }
        self.nodes.insert(id, Node::of(fields));
    }

    /// Adds an entry in the midst of others.
    #[cold]
    fn add_late<'e>(
        &mut self,
        id: StreamId,
        fields: impl Iterator<Item = Pair<'e>> + Clone,
        limits: NodeLimits,
    ) {
        for group in &mut self.groups {
            group.note_late(id);
        }
        let bytes = fields.clone().map(|(field, value)| text_len(field) + text_len(value)).sum();
        let Some((key, node)) = self.nodes.floor(id) else {
            self.nodes.insert(id, Node::of(fields));
            return;
        };
        let (full, at_end) = (!node.has_room(bytes, limits), node.last_id(key) < id);
        if full && !at_end {
            self.split_node(key, id);
        }
        match self.nodes.get_mut(key) {
            Some(node) if !full => node.insert(key, id, fields),
            _ => {
                self.nodes.insert(id, Node::of(fields));
            }
        }
    }

    /// Moves the entries of a node that come after an id to a node of their own. Removed ones are dropped.
    fn split_node(&mut self, key: StreamId, id: StreamId) {
        let Some(node) = self.nodes.remove(key) else { return };
        let (lower, upper): (Vec<_>, Vec<_>) = node.live_entries(key).partition(|entry| entry.id < id);
        for half in [lower, upper] {
            let Some((first, rest)) = half.split_first() else { continue };
            let mut node = Node::of(first.pairs());
            rest.iter().for_each(|entry| node.push(first.id, entry.id, entry.pairs()));
            self.nodes.insert(first.id, node);
        }
    }

    /// Removes an entry. False if it is not there.
    pub fn remove(&mut self, id: StreamId) -> bool {
        let Some((key, _)) = self.nodes.floor(id) else { return false };
        let Some(node) = self.nodes.get_mut(key).filter(|node| node.get(key, id).is_some()) else {
            return false;
        };
        if node.live() == 1 {
            self.nodes.remove(key);
        } else {
            node.remove(key, id);
        }
        self.len -= 1;
        self.max_deleted_id = self.max_deleted_id.max(id);
        self.keep_last(id);
        if id == self.first_id || self.len == 0 {
            self.find_first();
        }
        true
    }

    /// An entry that goes was the last: the stream stays as far as it was.
    fn keep_last(&mut self, through: StreamId) {
        if through >= self.last_id {
            self.marked = self.last_id;
        }
    }

    fn find_first(&mut self) {
        let first = self.iter().next().map(|entry| entry.id);
        self.first_id = first.unwrap_or(StreamId::ZERO);
    }

    /// Sets what XSETID sets.
    pub fn set_marks(&mut self, last: StreamId, added: Option<u64>, max_deleted: Option<StreamId>) {
        (self.last_id, self.marked, self.made) = (last, last, true);
        self.entries_added = added.unwrap_or(self.entries_added);
        self.max_deleted_id = max_deleted.unwrap_or(self.max_deleted_id);
    }

    pub fn groups(&self) -> impl ExactSizeIterator<Item = &Group> {
        self.groups.iter().map(|group| &**group)
    }

    fn group_at(&self, name: &[u8]) -> Result<usize, usize> {
        self.groups.binary_search_by(|group| (*group.name).cmp(name))
    }

    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.group_at(name).ok().map(|at| &*self.groups[at])
    }

    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.group_at(name).ok().map(|at| &mut *self.groups[at])
    }

    /// Adds a group. False if there is one of this name.
    pub fn add_group(&mut self, group: Group) -> bool {
        let Err(at) = self.group_at(&group.name) else { return false };
        self.groups.insert(at, Box::new(group));
        true
    }

    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        let found = self.group_at(name).map(|at| self.groups.remove(at));
        found.is_ok()
    }

    /// See [`crate::value::Value::free_effort`].
    pub fn free_effort(&self) -> usize {
        let groups = self.groups.iter().map(|group| 1 + group.pending_len());
        self.nodes.len().max(1) + groups.sum::<usize>()
    }

    /// Bytes allocated. Linear in the number of nodes.
    pub fn heap_bytes(&self) -> usize {
        let nodes = self.nodes.iter().map(|(_, node)| node.heap_bytes()).sum::<usize>();
        let groups = self.groups.iter().map(|group| size_of::<Group>() + group.heap_bytes()).sum::<usize>();
        self.nodes.heap_bytes() + nodes + self.groups.capacity() * size_of::<Box<Group>>() + groups
    }
}

#[inline]
fn text_len(entry: protocol::listpack::Entry<'_>) -> usize {
    match entry {
        protocol::listpack::Entry::Str(text) => text.len(),
        other => other.text_len(),
    }
}
