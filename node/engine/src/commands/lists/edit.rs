//! LSET, LINSERT, LREM, LTRIM.

use std::ops::ControlFlow;

use protocol::error::{INDEX_OUT_OF_RANGE, NO_SUCH_KEY, SYNTAX};
use protocol::{Args, ErrorReply, Reply};

use super::pop::removed;
use super::read::range;
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::notify;

fn lset(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    let list = key.list()?.ok_or(NO_SUCH_KEY)?;
    let at = list.resolve(int(&args[2])?).ok_or(INDEX_OUT_OF_RANGE)?;
    key.apply(Effect::SetElement { at, element: &args[3] });
    key.notify(notify::LIST, "lset");
    out.ok();
    DONE
}

fn linsert(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let after = is(&args[2], "AFTER");
    if !after && !is(&args[2], "BEFORE") {
        return Err(SYNTAX);
    }
    let mut key = ctx.key(&args[1]);
    let Some(list) = key.list()? else {
        out.int(0);
        return DONE;
    };
    let len = list.len();
    let Some(pivot) = list.position(&args[3]) else {
        out.int(-1);
        return DONE;
    };
    key.apply(Effect::Insert { at: pivot + usize::from(after), element: &args[4] });
    key.notify(notify::LIST, "linsert");
    out.int(len as i64 + 1);
    DONE
}

fn lrem(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let count = int(&args[2])?;
    let max = match usize::try_from(count.unsigned_abs()) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(max) => max,
    };
    let mut key = ctx.key(&args[1]);
    let mut found = Vec::new();
    if let Some(list) = key.list()? {
        list.find(&args[3], count < 0, usize::MAX, |index| {
            found.push(index);
            if found.len() == max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    if count < 0 {
        found.reverse();
    }
    if !found.is_empty() {
        key.apply(Effect::DelElementsAt(&found));
        removed(&mut key, "lrem");
    }
    out.int(found.len() as i64);
    DONE
}

fn ltrim(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (start, stop) = (int(&args[2])?, int(&args[3])?);
    let mut key = ctx.key(&args[1]);
    if let Some(list) = key.list()? {
        let len = list.len();
        let (from, count) = range(len, start, stop);
        let behind = from + count;
        for (at, count) in [(behind, len - behind), (0, from)] {
            if count > 0 {
                key.apply(Effect::DelElements { at, count });
            }
        }
        removed(&mut key, "ltrim");
    }
    out.ok();
    DONE
}

pub const ROWS: &[Row] =
    &[row("LSET", lset), row("LINSERT", linsert), row("LREM", lrem), row("LTRIM", ltrim)];
