//! ZUNION, ZINTER, ZDIFF, their storing forms, and ZINTERCARD. Sets are welcome as inputs: their members have the score 1.

use protocol::error::{LIMIT_NEGATIVE, SYNTAX, WEIGHT_NOT_FLOAT, WRONGTYPE};
use protocol::listpack::Entry;
use protocol::{Args, ErrorReply, Reply, number};

use super::Listing;
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;
use crate::effect::{Deadline, Effect, NewValue};
use crate::tuning::notify;
use crate::types::zset::{Builder, Limits};
use crate::types::{Either, LiveSet, LiveZset};
use crate::value::{Value, ValueRef};

/// What goes into an operation.
#[derive(Clone, Copy)]
enum Operand<'a> {
    Absent,
    Set(LiveSet<'a>),
    Zset(LiveZset<'a>),
}

impl<'a> Operand<'a> {
    fn len(self) -> usize {
        match self {
            Operand::Absent => 0,
            Operand::Set(set) => set.len(),
            Operand::Zset(zset) => zset.len(),
        }
    }

    fn score(self, member: Entry<'_>) -> Option<f64> {
        match self {
            Operand::Absent => None,
            Operand::Set(set) => set.has(member).then_some(1.0),
            Operand::Zset(zset) => zset.score(member.text(&mut itoa::Buffer::new())),
        }
    }

    fn iter(self) -> impl Iterator<Item = (Entry<'a>, f64)> {
        match self {
            Operand::Absent => Either::Left(None.into_iter().flatten()),
            Operand::Set(set) => {
                Either::Left(Some(set.iter().map(|member| (member, 1.0))).into_iter().flatten())
            }
            Operand::Zset(zset) => Either::Right(zset.iter()),
        }
    }
}

/// An operand whose scores count `weight` times.
#[derive(Clone, Copy)]
struct Weighted<'a> {
    operand: Operand<'a>,
    weight: f64,
    /// A member counts the weight, whatever its score.
    counts: bool,
}

impl<'a> Weighted<'a> {
    /// The weighted score; not a number for infinity times nothing.
    fn score(self, member: Entry<'_>) -> Option<f64> {
        self.operand.score(member).map(|score| self.of(score))
    }

    fn iter(self) -> impl Iterator<Item = (Entry<'a>, f64)> {
        self.operand.iter().map(move |(member, score)| (member, number_or_0(self.of(score))))
    }

    fn of(self, score: f64) -> f64 {
        if self.counts { self.weight } else { self.weight * score }
    }
}

/// Infinity times nothing, and infinities that cancel out, are 0.
fn number_or_0(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// What becomes of the scores of a member that several operands have.
#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    /// The sum of the weights of those that have it: how many there are. From Redis 8.8.
    Count,
    Min,
    Max,
}

impl Aggregate {
    fn parse(word: &[u8]) -> Result<Aggregate, ErrorReply> {
        match word {
            word if is(word, "SUM") => Ok(Aggregate::Sum),
            word if is(word, "COUNT") => Ok(Aggregate::Count),
            word if is(word, "MIN") => Ok(Aggregate::Min),
            word if is(word, "MAX") => Ok(Aggregate::Max),
            _ => Err(SYNTAX),
        }
    }

    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Aggregate::Sum | Aggregate::Count => number_or_0(a + b),
            Aggregate::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Aggregate::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What an operation is asked for.
struct Request<'a> {
    operands: Vec<Weighted<'a>>,
    aggregate: Aggregate,
    scores: bool,
    /// Of the count, for ZINTERCARD.
    limit: usize,
}

/// Which options a command takes.
#[derive(Clone, Copy)]
struct Options {
    /// WEIGHTS and AGGREGATE.
    weights: bool,
    /// WITHSCORES.
    scores: bool,
    /// LIMIT.
    limit: bool,
}

