//! The `FIELDS numfields field ...` part of newer commands, and deadlines as they give them.

use protocol::error::{EXPIRE_NEGATIVE, FIELDS_MISSING, NUMFIELDS_MISMATCH};
use protocol::{Args, ErrorReply};

use crate::commands::strings::expiry::Unit;
use crate::commands::{int, is};

/// The last moment a field may expire at, unix ms: as in Redis, in the year 4199.
const DEADLINE_MAX: i64 = (1 << 46) - 1;

/// Reads `FIELDS numfields field ...`, which `args` must be all of. `not_positive` is what a wrong count is told.
pub(super) fn fields_of<'a>(args: Args<'a>, not_positive: ErrorReply) -> Result<Args<'a>, ErrorReply> {
    let Some(count) = args.get(1).filter(|_| is(&args[0], "FIELDS")) else { return Err(FIELDS_MISSING) };
    let count = count_of(count).ok_or(not_positive)?;
    let fields = args.rest(2);
    if fields.len() == count { Ok(fields) } else { Err(NUMFIELDS_MISMATCH) }
}

/// A count that is at least 1.
pub(super) fn count_of(arg: &[u8]) -> Option<usize> {
    int(arg).ok().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0)
}

/// The deadline, unix ms, that `text` asks for; one in the past is not refused.
pub(super) fn deadline_of(unit: Unit, text: &[u8], now_ms: u64, command: &str) -> Result<u64, ErrorReply> {
    let number = int(text)?;
    if number < 0 {
        return Err(EXPIRE_NEGATIVE);
    }
    let in_ms = if unit.seconds { number.checked_mul(1000) } else { Some(number) };
    let base = if unit.absolute { 0 } else { now_ms as i64 };
    let deadline = in_ms.and_then(|ms| ms.checked_add(base)).filter(|at| *at <= DEADLINE_MAX);
    deadline.map(|at| at as u64).ok_or_else(|| ErrorReply::invalid_expire(command))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::strings::expiry::{MILLISECONDS, SECONDS};

    #[test]
    fn deadlines_are_in_range_or_refused() {
        let now = 1_700_000_000_000;
        assert_eq!(deadline_of(SECONDS, b"0", now, "hexpire"), Ok(now));
        assert_eq!(deadline_of(SECONDS, b"10", now, "hexpire"), Ok(now + 10_000));
        let absolute = Unit { absolute: true, ..MILLISECONDS };
        assert_eq!(deadline_of(absolute, b"70368744177663", now, "x"), Ok(DEADLINE_MAX as u64));
        for (unit, text) in
            [(absolute, "70368744177664"), (MILLISECONDS, "70368744177663"), (SECONDS, "9223372036854775807")]
        {
            let refused = Err(ErrorReply::invalid_expire("x"));
            assert_eq!(deadline_of(unit, text.as_bytes(), now, "x"), refused, "{text}");
        }
        assert_eq!(deadline_of(SECONDS, b"-1", now, "x"), Err(EXPIRE_NEGATIVE));
        assert_eq!(deadline_of(SECONDS, b"1.5", now, "x"), Err(protocol::error::NOT_INTEGER));
    }
}
