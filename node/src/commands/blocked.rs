//! CLIENT UNBLOCK.

use engine::commands::{int, is};
use protocol::ErrorReply;

use super::{NodeRow, row};
use crate::blocking;
use crate::dispatch::{Call, Next};

const UNBLOCKED: ErrorReply = ErrorReply::new("UNBLOCKED client unblocked via CLIENT UNBLOCK");
const BAD_REASON: ErrorReply = ErrorReply::new("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");

fn unblock(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if call.args.len() > 4 {
        return Err(ErrorReply::subcommand_arity(&call.args[1], "CLIENT"));
    }
    let error = match call.args.get(3) {
        None => None,
        Some(reason) if is(reason, "TIMEOUT") => None,
        Some(reason) if is(reason, "ERROR") => Some(&UNBLOCKED),
        Some(_) => return Err(BAD_REASON),
    };
    let client = u64::try_from(int(&call.args[2])?).ok().and_then(|id| call.worker.server.clients.get(id));
    let unblocked = client.is_some_and(|client| blocking::unblock(call.worker, &client, error));
    call.out.int(i64::from(unblocked));
    Ok(Next::Done)
}

pub const ROWS: &[NodeRow] = &[row("CLIENT UNBLOCK", unblock)];
