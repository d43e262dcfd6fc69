//! What the fold does to the data, as commands: for those who follow this node and know nothing of effects.
//!
//! Commands of clients are passed on as they are ([`crate::journal::feed`]). What a peer wrote long ago may do anything to a key, or
//! nothing; so each step by which the fold brings the data in line is written down, while the key's shard is held, as the
//! command that does the same to a plain Redis which has the same data. What a group of effects does is one transaction.
//!
//! A step in the middle of a list takes several commands: Redis names elements by their content, so for a moment one gets a
//! content that no other has.

use replication::borrowed::{self, EffectRef, WriteRef};
use replication::effect::{Key, Kind, Spot};
use replication::overlay::{Cell, Plain};

use super::stage::Stage;
use crate::ctx::{Ctx, KeyMut};
use crate::journal::feed;
use crate::snapshot::commands;
use crate::types::Job;
use crate::types::stream::Part;
use crate::types::string::IntText;
use crate::value::ValueRef;

/// The content of a list element that is about to be removed, or found.
const MARK: &[u8] = b"\0everwrite:this-element\0";

impl Ctx<'_> {
    /// Begins a group of commands for what the fold does next, if anybody follows. The shards must be held.
    pub(super) fn begin_echo(&mut self) {
        self.begin();
        match self.keyspace.feed.is_on() {
            true => self.ensure_group(),
            false => self.locks.rest_feed(),
        }
    }
}

/// What a stream's part was before a step.
pub(super) struct Before {
    exists: bool,
    last: protocol::StreamId,
    part: bool,
    /// A consumer that may go with the step, and its group.
    leaver: Option<(Vec<u8>, Vec<u8>)>,
}

