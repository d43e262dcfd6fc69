//! The count argument of HRANDFIELD, SRANDMEMBER and ZRANDMEMBER.

use protocol::error::{COUNT_OUT_OF_RANGE, OUT_OF_RANGE};
use protocol::{ErrorReply, Reply};

use super::int;

/// The most elements that a negative count may ask for if nothing bounds the reply: they repeat, so the value does not.
const REPEATS_MAX: u64 = 1 << 27;
/// Bytes of the shortest element in a reply: `$0`, two line ends.
const ELEMENT_MIN: usize = 6;

/// Reads a count; negative: with repeats. `max`: `max-rand-count`.
pub fn random_count(arg: &[u8], max: i64) -> Result<i64, ErrorReply> {
    match int(arg)? {
        i64::MIN => Err(COUNT_OUT_OF_RANGE),
        count if count.abs() > max => {
            Err(ErrorReply::err(format!("value is out of range, value must between {} and {max}", -max)))
        }
        count => Ok(count),
    }
}

/// How many elements to write for a count. With repeats, one that is too long to be sent is not written to its end.
pub fn written(count: i64, out: &Reply) -> Result<usize, ErrorReply> {
    let wanted = count.unsigned_abs();
    match (count < 0, out.limit) {
        (true, 0) if wanted > REPEATS_MAX => Err(OUT_OF_RANGE),
        (true, limit) if limit > 0 => Ok(wanted.min(limit as u64 / ELEMENT_MIN as u64 + 1) as usize),
        _ => Ok(usize::try_from(wanted).unwrap_or(usize::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_a_limit() {
        assert_eq!(random_count(b"-9", 9), Ok(-9));
        assert_eq!(random_count(b"-9223372036854775808", 9), Err(COUNT_OUT_OF_RANGE));
        let refused = random_count(b"10", 9).unwrap_err();
        assert_eq!(refused.text(), "ERR value is out of range, value must between -9 and 9");
        assert_eq!(random_count(b"-10", 9), Err(refused));
    }

    #[test]
    fn what_will_not_be_sent_is_not_written_to_its_end() {
        let limited = |limit| Reply { limit, ..Reply::default() };
        assert_eq!(written(5, &limited(6)), Ok(5));
        assert_eq!(written(-5, &limited(6)), Ok(2));
        assert_eq!(written(-5, &limited(0)), Ok(5));
        assert_eq!(written(-(1 << 40), &limited(600)), Ok(101));
        assert_eq!(written(-(1 << 40), &limited(0)), Err(OUT_OF_RANGE));
        assert_eq!(written(1 << 40, &limited(0)), Ok(1 << 40));
    }
}
