//! XACK.

use protocol::{Args, ErrorReply, Reply};

use super::id::ids;
use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;
use crate::effect::Effect;

fn xack(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    let group = &args[2];
    let mut acknowledged = 0;
    if key.stream()?.is_some_and(|stream| stream.group(group).is_some()) {
        for id in ids(args.rest(3).iter())? {
            acknowledged += i64::from(key.apply(Effect::Acknowledge { group, id }).changed());
        }
    }
    out.int(acknowledged);
    DONE
}

pub const ROWS: &[Row] = &[row("XACK", xack)];
