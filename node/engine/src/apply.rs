//! Carries out effects: the one place that changes values, whoever wants the change.

use crate::access;
use crate::ctx::KeyMut;
use crate::db::Db;
use crate::effect::{Deadline, Effect, NewValue, Outcome};
use crate::entry::Entry;
use crate::load;
use crate::tuning::notify;
use crate::types::{hash, hyperloglog, list, set, stream, string, zset};
use crate::value::Value;

/// Applies one effect to one key and stamps it. The caller has checked the type: an effect on another type is a bug.
#[inline]
pub(crate) fn apply(key: &mut KeyMut<'_, '_>, effect: Effect<'_>) -> Outcome {
    use Effect::*;
    let outcome = match effect {
        Put { value, deadline, absent } => return put(key, value, deadline, absent),
        Clear => return clear(key),
        ExpireAt(deadline) => expire_at(key, deadline),
        ExpireOnly { at, .. } => expire_at(key, Some(at)),
        Add { result, .. } => return string::apply_int(key, result),
        AddFloat { result, .. } => return string::apply_text(key, result),
        Append(bytes) => string::apply_append(key, bytes),
        SetRange { offset, bytes } => string::apply_set_range(key, offset, bytes),
        AddBits { field, result, .. } => string::apply_bits(key, field, result),
        SetField { field, value, absent } => hash::apply_set(key, field, value, absent),
        DelField(field) => hash::apply_del(key, field),
        FieldExpire { field, deadline } => hash::apply_expire(key, field, deadline),
        AddField { field, result, .. } => {
            let mut text = itoa::Buffer::new();
            hash::apply_edit(key, field, text.format(result).as_bytes())
        }
        AddFieldFloat { field, result, .. } => hash::apply_edit(key, field, result),
        AddMember(member) => set::apply_add(key, member),
        DelMember(member) => set::apply_del(key, member),
        MemberExpire { member, deadline } => set::apply_expire(key, member, deadline),
        SetScore { member, score, only } => zset::apply_set(key, member, score, only),
        AddScore { member, result, .. } => zset::apply_set(key, member, result, Default::default()),
        DelScored(member) => zset::apply_del(key, member),
        ScoredExpire { member, deadline } => zset::apply_expire(key, member, deadline),
        Insert { at, element } => list::apply_insert(key, at, element),
        SetElement { at, element } => list::apply_set(key, at, element),
        DelElements { at, count } => list::apply_del(key, at, count),
        RaiseRegisters { ranks, dense } => hyperloglog::apply_registers(key, ranks, dense),
        DelElementsAt(indices) => list::apply_del_at(key, indices),
        AddEntry { id, fields } => stream::apply_add(key, id, fields),
        DelEntry(id) => stream::apply_del(key, id),
        TrimEntries { through } => stream::apply_trim(key, through),
        SetMarks { last, added, max_deleted } => stream::apply_marks(key, last, added, max_deleted),
        AddGroup { group, last, read } => stream::apply_add_group(key, group, last, read),
        SetGroup { group, last, read } => stream::apply_set_group(key, group, last, read),
        DelGroup(group) => stream::apply_del_group(key, group),
        SeeConsumer { group, consumer, at_ms } => stream::apply_consumer(key, group, consumer, at_ms),
        DelConsumer { group, consumer } => stream::apply_del_consumer(key, group, consumer),
        Deliver(delivery) => stream::apply_deliver(key, delivery),
        Claim { group, consumer, id, delivered_ms, deliveries } => {
            stream::apply_claim(key, (group, consumer), id, delivered_ms, deliveries)
        }
        Acknowledge { group, id } => stream::apply_acknowledge(key, group, id),
    };
    if outcome != Outcome::Unchanged {
        key.restamp();
    }
    outcome
}

