//! XGROUP: groups and their consumers.

use protocol::error::streams::{ENTRIES_READ_NEGATIVE, GROUP_EXISTS, KEY_MISSING, no_group};
use protocol::{Args, ErrorReply, Reply, StreamId};

use super::id;
use super::read_group::see_consumer;
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::Effect;
use crate::tuning::notify;
use crate::types::Stream;
use crate::types::stream::Group;

/// The options of CREATE and SETID.
#[derive(Default)]
struct Options {
    make: bool,
    read: Option<u64>,
}

impl Options {
    fn parse(args: Args<'_>, creates: bool) -> Result<Options, ErrorReply> {
        let (mut at, mut options) = (5, Options::default());
        while let Some(word) = args.get(at) {
            match args.get(at + 1) {
                _ if creates && is(word, "MKSTREAM") => {
                    options.make = true;
                    at += 1;
                }
                Some(number) if is(word, "ENTRIESREAD") => {
                    options.read = match int(number)? {
                        -1 => None,
                        read => Some(u64::try_from(read).map_err(|_| ENTRIES_READ_NEGATIVE)?),
                    };
                    at += 2;
                }
                _ => return Err(ErrorReply::subcommand_arity(&args[1], "XGROUP")),
            }
        }
        Ok(options)
    }
}

/// The group that a subcommand is about.
fn group<'c>(key: &'c KeyMut<'_, '_>, name: &[u8]) -> Result<(&'c Stream, &'c Group), ErrorReply> {
    let stream = key.stream()?.ok_or(KEY_MISSING)?;
    let group = stream.group(name).ok_or_else(|| no_group(key.key, name))?;
    Ok((stream, group))
}

fn create(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let options = Options::parse(args, true)?;
    let mut key = ctx.key(&args[2]);
    let stream = key.stream()?;
    if stream.is_none() && !options.make {
        return Err(KEY_MISSING);
    }
    if args.len() > 8 {
        return Err(ErrorReply::subcommand_arity(&args[1], "XGROUP"));
    }
    let last = match &args[4] {
        b"$" => stream.map_or(StreamId::ZERO, Stream::last_id),
        arg => id::id(arg)?,
    };
    if !key.apply(Effect::AddGroup { group: &args[3], last, read: options.read }).created() {
        return Err(GROUP_EXISTS);
    }
    key.notify(notify::STREAM, "xgroup-create");
    out.ok();
    DONE
}

fn set_id(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let options = Options::parse(args, false)?;
    let mut key = ctx.key(&args[2]);
    let (stream, _) = group(&key, &args[3])?;
    if args.len() != 5 && args.len() != 7 {
        return Err(ErrorReply::subcommand_arity(&args[1], "XGROUP"));
    }
    let last = match &args[4] {
        b"$" => stream.last_id(),
        arg => id::id_or_edge(arg, 0)?,
    };
    key.apply(Effect::SetGroup { group: &args[3], last, read: options.read });
    key.notify(notify::STREAM, "xgroup-setid");
    out.ok();
    DONE
}

fn destroy(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[2]);
    key.stream()?.ok_or(KEY_MISSING)?;
    let removed = key.apply(Effect::DelGroup(&args[3])).changed();
    if removed {
        key.notify(notify::STREAM, "xgroup-destroy");
    }
    out.int(i64::from(removed));
    DONE
}

fn create_consumer(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[2]);
    let (_, found) = group(&key, &args[3])?;
    let known = found.consumers().get(&args[4]).is_some();
    if !known {
        see_consumer(&mut key, &args[3], &args[4]);
    }
    out.int(i64::from(!known));
    DONE
}

fn del_consumer(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[2]);
    let (_, found) = group(&key, &args[3])?;
    let pending = found.consumers().get(&args[4]).map(|consumer| consumer.pending.len());
    if pending.is_some() {
        key.apply(Effect::DelConsumer { group: &args[3], consumer: &args[4] });
        key.notify(notify::STREAM, "xgroup-delconsumer");
    }
    out.int(pending.unwrap_or(0) as i64);
    DONE
}

pub const ROWS: &[Row] = &[
    row("XGROUP CREATE", create),
    row("XGROUP SETID", set_id),
    row("XGROUP DESTROY", destroy),
    row("XGROUP CREATECONSUMER", create_consumer),
    row("XGROUP DELCONSUMER", del_consumer),
];
