//! XINFO: what is known about a stream, its groups and their consumers.

use protocol::error::NO_SUCH_KEY;
use protocol::error::streams::no_group;
use protocol::{Args, ErrorReply, Reply};

use super::info_full::full;
use super::show;
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;
use crate::types::Stream;
use crate::types::stream::Group;

/// Elements of each list that FULL shows, if the client does not say how many.
const FULL_COUNT: usize = 10;

fn stream_of<'c>(ctx: &'c Ctx<'_>, key: &[u8]) -> Result<&'c Stream, ErrorReply> {
    ctx.read_stream(key)?.ok_or(NO_SUCH_KEY)
}

/// How many elements of each list are to be shown; `None`: FULL was not asked for.
fn full_count(args: Args<'_>) -> Result<Option<usize>, ErrorReply> {
    let wrong = || ErrorReply::subcommand_arity(&args[1], "XINFO");
    let is_full = || is(&args[3], "FULL");
    match args.len() {
        3 => Ok(None),
        4 if is_full() => Ok(Some(FULL_COUNT)),
        6 if is_full() && is(&args[4], "COUNT") => match int(&args[5])? {
            ..0 => Ok(Some(FULL_COUNT)),
            count => Ok(Some(show::limit(count))),
        },
        _ => Err(wrong()),
    }
}

fn stream(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let stream = stream_of(ctx, &args[2])?;
    let full_count = full_count(args)?;
    out.map(if full_count.is_some() { 9 } else { 10 });
    number(out, "length", stream.len() as i64);
    number(out, "radix-tree-keys", stream.node_count() as i64);
    number(out, "radix-tree-nodes", stream.radix_node_count() as i64);
    out.bulk_str("last-generated-id");
    out.stream_id(stream.last_id());
    out.bulk_str("max-deleted-entry-id");
    out.stream_id(stream.max_deleted_id());
    number(out, "entries-added", stream.entries_added() as i64);
    out.bulk_str("recorded-first-entry-id");
    out.stream_id(stream.first_id());
    if let Some(count) = full_count {
        full(stream, count, out);
        return DONE;
    }
    number(out, "groups", stream.groups().len() as i64);
    out.bulk_str("first-entry");
    show::entry_or_null(stream.iter().next(), out);
    out.bulk_str("last-entry");
    show::entry_or_null(stream.iter().next_back(), out);
    DONE
}

pub fn number(out: &mut Reply, name: &str, n: i64) {
    out.bulk_str(name);
    out.int(n);
}

/// What a group is called and how far it has got: three pairs.
pub fn progress(stream: &Stream, group: &Group, out: &mut Reply) {
    out.bulk_str("last-delivered-id");
    out.stream_id(group.last_id);
    for (name, count) in
        [("entries-read", group.entries_read.map(|read| read as i64)), ("lag", stream.lag(group))]
    {
        out.bulk_str(name);
        match count {
            Some(count) => out.int(count),
            None => out.null(),
        }
    }
}

fn groups(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let stream = stream_of(ctx, &args[2])?;
    out.array(stream.groups().len());
    for group in stream.groups() {
        out.map(6);
        out.bulk_str("name");
        out.bulk(&group.name);
        number(out, "consumers", group.consumers().shown_len() as i64);
        number(out, "pending", group.pending_len() as i64);
        progress(stream, group, out);
    }
    DONE
}

fn consumers(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let stream = stream_of(ctx, &args[2])?;
    let group = stream.group(&args[3]).ok_or_else(|| no_group(&args[2], &args[3]))?;
    out.array(group.consumers().shown_len());
    for consumer in group.consumers().shown() {
        out.map(3);
        out.bulk_str("name");
        out.bulk(&consumer.name);
        number(out, "pending", consumer.pending.len() as i64);
        number(out, "idle", (ctx.env.now_ms as i64).saturating_sub(consumer.seen_ms).max(0));
    }
    DONE
}

pub const ROWS: &[Row] =
    &[row("XINFO STREAM", stream), row("XINFO GROUPS", groups), row("XINFO CONSUMERS", consumers)];
