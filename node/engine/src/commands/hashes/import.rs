//! A hash put as a whole: HIMPORT SET, whose fields a connection has prepared.

use protocol::ErrorReply;

use crate::ctx::Ctx;
use crate::effect::{Deadline, Effect, NewValue};
use crate::tuning::notify;
use crate::types::{Hash, hash};
use crate::value::Value;

/// Puts a hash with these fields and values in the place of the hash that may be there. The key's shard must be held. Whether
/// there was one.
pub fn import<'a>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<bool, ErrorReply> {
    let mut key = ctx.key(key);
    let before = key.hash()?.is_some();
    let (limits, mut hash) = (hash::Limits::of(&key.env.tuning), Hash::default());
    for (field, value) in pairs {
        hash.set(field, value, false, limits, 0);
    }
    let value = NewValue::Built(Value::Hash(Box::new(hash)));
    key.apply(Effect::Put { value, deadline: Deadline::Clear, absent: false });
    key.notify(notify::HASH, "hset");
    Ok(before)
}
