//! SINTER, SUNION, SDIFF, their STORE forms, and their CARD forms.

use std::ops::ControlFlow;

use protocol::error::{LIMIT_NEGATIVE, NUMKEYS_NOT_POSITIVE, NUMKEYS_TOO_LARGE, SYNTAX};
use protocol::listpack::Entry;
use protocol::{Args, ErrorReply, Reply};
use smallvec::SmallVec;

use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;
use crate::effect::{Deadline, Effect, NewValue};
use crate::tuning::notify;
use crate::types::set::{algebra, intset_limit};
use crate::types::{LiveSet, Set};
use crate::value::Value;

#[derive(Clone, Copy, PartialEq)]
enum Operation {
    Intersection,
    Union,
    Difference,
}

/// The sets of the keys, `None` for those not there. All types are checked, whatever the result may be.
type Operands<'a> = SmallVec<[Option<LiveSet<'a>>; 8]>;

fn operands<'a>(ctx: &'a Ctx<'_>, keys: Args<'_>) -> Result<Operands<'a>, ErrorReply> {
    keys.iter().map(|key| ctx.read_set(key)).collect()
}

impl Operation {
    fn run(self, operands: &Operands<'_>, mut each: impl FnMut(Entry<'_>) -> ControlFlow<()>) {
        let mut sets: SmallVec<[LiveSet<'_>; 8]> = operands.iter().filter_map(|set| *set).collect();
        let goes_on = |member: Entry<'_>| {
            let _ = each(member);
        };
        match self {
            Operation::Intersection if sets.len() < operands.len() => {}
            Operation::Intersection => algebra::intersection(&mut sets, each),
            Operation::Union => algebra::union(&mut sets, goes_on),
            Operation::Difference => {
                if let Some(first) = operands[0] {
                    algebra::difference(first, &mut sets[1..], goes_on);
                }
            }
        }
    }
}

fn reply(ctx: &Ctx<'_>, keys: Args<'_>, operation: Operation, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let operands = operands(ctx, keys)?;
    let (place, mut found) = (out.deferred(), 0);
    operation.run(&operands, |member| {
        found += 1;
        out.bulk_entry(member);
        ControlFlow::Continue(())
    });
    out.fill_set(place, found);
    DONE
}

fn store(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    operation: Operation,
    event: &'static str,
    out: &mut Reply,
) -> Result<Flow, ErrorReply> {
    let (mut result, limit) = (Set::default(), intset_limit(&ctx.env.tuning));
    operation.run(&operands(ctx, args.rest(2))?, |member| {
        result.add_entry(member, limit);
        ControlFlow::Continue(())
    });
    let found = result.len();
    let mut target = ctx.key(&args[1]);
    if found > 0 {
        let value = NewValue::Built(Value::Set(Box::new(result)));
        target.apply(Effect::Put { value, deadline: Deadline::Clear, absent: false });
        target.notify(notify::SET, event);
    } else if target.apply(Effect::Clear).changed() {
        target.notify(notify::GENERIC, "del");
    }
    out.int(found as i64);
    DONE
}

fn sinter(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    reply(ctx, args.rest(1), Operation::Intersection, out)
}

fn sunion(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    reply(ctx, args.rest(1), Operation::Union, out)
}

fn sdiff(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    reply(ctx, args.rest(1), Operation::Difference, out)
}

fn sinterstore(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    store(ctx, args, Operation::Intersection, "sinterstore", out)
}

fn sunionstore(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    store(ctx, args, Operation::Union, "sunionstore", out)
}

fn sdiffstore(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    store(ctx, args, Operation::Difference, "sdiffstore", out)
}

/// `numkeys key ... [LIMIT limit]`: the keys, and the limit if it is not 0. `approx`: APPROX may stand there, too; what is exact
/// is near enough.
fn keys_and_limit<'a>(args: Args<'a>, approx: bool) -> Result<(Args<'a>, usize), ErrorReply> {
    let count = int(&args[0]).ok().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    let count = count.ok_or(NUMKEYS_NOT_POSITIVE)?;
    let after = args.rest(1);
    if count > after.len() {
        return Err(NUMKEYS_TOO_LARGE);
    }
    let mut limit = 0;
    let mut options = after.rest(count);
    while !options.is_empty() {
        if approx && is(&options[0], "APPROX") {
            options = options.rest(1);
            continue;
        }
        let value = options.get(1).filter(|_| is(&options[0], "LIMIT")).ok_or(SYNTAX)?;
        limit = int(value).ok().and_then(|n| usize::try_from(n).ok()).ok_or(LIMIT_NEGATIVE)?;
        options = options.rest(2);
    }
    Ok((after.first(count), if limit == 0 { usize::MAX } else { limit }))
}

fn card(ctx: &Ctx<'_>, args: Args<'_>, operation: Operation, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (keys, limit) = keys_and_limit(args.rest(1), operation == Operation::Union)?;
    let mut found = 0;
    operation.run(&operands(ctx, keys)?, |_| {
        found += 1;
        ControlFlow::Continue(())
    });
    out.int(found.min(limit) as i64);
    DONE
}

fn sunioncard(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    card(ctx, args, Operation::Union, out)
}

fn sdiffcard(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    card(ctx, args, Operation::Difference, out)
}

fn sintercard(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (keys, limit) = keys_and_limit(args.rest(1), false)?;
    let mut found = 0;
    Operation::Intersection.run(&operands(ctx, keys)?, |_| {
        found += 1;
        if found == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    out.int(found as i64);
    DONE
}

pub const ROWS: &[Row] = &[
    row("SINTER", sinter),
    row("SUNION", sunion),
    row("SDIFF", sdiff),
    row("SINTERSTORE", sinterstore),
    row("SUNIONSTORE", sunionstore),
    row("SDIFFSTORE", sdiffstore),
    row("SINTERCARD", sintercard),
    row("SUNIONCARD", sunioncard),
    row("SDIFFCARD", sdiffcard),
];
