//! BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH: as their namesakes, but a client waits for an element if there is none.
//!
//! A command that has to wait is run again when one of its keys is ready; then it looks at that key alone.

use std::ops::Range;

use protocol::{Args, ErrorReply, Reply};

use super::end::End;
use super::moving::{self, Move};
use super::pop::{pop, pop_first, request};
use crate::commands::blocking::timeout_ms;
use crate::commands::{Block, DONE, Flow, NullReply, Row, row};
use crate::ctx::Ctx;
use crate::value::Kind;

pub(super) fn wait_for(
    keys: Range<usize>,
    timeout_ms: Option<u64>,
    refusal: NullReply,
) -> Result<Flow, ErrorReply> {
    Ok(Flow::Block(Block {
        keys: keys.collect(),
        kind: Kind::List,
        timeout_ms,
        again_ms: None,
        wake_on_removal: false,
        resolved: Vec::new(),
        refusal,
    }))
}

fn pop_or_wait(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply, end: End) -> Result<Flow, ErrorReply> {
    let last = args.len() - 1;
    let timeout = timeout_ms(&args[last])?;
    for name in args.first(last).iter().skip(1) {
        if !ctx.offers(name) {
            continue;
        }
        let mut key = ctx.key(name);
        if key.list()?.is_some() {
            out.array(2);
            out.bulk(name);
            pop(&mut key, end, 1, false, out)?;
            return DONE;
        }
    }
    wait_for(1..last, timeout, NullReply::Array)
}

fn blpop(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    pop_or_wait(ctx, args, out, End::Head)
}

fn brpop(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    pop_or_wait(ctx, args, out, End::Tail)
}

fn blmpop(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let request = request(args, 2)?;
    let timeout = timeout_ms(&args[1])?;
    if pop_first(ctx, args, &request, out)? {
        return DONE;
    }
    wait_for(request.keys, timeout, NullReply::Array)
}

fn move_or_wait(
    ctx: &mut Ctx<'_>,
    order: Move<'_>,
    timeout: Option<u64>,
    out: &mut Reply,
) -> Result<Flow, ErrorReply> {
    if order.run(ctx, out)? {
        return DONE;
    }
    wait_for(1..2, timeout, NullReply::Null)
}

fn blmove(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let order = moving::parse(args)?;
    move_or_wait(ctx, order, timeout_ms(&args[5])?, out)
}

fn brpoplpush(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let timeout = timeout_ms(&args[3])?;
    move_or_wait(ctx, moving::tail_to_head(args), timeout, out)
}

pub const ROWS: &[Row] = &[
    row("BLPOP", blpop),
    row("BRPOP", brpop),
    row("BLMPOP", blmpop),
    row("BLMOVE", blmove),
    row("BRPOPLPUSH", brpoplpush),
];
