//! What asks about members: scores, ranks, counts, ZSCAN.

use protocol::{Args, ErrorReply, Reply};

use super::bounds::{lex_range, score_range};
use crate::commands::scan::{ScanOptions, cursor_of, empty_scan};
use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;

fn zcard(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    out.int(ctx.read_zset(&args[1])?.map_or(0, |zset| zset.len()) as i64);
    DONE
}

fn zscore(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    match ctx.read_zset(&args[1])?.and_then(|zset| zset.score(&args[2])) {
        Some(score) => out.double(score),
        None => out.null(),
    }
    DONE
}

fn zmscore(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let zset = ctx.read_zset(&args[1])?;
    let members = args.rest(2);
    out.array(members.len());
    for member in members.iter() {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => out.double(score),
            None => out.null(),
        }
    }
    DONE
}

/// A fourth argument is WITHSCORE, see [`Facts::admits`](crate::command::Facts::admits).
fn rank(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    out: &mut Reply,
    of: impl Fn(usize, usize) -> usize,
) -> Result<Flow, ErrorReply> {
    let with_score = args.len() == 4;
    let found = ctx.read_zset(&args[1])?.and_then(|zset| Some((zset.rank(&args[2])?, zset.len())));
    match found {
        Some(((rank, score), len)) => {
            if with_score {
                out.array(2);
            }
            out.int(of(rank, len) as i64);
            if with_score {
                out.double(score);
            }
        }
        None if with_score => out.null_array(),
        None => out.null(),
    }
    DONE
}

fn zrank(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    rank(ctx, args, out, |rank, _| rank)
}

fn zrevrank(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    rank(ctx, args, out, |rank, len| len - 1 - rank)
}

fn zcount(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let range = score_range(&args[2], &args[3])?;
    let zset = ctx.read_zset(&args[1])?;
    out.int(zset.map_or(0, |zset| zset.ranks_of_scores(&range).len()) as i64);
    DONE
}

fn zlexcount(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let range = lex_range(&args[2], &args[3])?;
    let zset = ctx.read_zset(&args[1])?;
    out.int(zset.map_or(0, |zset| zset.ranks_of_members(&range).len()) as i64);
    DONE
}

fn zscan(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let cursor = cursor_of(&args[2])?;
    let Some(zset) = ctx.read_zset(&args[1])? else {
        empty_scan(out);
        return DONE;
    };
    let options = ScanOptions::parse(args.rest(3), Some("NOSCORES"))?;
    let (compact, mut found) = (zset.is_compact(), Vec::new());
    let next = zset.scan(cursor, options.count, |member, score| {
        if options.admits(member) {
            found.push((member, score));
        }
    });
    out.array(2);
    out.bulk_u64(next);
    out.array(if options.flag { found.len() } else { 2 * found.len() });
    for (member, score) in found {
        out.bulk_entry(member);
        if options.flag {
            continue;
        }
        // Scores are strings here, in RESP3 too.
        match stored_as_int(score).filter(|_| compact) {
            Some(digits) => out.bulk_int(digits),
            None => out.double_bulk(score),
        }
    }
    DONE
}

/// The score in all its digits, if a compact set keeps it as an integer. Redis shows these as they are kept.
fn stored_as_int(score: f64) -> Option<i64> {
    const LIMIT: f64 = (i64::MAX / 2) as f64;
    (score.fract() == 0.0 && score.abs() <= LIMIT).then_some(score as i64)
}

pub const ROWS: &[Row] = &[
    row("ZCARD", zcard),
    row("ZSCORE", zscore),
    row("ZMSCORE", zmscore),
    row("ZRANK", zrank),
    row("ZREVRANK", zrevrank),
    row("ZCOUNT", zcount),
    row("ZLEXCOUNT", zlexcount),
    row("ZSCAN", zscan),
];
