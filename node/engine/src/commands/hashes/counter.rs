//! Fields as numbers.

use protocol::error::{
    HASH_VALUE_NOT_FLOAT, HASH_VALUE_NOT_INTEGER, NAN_OR_INF, NOT_FLOAT, OVERFLOW, VALUE_NAN_OR_INF,
};
use protocol::number::LongDouble;
use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, int, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::notify;

fn hincrby(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let delta = int(&args[3])?;
    let mut key = ctx.key(&args[1]);
    let field = &args[2];
    let old = match key.hash()?.and_then(|hash| hash.get(field)) {
        None => 0,
        Some(value) => value.as_int().ok_or(HASH_VALUE_NOT_INTEGER)?,
    };
    let result = old.checked_add(delta).ok_or(OVERFLOW)?;
    key.apply(Effect::AddField { field, delta, result });
    key.notify(notify::HASH, "hincrby");
    out.int(result);
    DONE
}

fn hincrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let delta = LongDouble::parse(&args[3]).ok_or(NOT_FLOAT)?;
    if !delta.is_finite() {
        return Err(VALUE_NAN_OR_INF);
    }
    let mut key = ctx.key(&args[1]);
    let field = &args[2];
    let old = match key.hash()?.and_then(|hash| hash.get(field)) {
        None => LongDouble::from_i64(0),
        Some(value) => LongDouble::parse(value.text(&mut itoa::Buffer::new())).ok_or(HASH_VALUE_NOT_FLOAT)?,
    };
    let mut result = Vec::with_capacity(24);
    old.checked_add(delta).ok_or(NAN_OR_INF)?.fmt_human(&mut result);
    key.apply(Effect::AddFieldFloat { field, delta: &args[3], result: &result });
    key.notify(notify::HASH, "hincrbyfloat");
    out.bulk(&result);
    DONE
}

pub const ROWS: &[Row] = &[row("HINCRBY", hincrby), row("HINCRBYFLOAT", hincrbyfloat)];
