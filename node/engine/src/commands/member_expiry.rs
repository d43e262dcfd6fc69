//! KeyDB's EXPIREMEMBER, EXPIREMEMBERAT and PEXPIREMEMBERAT: deadlines of hash fields and of members of sets and
//! sorted sets.

use protocol::error::{BAD_UNIT, MEMBERS_CANNOT_EXPIRE};
use protocol::{Args, ErrorReply, Reply};

use super::strings::expiry::Unit;
use super::{DONE, Flow, Row, int, is, row};
use crate::ctx::{Ctx, KeyMut};
use crate::family::Family;
use crate::tuning::notify;

/// The last moment a member may expire at, unix ms: a double, which is how it is kept, is exact up to here.
const DEADLINE_MAX: i64 = 1 << 53;

/// What holds the member, if the key's collection has it.
fn find(key: &KeyMut<'_, '_>, member: &[u8]) -> Result<Option<Family>, ErrorReply> {
    let Some(value) = key.value() else { return Ok(None) };
    let family = Family::of(value).ok_or(MEMBERS_CANNOT_EXPIRE)?;
    Ok(value.member_deadline(member, key.env.due()).map(|_| family))
}

fn give(key: &mut KeyMut<'_, '_>, family: Family, member: &[u8], deadline: u64) {
    key.apply(family.expiry(member, Some(deadline)));
    key.notify(family.class(), family.expire_event());
}

fn remove(key: &mut KeyMut<'_, '_>, family: Family, member: &[u8]) {
    key.apply(family.removal(member));
    key.notify(family.class(), family.removed_event());
    if !key.exists() {
        key.notify(notify::GENERIC, "del");
    }
}

/// `command key member time ...`. A time in the past removes the member.
fn expire(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    unit: Unit,
    command: &str,
    out: &mut Reply,
) -> Result<Flow, ErrorReply> {
    let (now, number) = (ctx.env.write_ms, int(&args[3])?);
    let in_ms = if unit.seconds { number.checked_mul(1000) } else { Some(number) };
    let base = if unit.absolute { 0 } else { now as i64 };
    let deadline = in_ms.and_then(|ms| ms.checked_add(base)).filter(|at| *at <= DEADLINE_MAX);
    let deadline = deadline.ok_or_else(|| ErrorReply::invalid_expire(command))?.max(0) as u64;
    let (mut key, member) = (ctx.key(&args[1]), &args[2]);
    let found = find(&key, member)?;
    match found {
        None => {}
        Some(family) if deadline <= now => remove(&mut key, family, member),
        Some(family) => give(&mut key, family, member, deadline),
    }
    out.int(i64::from(found.is_some()));
    DONE
}

fn expiremember(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let seconds = match args.get(4) {
        None => true,
        Some(unit) if is(unit, "s") => true,
        Some(unit) if is(unit, "ms") => false,
        Some(_) => return Err(BAD_UNIT),
    };
    if args.len() > 5 {
        return Err(ErrorReply::wrong_arity("expiremember"));
    }
    expire(ctx, args, Unit { seconds, absolute: false }, "expiremember", out)
}

fn expirememberat(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    expire(ctx, args, Unit { seconds: true, absolute: true }, "expirememberat", out)
}

fn pexpirememberat(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    expire(ctx, args, Unit { seconds: false, absolute: true }, "pexpirememberat", out)
}

pub const ROWS: &[&[Row]] = &[&[
    row("EXPIREMEMBER", expiremember),
    row("EXPIREMEMBERAT", expirememberat),
    row("PEXPIREMEMBERAT", pexpirememberat),
]];

#[cfg(test)]
mod tests {
    use crate::commands::testing::check_by_hand;

    #[test]
    fn members_expire() {
        check_by_hand(
            "> SADD s 1 2 x
            :3¶
            ! sadd s
            > EXPIREMEMBER s 1 10
            :1¶
            ! sexpire s
            > EXPIREMEMBER s nope 10
            :0¶
            > EXPIREMEMBER nope 1 10
            :0¶
            > EXPIREMEMBER s x 500 ms
            :1¶
            ! sexpire s
            > WAIT 500
            > SINTER s s
            *2¶$1¶1¶$1¶2¶
            ! sexpired s
            > SADD s x
            :1¶
            ! sadd s
            > TTL s 1
            :10¶
            > PTTL s 1
            :9500¶
            > TTL s x
            :-1¶
            > TTL s nope
            :-2¶
            > TTL nope 1
            :-2¶
            > PERSIST s x
            :0¶
            > PERSIST s 1
            :1¶
            ! spersist s
            > TTL s 1
            :-1¶
            > PERSIST nope 1
            :0¶
            > TTL s 1 2
            -ERR wrong number of arguments for 'ttl' command¶
            > EXPIREMEMBER s 1 9500 ms
            :1¶
            ! sexpire s
            > WAIT 9500
            > SCARD s
            :2¶
            ! sexpired s
            > SISMEMBER s 1
            :0¶
            > PEXPIREMEMBERAT s 2 1
            :1¶
            ! srem s
            > EXPIREMEMBERAT s x 0
            :1¶
            ! srem s
            ! del s
            > HSET h a 1 b 2
            :2¶
            ! hset h
            > PEXPIREMEMBERAT h a 1700000010001
            :1¶
            ! hexpire h
            > EXPIREMEMBER h b -1
            :1¶
            ! hdel h
            > HPTTL h FIELDS 1 a
            *1¶:1¶
            > PTTL h a
            :1¶
            > PERSIST h a
            :1¶
            ! hpersist h
            > PTTL h a
            :-1¶
            > PEXPIREMEMBERAT h a 1700000010001
            :1¶
            ! hexpire h
            > WAIT 1
            > HGETALL h
            *0¶
            ! hexpired h
            ! del h",
        );
    }

