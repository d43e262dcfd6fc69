//! The effects on hashes.

use super::{Hash, Limits};
use crate::ctx::KeyMut;
use crate::effect::Outcome;
use crate::value::{Value, ValueMut};

/// Gives a field of the key's hash a value. Creates the key.
pub(crate) fn apply_set(key: &mut KeyMut<'_, '_>, field: &[u8], value: &[u8], absent: bool) -> Outcome {
    let (limits, now) = (Limits::of(&key.env.tuning), key.env.due());
    write(key, |hash| hash.set(field, value, absent, limits, now))
}

/// Gives a field of the key's hash a value that continues the old one. Creates the key.
pub(crate) fn apply_edit(key: &mut KeyMut<'_, '_>, field: &[u8], value: &[u8]) -> Outcome {
    let (limits, now) = (Limits::of(&key.env.tuning), key.env.due());
    write(key, |hash| hash.edit(field, value, limits, now))
}

/// Removes a field of the key's hash, and the key with the last one.
pub(crate) fn apply_del(key: &mut KeyMut<'_, '_>, field: &[u8]) -> Outcome {
    let now = key.env.due();
    let Some(hash) = hash_mut(key) else { return Outcome::Unchanged };
    let removed = hash.remove(field, now);
    let empty = hash.is_empty();
    key.remove_if_empty(empty);
    if removed { Outcome::Changed } else { Outcome::Unchanged }
}

/// Sets or forgets the deadline of a field of the key's hash.
pub(crate) fn apply_expire(key: &mut KeyMut<'_, '_>, field: &[u8], deadline: Option<u64>) -> Outcome {
    let Some(hash) = hash_mut(key) else { return Outcome::Unchanged };
    if hash.get(field).is_none() || !hash.expire_at(field, deadline) {
        return Outcome::Unchanged;
    }
    if let Some(deadline) = deadline {
        key.note_member_deadline(deadline);
    }
    Outcome::Changed
}

/// Gives a field a value and a deadline, due or not.
pub(crate) fn fold_set(key: &mut KeyMut<'_, '_>, field: &[u8], value: &[u8], deadline: Option<u64>) {
    let limits = Limits::of(&key.env.tuning);
    write(key, |hash| hash.set(field, value, false, limits, 0));
    if let Some(at) = deadline {
        if let Some(hash) = hash_mut(key) {
            hash.expire_at(field, Some(at));
        }
        key.note_member_deadline(at);
    }
}

/// Removes a field, due or not.
pub(crate) fn fold_del(key: &mut KeyMut<'_, '_>, field: &[u8]) {
    let Some(hash) = hash_mut(key) else { return };
    hash.remove(field, 0);
    let empty = hash.is_empty();
    key.remove_if_empty(empty);
}

fn write(key: &mut KeyMut<'_, '_>, change: impl FnOnce(&mut Hash) -> Outcome) -> Outcome {
    if let Some(hash) = hash_mut(key) {
        return change(hash);
    }
    let mut hash = Hash::default();
    change(&mut hash);
    key.put_value(Value::Hash(Box::new(hash)))
}

fn hash_mut<'a>(key: &'a mut KeyMut<'_, '_>) -> Option<&'a mut Hash> {
    if !key.exists() {
        return None;
    }
    match key.value_mut() {
        Some(ValueMut::Hash(hash)) => Some(hash),
        _ => panic!("an effect on a hash meets a value of another type"),
    }
}
