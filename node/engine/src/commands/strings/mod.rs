//! Strings, in reading order: what reads a value, what writes one, several at once, conditions on the old value, edits
//! in place, counters, counters with bounds, and the longest common subsequence.

use super::Row;

mod counter;
mod edit;
pub(super) mod expiry;
mod get;
mod increx;
mod lcs;
mod many;
mod only_if;
mod set;

pub(super) use expiry::Unit;

/// The rows of all files of the family.
pub const ROWS: &[&[Row]] =
    &[get::ROWS, set::ROWS, many::ROWS, only_if::ROWS, edit::ROWS, counter::ROWS, increx::ROWS, lcs::ROWS];

#[cfg(test)]
mod tests {
    use crate::commands::testing::check_golden;

    #[test]
    fn golden() {
        check_golden(include_str!("../testdata/strings.golden"));
        check_golden(include_str!("../testdata/strings-deadlines.golden"));
        check_golden(include_str!("../testdata/lcs.golden"));
        check_golden(include_str!("../testdata/new-and-missed.golden"));
    }
}
