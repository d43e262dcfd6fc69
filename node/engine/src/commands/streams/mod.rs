//! Streams, in reading order: ids as arguments, what adds, trims and removes entries, what reads ranges and what waits for
//! entries, groups and what is pending in them, and what is told about all that.

use super::Row;

mod ack;
mod add;
mod autoclaim;
mod claim;
mod group;
mod id;
mod info;
mod info_full;
mod nack;
mod overdue;
mod passed_on;
mod pending;
mod range;
mod read;
mod read_group;
mod remove;
mod remove_with_references;
mod set_id;
mod show;
pub mod trim;

pub use remove_with_references::References;

/// The rows of all files of the family.
pub const ROWS: &[&[Row]] = &[
    add::ROWS,
    trim::ROWS,
    remove::ROWS,
    remove_with_references::ROWS,
    set_id::ROWS,
    range::ROWS,
    read::ROWS,
    read_group::ROWS,
    group::ROWS,
    ack::ROWS,
    claim::ROWS,
    autoclaim::ROWS,
    nack::ROWS,
    pending::ROWS,
    info::ROWS,
];

#[cfg(test)]
mod tests;
