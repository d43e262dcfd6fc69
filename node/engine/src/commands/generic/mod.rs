//! Commands about keys whatever their values, and about the keyspace as a whole. In reading order: whether keys are there
//! and taking them away, when they expire, moving and copying them, what they are, looking through all of them,
//! sorting what is in one, values that travel, and emptying or exchanging databases.

use super::Row;

pub mod dump;
mod existence;
mod expire;
mod flush;
mod keys;
mod object;
mod scan;
mod sort;
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
    sort::ROWS,
    dump::ROWS,
    flush::ROWS,
];

#[cfg(test)]
mod tests {
    use crate::commands::testing::check_golden;

    #[test]
    fn golden() {
        check_golden(include_str!("../testdata/generic.golden"));
        check_golden(include_str!("../testdata/sort.golden"));
        check_golden(include_str!("../testdata/dump.golden"));
    }
}
