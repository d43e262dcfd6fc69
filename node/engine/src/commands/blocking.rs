//! What commands that wait for a key share.

use protocol::error::{TIMEOUT_NEGATIVE, TIMEOUT_NOT_FLOAT};
use protocol::{ErrorReply, number};

/// Milliseconds that Redis's arithmetic can hold.
const MS_MAX: f64 = i64::MAX as f64;

/// Reads a timeout in seconds, rounded up to milliseconds; `None`: for ever. One that is too long is called negative,
/// which is what it becomes in Redis.
pub fn timeout_ms(arg: &[u8]) -> Result<Option<u64>, ErrorReply> {
    let seconds = number::parse_f64(arg).ok_or(TIMEOUT_NOT_FLOAT)?;
    let ms = (seconds * 1000.0).ceil();
    if !(0.0..MS_MAX).contains(&ms) {
        return Err(TIMEOUT_NEGATIVE);
    }
    Ok(Some(ms as u64).filter(|ms| *ms > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_rounded_up() {
        for (text, ms) in
            [("0", None), ("1", Some(1000)), ("0.0001", Some(1)), ("-0.0001", None), ("0x1", Some(1000))]
        {
            assert_eq!(timeout_ms(text.as_bytes()), Ok(ms), "{text}");
        }
        for text in ["", " 1", "nan", "x"] {
            assert_eq!(timeout_ms(text.as_bytes()), Err(TIMEOUT_NOT_FLOAT), "{text}");
        }
        for text in ["-1", "inf", "1e100", "9223372036854775.808"] {
            assert_eq!(timeout_ms(text.as_bytes()), Err(TIMEOUT_NEGATIVE), "{text}");
        }
    }
}
