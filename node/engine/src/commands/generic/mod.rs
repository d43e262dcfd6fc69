//! Commands about keys whatever their values, and about the keyspace as a whole. In reading order: whether keys are there
//! and taking them away, when they expire, moving and copying them, what they are, looking through all of them, and
//! emptying or exchanging databases.

use super::Row;

mod existence;
mod expire;
mod flush;
mod keys;
mod object;
mod scan;
mod transfer;
mod ttl;

/// The rows of all files of the family.
pub const ROWS: &[&[Row]] = &[
    existence::ROWS,
    expire::ROWS,
    ttl::ROWS,
    transfer::ROWS,
    object::ROWS,
    keys::ROWS,
    scan::ROWS,
    flush::ROWS,
];