impl Stage<'_> {
    #[inline]
    pub(super) fn echoes(&self) -> bool {
        self.writer.feeds()
    }

    fn echo(&mut self, key: &Key, words: &[&[u8]]) {
        if let Some(feed) = self.writer.feed() {
            feed.echo(key.db as usize, words.iter().copied());
        }
    }

    pub(super) fn echo_removal(&mut self, key: &Key) {
        self.echo(key, &[b"DEL", &key.name]);
    }

    pub(super) fn echo_deadline(&mut self, key: &Key, at: Option<u64>) {
        match at {
            None => self.echo(key, &[b"PERSIST", &key.name]),
            Some(at) => self.echo(key, &[b"PEXPIREAT", &key.name, at.to_string().as_bytes()]),
        }
    }

    pub(super) fn echo_integer(&mut self, key: &Key, n: i64) {
        self.echo(key, &[b"SET", &key.name, n.to_string().as_bytes(), b"KEEPTTL"]);
    }

    /// The key as it is now, in the place of whatever it was.
    pub(super) fn echo_whole(&mut self, key: &Key) {
        if self.echoes() {
            self.key(key.db, &key.name).echo_whole();
        }
    }

    pub(super) fn echo_cell(&mut self, key: &Key, kind: Option<Kind>, name: &[u8], cell: &Option<Cell>) {
        let own = &key.name[..];
        match cell {
            Some(Cell::Text(value, at)) => {
                self.echo(key, &[b"HSET", own, name, value]);
                if let Some(at) = at {
                    let at = at.to_string();
                    self.echo(key, &[b"HPEXPIREAT", own, at.as_bytes(), b"FIELDS", b"1", name]);
                }
            }
            Some(Cell::Member(at)) => {
                if self.cell(key, name).is_some_and(|old| matches!(old, Cell::Member(Some(_)))) {
                    // An addition leaves the deadline.
                    self.echo(key, &[b"SREM", own, name]);
                }
                self.echo(key, &[b"SADD", own, name]);
                if let Some(at) = at {
                    self.echo(key, &[b"PEXPIREMEMBERAT", own, name, at.to_string().as_bytes()]);
                }
            }
            Some(Cell::Score(score, at)) => {
                if self.cell(key, name).is_some_and(|old| matches!(old, Cell::Score(_, Some(_)))) {
                    self.echo(key, &[b"ZREM", own, name]);
                }
                let mut text = Vec::new();
                protocol::number::fmt_f64(&mut text, *score);
                self.echo(key, &[b"ZADD", own, &text, name]);
                if let Some(at) = at {
                    self.echo(key, &[b"PEXPIREMEMBERAT", own, name, at.to_string().as_bytes()]);
                }
            }
            None => match kind {
                Some(Kind::Hash) => self.echo(key, &[b"HDEL", own, name]),
                Some(Kind::Set) => self.echo(key, &[b"SREM", own, name]),
                Some(Kind::Zset) => self.echo(key, &[b"ZREM", own, name]),
                _ => {}
            },
        }
    }

    pub(super) fn echo_insert(&mut self, key: &Key, at: usize, element: &[u8]) {
        let len = self.list_len(key);
        if at == 0 {
            return self.echo(key, &[b"LPUSH", &key.name, element]);
        }
        if at >= len {
            return self.echo(key, &[b"RPUSH", &key.name, element]);
        }
        let next = self.list_get(key, at).unwrap_or_default();
        self.echo_set(key, at, MARK);
        self.echo(key, &[b"LINSERT", &key.name, b"BEFORE", MARK, element]);
        self.echo_set(key, at + 1, &next);
    }

    pub(super) fn echo_set(&mut self, key: &Key, at: usize, element: &[u8]) {
        self.echo(key, &[b"LSET", &key.name, at.to_string().as_bytes(), element]);
    }

    pub(super) fn echo_pop(&mut self, key: &Key, at: usize) {
        if at == 0 {
            return self.echo(key, &[b"LPOP", &key.name]);
        }
        if at + 1 == self.list_len(key) {
            return self.echo(key, &[b"RPOP", &key.name]);
        }
        self.echo_set(key, at, MARK);
        self.echo(key, &[b"LREM", &key.name, b"1", MARK]);
    }

    /// To be asked before a part of a stream changes. `None`: nobody follows.
    pub(super) fn part_before(&self, key: &Key, name: &[u8]) -> Option<Before> {
        if !self.echoes() {
            return None;
        }
        let mut before = Before { exists: false, last: protocol::StreamId::ZERO, part: false, leaver: None };
        if let Some(stream) = self.stream(key) {
            before.exists = true;
            before.last = stream.last_id();
            before.part = Part::parse(name).is_ok_and(|part| stream.part(part).is_some());
            if let Ok(Part::Pending { group, id }) = Part::parse(name) {
                let leaver = stream.group(group).and_then(|group| group.leaver_with(id));
                before.leaver = leaver.map(|consumer| (group.to_vec(), consumer.to_vec()));
            }
        }
        Some(before)
    }

    fn stream(&self, key: &Key) -> Option<&crate::types::Stream> {
        let db = self.shard.dbs.get(key.db as usize)?;
        match db.get(db.hash(&key.name), &key.name)?.value() {
            ValueRef::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    /// A part of a stream has changed.
    pub(super) fn echo_part(&mut self, key: &Key, name: &[u8], before: &Before) {
        let mut out = Vec::new();
        let told = match (self.stream(key), Part::parse(name)) {
            (None, _) => return self.echo_removal(key),
            (Some(stream), Ok(part)) => {
                commands::stream_part(&key.name, stream, part, before.part, before.last, &mut out)
            }
            (Some(_), Err(_)) => return,
        };
        if !told || !before.exists {
            return self.echo_whole(key);
        }
        if let (Some((group, consumer)), Some(stream)) = (&before.leaver, self.stream(key)) {
            let part = Part::Consumer { group, consumer };
            if stream.group(group).is_some_and(|found| found.consumers().get(consumer).is_none()) {
                commands::stream_part(&key.name, stream, part, true, before.last, &mut out);
            }
        }
        if let Some(feed) = self.writer.feed().filter(|_| !out.is_empty()) {
            feed.echo_raw(key.db as usize, &out);
        }
    }
}

impl KeyMut<'_, '_> {
    /// The key as it is now, in the place of whatever it was.
    pub(super) fn echo_whole(&mut self) {
        let (db, mut out, mut text) = (self.db, Vec::new(), IntText::default());
        let KeyMut { shard, key, pos, writer, .. } = self;
        let Some(feed) = writer.feed() else { return };
        let entry = pos.map(|pos| shard.dbs[db].at(pos));
        let Some(entry) = entry else { return feed.echo(db, [&b"DEL"[..], key].into_iter()) };
        let (value, deadline) = (entry.value(), entry.deadline().map(|at| at.to_string()));
        if let Some(job) = Job::of(value) {
            feed.echo(db, job.command(key).iter().map(Vec::as_slice));
            if let Some(at) = &deadline {
                feed.echo(db, [&b"PEXPIREAT"[..], key, at.as_bytes()].into_iter());
            }
            return;
        }
        let bytes = match value {
            ValueRef::Tagged(string) => Some(&string.bytes[..]),
            _ => value.string_bytes(&mut text),
        };
        if let Some(bytes) = bytes {
            if value.tag() != 0 {
                feed.remark(db, &format!("{}{}", feed::TAG, value.tag()));
            }
            return match &deadline {
                None => feed.echo(db, [&b"SET"[..], key, bytes].into_iter()),
                Some(at) => feed.echo(db, [&b"SET"[..], key, bytes, b"PXAT", at.as_bytes()].into_iter()),
            };
        }
        commands::write(entry, 0, false, &mut out);
        feed.echo(db, [&b"DEL"[..], key].into_iter());
        feed.echo_raw(db, &out);
    }

    /// An effect of another node was carried out as if a client here had done it.
    pub(super) fn echo_direct(&mut self, write: &WriteRef<'_>) {
        if !self.writer.feeds() {
            return;
        }
        let (db, key) = (self.db, self.key);
        let mut text = Vec::new();
        let words: &[&[u8]] = match &write.effect {
            EffectRef::Put { value: borrowed::ValueRef::String(_), .. } | EffectRef::Add { .. } => {
                return self.echo_whole();
            }
            // Told where it is known from which end.
            EffectRef::DelElements(_) => return,
            EffectRef::ExpireAt { at: Some(at), .. } => {
                text.extend_from_slice(itoa::Buffer::new().format(*at).as_bytes());
                &[b"PEXPIREAT", key, &text]
            }
            EffectRef::ExpireAt { at: None, .. } => &[b"PERSIST", key],
            EffectRef::SetField { field, value, .. } => &[b"HSET", key, field, value],
            EffectRef::AddField { field, result, .. } => {
                text.extend_from_slice(itoa::Buffer::new().format(*result).as_bytes());
                &[b"HSET", key, field, &text]
            }
            EffectRef::DelField(field) => &[b"HDEL", key, field],
            EffectRef::AddMember(member) => &[b"SADD", key, member],
            EffectRef::DelMember(member) => &[b"SREM", key, member],
            EffectRef::SetScore { member, score, .. } | EffectRef::AddScore { member, result: score, .. } => {
                protocol::number::fmt_f64(&mut text, *score);
                &[b"ZADD", key, &text, member]
            }
            EffectRef::DelScored(member) => &[b"ZREM", key, member],
            EffectRef::Insert { spot: Spot::Head, element } => &[b"LPUSH", key, element],
            EffectRef::Insert { spot: Spot::Tail, element } => &[b"RPUSH", key, element],
            _ => return self.echo_whole(),
        };
        if let Some(feed) = self.writer.feed() {
            feed.echo(db, words.iter().copied());
        }
    }
}
