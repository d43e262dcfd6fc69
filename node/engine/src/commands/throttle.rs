//! CL.THROTTLE, from redis-cell and Dragonfly: a limit of rate, as the generic cell rate algorithm has it.
//!
//! Tokens come at an even pace. What is kept is one moment: when, at that pace, all that were taken will have come. It may lie
//! ahead of now by as much as a burst takes; who would move it further is refused. The key is a string with that moment (unix us)
//! and expires at it. In a mesh it is a string like others: nodes that take tokens at the same time do not see each other's, so
//! between them the limit holds within what they take while they are apart.

use protocol::{Args, ErrorReply, Reply, number};

use super::{DONE, Flow, Row, int, row};
use crate::ctx::Ctx;
use crate::effect::{Deadline, Effect, NewValue};
use crate::tuning::notify;
use crate::types::string::IntText;

const NOT_POSITIVE: ErrorReply = ErrorReply::new("ERR count and period must be greater than 0");
const TOO_LARGE: ErrorReply = ErrorReply::new("ERR the limits are out of range");

/// Microseconds.
type Us = i128;

/// Two hundred years: what deadlines and replies can hold.
const US_MAX: Us = 200 * 366 * 24 * 3600 * 1_000_000;

fn positive(arg: &[u8]) -> Result<Us, ErrorReply> {
    Some(int(arg)?).filter(|n| *n > 0).map(Us::from).ok_or(NOT_POSITIVE)
}

fn at_least_0(arg: &[u8]) -> Result<Us, ErrorReply> {
    Some(int(arg)?).filter(|n| *n >= 0).map(Us::from).ok_or(protocol::error::MUST_BE_POSITIVE)
}

/// Seconds, the last one begun counted whole.
fn seconds(us: Us) -> i64 {
    us.max(0).unsigned_abs().div_ceil(1_000_000) as i64
}

/// `CL.THROTTLE key max-burst count period [quantity]`: whether it is refused, the limit, what is left, seconds until it would
/// be granted (-1: it is, or never will be), seconds until all is there again.
fn throttle(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    if args.len() > 6 {
        return Err(ErrorReply::wrong_arity("cl.throttle"));
    }
    let (burst, count, period) = (at_least_0(&args[2])?, positive(&args[3])?, positive(&args[4])?);
    let quantity = args.get(5).map_or(Ok(1), at_least_0)?;
    let interval = (period * 1_000_000 / count).max(1);
    let room = interval.saturating_mul(burst + 1);
    let taken = interval.saturating_mul(quantity);
    if room > US_MAX || taken > US_MAX {
        return Err(TOO_LARGE);
    }
    let mut key = ctx.key(&args[1]);
    let now = Us::from(key.env.write_ms) * 1000;
    let mut text = IntText::default();
    let kept = key.string(&mut text)?.map(|text| number::parse_i64(text).ok_or(protocol::error::NOT_INTEGER));
    let before = kept.transpose()?.map_or(now, |kept| now.max(kept.into()));
    let after = before + taken;
    let ahead = after - now;
    let refused = ahead > room;
    let left = if refused { before - now } else { ahead };
    if !refused && quantity > 0 {
        let mut digits = itoa::Buffer::new();
        let value = NewValue::String(digits.format(after as i64).as_bytes());
        let deadline = Deadline::At((after as u64).div_ceil(1000));
        key.apply(Effect::Put { value, deadline, absent: false });
        key.notify(notify::STRING, "set");
    }
    out.array(5);
    out.int(i64::from(refused));
    out.int((burst + 1) as i64);
    out.int(((room - left) / interval).max(0) as i64);
    out.int(if refused && taken <= room { seconds(ahead - room) } else { -1 });
    out.int(seconds(left));
    DONE
}

pub const ROWS: &[&[Row]] = &[&[row("CL.THROTTLE", throttle)]];

#[cfg(test)]
mod tests {
    use crate::commands::testing::check_by_hand;

    #[test]
    fn a_burst_and_then_an_even_pace() {
        check_by_hand(
            "> CL.THROTTLE u 2 60 60
            *5¶:0¶:3¶:2¶:-1¶:1¶
            ! set u
            > CL.THROTTLE u 2 60 60 2
            *5¶:0¶:3¶:0¶:-1¶:3¶
            ! set u
            > CL.THROTTLE u 2 60 60
            *5¶:1¶:3¶:0¶:1¶:3¶
            > CL.THROTTLE u 2 60 60 4
            *5¶:1¶:3¶:0¶:-1¶:3¶
            > CL.THROTTLE u 2 60 60 0
            *5¶:0¶:3¶:0¶:-1¶:3¶
            > WAIT 1000
            > CL.THROTTLE u 2 60 60
            *5¶:0¶:3¶:0¶:-1¶:3¶
            ! set u
            > WAIT 3000
            > EXISTS u
            :0¶
            ! expired u
            > CL.THROTTLE u 0 1 10
            *5¶:0¶:1¶:0¶:-1¶:10¶
            ! set u
            > CL.THROTTLE u 0 1 10
            *5¶:1¶:1¶:0¶:10¶:10¶",
        );
    }

    #[test]
    fn numbers_are_checked() {
        check_by_hand(
            "> CL.THROTTLE u 1 0 1
            -ERR count and period must be greater than 0¶
            > CL.THROTTLE u -1 1 1
            -ERR value is out of range, must be positive¶
            > CL.THROTTLE u 9223372036854775807 1 9223372036854775807
            -ERR the limits are out of range¶
            > CL.THROTTLE u 1 1 1 1 1
            -ERR wrong number of arguments for 'cl.throttle' command¶
            > SADD s a
            :1¶
            ! sadd s
            > CL.THROTTLE s 1 1 1
            -WRONGTYPE Operation against a key holding the wrong kind of value¶
            > SET t x
            +OK¶
            ! set t
            > CL.THROTTLE t 1 1 1
            -ERR value is not an integer or out of range¶",
        );
    }
}
