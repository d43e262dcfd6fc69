//! The effects on streams.

use protocol::{Args, StreamId};

use super::{Group, NodeLimits, Part, Stream};
use crate::ctx::KeyMut;
use crate::effect::{Delivery, Outcome};
use crate::value::{Value, ValueMut};

fn done(changed: bool) -> Outcome {
    if changed { Outcome::Changed } else { Outcome::Unchanged }
}

/// Adds an entry to the key's stream. Creates the key.
#[inline]
pub(crate) fn apply_add(key: &mut KeyMut<'_, '_>, id: StreamId, fields: Args<'_>) -> Outcome {
    let limits = NodeLimits::from(&key.env.tuning);
    let pair = move |n: usize| (fields.at(2 * n).into(), fields.at(2 * n + 1).into());
    let pairs = (0..fields.len() / 2).map(pair);
    let added = write(key, |stream| stream.add(id, pairs.clone(), limits));
    if added { Outcome::Created } else { Outcome::Unchanged }
}

/// Removes an entry of the key's stream. A stream without entries stays.
pub(crate) fn apply_del(key: &mut KeyMut<'_, '_>, id: StreamId) -> Outcome {
    done(stream_mut(key).is_some_and(|stream| stream.remove(id)))
}

/// Removes the entries of the key's stream up to an id.
pub(crate) fn apply_trim(key: &mut KeyMut<'_, '_>, through: StreamId) -> Outcome {
    let trimmed = stream_mut(key).is_some_and(|stream| stream.trim(through) > 0);
    remove_if_nothing(key);
    done(trimmed)
}

/// A stream that no client has made, since others removed it meanwhile, goes with its last part.
fn remove_if_nothing(key: &mut KeyMut<'_, '_>) {
    let nothing = stream_mut(key).is_some_and(|stream| stream.is_nothing());
    key.remove_if_empty(nothing);
}

/// Sets what XSETID sets.
pub(crate) fn apply_marks(
    key: &mut KeyMut<'_, '_>,
    last: StreamId,
    added: Option<u64>,
    max_deleted: Option<StreamId>,
) -> Outcome {
    let Some(stream) = stream_mut(key) else { return Outcome::Unchanged };
    stream.set_marks(last, added, max_deleted);
    Outcome::Changed
}

/// Adds a group to the key's stream. Creates the key.
pub(crate) fn apply_add_group(
    key: &mut KeyMut<'_, '_>,
    name: &[u8],
    last: StreamId,
    read: Option<u64>,
) -> Outcome {
    let added = write(key, |stream| stream.add_group(Group::new(name, last, read)));
    if added { Outcome::Created } else { Outcome::Unchanged }
}

/// Says how far a group has read.
pub(crate) fn apply_set_group(
    key: &mut KeyMut<'_, '_>,
    name: &[u8],
    last: StreamId,
    read: Option<u64>,
) -> Outcome {
    let Some(group) = group_mut(key, name) else { return Outcome::Unchanged };
    group.go_on_behind(last, read);
    Outcome::Changed
}

pub(crate) fn apply_del_group(key: &mut KeyMut<'_, '_>, name: &[u8]) -> Outcome {
    let removed = stream_mut(key).is_some_and(|stream| stream.remove_group(name));
    remove_if_nothing(key);
    done(removed)
}

/// Adds a consumer to a group. That one has been seen is no change: like the use of a key, nobody waits for it.
pub(crate) fn apply_consumer(
    key: &mut KeyMut<'_, '_>,
    group: &[u8],
    consumer: &[u8],
    seen_ms: i64,
) -> Outcome {
    match group_mut(key, group).map(|group| group.see(consumer, seen_ms)) {
        Some(true) => Outcome::Created,
        Some(false) | None => Outcome::Unchanged,
    }
}

pub(crate) fn apply_del_consumer(key: &mut KeyMut<'_, '_>, group: &[u8], consumer: &[u8]) -> Outcome {
    done(group_mut(key, group).is_some_and(|group| group.remove_consumer(consumer)))
}

/// Entries are delivered to a consumer of a group.
pub(crate) fn apply_deliver(key: &mut KeyMut<'_, '_>, delivery: Delivery<'_>) -> Outcome {
    let Some(group) = group_mut(key, delivery.group) else { return Outcome::Unchanged };
    (group.last_id, group.entries_read) = (delivery.last, delivery.read);
    delivery.ids.iter().for_each(|id| group.forget_late(*id));
    if delivery.keep {
        let leavers = leavers(key, delivery.group, delivery.ids);
        if let Some(group) = group_mut(key, delivery.group) {
            group.deliver(delivery.ids, delivery.consumer, delivery.at_ms);
        }
        feed_gone(key, delivery.group, leavers);
    }
    Outcome::Changed
}