impl<'a> Request<'a> {
    /// Reads `numkeys key ...` and the options. The types of the keys come before the options in what can be wrong.
    fn parse(
        ctx: &'a Ctx<'_>,
        command: &str,
        args: Args<'_>,
        options: Options,
    ) -> Result<Request<'a>, ErrorReply> {
        let numkeys = int(&args[0])?;
        if numkeys < 1 {
            return Err(ErrorReply::no_input_keys(command));
        }
        let after = args.rest(1);
        let numkeys = usize::try_from(numkeys).ok().filter(|n| *n <= after.len()).ok_or(SYNTAX)?;
        let mut request = Request {
            operands: operands(ctx, after.first(numkeys))?,
            aggregate: Aggregate::Sum,
            scores: false,
            limit: 0,
        };
        let mut rest = after.rest(numkeys);
        while let Some(word) = rest.get(0) {
            let taken = request.option(word, rest.rest(1), options)?;
            rest = rest.rest(1 + taken);
        }
        let counts = matches!(request.aggregate, Aggregate::Count);
        request.operands.iter_mut().for_each(|weighted| weighted.counts = counts);
        Ok(request)
    }

    /// Takes an option; returns how many of the words after it belong to it.
    fn option(&mut self, word: &[u8], after: Args<'_>, allowed: Options) -> Result<usize, ErrorReply> {
        if allowed.weights && after.len() >= self.operands.len() && is(word, "WEIGHTS") {
            for (operand, weight) in self.operands.iter_mut().zip(after.iter()) {
                operand.weight = number::parse_f64(weight).ok_or(WEIGHT_NOT_FLOAT)?;
            }
            return Ok(self.operands.len());
        }
        if allowed.scores && is(word, "WITHSCORES") {
            self.scores = true;
            return Ok(0);
        }
        let value = after.get(0).ok_or(SYNTAX)?;
        if allowed.weights && is(word, "AGGREGATE") {
            self.aggregate = Aggregate::parse(value)?;
        } else if allowed.limit && is(word, "LIMIT") {
            self.limit = int(value).ok().and_then(|n| usize::try_from(n).ok()).ok_or(LIMIT_NEGATIVE)?;
        } else {
            return Err(SYNTAX);
        }
        Ok(1)
    }

    fn run(mut self, operation: Operation) -> Builder {
        let mut result = Builder::default();
        if operation != Operation::Difference {
            // Sums of the same numbers in another order may differ in the last digit: smaller inputs come first.
            self.operands.sort_by_key(|weighted| weighted.operand.len());
        }
        match operation {
            Operation::Union => self.union(&mut result),
            Operation::Intersection => self.intersection(|member, score| {
                result.put(member.text(&mut itoa::Buffer::new()), score);
                true
            }),
            Operation::Difference => self.difference(&mut result),
        }
        result
    }

    fn union(&self, result: &mut Builder) {
        for weighted in &self.operands {
            for (member, score) in weighted.iter() {
                let mut digits = itoa::Buffer::new();
                result.merge(member.text(&mut digits), score, |a, b| self.aggregate.of(a, b));
            }
        }
    }

    /// Hands over what all operands have, as long as `each` wants more. The first operand is the smallest. In the others a
    /// product that is not a number makes a sum 0 and loses every comparison, where a union would have counted it as 0.
    fn intersection(&self, mut each: impl FnMut(Entry<'_>, f64) -> bool) {
        let Some((first, others)) = self.operands.split_first() else { return };
        for (member, score) in first.iter() {
            let in_all = others
                .iter()
                .try_fold(score, |score, other| Some(self.aggregate.of(score, other.score(member)?)));
            if let Some(score) = in_all
                && !each(member, score)
            {
                return;
            }
        }
    }

    fn difference(&self, result: &mut Builder) {
        let Some((first, others)) = self.operands.split_first() else { return };
        // Either look every member up in the others, or take everything in the others away from a copy.
        let lookups = first.operand.len().saturating_mul(others.len());
        let members: usize = self.operands.iter().map(|weighted| weighted.operand.len()).sum();
        if lookups > 2 * members {
            result.extend(first.iter());
            for (member, _) in others.iter().flat_map(|other| other.iter()) {
                result.remove(member.text(&mut itoa::Buffer::new()));
            }
            return;
        }
        let is_left = |member: Entry<'_>| !others.iter().any(|other| other.score(member).is_some());
        result.extend(first.iter().filter(|(member, _)| is_left(*member)));
    }
}

