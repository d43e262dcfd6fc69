//! How changes of streams are written down: part by part, see [`crate::types::stream::Part`].

use protocol::StreamId;
use protocol::listpack::Entry;
use replication::codec::{self, Writer};

use crate::effect::{Delivery, Effect};
use crate::types::Stream;
use crate::types::stream::{Part, entry_value, group_value, marks_value, pending_value};

/// Writes an effect on a stream down, each part as a write of its own. `head` begins one. False: it is no such effect.
pub fn parts(
    w: &mut Writer,
    effect: &Effect<'_>,
    stream: Option<&Stream>,
    mut head: impl FnMut(&mut Writer),
) -> bool {
    let mut put = |part: Part<'_>, how: How<'_>| {
        head(w);
        let name = part.name();
        match how {
            How::Set(value) => codec::set_part(w, &name, value, false),
            How::SetPresent(value) => codec::set_part(w, &name, value, true),
            How::Raise(value) => codec::raise_part(w, &name, value),
            How::Delete => codec::del_part(w, &name),
        }
    };
    if stream.is_none() && matches!(effect, Effect::AddEntry { .. } | Effect::AddGroup { .. }) {
        let marks = marks_value(StreamId::ZERO, 0);
        put(Part::Marks, How::Set(&marks));
    }
    match effect {
        Effect::AddEntry { id, fields } => {
            let pair = |n: usize| (Entry::Str(fields.at(2 * n)), Entry::Str(fields.at(2 * n + 1)));
            put(Part::Entry(*id), How::Set(&entry_value((0..fields.len() / 2).map(pair))));
        }
        Effect::DelEntry(id) => {
            put(Part::Entry(*id), How::Delete);
            put(Part::Deleted, How::Raise(&id.to_bytes()));
            keep_last(stream, *id, put);
        }
        // By their ids: what others have added meanwhile was not looked at and stays.
        Effect::TrimEntries { through } => {
            let gone = stream.into_iter().flat_map(|stream| stream.range(StreamId::ZERO, *through));
            gone.for_each(|entry| put(Part::Entry(entry.id), How::Delete));
            keep_last(stream, *through, put);
        }
        Effect::SetMarks { last, added, max_deleted } => {
            let added = added.or(stream.map(Stream::entries_added)).unwrap_or(0);
            put(Part::Marks, How::Set(&marks_value(*last, added)));
            if let Some(id) = max_deleted {
                put(Part::Deleted, How::Set(&id.to_bytes()));
            }
        }
        Effect::AddGroup { group, last, read } | Effect::SetGroup { group, last, read } => {
            put(Part::Group(group), How::Set(&group_value(*last, *read)));
        }
        Effect::DelGroup(group) => forget_group(stream, group, put),
        Effect::DelConsumer { group, consumer } => {
            let found = stream.and_then(|stream| stream.group(group)?.consumers().get(consumer));
            for id in found.into_iter().flat_map(|found| found.pending_range(StreamId::ZERO, StreamId::MAX)) {
                put(Part::Pending { group, id }, How::Delete);
            }
            put(Part::Consumer { group, consumer }, How::Delete);
        }
        Effect::SeeConsumer { group, consumer, .. } => {
            assert_group(stream, group, &mut put);
            put(Part::Consumer { group, consumer }, How::Set(b""));
        }
        Effect::Deliver(delivery) => deliver(stream, delivery, put),
        Effect::Claim { group, consumer, id, delivered_ms, deliveries } => {
            let value = pending_value(*delivered_ms, *deliveries, consumer);
            let present = stream.and_then(|stream| stream.group(group)?.pending(*id)).is_some();
            if present {
                put(Part::Pending { group, id: *id }, How::SetPresent(&value));
            } else {
                assert_group(stream, group, &mut put);
                put(Part::Pending { group, id: *id }, How::Set(&value));
            }
        }
        Effect::Acknowledge { group, id } => put(Part::Pending { group, id: *id }, How::Delete),
        _ => return false,
    }
    true
}

/// What a write does to a part.
enum How<'a> {
    Set(&'a [u8]),
    SetPresent(&'a [u8]),
    Raise(&'a [u8]),
    Delete,
}

/// Where the last entry goes, the stream stays as far as it was. (One that no client has made goes with it.)
fn keep_last(stream: Option<&Stream>, through: StreamId, mut put: impl FnMut(Part<'_>, How<'_>)) {
    if let Some(stream) = stream.filter(|stream| stream.is_made() && through >= stream.last_id()) {
        let marks = marks_value(stream.last_id(), stream.entries_added());
        put(Part::Marks, How::Raise(&marks));
    }
}

/// Says that the group is there: who destroys it at the same time is not to leave behind what belongs to none.
fn assert_group(stream: Option<&Stream>, group: &[u8], put: &mut impl FnMut(Part<'_>, How<'_>)) {
    if let Some(found) = stream.and_then(|stream| stream.group(group)) {
        put(Part::Group(group), How::Raise(&group_value(found.last_id, found.entries_read)));
    }
}

/// First how far the group has got, then what was delivered: so others learn what was not.
fn deliver(stream: Option<&Stream>, delivery: &Delivery<'_>, mut put: impl FnMut(Part<'_>, How<'_>)) {
    let Delivery { group, consumer, ids, at_ms, last, read, keep } = *delivery;
    put(Part::Group(group), How::Raise(&group_value(last, read)));
    let value = pending_value(at_ms, 1, consumer);
    for id in ids {
        let part = Part::Pending { group, id: *id };
        if keep {
            put(part, How::Set(&value));
        } else if let Some(pending) = stream.and_then(|stream| stream.part(part)) {
            // Claimed before the group came to it: it stays so.
            put(part, How::Set(&pending));
        } else {
            put(part, How::Set(&value));
            put(part, How::Delete);
        }
    }
}

fn forget_group(stream: Option<&Stream>, group: &[u8], mut put: impl FnMut(Part<'_>, How<'_>)) {
    if let Some(found) = stream.and_then(|stream| stream.group(group)) {
        for (id, _) in found.pending_range(StreamId::ZERO, StreamId::MAX) {
            put(Part::Pending { group, id }, How::Delete);
        }
        for consumer in found.consumers().iter() {
            put(Part::Consumer { group, consumer: &consumer.name }, How::Delete);
        }
    }
    put(Part::Group(group), How::Delete);
}
