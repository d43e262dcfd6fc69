//! SLOWLOG, and Valkey's COMMANDLOG, of which it is one part.

use protocol::{ErrorReply, number};

use super::help::help;
use super::{NodeRow, row};
use crate::dispatch::{Call, Next};
use crate::slowlog::CommandLog;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

/// Entries shown unless more are asked for.
const SHOWN: usize = 10;

/// `GET [count]`, -1 for all.
fn get(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let shown = match call.args.get(2) {
        _ if call.args.len() > 3 => return Err(ErrorReply::subcommand_arity(&call.args[1], "SLOWLOG")),
        None => SHOWN,
        Some(text) => count(text)?,
    };
    show(call, &call.worker.server.logs.slow, shown)
}

fn count(text: &[u8]) -> Result<usize, ErrorReply> {
    const BAD_COUNT: ErrorReply = ErrorReply::new("ERR count should be greater than or equal to -1");
    match number::parse_i64(text).ok_or(BAD_COUNT)? {
        -1 => Ok(usize::MAX),
        n => usize::try_from(n).map_err(|_| BAD_COUNT),
    }
}

fn show(call: &mut Call<'_>, log: &CommandLog, shown: usize) -> Result<Next, ErrorReply> {
    let entries = log.newest(shown);
    call.out.array(entries.len());
    for entry in entries {
        call.out.array(6);
        call.out.int(entry.id as i64);
        call.out.int(entry.at as i64);
        call.out.int(entry.amount as i64);
        call.out.array(entry.args.len());
        entry.args.iter().for_each(|arg| call.out.bulk(arg));
        call.out.bulk_str(&entry.addr);
        call.out.bulk_str(&entry.name);
    }
    DONE
}

fn len(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.out.int(call.worker.server.logs.slow.len() as i64);
    DONE
}

fn reset(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.worker.server.logs.slow.clear();
    call.out.ok();
    DONE
}

/// The log that an argument of COMMANDLOG names.
fn named(call: &Call<'_>, at: usize) -> Result<&'static CommandLog, ErrorReply> {
    let logs = &call.worker.server.logs;
    match call.args[at].to_ascii_lowercase().as_slice() {
        b"slow" => Ok(&logs.slow),
        b"large-request" => Ok(&logs.large_requests),
        b"large-reply" => Ok(&logs.large_replies),
        _ => {
            Err(ErrorReply::new("ERR type should be one of the following: slow, large-request, large-reply"))
        }
    }
}

/// `COMMANDLOG GET count type`
fn log_get(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if call.args.len() > 4 {
        return Err(ErrorReply::subcommand_arity(&call.args[1], "COMMANDLOG"));
    }
    let shown = count(&call.args[2])?;
    let log = named(call, 3)?;
    show(call, log, shown)
}

fn log_len(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let len = named(call, 2)?.len();
    call.out.int(len as i64);
    DONE
}

fn log_reset(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    named(call, 2)?.clear();
    call.out.ok();
    DONE
}

pub const ROWS: &[NodeRow] = &[
    row("COMMANDLOG GET", log_get),
    row("COMMANDLOG LEN", log_len),
    row("COMMANDLOG RESET", log_reset),
    row("COMMANDLOG HELP", help),
    row("SLOWLOG GET", get),
    row("SLOWLOG LEN", len),
    row("SLOWLOG RESET", reset),
    row("SLOWLOG HELP", help),
];
