//! LPUSH, RPUSH, LPUSHX, RPUSHX.

use protocol::{Args, ErrorReply, Reply};

use super::end::End;
use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::notify;

/// Pushes the elements of `args`, one after the other. `only_if_there`: does not create the list.
#[inline]
fn push(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    out: &mut Reply,
    end: End,
    only_if_there: bool,
) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    let mut len = match key.list()? {
        Some(list) => list.len(),
        None if only_if_there => {
            out.int(0);
            return DONE;
        }
        None => 0,
    };
    for element in args.rest(2).iter() {
        key.apply(Effect::Insert { at: end.place(len), element });
        len += 1;
        if len == 1 {
            key.make_room(args.rest(3));
        }
    }
    key.notify(notify::LIST, end.push_event());
    out.int(len as i64);
    DONE
}

fn lpush(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    push(ctx, args, out, End::Head, false)
}

fn rpush(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    push(ctx, args, out, End::Tail, false)
}

fn lpushx(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    push(ctx, args, out, End::Head, true)
}

fn rpushx(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    push(ctx, args, out, End::Tail, true)
}

pub const ROWS: &[Row] =
    &[row("LPUSH", lpush), row("RPUSH", rpush), row("LPUSHX", lpushx), row("RPUSHX", rpushx)];
