//! XLEN, XRANGE, XREVRANGE.

use protocol::error::SYNTAX;
use protocol::{Args, ErrorReply, Reply};

use super::{id, show};
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;

fn xlen(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    out.int(ctx.read_stream(&args[1])?.map_or(0, |stream| stream.len() as i64));
    DONE
}

/// How many entries are asked for, if that is said; never less than 0.
fn count(args: Args<'_>) -> Result<Option<i64>, ErrorReply> {
    let (mut at, mut count) = (4, None);
    while let Some(option) = args.get(at) {
        match args.get(at + 1) {
            Some(number) if is(option, "COUNT") => count = Some(int(number)?.max(0)),
            _ => return Err(SYNTAX),
        }
        at += 2;
    }
    Ok(count)
}

fn range(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply, reverse: bool) -> Result<Flow, ErrorReply> {
    let (low, high) = if reverse { (3, 2) } else { (2, 3) };
    let (from, to) = (id::lower(&args[low])?, id::upper(&args[high])?);
    let count = count(args)?;
    match ctx.read_stream(&args[1])? {
        None => out.array(0),
        Some(_) if count == Some(0) => out.null_array(),
        Some(stream) => show::entries(stream, from, to, show::limit(count.unwrap_or(0)), reverse, out),
    }
    DONE
}

fn xrange(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    range(ctx, args, out, false)
}

fn xrevrange(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    range(ctx, args, out, true)
}

pub const ROWS: &[Row] = &[row("XLEN", xlen), row("XRANGE", xrange), row("XREVRANGE", xrevrange)];
