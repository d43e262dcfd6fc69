//! The effects on sorted sets.

use super::{Limits, Zset};
use crate::ctx::KeyMut;
use crate::effect::{Outcome, ScoreCondition};
use crate::value::{Value, ValueMut};

/// Gives a member of the key's sorted set a score, if `only` permits; a deadline stays. Creates the key.
pub(crate) fn apply_set(
    key: &mut KeyMut<'_, '_>,
    member: &[u8],
    score: f64,
    only: ScoreCondition,
) -> Outcome {
    let (limits, now) = (Limits::of(&key.env.tuning), key.env.due());
    if let Some(zset) = zset_mut(key) {
        zset.drop_if_due(member, now);
        return zset.set(member, score, only, limits);
    }
    let mut zset = Zset::default();
    zset.set(member, score, only, limits);
    key.put_value(Value::Zset(Box::new(zset)))
}

/// Removes a member of the key's sorted set, and the key with the last one.
pub(crate) fn apply_del(key: &mut KeyMut<'_, '_>, member: &[u8]) -> Outcome {
    let now = key.env.due();
    let Some(zset) = zset_mut(key) else { return Outcome::Unchanged };
    let removed = !zset.drop_if_due(member, now) && zset.remove(member);
    let empty = zset.is_empty();
    key.remove_if_empty(empty);
    if removed { Outcome::Changed } else { Outcome::Unchanged }
}

/// Sets or forgets the deadline of a member of the key's sorted set.
pub(crate) fn apply_expire(key: &mut KeyMut<'_, '_>, member: &[u8], deadline: Option<u64>) -> Outcome {
    let Some(zset) = zset_mut(key) else { return Outcome::Unchanged };
    if !zset.contains(member) || !zset.expire_at(member, deadline) {
        return Outcome::Unchanged;
    }
    if let Some(deadline) = deadline {
        key.note_member_deadline(deadline);
    }
    Outcome::Changed
}

/// Gives a member a score and a deadline, due or not.
pub(crate) fn fold_set(key: &mut KeyMut<'_, '_>, member: &[u8], score: f64, deadline: Option<u64>) {
    let limits = Limits::of(&key.env.tuning);
    if !key.exists() {
        key.put_value(Value::Zset(Box::default()));
    }
    if let Some(zset) = zset_mut(key) {
        zset.set(member, score, ScoreCondition::default(), limits);
        zset.expire_at(member, deadline);
    }
    if let Some(at) = deadline {
        key.note_member_deadline(at);
    }
}

/// Removes a member, due or not.
pub(crate) fn fold_del(key: &mut KeyMut<'_, '_>, member: &[u8]) {
    let Some(zset) = zset_mut(key) else { return };
    zset.remove(member);
    let empty = zset.is_empty();
    key.remove_if_empty(empty);
}

fn zset_mut<'a>(key: &'a mut KeyMut<'_, '_>) -> Option<&'a mut Zset> {
    if !key.exists() {
        return None;
    }
    match key.value_mut() {
        Some(ValueMut::Zset(zset)) => Some(zset),
        _ => panic!("an effect on a sorted set meets a value of another type"),
    }
}
