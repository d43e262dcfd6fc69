//! Lists, in reading order: the two ends, what adds elements, what reads them, what takes them out, edits in the middle,
//! moves from list to list, and what waits for elements.

use super::Row;

mod blocking;
mod edit;
mod end;
mod moving;
mod moving_many;
mod pop;
mod push;
mod read;

/// The rows of all files of the family.
pub const ROWS: &[&[Row]] =
    &[push::ROWS, read::ROWS, pop::ROWS, edit::ROWS, moving::ROWS, moving_many::ROWS, blocking::ROWS];

#[cfg(test)]
mod tests;
