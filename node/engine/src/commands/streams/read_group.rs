//! XREADGROUP: new entries are handed out, each to one consumer of the group; old ones are shown again to the consumer that
//! has them. With CLAIM what has been pending for long, with whomever, comes before what is new ([`overdue`](super::overdue)).

use protocol::error::WRONGTYPE;
use protocol::error::streams::*;
use protocol::{Args, ErrorReply, Reply, StreamId};
use smallvec::SmallVec;

use super::id::id;
use super::overdue::{Overdue, soonest};
use super::passed_on::{self, PassedOn};
use super::read::{Budget, Request, begin, begin_key, finish};
use super::show;
use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::{Delivery, Effect};
use crate::tuning::notify;
use crate::types::Stream;
use crate::types::stream::Group;

/// What is wanted of one key.
#[derive(Clone, Copy)]
enum Wanted {
    /// `>`: entries that nobody has been given.
    New,
    /// What the consumer has and has not acknowledged, behind an id.
    History(StreamId),
}

/// Who reads.
#[derive(Clone, Copy)]
struct Reader<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
    no_ack: bool,
    count: usize,
    /// It is told how long entries were pending.
    claims: bool,
}

/// The stream of a key and the group in it. Who has waited is told that they have gone in other words.
fn lookup<'c>(
    key: &'c KeyMut<'_, '_>,
    group: &[u8],
    served: bool,
) -> Result<(&'c Stream, &'c Group), ErrorReply> {
    let stream = match key.stream() {
        Ok(Some(stream)) => stream,
        _ if served => return Err(KEY_GONE),
        Ok(None) => return Err(no_key_or_group_to_read(key.key, group)),
        Err(_) => return Err(WRONGTYPE),
    };
    match stream.group(group) {
        Some(found) => Ok((stream, found)),
        None if served => Err(GROUP_GONE),
        None => Err(no_key_or_group_to_read(key.key, group)),
    }
}

fn wanted(arg: &[u8]) -> Result<Wanted, ErrorReply> {
    match arg {
        b"$" => Err(LAST_IN_GROUP),
        b">" => Ok(Wanted::New),
        arg => match id(arg)? {
            StreamId::MAX => Ok(Wanted::New),
            id => Ok(Wanted::History(id)),
        },
    }
}

fn has_new(stream: &Stream, group: &Group) -> bool {
    let beyond = || group.last_id.next().and_then(|next| stream.range(next, StreamId::MAX).next());
    (stream.last_id() > group.last_id && beyond().is_some())
        || group.late().any(|id| stream.get(id).is_some())
}

fn xreadgroup(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let request = Request::parse(args, true)?;
    let Some((group, consumer)) = request.group else { return Err(GROUP_MISSING) };
    let (count, claims) = (request.count(ctx), request.claim_ms.is_some());
    let reader = Reader { group, consumer, no_ack: request.no_ack, count, claims };
    let (served, now_ms) = (ctx.serving.is_some(), ctx.env.now_ms as i64);
    let (mut found, mut again_ms) = (SmallVec::<[(usize, Wanted, Overdue); 2]>::new(), None);
    for at in request.keys.clone() {
        if !ctx.offers(&args[at]) {
            continue;
        }
        let key = ctx.key(&args[at]);
        let (stream, group) = lookup(&key, group, served)?;
        let wanted = wanted(&args[request.id_at(at)])?;
        let overdue = match (wanted, request.claim_ms) {
            (Wanted::New, Some(min_idle_ms)) => Overdue::of(stream, group, min_idle_ms, now_ms, count),
            _ => Overdue::default(),
        };
        again_ms = soonest(again_ms, overdue.next_ms);
        if matches!(wanted, Wanted::History(_)) || !overdue.is_empty() || has_new(stream, group) {
            found.push((at, wanted, overdue));
        }
    }
    if found.is_empty() {
        return request.wait(Vec::new(), again_ms, out);
    }
    let mut budget = request.budget(out);
    let (place, mut streams, bounded) = (out.deferred(), 0, !budget.is_boundless());
    if !bounded {
        begin(found.len(), out);
    }
    let listened = passed_on::begin(ctx);
    for (at, wanted, overdue) in found {
        if !budget.admits(out) {
            break;
        }
        streams += 1;
        let mut key = ctx.key(&args[at]);
        begin_key(&args[at], out);
        let mut told = PassedOn::of(listened, &key, group, consumer);
        told.created(see_consumer(&mut key, group, consumer));
        match wanted {
            Wanted::New => reader.hand_out(&mut key, overdue, &mut told, &mut budget, out),
            Wanted::History(after) => reader.show_again(&mut key, after, &mut told, &mut budget, out),
        }
        told.end(&mut key);
    }
    if bounded {
        finish(place, streams, out);
    }
    DONE
}