    #[test]
    fn members_of_sorted_sets_expire() {
        check_by_hand(
            "> ZADD z 1 a 2 b 3 c 4 d
            :4¶
            ! zadd z
            > EXPIREMEMBER z b 500 ms
            :1¶
            ! zexpire z
            > EXPIREMEMBER z nope 10
            :0¶
            > PTTL z b
            :500¶
            > TTL z a
            :-1¶
            > ZADD z 2.5 b
            :0¶
            ! zadd z
            > ZINCRBY z 0.5 b
            $1¶3¶
            ! zincr z
            > PTTL z b
            :500¶
            > PERSIST z b
            :1¶
            ! zpersist z
            > PERSIST z b
            :0¶
            > EXPIREMEMBER z b 10 ms
            :1¶
            ! zexpire z
            > WAIT 10
            > ZRANK z c
            :1¶
            ! zexpired z
            > ZRANGE z 0 -1
            *3¶$1¶a¶$1¶c¶$1¶d¶
            > ZADD z 2 b
            :1¶
            ! zadd z
            > TTL z b
            :-1¶
            > PEXPIREMEMBERAT z a 1
            :1¶
            ! zrem z
            > EXPIREMEMBER z b 10 ms
            :1¶
            ! zexpire z
            > EXPIREMEMBER z d 10 ms
            :1¶
            ! zexpire z
            > WAIT 10
            > ZPOPMIN z
            *2¶$1¶c¶$1¶3¶
            ! zexpired z
            ! zpopmin z
            ! del z
            > ZADD z 1 a
            :1¶
            ! zadd z
            > EXPIREMEMBER z a 10 ms
            :1¶
            ! zexpire z
            > COPY z y
            :1¶
            ! copy_to y
            > RENAME z x
            +OK¶
            ! rename_from z
            ! rename_to x
            > PTTL y a
            :10¶
            > PTTL x a
            :10¶
            > ZUNIONSTORE u 1 x
            :1¶
            ! zunionstore u
            > PTTL u a
            :-1¶
            > WAIT 10
            > ZADD x XX 5 a
            :0¶
            ! zexpired x
            ! del x
            > ZINCRBY y 5 a
            $1¶5¶
            ! zexpired y
            ! del y
            ! zincr y
            > ZCARD u
            :1¶",
        );
    }

    #[test]
    fn algebra_does_not_see_what_is_due() {
        check_by_hand(
            "> SADD a 1 2 3
            :3¶
            ! sadd a
            > SADD b 2 3 4
            :3¶
            ! sadd b
            > EXPIREMEMBER a 2 10 ms
            :1¶
            ! sexpire a
            > EXPIREMEMBER b 3 10 ms
            :1¶
            ! sexpire b
            > WAIT 10
            > SINTERCARD 2 a b
            :0¶
            ! sexpired a
            ! sexpired b
            > EXPIREMEMBER a 3 10 ms
            :1¶
            ! sexpire a
            > WAIT 10
            > SUNIONSTORE c a b
            :3¶
            ! sunionstore c
            ! sexpired a
            > SMISMEMBER c 1 2 3 4
            *4¶:1¶:1¶:0¶:1¶",
        );
    }

    #[test]
    fn arguments_are_checked() {
        check_by_hand(
            "> SET str v
            +OK¶
            ! set str
            > EXPIREMEMBER str a 1
            -ERR only members of hashes, sets and sorted sets can expire¶
            > EXPIREMEMBER s a x
            -ERR value is not an integer or out of range¶
            > EXPIREMEMBER s a 1 h
            -ERR Invalid unit arg¶
            > EXPIREMEMBER s a 1 s x
            -ERR wrong number of arguments for 'expiremember' command¶
            > PEXPIREMEMBERAT s a 9007199254740993
            -ERR invalid expire time in 'pexpirememberat' command¶
            > EXPIREMEMBERAT s a 9223372036854775807
            -ERR invalid expire time in 'expirememberat' command¶",
        );
    }
}
