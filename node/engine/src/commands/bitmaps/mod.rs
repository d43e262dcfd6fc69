//! Strings as arrays of bits and of small integers.

use protocol::ErrorReply;
use protocol::error::BIT_OFFSET_OUT_OF_RANGE;
use protocol::number::parse_i64;

use super::Row;
use crate::tuning::Tuning;

mod bit;
mod combine;
mod field;
mod range;

/// The rows of all files of the family.
pub const ROWS: &[&[Row]] = &[bit::ROWS, range::ROWS, combine::ROWS, field::ROWS];

/// The position of a bit in a string of permitted length. `scale` multiplies it.
fn bit_offset(text: &[u8], scale: usize, tuning: &Tuning) -> Result<usize, ErrorReply> {
    let number = parse_i64(text).and_then(|n| usize::try_from(n).ok());
    let offset = number.and_then(|n| n.checked_mul(scale)).filter(|at| at / 8 < tuning.proto_max_bulk_len);
    offset.ok_or(BIT_OFFSET_OUT_OF_RANGE)
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::check_golden;

    #[test]
    fn golden() {
        check_golden(include_str!("../testdata/bitmaps.golden"));
        check_golden(include_str!("../testdata/bitfields.golden"));
    }
}
