//! Strings: integers, short strings inside the entry, and boxed ones that can grow in place.

use protocol::number;

use crate::ctx::KeyMut;
use crate::effect::Outcome;
use crate::value::{Value, ValueMut, ValueRef};

/// Longest string that OBJECT ENCODING calls embstr.
pub const EMBSTR_MAX: usize = 44;

/// The integer that `bytes` spell exactly, the way Redis recognises one.
#[inline]
pub fn as_int(bytes: &[u8]) -> Option<i64> {
    // Most strings are not numbers: look at the first byte and the length before parsing.
    match bytes.first() {
        Some(b'0'..=b'9' | b'-') if bytes.len() <= 20 => number::parse_i64(bytes),
        _ => None,
    }
}

/// Room for an integer's text.
#[derive(Default)]
pub struct IntText(itoa::Buffer);

impl<'a> ValueRef<'a> {
    /// The bytes of a string value; `None` for other types.
    #[inline]
    pub fn string_bytes<'b>(&self, text: &'b mut IntText) -> Option<&'b [u8]>
    where
        'a: 'b,
    {
        match *self {
            ValueRef::Int(n) => Some(text.0.format(n).as_bytes()),
            ValueRef::Bytes(b) => Some(b),
            ValueRef::Raw(b) => Some(b),
            _ => None,
        }
    }

    /// Length of a string value in bytes.
    pub fn string_len(&self) -> Option<usize> {
        self.string_bytes(&mut IntText::default()).map(<[u8]>::len)
    }
}

/// Sets an integer, in place if there is one.
pub(crate) fn apply_int(key: &mut KeyMut<'_, '_>, n: i64) -> Outcome {
    if key.overwrite_int(n) { Outcome::Changed } else { key.put_value(Value::Int(n)) }
}

/// The string boxed, so that it can be changed in place. `None` if the key is absent.
fn boxed<'a>(key: &'a mut KeyMut<'_, '_>) -> Option<&'a mut Vec<u8>> {
    let unboxed = match key.value()? {
        ValueRef::Raw(_) => None,
        other => Some(other.string_bytes(&mut IntText::default())?.to_vec()),
    };
    if let Some(bytes) = unboxed {
        key.put_value(Value::Raw(Box::new(bytes)));
    }
    match key.value_mut()? {
        ValueMut::Raw(bytes) => Some(bytes),
        _ => None,
    }
}

pub(crate) fn apply_append(key: &mut KeyMut<'_, '_>, tail: &[u8]) -> Outcome {
    match boxed(key) {
        Some(bytes) => {
            bytes.extend_from_slice(tail);
            Outcome::Changed
        }
        None => key.put_value(Value::string(tail)),
    }
}

pub(crate) fn apply_set_range(key: &mut KeyMut<'_, '_>, offset: usize, patch: &[u8]) -> Outcome {
    let end = offset + patch.len();
    match boxed(key) {
        Some(bytes) => {
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
