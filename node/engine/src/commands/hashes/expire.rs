//! HEXPIRE and its kin: deadlines of fields that are there.

use protocol::error::{NUMFIELDS_NOT_POSITIVE, NUMFIELDS_ZERO};
use protocol::{Args, ErrorReply, Reply};

use super::fields::{deadline_of, fields_of};
use crate::commands::strings::expiry::Unit;
use crate::commands::{DONE, Flow, Row, is, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::Effect;
use crate::tuning::notify;

/// What a field is answered with.
pub(super) const NO_FIELD: i64 = -2;
const NO_DEADLINE: i64 = -1;
const CONDITION_FAILED: i64 = 0;
const SET: i64 = 1;
const DELETED: i64 = 2;

/// When a deadline may be set, by the one there is.
#[derive(Clone, Copy, PartialEq)]
enum Condition {
    Always,
    Absent,
    Present,
    Later,
    Earlier,
}

impl Condition {
    fn of(word: &[u8]) -> Condition {
        match word {
            w if is(w, "NX") => Condition::Absent,
            w if is(w, "XX") => Condition::Present,
            w if is(w, "GT") => Condition::Later,
            w if is(w, "LT") => Condition::Earlier,
            _ => Condition::Always,
        }
    }

    /// A field without a deadline counts as one that expires never.
    fn permits(self, old: Option<u64>, new: u64) -> bool {
        match self {
            Condition::Always => true,
            Condition::Absent => old.is_none(),
            Condition::Present => old.is_some(),
            Condition::Later => old.is_some_and(|old| new > old),
            Condition::Earlier => old.is_none_or(|old| new < old),
        }
    }
}

/// Sets the deadline of a field that is there, or removes the field if it is past. What the reply is.
pub(super) fn expire_field(key: &mut KeyMut<'_, '_>, field: &[u8], deadline: u64) -> i64 {
    if deadline <= key.env.write_ms {
        key.apply(Effect::DelField(field));
        return DELETED;
    }
    key.apply(Effect::FieldExpire { field, deadline: Some(deadline) });
    SET
}

/// Announces what happened to deadlines: that some were set, or fields removed and maybe the key.
pub(super) fn announce(key: &mut KeyMut<'_, '_>, set: bool, deleted: bool) {
    if set {
        key.notify(notify::HASH, "hexpire");
    }
    if deleted {
        key.notify(notify::HASH, "hdel");
        if !key.exists() {
            key.notify(notify::GENERIC, "del");
        }
    }
}

fn expire(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    unit: Unit,
    command: &str,
    out: &mut Reply,
) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    key.hash()?;
    let deadline = deadline_of(unit, &args[2], key.env.write_ms, command)?;
    let condition = Condition::of(&args[3]);
    let after = args.rest(if condition == Condition::Always { 3 } else { 4 });
    let fields = fields_of(after, NUMFIELDS_ZERO)?;
    out.array(fields.len());
    let (mut set, mut deleted) = (false, false);
    for field in fields.iter() {
        let old = key.hash()?.filter(|hash| hash.contains(field)).map(|hash| hash.deadline(field));
        let answer = match old {
            None => NO_FIELD,
            Some(old) if !condition.permits(old, deadline) => CONDITION_FAILED,
            Some(_) => expire_field(&mut key, field, deadline),
        };
        set |= answer == SET;
        deleted |= answer == DELETED;
        out.int(answer);
    }
    announce(&mut key, set, deleted);
    DONE
}

fn hexpire(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    expire(ctx, args, Unit { seconds: true, absolute: false }, "hexpire", out)
}

fn hpexpire(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    expire(ctx, args, Unit { seconds: false, absolute: false }, "hpexpire", out)
}

fn hexpireat(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    expire(ctx, args, Unit { seconds: true, absolute: true }, "hexpireat", out)
}

fn hpexpireat(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    expire(ctx, args, Unit { seconds: false, absolute: true }, "hpexpireat", out)
}

fn hpersist(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    key.hash()?;
    let fields = fields_of(args.rest(2), NUMFIELDS_NOT_POSITIVE)?;
    out.array(fields.len());
    let mut any = false;
    for field in fields.iter() {
        if !key.hash()?.is_some_and(|hash| hash.contains(field)) {
            out.int(NO_FIELD);
            continue;
        }
        let persisted = key.apply(Effect::FieldExpire { field, deadline: None }).changed();
        any |= persisted;
        out.int(if persisted { SET } else { NO_DEADLINE });
    }
    if any {
        key.notify(notify::HASH, "hpersist");
    }
    DONE
}

/// Asks for the deadlines of fields; `show` is given each.
fn deadlines(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    out: &mut Reply,
    show: impl Fn(u64) -> u64,
) -> Result<Flow, ErrorReply> {
    let hash = ctx.read_hash(&args[1])?;
    let fields = fields_of(args.rest(2), NUMFIELDS_NOT_POSITIVE)?;
    out.array(fields.len());
    for field in fields.iter() {
        let found = hash.filter(|hash| hash.contains(field)).map(|hash| hash.deadline(field));
        out.int(found.map_or(NO_FIELD, |deadline| deadline.map_or(NO_DEADLINE, |at| show(at) as i64)));
    }
    DONE
}

fn httl(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let now = ctx.env.now_ms;
    deadlines(ctx, args, out, |at| at.saturating_sub(now).div_ceil(1000))
}

fn hpttl(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let now = ctx.env.now_ms;
    deadlines(ctx, args, out, |at| at.saturating_sub(now))
}

fn hexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    deadlines(ctx, args, out, |at| at.div_ceil(1000))
}

fn hpexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    deadlines(ctx, args, out, |at| at)
}

pub const ROWS: &[Row] = &[
    row("HEXPIRE", hexpire),
    row("HPEXPIRE", hpexpire),
    row("HEXPIREAT", hexpireat),
    row("HPEXPIREAT", hpexpireat),
    row("HPERSIST", hpersist),
    row("HTTL", httl),
    row("HPTTL", hpttl),
    row("HEXPIRETIME", hexpiretime),
    row("HPEXPIRETIME", hpexpiretime),
];
