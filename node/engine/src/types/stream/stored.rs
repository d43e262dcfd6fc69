//! Streams as RDB holds them. Which entries are late for a group is no part of that: files tell it beside the value.

use protocol::rdb::{self, Writer};
use protocol::{Malformed, StreamId};

use super::{Group, IdMap, Node, Stream};

impl Stream {
    /// Writes the stream as kind 19.
    pub fn write(&self, out: &mut Writer) {
        out.length(self.nodes.len() as u64);
        for (key, node) in self.nodes.iter() {
            out.stream_node(key, node.as_bytes());
        }
        out.length(self.len);
        for mark in [self.last_id, self.first_id, self.max_deleted_id] {
            out.mark(mark);
        }
        out.length(self.entries_added);
        out.length(self.groups.len() as u64);
        for group in &self.groups {
            out.stream_group(&group.name, group.last_id, group.entries_read);
            group.write(out);
        }
    }

    /// Writes the stream as kind 15, without what Redis 7.0 added.
    pub fn write_old(&self, out: &mut Writer) {
        out.length(self.nodes.len() as u64);
        for (key, node) in self.nodes.iter() {
            out.stream_node(key, node.as_bytes());
        }
        out.length(self.len);
        out.mark(self.last_id);
        out.length(self.groups.len() as u64);
        for group in &self.groups {
            out.text(&group.name);
            out.mark(group.last_id);
            group.write(out);
        }
    }

    /// The stream that was read, which has been checked but for what is pending with nobody.
    pub fn from_stored(stored: rdb::Stream) -> Result<Stream, Malformed> {
        let mut nodes = IdMap::default();
        for node in stored.nodes {
            nodes.insert(node.key, Node::from_listpack(node.entries));
        }
        let groups = stored.groups.into_iter().map(|group| Group::from_stored(group).map(Box::new));
        let mut groups = groups.collect::<Result<Vec<_>, _>>()?;
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Stream {
            nodes,
            len: stored.length,
            last_id: stored.last_id,
            marked: stored.last_id,
            first_id: stored.first_id,
            max_deleted_id: stored.max_deleted_id,
            entries_added: stored.entries_added,
            groups,
            made: true,
        })
    }
}

impl Stream {
    /// Entries that are to be delivered to a group although it has read past them.
    pub fn late(&self, group: &Group) -> impl Iterator<Item = StreamId> {
        group.late().filter(|id| self.get(*id).is_some())
    }

    /// Takes what a file says to be late for a group. What is not there, or was delivered, is not.
    pub fn note_late(&mut self, group: &[u8], ids: impl Iterator<Item = StreamId>) {
        let Ok(at) = self.group_at(group) else { return };
        for id in ids.filter(|id| self.get(*id).is_some()).collect::<Vec<_>>() {
            if self.groups[at].pending(id).is_none() {
                self.groups[at].note_late(id);
            }
        }
    }
}

impl Group {
    /// What follows the head.
    fn write(&self, out: &mut Writer) {
        out.length(self.pending_len() as u64);
        for (id, pending) in self.pending_range(StreamId::ZERO, StreamId::MAX) {
            out.pending(&rdb::Pending {
                id,
                delivered_ms: pending.delivered_ms,
                deliveries: pending.deliveries,
            });
        }
        out.length(self.consumers().len() as u64);
        for consumer in self.consumers().iter() {
            out.consumer(&consumer.name, consumer.seen_ms, None);
            out.length(consumer.pending.len() as u64);
            consumer.pending.iter().for_each(|(id, ())| out.id(id));
        }
    }

    fn from_stored(stored: rdb::Group) -> Result<Group, Malformed> {
        let mut group = Group::new(&stored.name, stored.last_id, stored.entries_read);
        let mut owners = IdMap::default();
        for consumer in &stored.consumers {
            group.see(&consumer.name, consumer.seen_ms);
            for id in &consumer.pending {
                owners.insert(*id, &consumer.name);
            }
        }
        for pending in stored.pending {
            let Some(owner) = owners.get(pending.id) else {
                return Err(Malformed {
                    format: "stream",
                    offset: 0,
                    rule: "pending entry without a consumer",
                });
            };
            group.give(pending.id, owner, pending.delivered_ms, pending.deliveries);
        }
        Ok(group)
    }
}
