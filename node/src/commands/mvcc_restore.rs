//! KEYDB.MVCCRESTORE, by which tools of KeyDB carry keys over: a RESTORE that yields to what was written later.

use engine::command::id;
use protocol::{ErrorReply, dump, error, number};

use super::{NodeRow, row};
use crate::dispatch::{self, Call, Next};
use crate::upstream::rreplay;

/// Bits of KeyDB's stamps below the milliseconds.
const COUNTER_BITS: u32 = 20;
/// What stands for "no stamp", which is newer than any.
const NO_STAMP: u64 = u64::MAX;

const BAD_DUMP: ErrorReply = ErrorReply::new("ERR DUMP payload version or checksum are wrong");

/// `KEYDB.MVCCRESTORE key stamp deadline dump`: OK, also if the key is kept because it was written later than the stamp says.
fn mvcc_restore(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let stamp = number::parse_u64(&call.args[2]).ok_or(error::NOT_INTEGER)?;
    dump::verify(&call.args[4]).ok_or(BAD_DUMP)?;
    let restore = rreplay::restore(call.args).ok_or(BAD_DUMP)?;
    if !call.session.in_exec {
        dispatch::lock(call.ctx, call.id.facts(), engine::commands::Locking::Keys, call.args);
    }
    let written_ms = call.ctx.peek(&call.args[1]).map(|entry| entry.stamp().ms());
    if stamp != NO_STAMP && written_ms.is_some_and(|ms| ms > stamp >> COUNTER_BITS) {
        call.out.ok();
        return Ok(Next::Done);
    }
    let Call { worker, session, ctx, out, .. } = call;
    Ok(dispatch::run(worker, session, ctx, id::RESTORE, restore.view(), out))
}

pub const ROWS: &[NodeRow] = &[row("KEYDB.MVCCRESTORE", mvcc_restore)];
