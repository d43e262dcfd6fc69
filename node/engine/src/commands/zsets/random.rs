//! ZRANDMEMBER.

use protocol::error::{OUT_OF_RANGE, SYNTAX};
use protocol::listpack::Entry;
use protocol::{Args, ErrorReply, Reply};

use super::Listing;
use crate::commands::random::{random_count, written};
use crate::commands::{DONE, Flow, Row, is, row};
use crate::ctx::Ctx;

fn zrandmember(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let rng = || ctx.env.random();
    let Some(count) = args.get(2) else {
        let zset = ctx.read_zset(&args[1])?;
        match zset.and_then(|zset| zset.random(rng)) {
            Some((member, _)) => out.bulk_entry(member),
            None => out.null(),
        }
        return DONE;
    };
    let count = random_count(count, ctx.env.tuning.max_rand_count)?;
    let scores = match args.get(3) {
        None => false,
        Some(word) if args.len() == 4 && is(word, "WITHSCORES") => true,
        Some(_) => return Err(SYNTAX),
    };
    if scores && count > i64::MAX / 2 {
        return Err(OUT_OF_RANGE);
    }
    let repeats = written(count, out)?;
    let Some(zset) = ctx.read_zset(&args[1])? else {
        out.array(0);
        return DONE;
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let listed = if count < 0 { wanted } else { wanted.min(zset.len()) };
    let listing = Listing::begin(out, listed, scores);
    let each = |(member, score): (Entry<'_>, f64)| listing.element(out, member, score);
    if count < 0 {
        zset.random_repeated(repeats, rng, each);
    } else {
        zset.random_distinct(wanted, rng, each);
    }
    DONE
}

pub const ROWS: &[Row] = &[row("ZRANDMEMBER", zrandmember)];
