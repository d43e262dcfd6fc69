//! SLOWLOG.

use protocol::{ErrorReply, number};

use super::help::help;
use super::{NodeRow, row};
use crate::dispatch::{Call, Next};

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

/// Entries shown unless more are asked for.
const SHOWN: usize = 10;

/// `GET [count]`, -1 for all.
fn get(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    const BAD_COUNT: ErrorReply = ErrorReply::new("ERR count should be greater than or equal to -1");
    let count = match call.args.get(2) {
        _ if call.args.len() > 3 => return Err(ErrorReply::subcommand_arity(&call.args[1], "SLOWLOG")),
        None => SHOWN,
        Some(text) => match number::parse_i64(text).ok_or(BAD_COUNT)? {
            -1 => usize::MAX,
            n => usize::try_from(n).map_err(|_| BAD_COUNT)?,
        },
    };
    let entries = call.worker.server.slowlog.newest(count);
    call.out.array(entries.len());
    for entry in entries {
        call.out.array(6);
        call.out.int(entry.id as i64);
        call.out.int(entry.at as i64);
        call.out.int(entry.us as i64);
        call.out.array(entry.args.len());
        entry.args.iter().for_each(|arg| call.out.bulk(arg));
        call.out.bulk_str(&entry.addr);
        call.out.bulk_str(&entry.name);
    }
    DONE
}

fn len(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.out.int(call.worker.server.slowlog.len() as i64);
    DONE
}

fn reset(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.worker.server.slowlog.clear();
    call.out.ok();
    DONE
}

pub const ROWS: &[NodeRow] = &[
    row("SLOWLOG GET", get),
    row("SLOWLOG LEN", len),
    row("SLOWLOG RESET", reset),
    row("SLOWLOG HELP", help),
];
