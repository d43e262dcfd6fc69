//! Strings: integers, short strings inside the entry, and boxed ones that can grow in place.
//!
//! How a string is held is visible as OBJECT ENCODING: what SET stores is an integer if it looks like one (`int`), or
//! the bytes (`embstr` up to 44, `raw` beyond); what was edited in place is boxed (`raw`) until it is replaced.

use protocol::ErrorReply;
use protocol::error::WRONGTYPE;
use protocol::number;

use crate::ctx::{Ctx, KeyMut};
use crate::effect::Outcome;
use crate::entry::{Entry, EntryMut, INLINE_MAX};
use crate::types::bits::Field;
use crate::types::job;
use crate::value::{Kind, Value, ValueMut, ValueRef};

/// Longest string that OBJECT ENCODING calls embstr.
pub const EMBSTR_MAX: usize = 44;

/// A string that grows is given as much room again, but never more than this.
const GROWTH_MAX: usize = 1 << 20;

/// The integer that `bytes` spell exactly, the way Redis recognises one.
#[inline]
pub fn as_int(bytes: &[u8]) -> Option<i64> {
    // Most strings are not numbers: look at the length and the last byte, then at the first, before parsing.
    match bytes {
        [b'0'..=b'9' | b'-', .., b'0'..=b'9'] | [b'0'..=b'9'] if bytes.len() <= number::I64_TEXT_MAX => {
            number::parse_i64(bytes)
        }
        _ => None,
    }
}

/// Room for an integer's text.
#[derive(Default)]
pub struct IntText(itoa::Buffer);

impl<'a> ValueRef<'a> {
    /// The bytes of a string value; `None` for other types, and for a job, which is none to commands.
    #[inline]
    pub fn string_bytes<'b>(&self, text: &'b mut IntText) -> Option<&'b [u8]>
    where
        'a: 'b,
    {
        match *self {
            ValueRef::Int(n) => Some(text.0.format(n).as_bytes()),
            ValueRef::Bytes(b) => Some(b),
            ValueRef::Raw(b) => Some(b),
            ValueRef::Tagged(v) if v.tag != job::TAG => Some(&v.bytes),
            _ => None,
        }
    }

    /// Length of a string value in bytes.
    pub fn string_len(&self) -> Option<usize> {
        self.string_bytes(&mut IntText::default()).map(<[u8]>::len)
    }
}

impl Ctx<'_> {
    /// The bytes of a string for reading; see [`Ctx::read`].
    #[inline]
    pub fn read_string<'t>(
        &'t self,
        key: &[u8],
        text: &'t mut IntText,
    ) -> Result<Option<&'t [u8]>, ErrorReply> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => value.string_bytes(text).map(Some).ok_or(WRONGTYPE),
        }
    }
}

impl KeyMut<'_, '_> {
    /// The bytes of the string that is there.
    #[inline]
    pub fn string<'t>(&'t self, text: &'t mut IntText) -> Result<Option<&'t [u8]>, ErrorReply> {
        match self.value() {
            None => Ok(None),
            Some(value) => value.string_bytes(text).map(Some).ok_or(WRONGTYPE),
        }
    }

    /// Counts as a hit or a miss: for commands that answer with what was there.
    pub fn count_lookup(&self) {
        let counter = if self.exists() { &self.env.hits } else { &self.env.misses };
        counter.set(counter.get() + 1);
        if !self.exists() {
            self.out.note_miss(&self.env.tuning, self.db, self.key);
        }
    }
}

/// Overwrites a string by another that is held the same way and takes as much room, the way SET would hold it. False if
/// that cannot be done in place.
#[inline]
pub(crate) fn overwrite(entry: &mut EntryMut<'_>, bytes: &[u8]) -> bool {
    if let Some(n) = as_int(bytes) {
        return entry.overwrite_int(n);
    }
    if bytes.len() <= INLINE_MAX {
        return entry.overwrite(bytes);
    }
    match entry.raw_mut() {
        // Not if much room would be left unused.
        Some(old) if (bytes.len()..=bytes.len() + bytes.len() / 8).contains(&old.capacity()) => {
            old.clear();
            old.extend_from_slice(bytes);
            true
        }
        _ => false,
    }
}

