//! MONITOR.

use protocol::ErrorReply;

use super::{NodeRow, row};
use crate::dispatch::{Call, Next};

fn monitor(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if call.session.in_exec {
        return Err(ErrorReply::new("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    call.worker.server.monitors.join(call.session);
    call.out.ok();
    Ok(Next::Done)
}

pub const ROWS: &[NodeRow] = &[row("MONITOR", monitor)];
