//! XDEL.

use protocol::{Args, ErrorReply, Reply};

use super::id::ids;
use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::notify;

fn xdel(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    let mut removed = 0;
    if key.stream()?.is_some() {
        for id in ids(args.rest(2).iter())? {
            removed += i64::from(key.apply(Effect::DelEntry(id)).changed());
        }
    }
    if removed > 0 {
        key.notify(notify::STREAM, "xdel");
    }
    out.int(removed);
    DONE
}

pub const ROWS: &[Row] = &[row("XDEL", xdel)];