fn operands<'a>(ctx: &'a Ctx<'_>, keys: Args<'_>) -> Result<Vec<Weighted<'a>>, ErrorReply> {
    let operand = |key: &[u8]| match ctx.value(key) {
        None => Ok(Operand::Absent),
        Some(ValueRef::Set(set)) => Ok(Operand::Set(set.live(ctx.env.due()))),
        Some(ValueRef::Zset(zset)) => Ok(Operand::Zset(zset.live(ctx.env.due()))),
        Some(_) => Err(WRONGTYPE),
    };
    keys.iter().map(|key| Ok(Weighted { operand: operand(key)?, weight: 1.0, counts: false })).collect()
}

/// Puts a result in the place of a key, or removes the key if there is none; how many elements it has.
pub fn store(ctx: &mut Ctx<'_>, key: &[u8], result: Builder, event: &'static str) -> usize {
    let count = result.len();
    let mut target = ctx.key(key);
    if count > 0 {
        let zset = result.finish(Limits::of(&target.env.tuning));
        let value = NewValue::Built(Value::Zset(Box::new(zset)));
        target.apply(Effect::Put { value, deadline: Deadline::Clear, absent: false });
        target.notify(notify::ZSET, event);
    } else if target.apply(Effect::Clear).changed() {
        target.notify(notify::GENERIC, "del");
    }
    count
}

fn reply(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    operation: Operation,
    command: &str,
    out: &mut Reply,
) -> Result<Flow, ErrorReply> {
    let options = Options { weights: operation != Operation::Difference, scores: true, limit: false };
    let request = Request::parse(ctx, command, args.rest(1), options)?;
    let scores = request.scores;
    let result = request.run(operation);
    Listing::write(out, result.sorted().map(|(member, score)| (Entry::Str(member), score)), scores);
    DONE
}

fn storing(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    operation: Operation,
    command: &'static str,
    out: &mut Reply,
) -> Result<Flow, ErrorReply> {
    let options = Options { weights: operation != Operation::Difference, scores: false, limit: false };
    let result = Request::parse(ctx, command, args.rest(2), options)?.run(operation);
    out.int(store(ctx, &args[1], result, command) as i64);
    DONE
}

fn zunion(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    reply(ctx, args, Operation::Union, "zunion", out)
}

fn zinter(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    reply(ctx, args, Operation::Intersection, "zinter", out)
}

fn zdiff(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    reply(ctx, args, Operation::Difference, "zdiff", out)
}

fn zunionstore(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    storing(ctx, args, Operation::Union, "zunionstore", out)
}

fn zinterstore(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    storing(ctx, args, Operation::Intersection, "zinterstore", out)
}

fn zdiffstore(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    storing(ctx, args, Operation::Difference, "zdiffstore", out)
}

fn zintercard(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let options = Options { weights: false, scores: false, limit: true };
    let mut request = Request::parse(ctx, "zintercard", args.rest(1), options)?;
    request.operands.sort_by_key(|weighted| weighted.operand.len());
    let mut count = 0;
    request.intersection(|_, _| {
        count += 1;
        count != request.limit
    });
    out.int(count as i64);
    DONE
}

pub const ROWS: &[Row] = &[
    row("ZUNION", zunion),
    row("ZINTER", zinter),
    row("ZDIFF", zdiff),
    row("ZUNIONSTORE", zunionstore),
    row("ZINTERSTORE", zinterstore),
    row("ZDIFFSTORE", zdiffstore),
    row("ZINTERCARD", zintercard),
];
