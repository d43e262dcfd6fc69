//! XCLAIM: what is pending with one consumer goes to another.

use protocol::error::streams::{invalid_number, no_key_or_group, unrecognized_option};
use protocol::{Args, ErrorReply, Reply, StreamId, number};
use smallvec::SmallVec;

use super::passed_on::{self, PassedOn};
use super::read_group::{more, see_consumer};
use super::{id, show};
use crate::commands::{DONE, Flow, Row, is, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::Effect;
use crate::types::Stream;
use crate::types::stream::{Consumers, Group, Pending};

/// Whose entries go to whom.
pub struct Claimer<'a> {
    pub group: &'a [u8],
    pub consumer: &'a [u8],
    /// How long an entry must have been pending since its last delivery.
    pub min_idle_ms: i64,
    /// The client is interested in ids only; this is no delivery.
    pub just_id: bool,
    /// When the entries count as delivered.
    pub delivered_ms: i64,
    /// How often they do, if not once more than before.
    pub deliveries: Option<u64>,
}

/// A number behind a word.
pub fn number(arg: &[u8], what: &str, command: &str) -> Result<i64, ErrorReply> {
    number::parse_i64(arg).ok_or_else(|| invalid_number(what, command))
}

/// The stream of a key and the group in it.
pub fn group<'c>(key: &'c KeyMut<'_, '_>, name: &[u8]) -> Result<(&'c Stream, &'c Group), ErrorReply> {
    let found = key.stream()?.and_then(|stream| Some((stream, stream.group(name)?)));
    found.ok_or_else(|| no_key_or_group(key.key, name))
}

impl Claimer<'_> {
    /// Whether an entry has been pending for long enough.
    pub fn may_take(&self, pending: &Pending, now_ms: i64) -> bool {
        self.min_idle_ms == 0 || now_ms.saturating_sub(pending.delivered_ms) >= self.min_idle_ms
    }

    /// Notes that the consumer has been seen. What comes from a log or a master may be for nobody.
    fn see(&self, key: &mut KeyMut<'_, '_>) {
        if self.consumer != Consumers::NOBODY || self.delivered_ms > 0 {
            see_consumer(key, self.group, self.consumer);
        } else if group(key, self.group)
            .is_ok_and(|(_, found)| found.consumers().get(self.consumer).is_none())
        {
            key.apply(Effect::SeeConsumer { group: self.group, consumer: self.consumer, at_ms: 0 });
        }
    }

    /// Takes an entry of the stream and shows it. `before`: how often it was delivered.
    pub fn take(
        &self,
        key: &mut KeyMut<'_, '_>,
        id: StreamId,
        before: u64,
        told: &mut PassedOn<'_>,
        out: &mut Reply,
    ) {
        let deliveries = self.deliveries.unwrap_or(if self.just_id { before } else { more(before) });
        let (group, consumer, delivered_ms) = (self.group, self.consumer, self.delivered_ms);
        key.apply(Effect::Claim { group, consumer, id, delivered_ms, deliveries });
        told.claimed(id, delivered_ms, deliveries);
        if self.just_id {
            out.stream_id(id);
        } else if let Ok(Some(stream)) = key.stream() {
            show::entry_or_null(stream.get(id), out);
        }
    }
}

/// XCLAIM's own options.
struct Request<'a> {
    claimer: Claimer<'a>,
    ids: SmallVec<[StreamId; 4]>,
    force: bool,
    last: Option<StreamId>,
}

impl<'a> Request<'a> {
    fn parse(args: Args<'a>, now_ms: i64) -> Result<Request<'a>, ErrorReply> {
        let min_idle_ms = number(&args[4], "min-idle-time", "XCLAIM")?.max(0);
        let ids: SmallVec<[StreamId; 4]> = args.rest(5).iter().map_while(|arg| id::id(arg).ok()).collect();
        let mut at = 5 + ids.len();
        let claimer = Claimer {
            group: args.at(2),
            consumer: args.at(3),
            min_idle_ms,
            just_id: false,
            delivered_ms: now_ms,
            deliveries: None,
        };
        let mut request = Request { claimer, ids, force: false, last: None };
        let mut delivered = None;
        while let Some(option) = args.get(at) {
            let value = args.get(at + 1);
            at += 1 + usize::from(value.is_some());
            match value {
                _ if is(option, "FORCE") || is(option, "JUSTID") => {
                    request.force |= is(option, "FORCE");
                    request.claimer.just_id |= is(option, "JUSTID");
                    at -= usize::from(value.is_some());
                }
                Some(ms) if is(option, "IDLE") => {
                    delivered = Some(now_ms.wrapping_sub(number(ms, "IDLE option", "XCLAIM")?));
                }
                Some(ms) if is(option, "TIME") => delivered = Some(number(ms, "TIME option", "XCLAIM")?),
                Some(count) if is(option, "RETRYCOUNT") => {
                    let count = number(count, "RETRYCOUNT option", "XCLAIM")?;
                    request.claimer.deliveries = u64::try_from(count).ok();
                }
                Some(last) if is(option, "LASTID") => request.last = Some(id::id(last)?),
                _ => return Err(unrecognized_option(option)),
            }
        }
        // A time that can't be right is now: clients reckon with clocks of their own.
        request.claimer.delivered_ms = delivered.filter(|ms| (0..=now_ms).contains(ms)).unwrap_or(now_ms);
        Ok(request)
    }

    /// How often an entry that may be taken was delivered.
    fn deliveries(&self, group: &Group, id: StreamId, now_ms: i64) -> Option<u64> {
        match group.pending(id) {
            Some(pending) => self.claimer.may_take(pending, now_ms).then_some(pending.deliveries),
            // One that is made to be pending counts as delivered already.
            None => self.force.then_some(1),
        }
    }
}

fn xclaim(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (now_ms, wanted) = (ctx.env.now_ms as i64, passed_on::begin(ctx));
    let mut key = ctx.key(&args[1]);
    let (_, found) = group(&key, &args[2])?;
    let (last, read) = (found.last_id, found.entries_read);
    let request = Request::parse(args, now_ms)?;
    let Claimer { group: name, consumer, .. } = request.claimer;
    let mut told = PassedOn::of(wanted, &key, name, consumer);
    if let Some(last) = request.last.filter(|given| *given > last) {
        key.apply(Effect::SetGroup { group: name, last, read });
    }
    let (mut taken, place) = (0, out.buf.len());
    for id in request.ids.iter().copied() {
        let (stream, found) = group(&key, name)?;
        let (there, pending) = (stream.get(id).is_some(), found.pending(id).is_some());
        let before = request.deliveries(found, id, now_ms).filter(|_| there);
        if !there && pending {
            key.apply(Effect::Acknowledge { group: name, id });
            told.acknowledged(id);
        }
        if let Some(before) = before {
            if taken == 0 {
                request.claimer.see(&mut key);
            }
            request.claimer.take(&mut key, id, before, &mut told, out);
            taken += 1;
        }
    }
    told.end(&mut key);
    out.array_before(place, taken);
    DONE
}

pub const ROWS: &[Row] = &[row("XCLAIM", xclaim)];
