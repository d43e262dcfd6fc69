//! Sets, in reading order: what reads members, what adds and removes them, random members, and algebra.

use super::Row;

mod algebra;
mod random;
mod read;
mod write;

/// The rows of all files of the family.
pub const ROWS: &[&[Row]] = &[read::ROWS, write::ROWS, random::ROWS, algebra::ROWS];

#[cfg(test)]
mod tests;
