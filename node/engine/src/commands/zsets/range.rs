//! ZRANGE, what came before it, and ZRANGESTORE: one question, asked by rank, score or member, from either end.

use std::ops::Range;

use protocol::error::{LIMIT_BY_RANK, SYNTAX, WITHSCORES_BY_LEX};
use protocol::{Args, ErrorReply, Reply};

use super::Listing;
use super::algebra::store;
use super::bounds::{Positions, lex_range, score_range};
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;
use crate::types::LiveZset;
use crate::types::zset::{Builder, LexRange, ScoreRange};

#[derive(Clone, Copy, PartialEq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// What a command's name says already.
#[derive(Clone, Copy)]
struct Fixed {
    by: Option<By>,
    reverse: Option<bool>,
    /// The result is stored: there are no scores to show.
    store: bool,
}

enum Bounds<'a> {
    Ranks(Positions),
    Scores(ScoreRange),
    Members(LexRange<'a>),
}

/// A range that was asked for.
struct Request<'a> {
    bounds: Bounds<'a>,
    reverse: bool,
    offset: i64,
    /// Negative: all.
    count: i64,
    scores: bool,
}

impl<'a> Request<'a> {
    /// Reads `min max` and the options.
    fn parse(args: Args<'a>, fixed: Fixed) -> Result<Request<'a>, ErrorReply> {
        let (mut by, mut reverse) = (fixed.by, fixed.reverse);
        let (mut offset, mut count, mut scores) = (0, -1, false);
        let mut i = 2;
        while let Some(word) = args.get(i) {
            if !fixed.store && is(word, "WITHSCORES") {
                scores = true;
            } else if is(word, "LIMIT") && i + 2 < args.len() {
                (offset, count) = (int(&args[i + 1])?, int(&args[i + 2])?);
                i += 2;
            } else if reverse.is_none() && is(word, "REV") {
                reverse = Some(true);
            } else if by.is_none() && is(word, "BYSCORE") {
                by = Some(By::Score);
            } else if by.is_none() && is(word, "BYLEX") {
                by = Some(By::Lex);
            } else {
                return Err(SYNTAX);
            }
            i += 1;
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        if count != -1 && by == By::Rank {
            return Err(LIMIT_BY_RANK);
        }
        if scores && by == By::Lex {
            return Err(WITHSCORES_BY_LEX);
        }
        let (first, second) = (args.at(0), args.at(1));
        let (min, max) = if reverse { (second, first) } else { (first, second) };
        let bounds = match by {
            By::Rank => Bounds::Ranks(Positions::parse(first, second)?),
            By::Score => Bounds::Scores(score_range(min, max)?),
            By::Lex => Bounds::Members(lex_range(min, max)?),
        };
        Ok(Request { bounds, reverse, offset, count, scores })
    }

    /// The ranks that are asked for, to be walked in the direction asked for.
    fn ranks(&self, zset: LiveZset<'_>) -> Range<usize> {
        let ranks = match &self.bounds {
            Bounds::Ranks(positions) => {
                let Range { start, end } = positions.within(zset.len());
                return if self.reverse { zset.len() - end..zset.len() - start } else { start..end };
            }
            Bounds::Scores(range) => zset.ranks_of_scores(range),
            Bounds::Members(range) => zset.ranks_of_members(range),
        };
        self.limited(ranks)
    }

    /// LIMIT. A negative offset skips everything.
    fn limited(&self, Range { start, end }: Range<usize>) -> Range<usize> {
        let skipped = usize::try_from(self.offset).unwrap_or(usize::MAX).min(end - start);
        let count = usize::try_from(self.count).unwrap_or(usize::MAX).min(end - start - skipped);
        if self.reverse {
            let end = end - skipped;
            end - count..end
        } else {
            let start = start + skipped;
            start..start + count
        }
    }
}

fn reply(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    out: &mut Reply,
    by: Option<By>,
    reverse: Option<bool>,
) -> Result<Flow, ErrorReply> {
    let request = Request::parse(args.rest(2), Fixed { by, reverse, store: false })?;
    match ctx.read_zset(&args[1])? {
        None => out.array(0),
        Some(zset) => {
            Listing::write(out, zset.walk(request.ranks(zset), request.reverse), request.scores);
        }
    }
    DONE
}

fn zrange(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    reply(ctx, args, out, None, None)
}

fn zrevrange(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    reply(ctx, args, out, Some(By::Rank), Some(true))
}

fn zrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    reply(ctx, args, out, Some(By::Score), Some(false))
}

fn zrevrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    reply(ctx, args, out, Some(By::Score), Some(true))
}

fn zrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    reply(ctx, args, out, Some(By::Lex), Some(false))
}

fn zrevrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    reply(ctx, args, out, Some(By::Lex), Some(true))
}

fn zrangestore(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let request = Request::parse(args.rest(3), Fixed { by: None, reverse: None, store: true })?;
    let mut result = Builder::default();
    if let Some(zset) = ctx.read_zset(&args[2])? {
        result.extend(zset.walk(request.ranks(zset), request.reverse));
    }
    let stored = store(ctx, &args[1], result, "zrangestore");
    out.int(stored as i64);
    DONE
}

pub const ROWS: &[Row] = &[
    row("ZRANGE", zrange),
    row("ZREVRANGE", zrevrange),
    row("ZRANGEBYSCORE", zrangebyscore),
    row("ZREVRANGEBYSCORE", zrevrangebyscore),
    row("ZRANGEBYLEX", zrangebylex),
    row("ZREVRANGEBYLEX", zrevrangebylex),
    row("ZRANGESTORE", zrangestore),
];
