//! GET and what else only looks at one string, or takes it away, or changes when it expires.

use protocol::error::SYNTAX;
use protocol::{Args, ErrorReply, Reply};

use super::expiry::Unit;
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::notify;
use crate::types::string::IntText;

fn get(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    match ctx.read_string(&args[1], &mut IntText::default())? {
        Some(bytes) => out.bulk(bytes),
        None => out.null(),
    }
    DONE
}

fn strlen(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let value = ctx.read_string(&args[1], &mut IntText::default())?.map_or(0, <[u8]>::len);
    out.int(value as i64);
    DONE
}

fn getrange(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (start, end) = (int(&args[2])?, int(&args[3])?);
    let mut text = IntText::default();
    let bytes = ctx.read_string(&args[1], &mut text)?.unwrap_or(b"");
    out.bulk(range(bytes, start, end));
    DONE
}

/// The bytes from `start` to `end`, both included and counted from the end if negative. What lies outside is cut off,
/// but for two negative indexes the wrong way round, which are empty even where cutting would make them meet.
fn range(bytes: &[u8], start: i64, end: i64) -> &[u8] {
    let len = bytes.len() as i64;
    if start < 0 && end < 0 && start > end {
        return b"";
    }
    let from_start = |i: i64| if i < 0 { (len + i).max(0) } else { i };
    let (start, end) = (from_start(start), from_start(end).min(len - 1));
    if start > end { b"" } else { &bytes[start as usize..=end as usize] }
}

fn getdel(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    key.count_lookup();
    match key.string(&mut IntText::default())? {
        Some(bytes) => out.bulk(bytes),
        None => {
            out.null();
            return DONE;
        }
    }
    key.apply(Effect::Clear);
    key.notify(notify::GENERIC, "del");
    DONE
}

/// What GETEX does to the deadline.
enum Change<'a> {
    None,
    Persist,
    Expire(Unit, &'a [u8]),
}

fn parse_change<'a>(args: Args<'a>) -> Result<Change<'a>, ErrorReply> {
    let mut change = Change::None;
    let mut at = 2;
    while let Some(word) = args.get(at) {
        let next = args.get(at + 1);
        change = match (Unit::of_option(word), next, &change) {
            (Some(unit), Some(text), Change::None) => Change::Expire(unit, text),
            // Only the very same option may be repeated.
            (Some(unit), Some(text), Change::Expire(before, _)) if *before == unit => {
                Change::Expire(unit, text)
            }
            (None, _, Change::None | Change::Persist) if is(word, "PERSIST") => Change::Persist,
            _ => return Err(SYNTAX),
        };
        at += if matches!(change, Change::Expire(..)) { 2 } else { 1 };
    }
    Ok(change)
}

fn getex(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let change = parse_change(args)?;
    let mut key = ctx.key(&args[1]);
    key.count_lookup();
    let mut text = IntText::default();
    let Some(bytes) = key.string(&mut text)? else {
        out.null();
        return DONE;
    };
    let deadline = match change {
        Change::Expire(unit, text) => Some(unit.deadline(text, key.env.write_ms, "getex")?),
        _ => None,
    };
    out.bulk(bytes);
    match (change, deadline) {
        (Change::Expire(unit, _), Some(at)) if unit.absolute && at <= key.env.write_ms && key.env.expiry => {
            key.apply(Effect::Clear);
            key.notify(notify::GENERIC, "del");
        }
        (_, Some(at)) => {
            key.apply_counted(Effect::ExpireAt(Some(at)));
            key.notify(notify::GENERIC, "expire");
        }
        (Change::Persist, None) if key.deadline().is_some() => {
            key.apply(Effect::ExpireAt(None));
            key.notify(notify::GENERIC, "persist");
        }
        _ => {}
    }
    DONE
}

pub const ROWS: &[Row] = &[
    row("GET", get),
    row("STRLEN", strlen),
    row("GETRANGE", getrange),
    row("SUBSTR", getrange),
    row("GETDEL", getdel),
    row("GETEX", getex),
];
