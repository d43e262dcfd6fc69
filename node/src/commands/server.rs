//! Commands that ask the server about itself.

use protocol::ErrorReply;

use super::{NodeRow, row};
use crate::dispatch::{Call, Next};
use crate::info::Info;
use crate::system;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

fn info(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let names: Vec<&[u8]> = call.args.rest(1).iter().collect();
    call.worker.count_lookups(call.ctx);
    let text = Info::new(call.worker.server, call.ctx, call.worker.index).text(&names);
    call.out.verbatim("txt", text.as_bytes());
    DONE
}

fn time(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let us = system::unix_us();
    call.out.array(2);
    call.out.bulk_u64(us / 1_000_000);
    call.out.bulk_u64(us % 1_000_000);
    DONE
}

pub const ROWS: &[NodeRow] = &[row("INFO", info), row("TIME", time)];
