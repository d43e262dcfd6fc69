//! Whether keys are there and of what type, and taking them away.

use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::notify;

/// DEL and UNLINK are the same here: large values are always freed elsewhere, so neither blocks.
fn del(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut gone = 0;
    for name in args.rest(1).iter() {
        let mut key = ctx.key(name);
        if key.apply(Effect::Clear).changed() {
            key.notify(notify::GENERIC, "del");
            gone += 1;
        }
    }
    out.int(gone);
    DONE
}

fn exists(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    out.int(args.rest(1).iter().filter(|key| ctx.glance(key).is_some()).count() as i64);
    DONE
}

fn mexists(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    out.array(args.len() - 1);
    for key in args.rest(1).iter() {
        out.bool(ctx.glance(key).is_some());
    }
    DONE
}

fn touch(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    out.int(args.rest(1).iter().filter(|key| ctx.read(key).is_some()).count() as i64);
    DONE
}

fn kind(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    out.simple(ctx.glance(&args[1]).map_or("none", |entry| entry.value().type_name()));
    DONE
}

pub const ROWS: &[Row] = &[
    row("DEL", del),
    row("UNLINK", del),
    row("EXPDEL", del),
    row("EXISTS", exists),
    row("KEYDB.MEXISTS", mexists),
    row("TOUCH", touch),
    row("TYPE", kind),
];
