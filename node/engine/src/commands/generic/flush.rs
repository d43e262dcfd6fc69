//! Emptying databases and exchanging them. They hold the whole keyspace for a moment that does not depend on how much is in
//! it: tables are unhooked, and freed later.

use protocol::error::{
    DB_OUT_OF_RANGE, INVALID_FIRST_DB, INVALID_SECOND_DB, NO_STORAGE_PROVIDER, NO_SWAP_IN_MESH, SYNTAX,
};
use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, int, is, row_all};
use crate::ctx::Ctx;

/// `[ASYNC | SYNC]`: both free the memory outside of any lock; see [`Ctx::flush`].
fn check_mode(args: Args<'_>) -> Result<(), ErrorReply> {
    match (args.get(1), args.len()) {
        (None, _) => Ok(()),
        (Some(word), 2) if is(word, "ASYNC") || is(word, "SYNC") => Ok(()),
        _ => Err(SYNTAX),
    }
}

fn flushdb(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    check_mode(args)?;
    let db = ctx.db;
    ctx.flush(db);
    out.ok();
    DONE
}

fn flushall(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    // From KeyDB: the keys stay, what memory holds of them goes.
    if args.len() == 2 && is(&args[1], "CACHE") {
        return Err(NO_STORAGE_PROVIDER);
    }
    check_mode(args)?;
    (0..ctx.keyspace.databases()).for_each(|db| ctx.flush(db));
    ctx.out.emptied = true;
    out.ok();
    DONE
}

fn swapdb(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let index = |arg: &[u8]| int(arg).ok().and_then(|n| i32::try_from(n).ok());
    let first = index(&args[1]).ok_or(INVALID_FIRST_DB)?;
    let second = index(&args[2]).ok_or(INVALID_SECOND_DB)?;
    let in_range = |n: i32| usize::try_from(n).ok().filter(|n| *n < ctx.keyspace.databases());
    let (Some(first), Some(second)) = (in_range(first), in_range(second)) else {
        return Err(DB_OUT_OF_RANGE);
    };
    if first != second && ctx.locks.iter().any(|shard| shard.overlay.is_some()) {
        return Err(NO_SWAP_IN_MESH);
    }
    ctx.swap(first, second);
    out.ok();
    DONE
}

pub const ROWS: &[Row] =
    &[row_all("FLUSHDB", flushdb), row_all("FLUSHALL", flushall), row_all("SWAPDB", swapdb)];
