//! Dragonfly's FIELDEXPIRE, FIELDTTL and SADDEX: deadlines of hash fields and set members, in seconds.

use protocol::error::{SYNTAX, WRONGTYPE};
use protocol::{Args, ErrorReply, Reply};

use super::{DONE, Flow, Row, int, is, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::Effect;
use crate::family::Family;
use crate::tuning::notify;
use crate::value::ValueRef;

/// What a field or member is answered with.
const MISSING: i64 = -2;
const SET: i64 = 1;
const REMOVED: i64 = 2;

/// Hashes and sets only: so it is in Dragonfly.
fn family(value: Option<ValueRef<'_>>) -> Result<Option<Family>, ErrorReply> {
    match value.map(Family::of) {
        None => Ok(None),
        Some(Some(family @ (Family::Hash | Family::Set))) => Ok(Some(family)),
        Some(_) => Err(WRONGTYPE),
    }
}

/// Whether a field or member is there, and its deadline.
fn look(value: Option<ValueRef<'_>>, name: &[u8], due: u64) -> Option<Option<u64>> {
    value?.member_deadline(name, due)
}

/// A number of seconds from now as unix ms; 0 is now.
fn deadline(arg: &[u8], now_ms: u64, command: &str) -> Result<u64, ErrorReply> {
    let seconds = u64::try_from(int(arg)?).map_err(|_| ErrorReply::invalid_expire(command))?;
    // A deadline is kept as a double, exact up to here.
    let at = seconds.checked_mul(1000).and_then(|ms| ms.checked_add(now_ms)).filter(|at| *at <= 1 << 53);
    at.ok_or_else(|| ErrorReply::invalid_expire(command))
}

fn expire_one(key: &mut KeyMut<'_, '_>, of: Family, name: &[u8], at: u64) -> i64 {
    if look(key.value(), name, key.env.due()).is_none() {
        return MISSING;
    }
    let past = at <= key.env.write_ms;
    key.apply(if past { of.removal(name) } else { of.expiry(name, Some(at)) });
    if past { REMOVED } else { SET }
}

/// `FIELDEXPIRE key seconds field...`: a number for each field or member.
fn fieldexpire(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    let of = family(key.value())?;
    let at = deadline(&args[2], key.env.write_ms, "fieldexpire")?;
    let names = args.rest(3);
    out.array(names.len());
    let (mut set, mut removed) = (false, false);
    for name in names.iter() {
        let answer = of.map_or(MISSING, |of| expire_one(&mut key, of, name, at));
        set |= answer == SET;
        removed |= answer == REMOVED;
        out.int(answer);
    }
    let of = of.unwrap_or(Family::Hash);
    if set {
        key.notify(of.class(), of.expire_event());
    }
    if removed {
        key.notify(of.class(), of.removed_event());
        if !key.exists() {
            key.notify(notify::GENERIC, "del");
        }
    }
    DONE
}

/// `FIELDTTL key field`: seconds; -1 for ever, -2 no key, -3 no such field.
fn fieldttl(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (now, due) = (ctx.env.now_ms, ctx.env.due());
    let value = ctx.read(&args[1]).map(|entry| entry.value());
    out.int(match (family(value)?, look(value, &args[2], due)) {
        (None, _) => -2,
        (_, None) => -3,
        (_, Some(None)) => -1,
        (_, Some(Some(at))) => at.saturating_sub(now).div_ceil(1000) as i64,
    });
    DONE
}

/// `SADDEX key [KEEPTTL] seconds member...`: how many are new. Without KEEPTTL those that were there get the deadline, too.
fn saddex(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let keep = is(&args[2], "KEEPTTL");
    let at = if keep { 3 } else { 2 };
    let members = args.rest(at + 1);
    if members.is_empty() {
        return Err(SYNTAX);
    }
    let mut key = ctx.key(&args[1]);
    key.set()?;
    let deadline = Some(deadline(&args[at], key.env.write_ms, "saddex")?);
    if deadline <= Some(key.env.write_ms) {
        return Err(ErrorReply::invalid_expire("saddex"));
    }
    let mut added = 0;
    for member in members.iter() {
        let new = key.apply(Effect::AddMember(member)).created();
        added += i64::from(new);
        if new || !keep {
            key.apply(Effect::MemberExpire { member, deadline });
        }
    }
    if added > 0 {
        key.notify(notify::SET, "sadd");
    }
    out.int(added);
    DONE
}

pub const ROWS: &[&[Row]] =
    &[&[row("FIELDEXPIRE", fieldexpire), row("FIELDTTL", fieldttl), row("SADDEX", saddex)]];

#[cfg(test)]
mod tests {
    use crate::commands::testing::check_by_hand;

    #[test]
    fn fields_and_members_expire() {
        check_by_hand(
            "> HSET h a 1 b 2 c 3
            :3¶
            ! hset h
            > FIELDEXPIRE h 10 a b x
            *3¶:1¶:1¶:-2¶
            ! hexpire h
            > FIELDTTL h a
            :10¶
            > FIELDTTL h c
            :-1¶
            > FIELDTTL h x
            :-3¶
            > FIELDTTL none x
            :-2¶
            > FIELDEXPIRE none 10 x
            *1¶:-2¶
            > FIELDEXPIRE h 0 c
            *1¶:2¶
            ! hdel h
            > SADDEX s 10 a b
            :2¶
            ! sadd s
            > SADDEX s KEEPTTL 100 a c
            :1¶
            ! sadd s
            > FIELDTTL s a
            :10¶
            > SADDEX s 100 a
            :0¶
            > FIELDTTL s a
            :100¶
            > FIELDTTL s c
            :100¶
            > WAIT 10000
            > SCARD s
            :2¶
            ! sexpired s
            > SET str v
            +OK¶
            ! set str
            > FIELDTTL str x
            -WRONGTYPE Operation against a key holding the wrong kind of value¶
            > FIELDEXPIRE str 1 x
            -WRONGTYPE Operation against a key holding the wrong kind of value¶
            > SADDEX s 0 x
            -ERR invalid expire time in 'saddex' command¶
            > SADDEX s KEEPTTL 1
            -ERR syntax error¶
            > FIELDEXPIRE s -1 a
            -ERR invalid expire time in 'fieldexpire' command¶",
        );
    }
}
