//! How far a group has got: how many of all entries ever added it has read, and how many it has yet to read.
//!
//! Counting would be a walk; so the answer is given only where it follows from the counters, and "not known" elsewhere. What
//! makes it unknown is a hole: an entry that was removed from among those in question.

use protocol::StreamId;

use super::{Group, Stream};

impl Stream {
    /// Whether an entry with this id or a higher one may have been removed by its id.
    pub fn has_holes_from(&self, id: StreamId) -> bool {
        self.len > 0 && self.max_deleted_id != StreamId::ZERO && id <= self.max_deleted_id
    }

    /// How many entries were ever added up to this id, as far as that is known.
    pub fn added_through(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.len == 0 && id <= self.last_id {
            return Some(self.entries_added);
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(self.entries_added);
        }
        let whole = self.max_deleted_id == StreamId::ZERO || self.max_deleted_id < self.first_id;
        if !whole || id > self.first_id {
            return None;
        }
        let before = self.entries_added.wrapping_sub(self.len);
        Some(if id == self.first_id { before.wrapping_add(1) } else { before })
    }

    /// How many entries a group has read once it has read this one too.
    pub fn read_with(&self, read: Option<u64>, id: StreamId) -> Option<u64> {
        match read {
            Some(read) if !self.has_holes_from(id) => Some(read.wrapping_add(1)),
            _ if self.entries_added > 0 => self.added_through(id),
            read => read,
        }
    }

    /// How many entries a group has yet to read, as far as that is known.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_holes_from(group.last_id) => Some(read),
            _ => self.added_through(group.last_id),
        };
        read.map(|read| self.entries_added.wrapping_sub(read) as i64)
    }
}
