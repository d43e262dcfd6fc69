//! A consumer group: how far it has read, what its consumers have been given and have not acknowledged.

use protocol::StreamId;

use super::{Consumers, IdMap};

/// An entry that was delivered and is not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Unix ms.
    pub delivered_ms: i64,
    pub deliveries: u64,
    /// The consumer that has it, as a number in [`Consumers`].
    pub consumer: u32,
}

/// See the [module's page](self).
#[derive(Clone)]
pub struct Group {
    pub name: Box<[u8]>,
    /// The highest id that was delivered, or where a client has said the group begins.
    pub last_id: StreamId,
    /// How many entries it has read, if that is known.
    pub entries_read: Option<u64>,
    pending: IdMap<Pending>,
    consumers: Consumers,
    /// Entries up to `last_id` that have come since, from other nodes, and are to be delivered yet.
    late: IdMap<()>,
}

impl Group {
    pub fn new(name: &[u8], last_id: StreamId, entries_read: Option<u64>) -> Group {
        Group {
            name: name.into(),
            last_id,
            entries_read,
            pending: IdMap::default(),
            consumers: Consumers::default(),
            late: IdMap::default(),
        }
    }

    pub fn consumers(&self) -> &Consumers {
        &self.consumers
    }

    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    pub fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(id)
    }

    /// What is pending from one id to another, in order.
    pub fn pending_range(
        &self,
        from: StreamId,
        to: StreamId,
    ) -> impl DoubleEndedIterator<Item = (StreamId, &Pending)> {
        self.pending.range(from, to)
    }

    /// The lowest and the highest id that is pending.
    pub fn pending_bounds(&self) -> Option<(StreamId, StreamId)> {
        Some((self.pending.first()?.0, self.pending.last()?.0))
    }

    /// Adds a consumer, or notes that it has been seen. True if it is new.
    pub fn see(&mut self, consumer: &[u8], now_ms: i64) -> bool {
        self.consumers.see(consumer, now_ms)
    }

    /// Removes a consumer with what is pending with it. False if it is not there.
    pub fn remove_consumer(&mut self, name: &[u8]) -> bool {
        let Some(consumer) = self.consumers.remove(name) else { return false };
        for (id, ()) in consumer.pending.iter() {
            self.pending.remove(id);
        }
        true
    }

    /// The consumer with whom an entry is pending, if it goes once nothing is: another node has removed it.
    pub fn leaver_with(&self, id: StreamId) -> Option<&[u8]> {
        let consumer = self.consumers.at(self.pending(id)?.consumer);
        consumer.leaving.then_some(&consumer.name)
    }

    /// Another node has removed a consumer: what is pending with it all the same was given to it meanwhile, and stays.
    pub(super) fn forget_consumer(&mut self, name: &[u8]) {
        self.consumers.leave(name);
    }

    /// Gives an entry to a consumer, whoever has had it. False if there is no such consumer.
    pub fn give(&mut self, id: StreamId, consumer: &[u8], delivered_ms: i64, deliveries: u64) -> bool {
        let Some(number) = self.consumers.number(consumer) else { return false };
        self.give_to(id, Pending { delivered_ms, deliveries, consumer: number });
        true
    }

    fn give_to(&mut self, id: StreamId, pending: Pending) {
        self.forget_late(id);
        let before = self.pending.insert(id, pending);
        if before.is_none_or(|before| before.consumer != pending.consumer) {
            self.consumers.pending_mut(pending.consumer).insert(id, ());
        }
        if let Some(before) = before.filter(|before| before.consumer != pending.consumer) {
            self.consumers.pending_mut(before.consumer).remove(id);
            self.consumers.part_with(before.consumer);
        }
    }

    /// Several entries that are delivered to a consumer for the first time.
    pub fn deliver(&mut self, ids: &[StreamId], consumer: &[u8], now_ms: i64) {
        let Some(number) = self.consumers.number(consumer) else { return };
        for id in ids {
            self.give_to(*id, Pending { delivered_ms: now_ms, deliveries: 1, consumer: number });
        }
    }

    /// Forgets that an entry is pending. False if it is not.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(id) else { return false };
        self.consumers.pending_mut(pending.consumer).remove(id);
        self.consumers.part_with(pending.consumer);
        true
    }

    /// An entry has come into a place that may lie before what the group has read.
    pub(super) fn note_late(&mut self, id: StreamId) {
        if id <= self.last_id {
            self.late.insert(id, ());
        }
    }

    /// Entries that are to be delivered although the group has read past them.
    pub fn late(&self) -> impl Iterator<Item = StreamId> {
        self.late.iter().map(|(id, ())| id)
    }

    pub fn is_late(&self, id: StreamId) -> bool {
        self.late.get(id).is_some()
    }

    /// An entry is late no more: it is delivered, or gone.
    pub(super) fn forget_late(&mut self, id: StreamId) {
        if !self.late.is_empty() {
            self.late.remove(id);
        }
    }

    /// A client has said where the group goes on: what comes behind that is not late but new.
    pub(super) fn go_on_behind(&mut self, last: StreamId, read: Option<u64>) {
        (self.last_id, self.entries_read) = (last, read);
        while let Some((id, ())) = self.late.last().filter(|(id, ())| *id > last) {
            self.late.remove(id);
        }
    }

    /// Bytes allocated.
    pub fn heap_bytes(&self) -> usize {
        self.name.len() + self.pending.heap_bytes() + self.late.heap_bytes() + self.consumers.heap_bytes()
    }
}
