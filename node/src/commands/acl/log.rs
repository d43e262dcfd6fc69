//! LOG: what was denied.

use protocol::{ErrorReply, error, number};

use super::DONE;
use crate::acl::journal::Entry;
use crate::commands::{NodeRow, row};
use crate::dispatch::{Call, Next};
use crate::worker::unix_ms;

/// Entries shown if nothing is said.
const SHOWN: usize = 10;

/// `LOG [count | RESET]`
fn log(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let journal = &call.worker.server.users.journal;
    let count = match call.args.get(2) {
        _ if call.args.len() > 3 => return Err(ErrorReply::subcommand_arity(&call.args[1], "ACL")),
        None => SHOWN,
        Some(word) if word.eq_ignore_ascii_case(b"reset") => {
            journal.clear();
            call.out.ok();
            return DONE;
        }
        Some(text) => number::parse_i64(text).ok_or(error::NOT_INTEGER)?.max(0) as usize,
    };
    let (entries, now) = (journal.newest(count), unix_ms());
    call.out.array(entries.len());
    entries.iter().for_each(|entry| show(call, entry, now));
    DONE
}

fn show(call: &mut Call<'_>, entry: &Entry, now_ms: u64) {
    let out = &mut *call.out;
    out.map(7);
    out.bulk_str("count");
    out.int(entry.count as i64);
    out.bulk_str("reason");
    out.bulk_str(entry.reason.name());
    out.bulk_str("context");
    out.bulk_str(entry.context.name());
    out.bulk_str("object");
    out.bulk(&entry.object);
    out.bulk_str("username");
    out.bulk(&entry.user);
    out.bulk_str("age-seconds");
    out.double(now_ms.saturating_sub(entry.at_ms) as f64 / 1000.0);
    out.bulk_str("client-info");
    out.bulk_str(&entry.client);
}

pub const ROWS: &[NodeRow] = &[row("ACL LOG", log)];
