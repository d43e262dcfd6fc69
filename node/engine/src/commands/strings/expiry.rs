//! Expire times as options give them: `EX 10`, `PXAT 1700000000000`.

use protocol::ErrorReply;

use crate::commands::{int, is};

/// How a number is to be read as an expire time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    pub seconds: bool,
    /// Since 1970 rather than from now.
    pub absolute: bool,
}

pub const SECONDS: Unit = Unit { seconds: true, absolute: false };
pub const MILLISECONDS: Unit = Unit { seconds: false, absolute: false };

impl Unit {
    /// The unit that an option's name stands for.
    pub fn of_option(word: &[u8]) -> Option<Unit> {
        let unit = |seconds, absolute| Some(Unit { seconds, absolute });
        match word {
            w if is(w, "EX") => unit(true, false),
            w if is(w, "PX") => unit(false, false),
            w if is(w, "EXAT") => unit(true, true),
            w if is(w, "PXAT") => unit(false, true),
            _ => None,
        }
    }

    /// The deadline, unix ms, that `text` asks for. Times before 1970 and those that 63 bits cannot hold are refused in
    /// the name of `command`; a deadline in the past is not.
    pub fn deadline(self, text: &[u8], now_ms: u64, command: &str) -> Result<u64, ErrorReply> {
        let number = int(text)?;
        let in_ms = if self.seconds { number.checked_mul(1000) } else { Some(number) };
        let base = if self.absolute { 0 } else { now_ms as i64 };
        match in_ms.and_then(|ms| ms.checked_add(base)) {
            Some(deadline) if number > 0 => Ok(deadline as u64),
            _ => Err(ErrorReply::invalid_expire(command)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_in_range_or_refused() {
        let ex = Unit::of_option(b"ex").unwrap();
        let pxat = Unit::of_option(b"PXAT").unwrap();
        assert_eq!(ex.deadline(b"10", 5, "set"), Ok(10_005));
        assert_eq!(pxat.deadline(b"10", 5, "set"), Ok(10));
        assert_eq!(pxat.deadline(b"9223372036854775807", 5, "set"), Ok(i64::MAX as u64));
        let refused = ErrorReply::invalid_expire("set");
        for text in ["0", "-1", "9223372036854775", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(
                ex.deadline(text.as_bytes(), 1_700_000_000_000, "set"),
                Err(refused.clone()),
                "{text}"
            );
        }
        assert_eq!(ex.deadline(b"1e3", 5, "set"), Err(protocol::error::NOT_INTEGER));
        assert_eq!(Unit::of_option(b"PTTL"), None);
    }
}
