//! Entries in replies.

use protocol::{Reply, StreamId};

use super::read::Budget;
use crate::types::Stream;
use crate::types::stream::StreamEntry;

/// An entry: its id, and its fields and values in turn.
#[inline]
pub fn entry(entry: StreamEntry<'_>, out: &mut Reply) {
    out.array(2);
    parts(entry, out);
}

/// An entry of a reader who asks how long it has been pending, ms, and how often it was delivered before.
pub fn entry_and_past(entry: StreamEntry<'_>, idle_ms: i64, deliveries: u64, out: &mut Reply) {
    out.array(4);
    parts(entry, out);
    out.int(idle_ms);
    out.int(deliveries as i64);
}

#[inline]
fn parts(entry: StreamEntry<'_>, out: &mut Reply) {
    out.stream_id(entry.id);
    out.array(2 * entry.pair_count());
    for (field, value) in entry.pairs() {
        out.bulk_entry(field);
        out.bulk_entry(value);
    }
}

/// The entry with an id, or null.
pub fn entry_or_null(found: Option<StreamEntry<'_>>, out: &mut Reply) {
    match found {
        Some(found) => entry(found, out),
        None => out.null(),
    }
}

/// The entries from one id to another, `count` at most.
pub fn entries(stream: &Stream, from: StreamId, to: StreamId, count: usize, reverse: bool, out: &mut Reply) {
    out.array(stream.count(from, to, count));
    let range = stream.range(from, to);
    if reverse {
        range.rev().take(count).for_each(|found| entry(found, out));
    } else {
        range.take(count).for_each(|found| entry(found, out));
    }
}

/// As many entries as the whole reply may still have.
pub fn within<'a>(entries: impl Iterator<Item = StreamEntry<'a>>, budget: &mut Budget, out: &mut Reply) {
    let (place, mut shown) = (out.buf.len(), 0);
    for found in entries {
        if !budget.admits(out) {
            break;
        }
        entry(found, out);
        budget.spend();
        shown += 1;
    }
    out.array_before(place, shown);
}

/// A limit as options give it: 0 or less is none.
pub fn limit(count: i64) -> usize {
    usize::try_from(count).ok().filter(|count| *count > 0).unwrap_or(usize::MAX)
}
