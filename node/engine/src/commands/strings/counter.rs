//! Strings as numbers.

use protocol::error::{DECREMENT_OVERFLOW, NAN_OR_INF, NOT_FLOAT, NOT_INTEGER, OVERFLOW, WRONGTYPE};
use protocol::number::{LongDouble, parse_i64};
use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, int, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::notify;
use crate::types::string::IntText;
use crate::value::ValueRef;

fn add(ctx: &mut Ctx<'_>, key: &[u8], delta: i64, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(key);
    let old = match key.value() {
        None => 0,
        Some(ValueRef::Int(n)) => n,
        Some(other) => {
            let mut text = IntText::default();
            parse_i64(other.string_bytes(&mut text).ok_or(WRONGTYPE)?).ok_or(NOT_INTEGER)?
        }
    };
    let result = old.checked_add(delta).ok_or(OVERFLOW)?;
    key.apply(Effect::Add { delta, result });
    key.notify(notify::STRING, "incrby");
    out.int(result);
    DONE
}

fn incr(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    add(ctx, &args[1], 1, out)
}

fn decr(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    add(ctx, &args[1], -1, out)
}

fn incrby(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    add(ctx, &args[1], int(&args[2])?, out)
}

fn decrby(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let delta = int(&args[2])?.checked_neg().ok_or(DECREMENT_OVERFLOW)?;
    add(ctx, &args[1], delta, out)
}

fn incrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    let old = match key.string(&mut IntText::default())? {
        None => LongDouble::from_i64(0),
        Some(text) => LongDouble::parse(text).ok_or(NOT_FLOAT)?,
    };
    let delta = LongDouble::parse(&args[2]).ok_or(NOT_FLOAT)?;
    let mut result = Vec::with_capacity(24);
    old.checked_add(delta).ok_or(NAN_OR_INF)?.fmt_human(&mut result);
    key.apply(Effect::AddFloat { delta: &args[2], result: &result });
    key.notify(notify::STRING, "incrbyfloat");
    out.bulk(&result);
    DONE
}

pub const ROWS: &[Row] = &[
    row("INCR", incr),
    row("DECR", decr),
    row("INCRBY", incrby),
    row("DECRBY", decrby),
    row("INCRBYFLOAT", incrbyfloat),
];
