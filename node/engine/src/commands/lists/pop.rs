//! LPOP, RPOP, LMPOP: taking elements from an end.

use protocol::error::{COUNT_NOT_POSITIVE, MUST_BE_POSITIVE, NUMKEYS_NOT_POSITIVE, SYNTAX};
use protocol::{Args, ErrorReply, Reply};

use super::end::End;
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::Effect;
use crate::tuning::notify;

/// Replies with the elements at an end, the outermost first; as an array if `nested`.
fn show(
    key: &KeyMut<'_, '_>,
    end: End,
    count: usize,
    nested: bool,
    out: &mut Reply,
) -> Result<(), ErrorReply> {
    let Some(list) = key.list()? else { return Ok(()) };
    if nested {
        out.array(count);
    }
    let from = if end == End::Head { 0 } else { list.len() - 1 };
    if count == 1 {
        list.get(from, |element| out.bulk_entry(element));
    } else {
        list.range(from, end == End::Tail, count, |element| out.bulk_entry(element));
    }
    Ok(())
}

/// Takes up to `count` elements from an end of a list that is there, and replies with them.
pub fn pop(
    key: &mut KeyMut<'_, '_>,
    end: End,
    count: usize,
    nested: bool,
    out: &mut Reply,
) -> Result<(), ErrorReply> {
    let len = key.list()?.map_or(0, |list| list.len());
    let count = count.min(len);
    show(key, end, count, nested, out)?;
    if count > 0 {
        let at = if end == End::Head { 0 } else { len - count };
        key.apply(Effect::DelElements { at, count });
        removed(key, end.pop_event());
    }
    Ok(())
}

/// Announces a removal, and the key's if nothing is left.
pub fn removed(key: &mut KeyMut<'_, '_>, event: &'static str) {
    key.notify(notify::LIST, event);
    if !key.exists() {
        key.notify(notify::GENERIC, "del");
    }
}

fn pop_command(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    out: &mut Reply,
    end: End,
    name: &str,
) -> Result<Flow, ErrorReply> {
    if args.len() > 3 {
        return Err(ErrorReply::wrong_arity(name));
    }
    let count = match args.get(2) {
        None => None,
        Some(text) => {
            let count = int(text).ok().and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(MUST_BE_POSITIVE)?)
        }
    };
    let mut key = ctx.key(&args[1]);
    match (key.list()?, count) {
        (None, None) => out.null(),
        (None, Some(_)) => out.null_array(),
        (Some(_), None) => pop(&mut key, end, 1, false, out)?,
        (Some(_), Some(count)) => pop(&mut key, end, count, true, out)?,
    }
    DONE
}

fn lpop(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    pop_command(ctx, args, out, End::Head, "lpop")
}

fn rpop(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    pop_command(ctx, args, out, End::Tail, "rpop")
}

/// What LMPOP and BLMPOP ask for.
pub struct Request {
    /// Where the keys begin among the arguments, and where they end.
    pub keys: std::ops::Range<usize>,
    pub end: End,
    pub count: usize,
}

/// Reads `numkeys key... LEFT|RIGHT [COUNT n]` from argument `at` on.
pub fn request(args: Args<'_>, at: usize) -> Result<Request, ErrorReply> {
    let keys = int(&args[at]).ok().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    let first = at + 1;
    let last = keys.ok_or(NUMKEYS_NOT_POSITIVE)?.checked_add(first).ok_or(SYNTAX)?;
    let end = End::parse(args.get(last).ok_or(SYNTAX)?)?;
    let options = args.rest(last + 1);
    let count = match options.len() {
        0 => 1,
        2.. if is(&options[0], "COUNT") => {
            let count = int(&options[1]).ok().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
            count.ok_or(COUNT_NOT_POSITIVE)?
        }
        _ => return Err(SYNTAX),
    };
    if options.len() > 2 {
        return Err(SYNTAX);
    }
    Ok(Request { keys: first..last, end, count })
}

/// Pops from the first of the keys that is there, and replies with its name and the elements. False if none is.
pub fn pop_first(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    request: &Request,
    out: &mut Reply,
) -> Result<bool, ErrorReply> {
    for name in request.keys.clone().map(|i| args.at(i)) {
        if !ctx.offers(name) {
            continue;
        }
        let mut key = ctx.key(name);
        if key.list()?.is_none() {
            continue;
        }
        out.array(2);
        out.bulk(name);
        pop(&mut key, request.end, request.count, true, out)?;
        return Ok(true);
    }
    Ok(false)
}

fn lmpop(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let request = request(args, 1)?;
    if !pop_first(ctx, args, &request, out)? {
        out.null_array();
    }
    DONE
}

pub const ROWS: &[Row] = &[row("LPOP", lpop), row("RPOP", rpop), row("LMPOP", lmpop)];
