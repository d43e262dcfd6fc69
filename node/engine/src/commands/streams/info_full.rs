//! XINFO STREAM FULL: the entries, the groups, what is pending in each, the consumers, and what is pending with each.

use protocol::{Reply, StreamId};

use super::info::{number, progress};
use super::show;
use crate::types::Stream;
use crate::types::stream::{Consumer, Group};

/// The last two of the nine pairs, with `count` elements of each list at most.
pub fn full(stream: &Stream, count: usize, out: &mut Reply) {
    out.bulk_str("entries");
    show::entries(stream, StreamId::ZERO, StreamId::MAX, count, false, out);
    out.bulk_str("groups");
    out.array(stream.groups().len());
    for group in stream.groups() {
        out.map(7);
        out.bulk_str("name");
        out.bulk(&group.name);
        progress(stream, group, out);
        number(out, "pel-count", group.pending_len() as i64);
        pending(group, count, out);
        out.bulk_str("consumers");
        out.array(group.consumers().shown_len());
        group.consumers().shown().for_each(|one| consumer(group, one, count, out));
    }
}

fn pending(group: &Group, count: usize, out: &mut Reply) {
    out.bulk_str("pending");
    out.array(group.pending_len().min(count));
    for (id, pending) in group.pending_range(StreamId::ZERO, StreamId::MAX).take(count) {
        out.array(4);
        out.stream_id(id);
        out.bulk(&group.consumers().at(pending.consumer).name);
        out.int(pending.delivered_ms);
        out.int(pending.deliveries as i64);
    }
}

fn consumer(group: &Group, consumer: &Consumer, count: usize, out: &mut Reply) {
    out.map(4);
    out.bulk_str("name");
    out.bulk(&consumer.name);
    number(out, "seen-time", consumer.seen_ms);
    number(out, "pel-count", consumer.pending.len() as i64);
    out.bulk_str("pending");
    out.array(consumer.pending.len().min(count));
    for id in consumer.pending_range(StreamId::ZERO, StreamId::MAX).take(count) {
        let pending = group.pending(id);
        out.array(3);
        out.stream_id(id);
        out.int(pending.map_or(0, |pending| pending.delivered_ms));
        out.int(pending.map_or(0, |pending| pending.deliveries as i64));
    }
}
