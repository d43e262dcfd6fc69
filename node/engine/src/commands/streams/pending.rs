//! XPENDING: what is pending in a group, in sum or one by one.

use protocol::error::SYNTAX;
use protocol::error::streams::no_key_or_group;
use protocol::{Args, ErrorReply, Reply, StreamId};

use super::id;
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;
use crate::types::stream::{Group, Pending};

/// Which pending entries are asked for.
struct Request<'a> {
    min_idle_ms: i64,
    from: StreamId,
    to: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// `None`: the sum.
    fn parse(args: Args<'a>) -> Result<Option<Request<'a>>, ErrorReply> {
        match args.len() {
            3 => return Ok(None),
            6..=9 => {}
            _ => return Err(SYNTAX),
        }
        let (mut at, mut min_idle_ms) = (3, 0);
        if is(&args[3], "IDLE") {
            min_idle_ms = int(&args[4])?;
            if args.len() < 8 {
                return Err(SYNTAX);
            }
            at = 5;
        }
        Ok(Some(Request {
            min_idle_ms,
            count: int(&args[at + 2])?.max(0) as usize,
            from: id::lower(&args[at])?,
            to: id::upper(&args[at + 1])?,
            consumer: args.get(at + 3),
        }))
    }
}

fn xpending(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let request = Request::parse(args)?;
    let group = ctx.read_stream(&args[1])?.and_then(|stream| stream.group(&args[2]));
    let group = group.ok_or_else(|| no_key_or_group(&args[1], &args[2]))?;
    match request {
        None => sum(group, out),
        Some(request) => list(group, &request, ctx.env.now_ms as i64, out),
    }
    DONE
}

fn sum(group: &Group, out: &mut Reply) {
    out.array(4);
    out.int(group.pending_len() as i64);
    let Some((low, high)) = group.pending_bounds() else {
        out.null();
        out.null();
        out.null_array();
        return;
    };
    out.stream_id(low);
    out.stream_id(high);
    let busy = || group.consumers().shown().filter(|consumer| !consumer.pending.is_empty());
    out.array(busy().count());
    for consumer in busy() {
        out.array(2);
        out.bulk(&consumer.name);
        out.bulk_u64(consumer.pending.len() as u64);
    }
}

fn list(group: &Group, request: &Request<'_>, now_ms: i64, out: &mut Reply) {
    let (place, mut shown) = (out.buf.len(), 0);
    let mut show = |id: StreamId, pending: &Pending| {
        let idle = now_ms.saturating_sub(pending.delivered_ms);
        if shown < request.count && (request.min_idle_ms == 0 || idle >= request.min_idle_ms) {
            shown += 1;
            out.array(4);
            out.stream_id(id);
            let consumer = group.consumers().at(pending.consumer);
            out.bulk(&consumer.name);
            out.int(if consumer.is_nobody() { -1 } else { idle.max(0) });
            out.int(pending.deliveries as i64);
        }
        shown < request.count
    };
    match request.consumer {
        _ if request.count == 0 => {}
        None => {
            let mut all = group.pending_range(request.from, request.to);
            while all.next().is_some_and(|(id, pending)| show(id, pending)) {}
        }
        Some(name) => {
            let consumer = group.consumers().get(name);
            let ids = consumer.into_iter().flat_map(|c| c.pending_range(request.from, request.to));
            let mut own = ids.filter_map(|id| Some((id, group.pending(id)?)));
            while own.next().is_some_and(|(id, pending)| show(id, pending)) {}
        }
    }
    out.array_before(place, shown);
}

pub const ROWS: &[Row] = &[row("XPENDING", xpending)];
