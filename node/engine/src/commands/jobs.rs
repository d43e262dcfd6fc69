//! KEYDB.CRON, from KeyDB: jobs. What runs them is in the node, see [`crate::jobs`] and [`Job`].

use protocol::{Args, ErrorReply, OwnedArgs, Reply, error};

use super::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;
use crate::effect::{Deadline, Effect, NewValue};
use crate::types::Job;

const NOT_POSITIVE: ErrorReply = ErrorReply::new("ERR interval must be positive");
const NO_TIME: ErrorReply = ErrorReply::new("ERR missing expire time");
const TOO_LATE: ErrorReply = ErrorReply::new("ERR the time is out of range");
const TOO_FEW: ErrorReply = ErrorReply::new("ERR Missing arguments or numkeys is too big");

/// `KEYDB.CRON key SINGLE|REPEAT [start] delay script [numkeys key ... arg ...]`: the script runs `delay` ms after `start`, now
/// if that is not given, then again after each further `delay`. What was at the key is replaced; DEL ends the job.
fn cron(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let job = parse(args, ctx.env.write_ms, ctx.env.node)?;
    let value = NewValue::Built(job.to_value());
    ctx.key(&args[1]).apply(Effect::Put { value, deadline: Deadline::Clear, absent: false });
    out.ok();
    DONE
}

fn parse(args: Args<'_>, now: u64, owner: u128) -> Result<Job, ErrorReply> {
    let repeats = is(&args[2], "REPEAT");
    if !repeats && !is(&args[2], "SINGLE") {
        return Err(error::SYNTAX);
    }
    let first = int(&args[3]).map_err(|_| NO_TIME)?;
    // Two numbers are the start and the delay, one is the delay.
    let (start, delay, at) = match int(&args[4]) {
        Ok(delay) => (first, delay, 5),
        Err(_) => (now as i64, first, 4),
    };
    let interval = u64::try_from(delay).ok().filter(|ms| *ms > 0).ok_or(NOT_POSITIVE)?;
    let due = start.max(0).checked_add(delay).ok_or(TOO_LATE)? as u64;
    let script = args.get(at).ok_or(TOO_FEW)?.to_vec();
    let count = args.get(at + 1).map_or(Ok(0), int)?;
    let rest = args.rest((at + 2).min(args.len()));
    let count = usize::try_from(count).ok().filter(|count| *count <= rest.len()).ok_or(TOO_FEW)?;
    let words = |args: Args<'_>| args.iter().map(<[u8]>::to_vec).collect();
    Ok(Job {
        repeats,
        due,
        interval,
        owner,
        script,
        keys: words(rest.first(count)),
        arguments: words(rest.rest(count)),
    })
}

/// The job at a key as the command that makes it. `None`: there is none.
pub fn command_of(ctx: &Ctx<'_>, key: &[u8]) -> Option<OwnedArgs> {
    let words = Job::of(ctx.peek(key)?.value())?.command(key);
    Some(OwnedArgs::from_slices(words.iter().map(Vec::as_slice)))
}

pub const ROWS: &[&[Row]] = &[&[row("KEYDB.CRON", cron)]];

#[cfg(test)]
mod tests {
    use crate::commands::testing::check_by_hand;

    #[test]
    fn a_job_is_a_key_of_a_type_of_its_own() {
        check_by_hand(
            "> KEYDB.CRON j repeat 1000 return x k a
            -ERR value is not an integer or out of range¶
            > KEYDB.CRON j repeat 1000 return 2 k
            -ERR Missing arguments or numkeys is too big¶
            > KEYDB.CRON j REPEAT 1000 return 1 k a
            +OK¶
            > TYPE j
            +keydb.cron¶
            > TTL j
            :-1¶
            > GET j
            -WRONGTYPE Operation against a key holding the wrong kind of value¶
            > APPEND j x
            -WRONGTYPE Operation against a key holding the wrong kind of value¶
            > INCR j
            -WRONGTYPE Operation against a key holding the wrong kind of value¶
            > SADD j x
            -WRONGTYPE Operation against a key holding the wrong kind of value¶
            > COPY j i
            :1¶
            ! copy_to i
            > TYPE i
            +keydb.cron¶
            > DEL j
            :1¶
            ! del j
            > SET i x
            +OK¶
            ! set i
            > TYPE i
            +string¶",
        );
    }

    #[test]
    fn times_are_checked() {
        check_by_hand(
            "> KEYDB.CRON j often 1000 return
            -ERR syntax error¶
            > KEYDB.CRON j single soon return
            -ERR missing expire time¶
            > KEYDB.CRON j single 0 return
            -ERR interval must be positive¶
            > KEYDB.CRON j single 5 -1 return
            -ERR interval must be positive¶
            > KEYDB.CRON j single 5 1
            -ERR Missing arguments or numkeys is too big¶
            > KEYDB.CRON j single 9223372036854775807 1 return
            -ERR the time is out of range¶
            > KEYDB.CRON j single 1 return -1
            -ERR Missing arguments or numkeys is too big¶
            > KEYDB.CRON j single 1 1 return
            +OK¶",
        );
    }
}
