//! Giving fields values and removing fields.

use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::notify;

/// Sets the pairs of `args` from the third argument on; returns how many fields are new.
#[inline]
fn set_all(ctx: &mut Ctx<'_>, args: Args<'_>, command: &str) -> Result<i64, ErrorReply> {
    if args.len() % 2 == 1 {
        return Err(ErrorReply::wrong_arity(command));
    }
    let mut key = ctx.key(&args[1]);
    let fresh = key.hash()?.is_none();
    let mut created = 0;
    for i in (2..args.len()).step_by(2) {
        let effect = Effect::SetField { field: &args[i], value: &args[i + 1], absent: false };
        created += i64::from(key.apply(effect).created());
        if i == 2 && fresh {
            key.make_room(args.rest(4));
        }
    }
    key.notify(notify::HASH, "hset");
    Ok(created)
}

fn hset(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let created = set_all(ctx, args, "hset")?;
    out.int(created);
    DONE
}

fn hmset(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    set_all(ctx, args, "hmset")?;
    out.ok();
    DONE
}

fn hsetnx(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    key.hash()?;
    let created = key.apply(Effect::SetField { field: &args[2], value: &args[3], absent: true }).created();
    if created {
        key.notify(notify::HASH, "hset");
    }
    out.int(i64::from(created));
    DONE
}

fn hdel(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    key.hash()?;
    let mut removed = 0;
    for field in args.rest(2).iter() {
        removed += i64::from(key.apply(Effect::DelField(field)).changed());
        if !key.exists() {
            break;
        }
    }
    if removed > 0 {
        key.notify(notify::HASH, "hdel");
        if !key.exists() {
            key.notify(notify::GENERIC, "del");
        }
    }
    out.int(removed);
    DONE
}

/// KeyDB's: gives a field another name. Its value and deadline go with it, whatever the new name had is gone.
fn hrename(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (mut key, from, to) = (ctx.key(&args[1]), &args[2], &args[3]);
    let Some(hash) = key.hash()? else {
        out.null();
        return DONE;
    };
    let Some(value) = hash.get(from).map(|value| value.to_vec()) else {
        out.int(0);
        return DONE;
    };
    let deadline = hash.deadline(from);
    if from != to {
        key.apply(Effect::SetField { field: to, value: &value, absent: false });
        key.apply(Effect::DelField(from));
        if deadline.is_some() {
            key.apply(Effect::FieldExpire { field: to, deadline });
        }
        key.notify(notify::HASH, "hdel");
        key.notify(notify::HASH, "hset");
    }
    out.int(1);
    DONE
}

pub const ROWS: &[Row] = &[
    row("HSET", hset),
    row("HMSET", hmset),
    row("HSETNX", hsetnx),
    row("HDEL", hdel),
    row("KEYDB.HRENAME", hrename),
];
