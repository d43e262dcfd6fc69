//! The effects on sets.

use super::{Set, intset_limit};
use crate::ctx::KeyMut;
use crate::effect::Outcome;
use crate::value::{Value, ValueMut};

/// Adds a member to the key's set. Creates the key.
pub(crate) fn apply_add(key: &mut KeyMut<'_, '_>, member: &[u8]) -> Outcome {
    let (limit, now) = (intset_limit(&key.env.tuning), key.env.due());
    if let Some(set) = set_mut(key) {
        set.drop_if_due(member, now);
        return if set.add(member, limit) { Outcome::Created } else { Outcome::Unchanged };
    }
    let mut set = Set::default();
    set.add(member, limit);
    key.put_value(Value::Set(Box::new(set)))
}

/// Removes a member of the key's set, and the key with the last one.
pub(crate) fn apply_del(key: &mut KeyMut<'_, '_>, member: &[u8]) -> Outcome {
    let now = key.env.due();
    let Some(set) = set_mut(key) else { return Outcome::Unchanged };
    let removed = set.remove(member, now);
    let empty = set.is_empty();
    key.remove_if_empty(empty);
    if removed { Outcome::Changed } else { Outcome::Unchanged }
}

/// Sets or forgets the deadline of a member of the key's set.
pub(crate) fn apply_expire(key: &mut KeyMut<'_, '_>, member: &[u8], deadline: Option<u64>) -> Outcome {
    let Some(set) = set_mut(key) else { return Outcome::Unchanged };
    if !set.contains(member) || !set.expire_at(member, deadline) {
        return Outcome::Unchanged;
    }
    if let Some(deadline) = deadline {
        key.note_member_deadline(deadline);
    }
    Outcome::Changed
}

/// Adds a member with a deadline, due or not.
pub(crate) fn fold_add(key: &mut KeyMut<'_, '_>, member: &[u8], deadline: Option<u64>) {
    let limit = intset_limit(&key.env.tuning);
    if !key.exists() {
        key.put_value(Value::Set(Box::default()));
    }
    if let Some(set) = set_mut(key) {
        set.add(member, limit);
        set.expire_at(member, deadline);
    }
    if let Some(at) = deadline {
        key.note_member_deadline(at);
    }
}

/// Removes a member, due or not.
pub(crate) fn fold_del(key: &mut KeyMut<'_, '_>, member: &[u8]) {
    let Some(set) = set_mut(key) else { return };
    set.remove(member, 0);
    let empty = set.is_empty();
    key.remove_if_empty(empty);
}

fn set_mut<'a>(key: &'a mut KeyMut<'_, '_>) -> Option<&'a mut Set> {
    if !key.exists() {
        return None;
    }
    match key.value_mut() {
        Some(ValueMut::Set(set)) => Some(set),
        _ => panic!("an effect on a set meets a value of another type"),
    }
}
