//! Hashes, in reading order: what reads fields, what writes them, counters, random fields, HSCAN, deadlines of fields, and
//! values and deadlines in one.

use super::Row;

mod combined;
mod counter;
mod expire;
mod fields;
mod import;
pub mod nested;
mod random;
mod read;
mod scan;
mod write;

pub use import::import;

/// The rows of all files of the family.
pub const ROWS: &[&[Row]] =
    &[read::ROWS, write::ROWS, counter::ROWS, random::ROWS, scan::ROWS, expire::ROWS, combined::ROWS];

#[cfg(test)]
mod tests;
