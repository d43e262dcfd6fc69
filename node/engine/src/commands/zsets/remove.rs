//! ZREM and ZREMRANGEBY*.

use std::ops::Range;

use protocol::{Args, ErrorReply, Reply};

use super::bounds::{Positions, lex_range, score_range};
use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::Effect;
use crate::tuning::notify;
use crate::types::LiveZset;

/// Announces that members were removed, and that the key went with the last one.
pub fn announce_removal(key: &mut KeyMut<'_, '_>, event: &'static str) {
    key.notify(notify::ZSET, event);
    if !key.exists() {
        key.notify(notify::GENERIC, "del");
    }
}

fn zrem(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    key.zset()?;
    let gone = args.iter().skip(2).filter(|member| key.apply(Effect::DelScored(member)).changed()).count();
    if gone > 0 {
        announce_removal(&mut key, "zrem");
    }
    out.int(gone as i64);
    DONE
}

/// Removes the members at the ranks, each by its name: what another node adds between them meanwhile stays.
fn remove_ranks(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    event: &'static str,
    ranks: impl FnOnce(LiveZset<'_>) -> Range<usize>,
) -> Result<usize, ErrorReply> {
    let mut key = ctx.key(key);
    let Some(zset) = key.zset()? else { return Ok(0) };
    let (mut names, mut ends) = (Vec::new(), Vec::new());
    for (member, _) in zset.walk(ranks(zset), false) {
        member.write_to(&mut names);
        ends.push(names.len());
    }
    let mut start = 0;
    for &end in &ends {
        key.apply(Effect::DelScored(&names[start..end]));
        start = end;
    }
    if !ends.is_empty() {
        announce_removal(&mut key, event);
    }
    Ok(ends.len())
}

fn zremrangebyrank(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let positions = Positions::parse(&args[2], &args[3])?;
    let gone = remove_ranks(ctx, &args[1], "zremrangebyrank", |zset| positions.within(zset.len()))?;
    out.int(gone as i64);
    DONE
}

fn zremrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let range = score_range(&args[2], &args[3])?;
    let gone = remove_ranks(ctx, &args[1], "zremrangebyscore", |zset| zset.ranks_of_scores(&range))?;
    out.int(gone as i64);
    DONE
}

fn zremrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let range = lex_range(&args[2], &args[3])?;
    let gone = remove_ranks(ctx, &args[1], "zremrangebylex", |zset| zset.ranks_of_members(&range))?;
    out.int(gone as i64);
    DONE
}

pub const ROWS: &[Row] = &[
    row("ZREM", zrem),
    row("ZREMRANGEBYRANK", zremrangebyrank),
    row("ZREMRANGEBYSCORE", zremrangebyscore),
    row("ZREMRANGEBYLEX", zremrangebylex),
];
