//! Asking when keys expire, and making them stay. KeyDB's form of TTL, PTTL and PERSIST names a field of a hash or a member of a
//! set or sorted set.

use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::Effect;
use crate::family::Family;
use crate::tuning::notify;

/// Replies with what `shown` makes of the deadline, unix ms; -1: there is none, -2: there is no key.
fn answer(ctx: &Ctx<'_>, key: &[u8], out: &mut Reply, shown: impl Fn(u64) -> u64) {
    out.int(match ctx.glance(key) {
        None => -2,
        Some(entry) => entry.deadline().map_or(-1, |at| shown(at) as i64),
    });
}

/// [`answer`] of a member of the collection at a key, if one is named: -1: it has no deadline, -2: it is not there.
fn answer_of_any(ctx: &Ctx<'_>, args: Args<'_>, out: &mut Reply, shown: impl Fn(u64) -> u64) {
    let Some(member) = args.get(2) else { return answer(ctx, &args[1], out, shown) };
    let found = ctx.glance(&args[1]).and_then(|entry| entry.value().member_deadline(member, ctx.env.due()));
    out.int(match found {
        None => -2,
        Some(deadline) => deadline.map_or(-1, |at| shown(at) as i64),
    });
}

/// Whole seconds, rounded to the nearest.
fn seconds(ms: u64) -> u64 {
    (ms + 500) / 1000
}

fn ttl(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    answer_of_any(ctx, args, out, |at| seconds(at.saturating_sub(ctx.env.now_ms)));
    DONE
}

fn pttl(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    answer_of_any(ctx, args, out, |at| at.saturating_sub(ctx.env.now_ms));
    DONE
}

fn expiretime(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    answer(ctx, &args[1], out, seconds);
    DONE
}

fn pexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    answer(ctx, &args[1], out, |at| at);
    DONE
}

fn persist(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    if let Some(member) = args.get(2) {
        out.int(i64::from(persist_member(&mut key, member)));
        return DONE;
    }
    let changed = key.deadline().is_some() && key.apply(Effect::ExpireAt(None)).changed();
    if changed {
        key.notify(notify::GENERIC, "persist");
    }
    out.int(i64::from(changed));
    DONE
}

/// Makes a field or member stay. False if it does, or is not there.
fn persist_member(key: &mut KeyMut<'_, '_>, member: &[u8]) -> bool {
    let Some(value) = key.value() else { return false };
    let (Some(family), Some(Some(_))) = (Family::of(value), value.member_deadline(member, key.env.due()))
    else {
        return false;
    };
    let changed = key.apply(family.expiry(member, None)).changed();
    if changed {
        key.notify(family.class(), family.persist_event());
    }
    changed
}

pub const ROWS: &[Row] = &[
    row("TTL", ttl),
    row("PTTL", pttl),
    row("EXPIRETIME", expiretime),
    row("PEXPIRETIME", pexpiretime),
    row("PERSIST", persist),
];
