//! What reads fields without changing anything.

use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;

fn hget(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    match ctx.read_hash(&args[1])?.and_then(|hash| hash.get(&args[2])) {
        Some(value) => out.bulk_entry(value),
        None => out.null(),
    }
    DONE
}

fn hmget(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let hash = ctx.read_hash(&args[1])?;
    let fields = args.rest(2);
    out.array(fields.len());
    for field in fields.iter() {
        match hash.and_then(|hash| hash.get(field)) {
            Some(value) => out.bulk_entry(value),
            None => out.null(),
        }
    }
    DONE
}

fn hgetall(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let Some(hash) = ctx.read_hash(&args[1])? else {
        out.map(0);
        return DONE;
    };
    out.map(hash.len());
    hash.iter().for_each(|(field, value)| {
        out.bulk_entry(field);
        out.bulk_entry(value);
    });
    DONE
}

fn hkeys(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let Some(hash) = ctx.read_hash(&args[1])? else {
        out.array(0);
        return DONE;
    };
    out.array(hash.len());
    hash.iter().for_each(|(field, _)| out.bulk_entry(field));
    DONE
}

fn hvals(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let Some(hash) = ctx.read_hash(&args[1])? else {
        out.array(0);
        return DONE;
    };
    out.array(hash.len());
    hash.iter().for_each(|(_, value)| out.bulk_entry(value));
    DONE
}

fn hlen(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    out.int(ctx.read_hash(&args[1])?.map_or(0, |hash| hash.len() as i64));
    DONE
}

fn hstrlen(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let value = ctx.read_hash(&args[1])?.and_then(|hash| hash.get(&args[2]));
    out.int(value.map_or(0, |value| value.text_len() as i64));
    DONE
}

fn hexists(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let hash = ctx.read_hash(&args[1])?;
    out.int(i64::from(hash.is_some_and(|hash| hash.contains(&args[2]))));
    DONE
}

pub const ROWS: &[Row] = &[
    row("HGET", hget),
    row("HMGET", hmget),
    row("HGETALL", hgetall),
    row("HKEYS", hkeys),
    row("HVALS", hvals),
    row("HLEN", hlen),
    row("HSTRLEN", hstrlen),
    row("HEXISTS", hexists),
];