impl Reader<'_> {
    /// Hands what is overdue and new entries out to the consumer.
    fn hand_out(
        self,
        key: &mut KeyMut<'_, '_>,
        overdue: Overdue,
        told: &mut PassedOn<'_>,
        budget: &mut Budget,
        out: &mut Reply,
    ) {
        let place = out.buf.len();
        let taken = self.take_over(key, overdue, told, budget, out);
        let Ok(Some(stream)) = key.stream() else { return };
        let Some(group) = stream.group(self.group) else { return };
        let late = group.late().filter_map(|id| stream.get(id));
        let next = group.last_id.next();
        let new = next.into_iter().flat_map(|next| stream.range(next, StreamId::MAX));
        let (before, mut last, mut read) = (group.last_id, group.last_id, group.entries_read);
        let mut ids = Vec::new();
        for entry in late.chain(new).take(self.count - taken) {
            if !budget.admits(out) {
                break;
            }
            if entry.id > last {
                (last, read) = (entry.id, stream.read_with(read, entry.id));
            }
            ids.push(entry.id);
            if self.claims {
                show::entry_and_past(entry, 0, 0, out)
            } else {
                show::entry(entry, out)
            }
            budget.spend();
        }
        out.array_before(place, taken + ids.len());
        if ids.is_empty() {
            return;
        }
        let at_ms = key.env.now_ms as i64;
        for id in ids.iter().copied() {
            if !self.no_ack {
                told.claimed(id, at_ms, 1);
            } else if id <= before {
                // How far the group has read does not tell that it was delivered.
                told.claimed(id, at_ms, 1);
                told.acknowledged(id);
            }
        }
        key.apply(Effect::Deliver(Delivery {
            group: self.group,
            consumer: self.consumer,
            ids: &ids,
            at_ms,
            last,
            read,
            keep: !self.no_ack,
        }));
    }

    /// Gives the consumer what has been pending for long, with whomever. How many entries that is.
    fn take_over(
        self,
        key: &mut KeyMut<'_, '_>,
        overdue: Overdue,
        told: &mut PassedOn<'_>,
        budget: &mut Budget,
        out: &mut Reply,
    ) -> usize {
        let (group, consumer, delivered_ms) = (self.group, self.consumer, key.env.now_ms as i64);
        let mut taken = 0;
        for (since_ms, id, before) in overdue {
            let Ok(Some(stream)) = key.stream() else { break };
            if !budget.admits(out) {
                break;
            }
            let Some(entry) = stream.get(id) else { continue };
            show::entry_and_past(entry, delivered_ms.saturating_sub(since_ms).max(0), before, out);
            let deliveries = more(before);
            key.apply(Effect::Claim { group, consumer, id, delivered_ms, deliveries });
            told.claimed(id, delivered_ms, deliveries);
            budget.spend();
            taken += 1;
        }
        taken
    }

    /// Shows the consumer what it has. What has been removed since is shown without fields.
    fn show_again(
        self,
        key: &mut KeyMut<'_, '_>,
        after: StreamId,
        told: &mut PassedOn<'_>,
        budget: &mut Budget,
        out: &mut Reply,
    ) {
        let Ok(Some(stream)) = key.stream() else { return };
        let Some(group) = stream.group(self.group) else { return };
        let Some(consumer) = group.consumers().get(self.consumer) else { return };
        let from = after.next();
        let pending = from.into_iter().flat_map(|from| consumer.pending_range(from, StreamId::MAX));
        let (mut again, mut shown, place) = (Vec::new(), 0, out.buf.len());
        for id in pending.take(self.count) {
            if !budget.admits(out) {
                break;
            }
            budget.spend();
            shown += 1;
            match (stream.get(id), group.pending(id)) {
                (Some(entry), Some(pending)) => {
                    show::entry(entry, out);
                    again.push((id, more(pending.deliveries)));
                }
                _ => {
                    out.array(2);
                    out.stream_id(id);
                    out.null_array();
                }
            }
        }
        out.array_before(place, shown);
        for (id, deliveries) in again {
            let (group, consumer) = (self.group, self.consumer);
            let delivered_ms = key.env.now_ms as i64;
            key.apply(Effect::Claim { group, consumer, id, delivered_ms, deliveries });
            told.claimed(id, delivered_ms, deliveries);
        }
    }
}

/// One delivery more. What cannot be counted on stays as it is: a reader has said that it must not be tried again.
pub fn more(deliveries: u64) -> u64 {
    if deliveries == i64::MAX as u64 { deliveries } else { deliveries.wrapping_add(1) }
}

/// Notes that a consumer has been seen; adds it if it is new, and announces that. True if so.
pub fn see_consumer(key: &mut KeyMut<'_, '_>, group: &[u8], consumer: &[u8]) -> bool {
    let at_ms = key.env.now_ms as i64;
    let created = key.apply(Effect::SeeConsumer { group, consumer, at_ms }).created();
    if created {
        key.notify(notify::STREAM, "xgroup-createconsumer");
    }
    created
}

pub const ROWS: &[Row] = &[row("XREADGROUP", xreadgroup)];
