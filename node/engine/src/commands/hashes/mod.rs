//! Hashes, in reading order: what reads fields, what writes them, counters, random fields, and HSCAN.

use super::Row;

mod counter;
mod random;
mod read;
mod scan;
mod write;

/// The rows of all files of the family.
pub const ROWS: &[&[Row]] = &[read::ROWS, write::ROWS, counter::ROWS, random::ROWS, scan::ROWS];

#[cfg(test)]
mod tests;
