//! Entries as RDB records, or as commands.

use protocol::rdb::{KeyHead, Writer};
use replication::stamp::UNDATED;

use super::Options;
use crate::access;
use crate::entry::EntryRef;
use crate::stored;
use crate::stored9;
use crate::value::ValueRef;

/// Auxiliary field before a key: the version of its last write.
pub const VERSION: &[u8] = b"mvcc-tstamp";

/// Writes entries, one after the other, into a buffer that can be taken at any time.
pub struct Encoder {
    writer: Writer,
    options: Options,
    keys: u64,
}

impl Encoder {
    pub fn new(options: &Options) -> Encoder {
        Encoder { writer: Writer::new(options.tuning.rdb_compression), options: options.clone(), keys: 0 }
    }

    /// Bytes written and not taken.
    pub fn len(&self) -> usize {
        self.writer.as_bytes().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keys written and not taken.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// What was written since the last time, and how many keys that are.
    pub fn take(&mut self) -> (Vec<u8>, u64) {
        let written = self.writer.buffer();
        let fresh = Vec::with_capacity(written.len());
        (std::mem::replace(written, fresh), std::mem::take(&mut self.keys))
    }

    /// Writes a key with all that is known of it. A collection all of whose members are due is left out.
    pub fn entry(&mut self, entry: EntryRef<'_>) {
        let (due, value) = (self.options.now_ms, entry.value());
        if value.is_spent(due) {
            return;
        }
        self.keys += 1;
        if self.options.commands {
            return super::commands::write(entry, due, true, self.writer.buffer());
        }
        if self.options.stamps && entry.stamp().version > UNDATED {
            self.writer.aux(VERSION, itoa::Buffer::new().format(entry.stamp().version).as_bytes());
        }
        let (idle_s, frequency) = self.use_of(entry);
        self.writer.key_head(&KeyHead {
            kind: if self.options.old { stored9::kind(value, due) } else { stored::kind(value, due) },
            key: entry.key(),
            expire_ms: entry.deadline().map(|at| at as i64),
            idle_s,
            frequency,
        });
        match self.options.old {
            true => stored9::write(value, due, &mut self.writer),
            false => stored::write(value, due, &mut self.writer),
        }
        if !(self.options.old && matches!(value, ValueRef::Tagged(_) | ValueRef::Stream(_))) {
            stored::write_facts(value, due, &mut self.writer);
        }
    }

    /// Seconds of idleness or frequency of use, whichever the policy goes by.
    fn use_of(&self, entry: EntryRef<'_>) -> (Option<u64>, Option<u8>) {
        let Options { clock, tuning, .. } = &self.options;
        if tuning.policy.is_lru() {
            (Some(u64::from(access::idle_seconds(entry.access(), *clock))), None)
        } else if tuning.policy.is_lfu() {
            (None, Some(access::frequency(entry.access(), *clock, tuning) as u8))
        } else {
            (None, None)
        }
    }
}
