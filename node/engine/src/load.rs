//! Entries that come from a file.

use protocol::{StreamId, WrittenId};
use replication::Stamp;

use crate::ctx::KeyMut;
use crate::effect::NewValue;
use crate::entry::{Entry, INLINE_MAX};
use crate::types::{Job, stream, string};
use crate::value::Value;

/// An entry with a value as a command or a file brings it.
#[inline]
pub fn entry(key: &[u8], value: NewValue<'_>, deadline: Option<u64>, stamp: Stamp, access: u32) -> Entry {
    match value {
        NewValue::String(bytes) => match string::as_int(bytes) {
            Some(n) => Entry::new(key, Value::Int(n), deadline, stamp, access),
            None if bytes.len() <= INLINE_MAX => Entry::new_inline(key, bytes, deadline, stamp, access),
            None => Entry::new(key, Value::Bytes(bytes.to_vec()), deadline, stamp, access),
        },
        NewValue::Built(value) => Entry::new(key, value, deadline, stamp, access),
    }
}

/// Gives a string its tag; any other value stays as it is.
pub fn tag(value: Value, tag: u64) -> Value {
    let bytes = match value.as_ref().string_bytes(&mut string::IntText::default()) {
        Some(bytes) => bytes.to_vec(),
        None => return value,
    };
    Value::tagged(bytes, tag)
}

/// Notes which entries of a stream are late for a group: ids as text, with spaces between. Any other value stays as it is.
pub fn late(value: &mut Value, group: &[u8], ids: &[u8]) {
    if let Value::Stream(stream) = value {
        stream.note_late(group, late_ids(ids));
    }
}

/// The same for a key that is there already.
pub fn late_of(key: &mut KeyMut<'_, '_>, group: &[u8], ids: &[u8]) {
    stream::note_late(key, group, late_ids(ids));
}

fn late_ids(text: &[u8]) -> impl Iterator<Item = StreamId> + use<'_> {
    text.split(|byte| *byte == b' ').filter_map(WrittenId::parse).map(|id| id.or_seq(0))
}

/// Gives a member of a hash, set or sorted set its deadline, or tells when a job runs next; false if it is not there.
pub fn expire_member(value: &mut Value, member: &[u8], deadline: u64) -> bool {
    match value {
        Value::Hash(hash) => hash.live(0).contains(member) && hash.expire_at(member, Some(deadline)),
        Value::Set(set) => set.live(0).contains(member) && set.expire_at(member, Some(deadline)),
        Value::Zset(zset) => zset.contains(member) && zset.expire_at(member, Some(deadline)),
        Value::Tagged(_) => match Job::of(value.as_ref()) {
            Some(job) => {
                *value = Job { due: deadline, ..job }.to_value();
                true
            }
            None => false,
        },
        _ => false,
    }
}