/// Sets an integer, in place if there is one.
pub(crate) fn apply_int(key: &mut KeyMut<'_, '_>, n: i64) -> Outcome {
    if key.overwrite_int(n) || rewrite_tagged(key, itoa::Buffer::new().format(n).as_bytes()) {
        return Outcome::Changed;
    }
    key.put_value(Value::Int(n))
}

/// Sets a text that stays one even if it spells an integer: the result of adding to a decimal number.
pub(crate) fn apply_text(key: &mut KeyMut<'_, '_>, text: &[u8]) -> Outcome {
    if rewrite_tagged(key, text) {
        return Outcome::Changed;
    }
    if text.len() > INLINE_MAX {
        return key.put_value(Value::Bytes(text.to_vec()));
    }
    let (deadline, stamp, access) = (key.deadline(), key.stamp(), key.access());
    key.put_entry(Entry::new_inline(key.key, text, deadline, stamp, access))
}

/// Gives a string that has a tag other bytes; false if it has none.
fn rewrite_tagged(key: &mut KeyMut<'_, '_>, text: &[u8]) -> bool {
    if key.kind() != Some(Kind::Tagged) {
        return false;
    }
    if let Some(ValueMut::Raw(bytes)) = key.value_mut() {
        bytes.clear();
        bytes.extend_from_slice(text);
    }
    key.restamp();
    true
}

/// The string boxed, so that it can be changed in place, with room for `len` bytes. `None` if the key is absent.
pub(crate) fn boxed<'a>(key: &'a mut KeyMut<'_, '_>, len: usize) -> Option<&'a mut Vec<u8>> {
    let unboxed = match key.value()? {
        ValueRef::Raw(_) | ValueRef::Tagged(_) => None,
        other => {
            let mut text = IntText::default();
            let bytes = other.string_bytes(&mut text)?;
            let mut roomy = Vec::with_capacity(len.max(bytes.len()));
            roomy.extend_from_slice(bytes);
            Some(roomy)
        }
    };
    if let Some(bytes) = unboxed {
        key.put_value(Value::Raw(Box::new(bytes)));
    }
    match key.value_mut()? {
        ValueMut::Raw(bytes) => {
            if bytes.capacity() < len {
                bytes.reserve_exact(len - bytes.len() + len.min(GROWTH_MAX));
            }
            Some(bytes)
        }
        _ => None,
    }
}

pub(crate) fn apply_append(key: &mut KeyMut<'_, '_>, tail: &[u8]) -> Outcome {
    let len = key.value().and_then(|v| v.string_len()).unwrap_or(0) + tail.len();
    match boxed(key, len) {
        Some(bytes) => {
            bytes.extend_from_slice(tail);
            Outcome::Changed
        }
        None => key.put_value(Value::string(tail)),
    }
}

/// Unchanged if the bytes are what is there already.
pub(crate) fn apply_set_range(key: &mut KeyMut<'_, '_>, offset: usize, patch: &[u8]) -> Outcome {
    let end = offset + patch.len();
    match boxed(key, end) {
        Some(bytes) => {
            if bytes.get(offset..end) == Some(patch) {
                return Outcome::Unchanged;
            }
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[offset..end].copy_from_slice(patch);
            Outcome::Changed
        }
        None => {
            let mut bytes = vec![0; end];
            bytes[offset..].copy_from_slice(patch);
            key.put_value(Value::Raw(Box::new(bytes)))
        }
    }
}

pub(crate) fn apply_bits(key: &mut KeyMut<'_, '_>, field: Field, value: i64) -> Outcome {
    let mut text = IntText::default();
    let bytes = key.string(&mut text).ok().flatten().unwrap_or(b"");
    let patch = field.patch(bytes, value);
    apply_set_range(key, field.offset / 8, &patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_recognised_only_when_they_would_print_the_same() {
        for (text, int) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("", None),
            ("-", None),
            ("-0", None),
            ("01", None),
            ("1 ", None),
            ("1a2", None),
            ("9223372036854775808", None),
            ("100000000000000000000000000000000000000000", None),
        ] {
            assert_eq!(as_int(text.as_bytes()), int, "{text}");
        }
    }
}
