//! Counting distinct elements approximately; see [`crate::types::hyperloglog`] for how.

use protocol::ErrorReply;
use protocol::error::{CORRUPT_HYPERLOGLOG, NO_HYPERLOGLOG};

use super::Row;
use crate::types::hyperloglog::{Corrupt, Hll};

mod count;
mod debug;

/// The rows of all files of the family.
pub const ROWS: &[&[Row]] = &[count::ROWS, debug::ROWS];

/// A string as a HyperLogLog.
fn well_formed<'a>(bytes: &'a [u8]) -> Result<Hll<'a>, ErrorReply> {
    Hll::of(bytes).ok_or(NO_HYPERLOGLOG)
}

fn corrupt(_: Corrupt) -> ErrorReply {
    CORRUPT_HYPERLOGLOG
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::check_golden;

    #[test]
    fn golden() {
        check_golden(include_str!("../testdata/hyperloglog.golden"));
        check_golden(include_str!("../testdata/hyperloglog-bytes.golden"));
    }
}
