//! XAUTOCLAIM: as XCLAIM, of whatever has been pending for long enough, a bounded number at a time.

use protocol::error::SYNTAX;
use protocol::error::streams::COUNT_NOT_POSITIVE;
use protocol::{Args, ErrorReply, Reply, StreamId, number as numbers};

use super::claim::{Claimer, group, number};
use super::id;
use super::passed_on::{self, PassedOn};
use super::read_group::see_consumer;
use crate::commands::{DONE, Flow, Row, is, row};
use crate::ctx::Ctx;
use crate::effect::Effect;

/// Pending entries that are looked at for each one that is wanted.
const ATTEMPTS: usize = 10;
/// The largest count that Redis takes.
const COUNT_MAX: i64 = i64::MAX / 16;

struct Request<'a> {
    claimer: Claimer<'a>,
    from: StreamId,
    count: usize,
}

impl<'a> Request<'a> {
    fn parse(args: Args<'a>, now_ms: i64) -> Result<Request<'a>, ErrorReply> {
        let min_idle_ms = number(&args[4], "min-idle-time", "XAUTOCLAIM")?.max(0);
        let claimer = Claimer {
            group: args.at(2),
            consumer: args.at(3),
            min_idle_ms,
            just_id: false,
            delivered_ms: now_ms,
            deliveries: None,
        };
        let mut request = Request { claimer, from: id::lower(&args[5])?, count: 100 };
        let mut at = 6;
        while let Some(option) = args.get(at) {
            match args.get(at + 1) {
                Some(count) if is(option, "COUNT") => {
                    let count = numbers::parse_i64(count).filter(|count| (1..=COUNT_MAX).contains(count));
                    request.count = count.ok_or(COUNT_NOT_POSITIVE)? as usize;
                    at += 2;
                }
                _ if is(option, "JUSTID") => {
                    request.claimer.just_id = true;
                    at += 1;
                }
                _ => return Err(SYNTAX),
            }
        }
        Ok(request)
    }
}

/// What is to be done with a pending entry.
enum Step {
    Take {
        before: u64,
    },
    /// It is not in the stream any more.
    Forget,
}

fn xautoclaim(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (now_ms, listened) = (ctx.env.now_ms as i64, passed_on::begin(ctx));
    let request = Request::parse(args, now_ms)?;
    let mut key = ctx.key(&args[1]);
    let name = request.claimer.group;
    let (stream, found) = group(&key, name)?;
    let (mut steps, mut wanted, mut next) = (Vec::new(), request.count, StreamId::ZERO);
    let mut attempts = request.count.saturating_mul(ATTEMPTS);
    for (id, pending) in found.pending_range(request.from, StreamId::MAX) {
        if attempts == 0 || wanted == 0 {
            next = id;
            break;
        }
        attempts -= 1;
        if stream.get(id).is_none() {
            steps.push((id, Step::Forget));
        } else if request.claimer.may_take(pending, now_ms) {
            steps.push((id, Step::Take { before: pending.deliveries }));
        } else {
            continue;
        }
        wanted -= 1;
    }

    out.array(3);
    out.stream_id(next);
    let forgotten = steps.iter().filter(|(_, step)| matches!(step, Step::Forget)).count();
    out.array(steps.len() - forgotten);
    let mut seen = false;
    let mut told = PassedOn::of(listened, &key, name, request.claimer.consumer);
    for (id, step) in &steps {
        match step {
            Step::Forget => {
                key.apply(Effect::Acknowledge { group: name, id: *id });
                told.acknowledged(*id);
            }
            Step::Take { before } => {
                if !std::mem::replace(&mut seen, true) {
                    see_consumer(&mut key, name, request.claimer.consumer);
                }
                request.claimer.take(&mut key, *id, *before, &mut told, out);
            }
        }
    }
    told.end(&mut key);
    out.array(forgotten);
    for (id, _) in steps.iter().filter(|(_, step)| matches!(step, Step::Forget)) {
        out.stream_id(*id);
    }
    DONE
}

pub const ROWS: &[Row] = &[row("XAUTOCLAIM", xautoclaim)];