fn put(key: &mut KeyMut<'_, '_>, value: NewValue<'_>, deadline: Deadline, absent: bool) -> Outcome {
    if absent && key.exists() {
        return Outcome::Unchanged;
    }
    if let NewValue::String(bytes) = &value
        && key.overwrite_in_place(bytes, deadline)
    {
        return Outcome::Changed;
    }
    let deadline = match deadline {
        Deadline::Clear => None,
        Deadline::Keep => key.deadline(),
        Deadline::At(at) => Some(at),
    };
    let (stamp, access) = (key.stamp(), key.access());
    let entry = load::entry(key.key, value, deadline, stamp, access);
    key.put_entry(entry)
}

fn clear(key: &mut KeyMut<'_, '_>) -> Outcome {
    if !key.exists() {
        return Outcome::Unchanged;
    }
    key.remove(true);
    Outcome::Changed
}

fn expire_at(key: &mut KeyMut<'_, '_>, deadline: Option<u64>) -> Outcome {
    let Some(pos) = key.pos else { return Outcome::Unchanged };
    if key.deadline() == deadline {
        return Outcome::Unchanged;
    }
    key.pos = Some(key.shard.dbs[key.db].set_deadline(key.hash, pos, deadline));
    Outcome::Changed
}

impl KeyMut<'_, '_> {
    /// The access record that the entry has or that a new one gets.
    pub(crate) fn access(&self) -> u32 {
        self.entry().map_or_else(|| access::fresh(self.env), |e| e.access())
    }

    fn dbm(&mut self) -> &mut Db {
        &mut self.shard.dbs[self.db]
    }

    /// Overwrites the string that is there without a new allocation, if it has room for just this one and for the
    /// deadline.
    #[inline]
    fn overwrite_in_place(&mut self, bytes: &[u8], deadline: Deadline) -> bool {
        let Some(pos) = self.pos else { return false };
        let stamp = self.stamp();
        let mut entry = self.shard.dbs[self.db].at_mut(pos);
        let fits = match deadline {
            Deadline::Keep => true,
            Deadline::Clear => !entry.expires(),
            Deadline::At(_) => entry.expires(),
        };
        if !fits || !string::overwrite(&mut entry, bytes) {
            return false;
        }
        entry.set_stamp(stamp);
        if let Deadline::At(at) = deadline {
            let hash = self.hash;
            self.dbm().set_deadline(hash, pos, Some(at));
        }
        true
    }

    /// Puts a new entry in the key's place.
    pub(crate) fn put_entry(&mut self, entry: Entry) -> Outcome {
        let hash = self.hash;
        match self.pos {
            Some(pos) => {
                let (new, old) = self.dbm().replace(hash, pos, entry);
                self.pos = Some(new);
                self.discard(old);
                Outcome::Changed
            }
            None => {
                self.pos = Some(self.dbm().insert(hash, entry));
                self.notify(notify::NEW, "new");
                Outcome::Created
            }
        }
    }

    /// Gives the key a new value, keeping its deadline.
    pub(crate) fn put_value(&mut self, value: Value) -> Outcome {
        let (deadline, stamp, access) = (self.deadline(), self.stamp(), self.access());
        self.put_entry(Entry::new(self.key, value, deadline, stamp, access))
    }

    /// The boxed value, to be changed. `None` if the key is absent or its value is an integer or a short string.
    pub(crate) fn value_mut(&mut self) -> Option<crate::value::ValueMut<'_>> {
        let pos = self.pos?;
        self.shard.dbs[self.db].at_mut(pos).value_mut()
    }

    /// The integer in place, if it is one.
    pub(crate) fn overwrite_int(&mut self, n: i64) -> bool {
        let stamp = self.stamp();
        let Some(pos) = self.pos else { return false };
        let mut entry = self.dbm().at_mut(pos);
        if entry.overwrite_int(n) {
            entry.set_stamp(stamp);
            return true;
        }
        false
    }

    pub(crate) fn restamp(&mut self) {
        let stamp = self.stamp();
        if let Some(pos) = self.pos {
            self.dbm().at_mut(pos).set_stamp(stamp);
        }
    }

    /// Removes the key if its collection has become empty.
    pub(crate) fn remove_if_empty(&mut self, empty: bool) {
        if empty {
            self.remove(false);
        }
    }
}
