//! ZPOPMIN and ZPOPMAX, from one key or the first of several that has members, blocking or not.

use std::ops::Range;

use protocol::error::{COUNT_NOT_POSITIVE, MUST_BE_POSITIVE, NUMKEYS_NOT_POSITIVE, SYNTAX};
use protocol::{Args, ErrorReply, Reply};
use smallvec::SmallVec;

use super::remove::announce_removal;
use crate::commands::blocking::timeout_ms;
use crate::commands::{Block, DONE, Flow, NullReply, Row, int, is, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::Effect;
use crate::types::LiveZset;
use crate::value::Kind;

#[derive(Clone, Copy, PartialEq)]
enum End {
    Lowest,
    Highest,
}

impl End {
    fn parse(word: &[u8]) -> Result<End, ErrorReply> {
        match word {
            word if is(word, "MIN") => Ok(End::Lowest),
            word if is(word, "MAX") => Ok(End::Highest),
            _ => Err(SYNTAX),
        }
    }

    fn event(self) -> &'static str {
        if self == End::Lowest { "zpopmin" } else { "zpopmax" }
    }

    /// The ranks of `count` members from this end.
    fn ranks(self, zset: LiveZset<'_>, count: usize) -> Range<usize> {
        let len = zset.len();
        if self == End::Lowest { 0..count } else { len - count..len }
    }
}

/// Takes `count` members, of which there are as many, from an end and writes them, each as an array of two if `pairs`.
///
/// They are removed by name, even if they are all there is: another node may be adding members right now, and nobody has
/// been given those. The names are read from the reply, where they have just been written.
fn pop(
    key: &mut KeyMut<'_, '_>,
    end: End,
    count: usize,
    pairs: bool,
    out: &mut Reply,
) -> Result<(), ErrorReply> {
    let mut places = SmallVec::<[Range<usize>; 4]>::new();
    if let Some(zset) = key.zset()? {
        for (member, score) in zset.walk(end.ranks(zset, count), end == End::Highest) {
            if pairs {
                out.array(2);
            }
            places.push(out.bulk_entry_at(member));
            out.double(score);
        }
    }
    for place in places {
        key.apply(Effect::DelScored(&out.buf[place]));
    }
    announce_removal(key, end.event());
    Ok(())
}

fn pop_from_one(ctx: &mut Ctx<'_>, args: Args<'_>, end: End, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let count = match args.len() {
        2 => None,
        3 => Some(int(&args[2]).ok().and_then(|n| usize::try_from(n).ok()).ok_or(MUST_BE_POSITIVE)?),
        _ => return Err(SYNTAX),
    };
    let mut key = ctx.key(&args[1]);
    let len = key.zset()?.map_or(0, LiveZset::len);
    let wanted = count.unwrap_or(1).min(len);
    if wanted == 0 {
        out.array(0);
        return DONE;
    }
    // With a count, RESP3 has pairs.
    let pairs = out.resp3 && count.is_some();
    out.array(if pairs { wanted } else { 2 * wanted });
    pop(&mut key, end, wanted, pairs, out)?;
    DONE
}

fn zpopmin(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    pop_from_one(ctx, args, End::Lowest, out)
}

fn zpopmax(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    pop_from_one(ctx, args, End::Highest, out)
}

/// The first key that has members, and how many it has. A command that runs again for a blocked client sees no other
/// keys than the one that has become ready.
fn first_with_members<'a>(
    ctx: &mut Ctx<'_>,
    mut keys: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<(&'a [u8], usize)>, ErrorReply> {
    keys.find_map(|key| {
        if !ctx.offers(key) {
            return None;
        }
        ctx.key(key).zset().map(|zset| zset.map(|zset| (key, zset.len()))).transpose()
    })
    .transpose()
}

/// What ZMPOP and BZMPOP are asked: keys, end and count.
struct Multi<'a> {
    keys: Args<'a>,
    end: End,
    count: usize,
}

impl<'a> Multi<'a> {
    /// Reads `numkeys key ... MIN|MAX [COUNT count]`.
    fn parse(args: Args<'a>) -> Result<Multi<'a>, ErrorReply> {
        let positive = |arg: &[u8]| int(arg).ok().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
        let keys = positive(&args[0]).ok_or(NUMKEYS_NOT_POSITIVE)?;
        let after = args.rest(1);
        let end = End::parse(after.get(keys).ok_or(SYNTAX)?)?;
        let options = after.rest(keys + 1);
        let count = match options.len() {
            0 => 1,
            2 if is(&options[0], "COUNT") => positive(&options[1]).ok_or(COUNT_NOT_POSITIVE)?,
            _ => return Err(wrong_options(options, positive)),
        };
        Ok(Multi { keys: after.first(keys), end, count })
    }

    /// Pops, if there is anything; whether there was.
    fn run(&self, ctx: &mut Ctx<'_>, out: &mut Reply) -> Result<bool, ErrorReply> {
        let Some((key, len)) = first_with_members(ctx, self.keys.iter())? else { return Ok(false) };
        let count = self.count.min(len);
        out.array(2);
        out.bulk(key);
        out.array(count);
        pop(&mut ctx.key(key), self.end, count, true, out)?;
        Ok(true)
    }
}

/// What is wrong first: a count that is none is found before what follows it.
fn wrong_options(options: Args<'_>, positive: impl Fn(&[u8]) -> Option<usize>) -> ErrorReply {
    match options.get(1) {
        Some(count) if is(&options[0], "COUNT") && positive(count).is_none() => COUNT_NOT_POSITIVE,
        _ => SYNTAX,
    }
}

fn zmpop(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    if !Multi::parse(args.rest(1))?.run(ctx, out)? {
        out.null_array();
    }
    DONE
}

fn bzmpop(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let multi = Multi::parse(args.rest(2))?;
    let timeout = timeout_ms(&args[1])?;
    if multi.run(ctx, out)? {
        return DONE;
    }
    Ok(waiting(3..3 + multi.keys.len(), timeout))
}

fn bzpop(ctx: &mut Ctx<'_>, args: Args<'_>, end: End, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let last = args.len() - 1;
    let timeout = timeout_ms(&args[last])?;
    let Some((key, _)) = first_with_members(ctx, args.first(last).rest(1).iter())? else {
        return Ok(waiting(1..last, timeout));
    };
    out.array(3);
    out.bulk(key);
    pop(&mut ctx.key(key), end, 1, false, out)?;
    DONE
}

fn bzpopmin(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    bzpop(ctx, args, End::Lowest, out)
}

fn bzpopmax(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    bzpop(ctx, args, End::Highest, out)
}

fn waiting(keys: Range<usize>, timeout_ms: Option<u64>) -> Flow {
    Flow::Block(Block {
        keys: keys.collect(),
        kind: Kind::Zset,
        timeout_ms,
        again_ms: None,
        wake_on_removal: false,
        resolved: Vec::new(),
        refusal: NullReply::Array,
    })
}

pub const ROWS: &[Row] = &[
    row("ZPOPMIN", zpopmin),
    row("ZPOPMAX", zpopmax),
    row("ZMPOP", zmpop),
    row("BZPOPMIN", bzpopmin),
    row("BZPOPMAX", bzpopmax),
    row("BZMPOP", bzmpop),
];