/// Consumers that may go when these entries are not pending with them any more, if anybody follows: to followers a consumer whom
/// another node has removed is like any other.
fn leavers(key: &mut KeyMut<'_, '_>, group: &[u8], ids: &[StreamId]) -> Vec<Vec<u8>> {
    if !key.writer.feeds() {
        return Vec::new();
    }
    let Some(group) = group_mut(key, group) else { return Vec::new() };
    let mut names: Vec<Vec<u8>> =
        ids.iter().filter_map(|id| group.leaver_with(*id)).map(<[u8]>::to_vec).collect();
    names.dedup();
    names
}

/// Tells followers of those that have gone. What was pending with them goes there with them, and is given to another one or
/// acknowledged by the command that follows.
fn feed_gone(key: &mut KeyMut<'_, '_>, group: &[u8], leavers: Vec<Vec<u8>>) {
    for name in leavers {
        let left = group_mut(key, group).is_some_and(|group| group.consumers().get(&name).is_none());
        if let (true, Some(feed)) = (left, key.writer.feed()) {
            feed.command(key.db, [b"XGROUP", &b"DELCONSUMER"[..], key.key, group, &name].into_iter());
        }
    }
}

/// An entry becomes pending with a consumer, whoever has had it.
pub(crate) fn apply_claim(
    key: &mut KeyMut<'_, '_>,
    (group, consumer): (&[u8], &[u8]),
    id: StreamId,
    delivered_ms: i64,
    deliveries: u64,
) -> Outcome {
    let leavers = leavers(key, group, &[id]);
    let given = group_mut(key, group).is_some_and(|group| group.give(id, consumer, delivered_ms, deliveries));
    feed_gone(key, group, leavers);
    done(given)
}

/// An entry is pending no more.
pub(crate) fn apply_acknowledge(key: &mut KeyMut<'_, '_>, group: &[u8], id: StreamId) -> Outcome {
    let leavers = leavers(key, group, &[id]);
    let acknowledged = group_mut(key, group).is_some_and(|group| group.acknowledge(id));
    feed_gone(key, group, leavers);
    done(acknowledged)
}

/// Gives a part of the key's stream a value, or none, as the fold of all nodes' writes has it. Creates the key; removes it
/// with its last part.
pub(crate) fn fold_part(key: &mut KeyMut<'_, '_>, name: &[u8], value: Option<&[u8]>) {
    let Ok(part) = Part::parse(name) else { return };
    let limits = NodeLimits::from(&key.env.tuning);
    match stream_mut(key) {
        Some(stream) => {
            // A value that cannot be read is one of a newer peer: it is left alone.
            let _ = stream.set_part(part, value, limits);
            let nothing = stream.is_nothing();
            key.remove_if_empty(nothing);
        }
        None if value.is_some() => {
            let mut stream = Stream::of_parts();
            let _ = stream.set_part(part, value, limits);
            if !stream.is_nothing() {
                key.put_value(Value::Stream(Box::new(stream)));
            }
        }
        None => {}
    }
}

/// Takes what a log says to be late for a group.
pub(crate) fn note_late(key: &mut KeyMut<'_, '_>, group: &[u8], ids: impl Iterator<Item = StreamId>) {
    if let Some(stream) = stream_mut(key) {
        stream.note_late(group, ids);
    }
}

fn write(key: &mut KeyMut<'_, '_>, change: impl Fn(&mut Stream) -> bool) -> bool {
    if let Some(stream) = stream_mut(key) {
        return change(stream);
    }
    let mut stream = Box::<Stream>::default();
    let changed = change(&mut stream);
    key.put_value(Value::Stream(stream));
    changed
}

fn group_mut<'a>(key: &'a mut KeyMut<'_, '_>, name: &[u8]) -> Option<&'a mut Group> {
    stream_mut(key)?.group_mut(name)
}

fn stream_mut<'a>(key: &'a mut KeyMut<'_, '_>) -> Option<&'a mut Stream> {
    if !key.exists() {
        return None;
    }
    match key.value_mut() {
        Some(ValueMut::Stream(stream)) => Some(stream),
        _ => panic!("an effect on a stream meets a value of another type"),
    }
}
