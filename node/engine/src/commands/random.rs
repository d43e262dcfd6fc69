//! The count argument of HRANDFIELD, SRANDMEMBER and ZRANDMEMBER.

use protocol::ErrorReply;
use protocol::error::COUNT_OUT_OF_RANGE;

use super::int;

/// The most elements that a negative count may ask for: they repeat, so nothing else bounds the reply.
pub const REPEATS_MAX: i64 = 1 << 27;

/// Reads a count; negative: with repeats.
pub fn random_count(arg: &[u8]) -> Result<i64, ErrorReply> {
    let count = int(arg)?;
    if count == i64::MIN { Err(COUNT_OUT_OF_RANGE) } else { Ok(count) }
}
