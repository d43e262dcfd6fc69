//! ZADD and ZINCRBY.

use protocol::error::{SCORE_NAN, SYNTAX, ZADD_GT_LT_NX, ZADD_INCR_PAIR, ZADD_XX_AND_NX};
use protocol::{Args, ErrorReply, Reply};
use smallvec::SmallVec;

use super::score_arg;
use crate::commands::{DONE, Flow, Row, is, row};
use crate::ctx::Ctx;
use crate::effect::{Effect, Outcome, ScoreCondition};
use crate::tuning::notify;

/// The words between the key and the first score.
#[derive(Default)]
pub struct Options {
    pub only: ScoreCondition,
    /// XX: only members that are there.
    pub present: bool,
    /// CH: count what was changed, not what was added.
    pub changed: bool,
    /// INCR: the score is an increment.
    increment: bool,
}

impl Options {
    /// Reads the options; returns them and the pairs of score and member.
    fn parse(args: Args<'_>) -> Result<(Options, Args<'_>), ErrorReply> {
        let mut options = Options::default();
        let mut count = 0;
        while args.get(count).is_some_and(|word| options.take(word)) {
            count += 1;
        }
        let pairs = args.rest(count);
        if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
            return Err(SYNTAX);
        }
        options.check()?;
        if options.increment && pairs.len() > 2 {
            return Err(ZADD_INCR_PAIR);
        }
        Ok((options, pairs))
    }

    /// Takes in a word; false if it is no option.
    #[inline]
    fn take(&mut self, word: &[u8]) -> bool {
        // No score that could be taken for an option has two or four letters, and most begin with a digit.
        let place = match word.len() {
            2 if is(word, "NX") => &mut self.only.absent,
            2 if is(word, "GT") => &mut self.only.greater,
            2 if is(word, "LT") => &mut self.only.less,
            2 if is(word, "XX") => &mut self.present,
            2 if is(word, "CH") => &mut self.changed,
            4 if is(word, "INCR") => &mut self.increment,
            _ => return false,
        };
        *place = true;
        true
    }

    fn check(&self) -> Result<(), ErrorReply> {
        let ScoreCondition { absent, greater, less } = self.only;
        if absent && self.present {
            return Err(ZADD_XX_AND_NX);
        }
        if u8::from(absent) + u8::from(greater) + u8::from(less) > 1 {
            return Err(ZADD_GT_LT_NX);
        }
        Ok(())
    }
}

fn zadd(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (options, pairs) = Options::parse(args.rest(2))?;
    // All scores are read before anything is changed.
    let mut scores = SmallVec::<[f64; 8]>::new();
    for i in (0..pairs.len()).step_by(2) {
        scores.push(score_arg(&pairs[i])?);
    }
    if options.increment {
        return increment(ctx, &args[1], scores[0], &pairs[1], &options, out);
    }
    let members = pairs.iter().skip(1).step_by(2);
    add(ctx, &args[1], scores.into_iter().zip(members), &options, out)
}

/// Gives members scores and answers how many were added, or changed.
pub fn add<'a>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    elements: impl Iterator<Item = (f64, &'a [u8])>,
    options: &Options,
    out: &mut Reply,
) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(key);
    key.zset()?;
    let (mut added, mut updated) = (0, 0);
    for (score, member) in elements {
        if options.present && !key.zset()?.is_some_and(|zset| zset.contains(member)) {
            continue;
        }
        match key.apply(Effect::SetScore { member, score, only: options.only }) {
            Outcome::Created => added += 1,
            Outcome::Changed => updated += 1,
            Outcome::Unchanged => {}
        }
    }
    if added + updated > 0 {
        key.notify(notify::ZSET, "zadd");
    }
    out.int(if options.changed { added + updated } else { added });
    DONE
}

fn zincrby(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let delta = score_arg(&args[2])?;
    increment(ctx, &args[1], delta, &args[3], &Options::default(), out)
}

fn increment(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    delta: f64,
    member: &[u8],
    options: &Options,
    out: &mut Reply,
) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(key);
    let old = key.zset()?.and_then(|zset| zset.score(member));
    let excluded = if old.is_some() { options.only.absent } else { options.present };
    if excluded {
        out.null();
        return DONE;
    }
    let result = old.map_or(delta, |old| old + delta);
    if result.is_nan() {
        return Err(SCORE_NAN);
    }
    if old.is_some_and(|old| !options.only.permits(old, result)) {
        out.null();
        return DONE;
    }
    if key.apply(Effect::AddScore { member, delta, result }).changed() {
        key.notify(notify::ZSET, "zincr");
    }
    out.double(result);
    DONE
}

pub const ROWS: &[Row] = &[row("ZADD", zadd), row("ZINCRBY", zincrby)];
