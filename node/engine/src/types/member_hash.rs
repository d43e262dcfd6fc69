//! The hash of members and fields in big collections.
//!
//! One key per process: keyed, so that nobody can aim members at one bucket, and one for all, so that a collection need
//! not carry it.

use std::sync::OnceLock;

static KEYED: OnceLock<ahash::RandomState> = OnceLock::new();

/// The hash of a set's member, a hash's field or a sorted set's member.
#[inline]
pub fn member_hash(bytes: &[u8]) -> u64 {
    KEYED.get_or_init(crate::keyspace::hasher).hash_one(bytes)
}

/// The hash of a member that is held as an integer. Not that of its text.
#[inline]
pub fn member_hash_of_int(n: i64) -> u64 {
    KEYED.get_or_init(crate::keyspace::hasher).hash_one(n)
}
