//! SET and its older forms.
//!
//! ```text
//! SET key value [NX | XX | IFEQ v | IFNE v | IFDEQ d | IFDNE d] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]
//! ```
//! Options of one group exclude each other, but each may be repeated; of a repeated one the last counts.

use protocol::error::SYNTAX;
use protocol::{Args, ErrorReply, Reply};

use super::expiry::{MILLISECONDS, SECONDS, Unit};
use super::only_if::OnlyIf;
use crate::commands::{DONE, Flow, Row, is, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::{Deadline, Effect, NewValue};
use crate::tuning::notify;
use crate::types::string::IntText;

/// What becomes of the deadline.
#[derive(Clone, Copy, PartialEq)]
pub enum Expiry<'a> {
    Clear,
    Keep,
    At(Unit, &'a [u8]),
}

impl Expiry<'_> {
    pub fn deadline(&self, now_ms: u64, command: &str) -> Result<Deadline, ErrorReply> {
        Ok(match self {
            Expiry::Clear => Deadline::Clear,
            Expiry::Keep => Deadline::Keep,
            Expiry::At(unit, text) => Deadline::At(unit.deadline(text, now_ms, command)?),
        })
    }
}

pub struct Options<'a> {
    pub only_if: OnlyIf<'a>,
    pub get: bool,
    pub expiry: Expiry<'a>,
}

/// The options from argument `at` on.
pub fn parse_options(args: Args<'_>, mut at: usize) -> Result<Options<'_>, ErrorReply> {
    let mut options = Options { only_if: OnlyIf::Always, get: false, expiry: Expiry::Clear };
    while let Some(word) = args.get(at) {
        if is(word, "GET") {
            options.get = true;
            at += 1;
            continue;
        }
        if let Some((only_if, taken)) = OnlyIf::parse(args, at)? {
            if !options.only_if.may_become(&only_if) {
                return Err(SYNTAX);
            }
            options.only_if = only_if;
            at += taken;
            continue;
        }
        let unit = Unit::of_option(word);
        options.expiry = match (unit, args.get(at + 1), options.expiry) {
            (None, _, Expiry::Clear | Expiry::Keep) if is(word, "KEEPTTL") => Expiry::Keep,
            (Some(unit), Some(text), Expiry::Clear) => Expiry::At(unit, text),
            (Some(unit), Some(text), Expiry::At(before, _)) if unit == before => Expiry::At(unit, text),
            _ => return Err(SYNTAX),
        };
        at += if unit.is_some() { 2 } else { 1 };
    }
    Ok(options)
}

/// Puts the value and announces it.
pub fn put(key: &mut KeyMut<'_, '_>, value: &[u8], deadline: Deadline, absent: bool) {
    key.apply(Effect::Put { value: NewValue::String(value), deadline, absent });
    key.notify(notify::STRING, "set");
    if matches!(deadline, Deadline::At(_)) {
        key.notify(notify::GENERIC, "expire");
    }
}

fn set(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    if args.len() > 3 {
        return set_with_options(ctx, args, out);
    }
    put(&mut ctx.key(&args[1]), &args[2], Deadline::Clear, false);
    out.ok();
    DONE
}

fn set_with_options(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let Options { only_if, get, expiry } = parse_options(args, 3)?;
    let deadline = expiry.deadline(ctx.env.write_ms, "set")?;
    let mut key = ctx.key(&args[1]);
    let met = only_if.is_met(&key)?;
    if get {
        key.count_lookup();
        old_value(&key, out)?;
    } else if met {
        out.ok();
    } else {
        out.null();
    }
    if met {
        put(&mut key, &args[2], deadline, matches!(only_if, OnlyIf::Absent));
    }
    DONE
}

/// Replies with the value before it is replaced.
fn old_value(key: &KeyMut<'_, '_>, out: &mut Reply) -> Result<(), ErrorReply> {
    match key.string(&mut IntText::default())? {
        Some(bytes) => out.bulk(bytes),
        None => out.null(),
    }
    Ok(())
}

fn setnx(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    let absent = !key.exists();
    if absent {
        put(&mut key, &args[2], Deadline::Clear, true);
    }
    out.int(i64::from(absent));
    DONE
}

fn set_for(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    out: &mut Reply,
    unit: Unit,
    command: &str,
) -> Result<Flow, ErrorReply> {
    let deadline = unit.deadline(&args[2], ctx.env.write_ms, command)?;
    put(&mut ctx.key(&args[1]), &args[3], Deadline::At(deadline), false);
    out.ok();
    DONE
}

fn setex(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    set_for(ctx, args, out, SECONDS, "setex")
}

fn psetex(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    set_for(ctx, args, out, MILLISECONDS, "psetex")
}

fn getset(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    key.count_lookup();
    old_value(&key, out)?;
    put(&mut key, &args[2], Deadline::Clear, false);
    DONE
}

pub const ROWS: &[Row] = &[
    row("SET", set),
    row("SETNX", setnx),
    row("SETEX", setex),
    row("PSETEX", psetex),
    row("GETSET", getset),
];
