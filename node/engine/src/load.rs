//! Entries that come from a file.

use replication::Stamp;

use crate::effect::NewValue;
use crate::entry::{Entry, INLINE_MAX};
use crate::types::{Job, string};
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

/// Gives a member of a hash or set its deadline, or tells when a job runs next; false if it is not there.
pub fn expire_member(value: &mut Value, member: &[u8], deadline: u64) -> bool {
    match value {
        Value::Hash(hash) => hash.live(0).contains(member) && hash.expire_at(member, Some(deadline)),
        Value::Set(set) => set.live(0).contains(member) && set.expire_at(member, Some(deadline)),
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
