//! HyperLogLog values are strings in Redis's own encoding.

use crate::ctx::KeyMut;
use crate::effect::Outcome;
use crate::value::Value;

pub(crate) fn apply_registers(key: &mut KeyMut<'_, '_>, bytes: &[u8]) -> Outcome {
    key.put_value(Value::Raw(Box::new(bytes.to_vec())))
}
