//! Several strings at once.

use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;
use crate::effect::{Deadline, Effect, NewValue};
use crate::tuning::notify;
use crate::types::string::IntText;

fn mget(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    out.array(args.len() - 1);
    for key in args.rest(1).iter() {
        // Another type is as good as nothing here.
        match ctx.read_string(key, &mut IntText::default()) {
            Ok(Some(bytes)) => out.bulk(bytes),
            Ok(None) | Err(_) => out.null(),
        }
    }
    DONE
}

/// The keys and values after the command's name.
fn pairs<'a>(
    args: Args<'a>,
    command: &str,
) -> Result<impl Iterator<Item = (&'a [u8], &'a [u8])>, ErrorReply> {
    if args.len().is_multiple_of(2) {
        return Err(ErrorReply::wrong_arity(command));
    }
    Ok((1..args.len()).step_by(2).map(move |at| (args.at(at), args.at(at + 1))))
}

fn mset(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    for (key, value) in pairs(args, "mset")? {
        let mut key = ctx.key(key);
        key.apply(Effect::Put { value: NewValue::String(value), deadline: Deadline::Clear, absent: false });
        key.notify(notify::STRING, "set");
    }
    out.ok();
    DONE
}

fn msetnx(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    if pairs(args, "msetnx")?.any(|(key, _)| ctx.peek(key).is_some()) {
        out.int(0);
        return DONE;
    }
    for (key, value) in pairs(args, "msetnx")? {
        let mut key = ctx.key(key);
        // A key named twice is there the second time, put by this command.
        let absent = !key.exists();
        key.apply(Effect::Put { value: NewValue::String(value), deadline: Deadline::Clear, absent });
        key.notify(notify::STRING, "set");
    }
    out.int(1);
    DONE
}

pub const ROWS: &[Row] = &[row("MGET", mget), row("MSET", mset), row("MSETNX", msetnx)];
