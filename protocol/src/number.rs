//! Numbers as Redis reads and prints them.
//!
//! Every number on the wire is text, and each of the three kinds has its own strictness. What is accepted decides
//! which values turn into integers inside packed collections and which requests are refused; what is printed is
//! compared by clients byte for byte. So both are facts to be met exactly:
//!
//! | kind        | read by                                          | written as                                     |
//! |-------------|--------------------------------------------------|------------------------------------------------|
//! | integer     | canonical decimal only: no `+`, space, `-0`, `01` | the same                                       |
//! | double      | C's `strtod` without NaN and surrounding blanks  | C's `%.17g`: `0.1` is `0.10000000000000001`     |
//! | long double | C's `strtold`, same refusals, at most 5119 bytes | C's `%.17Lf` without trailing zeros ("human")  |
//!
//! Long doubles are the 80-bit x87 format on the machines Redis is usually run on: 64 bits of mantissa, so that
//! `INCRBYFLOAT` of 0.1 by 0.2 prints `0.3`. They are computed in software here, the same on every platform.

mod float;
mod int;
mod literal;
mod long_double;

pub use float::{fmt_f64, fmt_f64_human, fmt_f64_resp3, parse_f64, parse_f64_loose};
pub use int::{I64_TEXT_MAX, fmt_i64, fmt_u64, parse_i64, parse_u64, parse_u64_loose};
pub use long_double::{LONG_DOUBLE_TEXT_MAX, LongDouble};

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn incremented(current: &str, increment: &str) -> String {
        let sum = LongDouble::parse(current.as_bytes())
            .zip(LongDouble::parse(increment.as_bytes()))
            .and_then(|(current, increment)| current.checked_add(increment));
        sum.map(|sum| shown(|out| sum.fmt_human(out))).unwrap_or_default()
    }

    /// Answers of a live redis-server 7.0.15; `testdata/record_numbers.py` made them and says what they are.
    #[test]
    fn agrees_with_redis() {
        let recorded = include_str!("../testdata/numbers.tsv");
        assert!(recorded.lines().count() > 1000);
        for row in recorded.lines() {
            let (expected, ours) = match row.split('\t').collect::<Vec<_>>()[..] {
                ["score", text, expected] => {
                    let score = parse_f64(text.as_bytes()).map(|score| shown(|out| fmt_f64(out, score)));
                    (expected, score.unwrap_or_default())
                }
                ["integer", text, expected] => {
                    let integer =
                        parse_i64(text.as_bytes()).map(|integer| shown(|out| fmt_i64(out, integer)));
                    (expected, integer.unwrap_or_default())
                }
                ["incrbyfloat", current, increment, expected] => (expected, incremented(current, increment)),
                _ => panic!("not a row: {row}"),
            };
            assert_eq!(ours, expected, "{row}");
        }
    }
}
