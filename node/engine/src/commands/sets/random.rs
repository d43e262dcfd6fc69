//! SRANDMEMBER and SPOP.

use std::ops::Range;

use protocol::error::{MUST_BE_POSITIVE, SYNTAX};
use protocol::{Args, ErrorReply, Reply};

use super::write::announce_removal;
use crate::commands::random::{random_count, written};
use crate::commands::{DONE, Flow, Row, int, row};
use crate::ctx::Ctx;
use crate::effect::Effect;

fn srandmember(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    if args.len() > 3 {
        return Err(SYNTAX);
    }
    let rng = || ctx.env.random();
    let Some(count) = args.get(2) else {
        match ctx.read_set(&args[1])?.and_then(|set| set.random(rng)) {
            Some(member) => out.bulk_entry(member),
            None => out.null(),
        }
        return DONE;
    };
    let count = random_count(count, ctx.env.tuning.max_rand_count)?;
    let repeats = written(count, out)?;
    let Some(set) = ctx.read_set(&args[1])? else {
        out.array(0);
        return DONE;
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count < 0 {
        out.array(wanted);
        set.random_repeated(repeats, rng, |member| out.bulk_entry(member));
    } else {
        out.array(wanted.min(set.len()));
        set.random_distinct(wanted, rng, |member| out.bulk_entry(member));
    }
    DONE
}

fn spop(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    match args.len() {
        2 => pop_one(ctx, &args[1], out),
        3 => {
            let count = int(&args[2]).ok().and_then(|count| usize::try_from(count).ok());
            pop_many(ctx, &args[1], count.ok_or(MUST_BE_POSITIVE)?, out)
        }
        _ => Err(SYNTAX),
    }
}

fn pop_one(ctx: &mut Ctx<'_>, key: &[u8], out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(key);
    let env = key.env;
    let Some(member) = key.set()?.and_then(|set| set.random(|| env.random())) else {
        out.null();
        return DONE;
    };
    let place = out.bulk_entry_at(member);
    key.apply(Effect::DelMember(&out.buf[place]));
    announce_removal(&mut key, "spop");
    DONE
}

/// What is popped is removed by name, even if it is all there is: another node may be adding members right now, and
/// nobody has been given those. The names are read from the reply, where they have just been written.
fn pop_many(ctx: &mut Ctx<'_>, key: &[u8], count: usize, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(key);
    let env = key.env;
    let Some(set) = key.set()?.filter(|set| count > 0 && !set.is_empty()) else {
        out.set(0);
        return DONE;
    };
    let count = count.min(set.len());
    let mut places: Vec<Range<usize>> = Vec::with_capacity(count);
    out.set(count);
    set.random_distinct(count, || env.random(), |member| places.push(out.bulk_entry_at(member)));
    for place in places {
        key.apply(Effect::DelMember(&out.buf[place]));
    }
    announce_removal(&mut key, "spop");
    DONE
}

pub const ROWS: &[Row] = &[row("SRANDMEMBER", srandmember), row("SPOP", spop)];
