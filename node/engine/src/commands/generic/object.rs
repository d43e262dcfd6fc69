//! OBJECT: how the value of a key is kept, and what is remembered of its use.

use protocol::error::{LFU_NOT_SELECTED, LFU_SELECTED};
use protocol::{Args, ErrorReply, Reply};

use crate::access;
use crate::commands::{DONE, Flow, Row, row, row_own};
use crate::ctx::Ctx;
use crate::value::ValueRef;

/// Integers below this are one shared object in Redis, which clients can see.
const SHARED_INTEGERS: i64 = 10_000;
/// How many references Redis says such an object has.
const SHARED_REFERENCES: i64 = i32::MAX as i64;

fn encoding(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    match ctx.glance(&args[2]) {
        Some(entry) => out.bulk_str(entry.value().encoding()),
        None => out.null(),
    }
    DONE
}

fn refcount(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    match ctx.glance(&args[2]).map(|entry| entry.value()) {
        Some(ValueRef::Int(0..SHARED_INTEGERS)) if ctx.env.tuning.shared_integers => {
            out.int(SHARED_REFERENCES)
        }
        Some(_) => out.int(1),
        None => out.null(),
    }
    DONE
}

fn idletime(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let Some(entry) = ctx.glance(&args[2]) else {
        out.null();
        return DONE;
    };
    if ctx.env.tuning.policy.is_lfu() {
        return Err(LFU_SELECTED);
    }
    out.int(i64::from(access::idle_seconds(entry.access(), ctx.env.clock)));
    DONE
}

fn freq(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let Some(entry) = ctx.glance(&args[2]) else {
        out.null();
        return DONE;
    };
    if !ctx.env.tuning.policy.is_lfu() {
        return Err(LFU_NOT_SELECTED);
    }
    out.int(i64::from(access::frequency(entry.access(), ctx.env.clock, &ctx.env.tuning)));
    DONE
}

/// KeyDB's: seconds since the last write, which the version tells.
fn lastmodified(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    match ctx.glance(&args[2]) {
        Some(entry) => out.int((ctx.env.now_ms.saturating_sub(entry.stamp().ms()) / 1000) as i64),
        None => out.null(),
    }
    DONE
}

const HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    The form in which the key's value is kept in memory.",
    "FREQ <key>",
    "    How often the key has been used of late, as a logarithmic counter. Needs",
    "    an LFU policy as maxmemory-policy.",
    "IDLETIME <key>",
    "    Seconds since the key was last used. Needs a policy other than LFU.",
    "LASTMODIFIED <key>",
    "    Seconds since the key was last written.",
    "REFCOUNT <key>",
    "    How many references the value has, in the way Redis counts them.",
    "HELP",
    "    This text.",
];

fn help(_: &mut Ctx<'_>, _: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    out.array(HELP.len());
    HELP.iter().for_each(|line| out.simple(line));
    DONE
}

pub const ROWS: &[Row] = &[
    row("OBJECT ENCODING", encoding),
    row("OBJECT FREQ", freq),
    row("OBJECT IDLETIME", idletime),
    row("OBJECT LASTMODIFIED", lastmodified),
    row("OBJECT REFCOUNT", refcount),
    row_own("OBJECT HELP", help),
];
