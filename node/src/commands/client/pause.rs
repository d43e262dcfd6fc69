//! CLIENT PAUSE and UNPAUSE.

use protocol::{ErrorReply, error, number};

use super::DONE;
use crate::commands::{NodeRow, row};
use crate::dispatch::{Call, Next};

/// `PAUSE ms [WRITE | ALL]`
fn pause(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let only_writes = match call.args.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"all") => false,
        Some(b"write") => true,
        Some(_) => return Err(ErrorReply::new("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let ms = number::parse_i64(&call.args[2])
        .ok_or(ErrorReply::new("ERR timeout is not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| error::TIMEOUT_NEGATIVE)?;
    let now = call.ctx.env.now_ms;
    // Redis wraps around here, and does not pause at all.
    let until = now.checked_add(ms).filter(|until| i64::try_from(*until).is_ok());
    let until = until.ok_or(ErrorReply::new("ERR timeout is out of range"))?;
    call.worker.server.pause.pause(until, only_writes, now);
    call.ctx.env.frozen = call.worker.server.pause.is_on(now);
    call.out.ok();
    DONE
}

fn unpause(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let server = call.worker.server;
    server.pause.unpause();
    call.ctx.env.frozen = false;
    call.out.ok();
    DONE
}

pub const ROWS: &[NodeRow] = &[row("CLIENT PAUSE", pause), row("CLIENT UNPAUSE", unpause)];
