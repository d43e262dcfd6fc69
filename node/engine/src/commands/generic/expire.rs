//! EXPIRE and its relatives: giving keys a deadline.
//!
//! ```text
//! EXPIRE | PEXPIRE | EXPIREAT | PEXPIREAT key time [NX | XX | GT | LT]
//! ```
//! A deadline that has passed removes the key at once. A key without one counts as lasting for ever: GT never sets one on
//! it, LT always does.

use protocol::error::{EXPIRE_GT_AND_LT, EXPIRE_NX_AND_OTHERS};
use protocol::{Args, ErrorReply, Reply};
use replication::effect::DeadlineCondition;

use crate::commands::strings::Unit;
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::notify;

/// When a deadline is set at all.
#[derive(Clone, Copy, Default)]
struct Condition {
    absent: bool,
    present: bool,
    later: bool,
    sooner: bool,
}

impl Condition {
    fn parse(args: Args<'_>) -> Result<Condition, ErrorReply> {
        let mut only = Condition::default();
        for word in args.iter() {
            match word {
                w if is(w, "NX") => only.absent = true,
                w if is(w, "XX") => only.present = true,
                w if is(w, "GT") => only.later = true,
                w if is(w, "LT") => only.sooner = true,
                other => return Err(ErrorReply::unsupported_option(other)),
            }
        }
        match only {
            Condition { absent: true, present, later, sooner } if present || later || sooner => {
                Err(EXPIRE_NX_AND_OTHERS)
            }
            Condition { later: true, sooner: true, .. } => Err(EXPIRE_GT_AND_LT),
            only => Ok(only),
        }
    }

    /// The effect of a condition that is met.
    fn effect(self, at: u64) -> Effect<'static> {
        let Condition { absent, present, later, sooner } = self;
        let only = DeadlineCondition { absent, present, greater: later, less: sooner };
        if only.is_none() { Effect::ExpireAt(Some(at)) } else { Effect::ExpireOnly { at, only } }
    }

    /// Whether a key with the deadline `old` may get the deadline `new`.
    fn permits(self, old: Option<u64>, new: i64) -> bool {
        let Some(old) = old else { return !self.present && !self.later };
        let old = old as i64;
        !self.absent && (!self.later || new > old) && (!self.sooner || new < old)
    }
}

/// The deadline, unix ms, that `text` asks for. Unlike the options of SET, it may lie in the past or before 1970.
fn deadline(text: &[u8], unit: Unit, now_ms: u64, command: &str) -> Result<i64, ErrorReply> {
    let number = int(text)?;
    let in_ms = if unit.seconds { number.checked_mul(1000) } else { Some(number) };
    let base = if unit.absolute { 0 } else { now_ms as i64 };
    in_ms.and_then(|ms| ms.checked_add(base)).ok_or_else(|| ErrorReply::invalid_expire(command))
}

fn set_deadline(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    out: &mut Reply,
    unit: Unit,
    command: &str,
) -> Result<Flow, ErrorReply> {
    let only = Condition::parse(args.rest(3))?;
    let at = deadline(&args[2], unit, ctx.env.write_ms, command)?;
    let mut key = ctx.key(&args[1]);
    let set = key.exists() && only.permits(key.deadline(), at);
    if set && at <= key.env.write_ms as i64 && key.env.expiry {
        key.apply(Effect::Clear);
        key.notify(notify::GENERIC, "del");
    } else if set {
        key.apply_counted(only.effect(at.max(0) as u64));
        key.notify(notify::GENERIC, "expire");
    }
    out.int(i64::from(set));
    DONE
}

const fn unit(seconds: bool, absolute: bool) -> Unit {
    Unit { seconds, absolute }
}

fn expire(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    set_deadline(ctx, args, out, unit(true, false), "expire")
}

fn pexpire(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    set_deadline(ctx, args, out, unit(false, false), "pexpire")
}

fn expireat(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    set_deadline(ctx, args, out, unit(true, true), "expireat")
}

fn pexpireat(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    set_deadline(ctx, args, out, unit(false, true), "pexpireat")
}

pub const ROWS: &[Row] =
    &[row("EXPIRE", expire), row("PEXPIRE", pexpire), row("EXPIREAT", expireat), row("PEXPIREAT", pexpireat)];
