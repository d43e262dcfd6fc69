//! XREADGROUP: new entries are handed out, each to one consumer of the group; old ones are shown again to the consumer that
//! has them.

use protocol::error::WRONGTYPE;
use protocol::error::streams::*;
use protocol::{Args, ErrorReply, Reply, StreamId};
use smallvec::SmallVec;

use super::id::id;
use super::passed_on::{self, PassedOn};
use super::read::{Request, begin, begin_key};
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
    let reader = Reader { group, consumer, no_ack: request.no_ack, count: request.count(ctx) };
    let served = ctx.serving.is_some();
    let mut found = SmallVec::<[(usize, Wanted); 4]>::new();
    for at in request.keys.clone() {
        if !ctx.offers(&args[at]) {
            continue;
        }
        let key = ctx.key(&args[at]);
        let (stream, group) = lookup(&key, group, served)?;
        let wanted = wanted(&args[request.id_at(at)])?;
        if matches!(wanted, Wanted::History(_)) || has_new(stream, group) {
            found.push((at, wanted));
        }
    }
    if found.is_empty() {
        return request.wait(Vec::new(), out);
    }
    begin(found.len(), out);
    let listened = passed_on::begin(ctx);
    for (at, wanted) in found {
        let mut key = ctx.key(&args[at]);
        begin_key(&args[at], out);
        let mut told = PassedOn::of(listened, &key, group, consumer);
        told.created(see_consumer(&mut key, group, consumer));
        match wanted {
            Wanted::New => reader.hand_out(&mut key, &mut told, out),
            Wanted::History(after) => reader.show_again(&mut key, after, &mut told, out),
        }
        told.end(&mut key);
    }
    DONE
}

impl Reader<'_> {
    /// Hands new entries out to the consumer.
    fn hand_out(self, key: &mut KeyMut<'_, '_>, told: &mut PassedOn<'_>, out: &mut Reply) {
        let Ok(Some(stream)) = key.stream() else { return };
        let Some(group) = stream.group(self.group) else { return };
        let late = group.late().filter_map(|id| stream.get(id));
        let next = group.last_id.next();
        let new = next.into_iter().flat_map(|next| stream.range(next, StreamId::MAX));
        let entries = late.chain(new).take(self.count);
        let (mut last, mut read) = (group.last_id, group.entries_read);
        let (mut ids, place) = (Vec::new(), out.buf.len());
        for entry in entries {
            if entry.id > last {
                (last, read) = (entry.id, stream.read_with(read, entry.id));
            }
            ids.push(entry.id);
            show::entry(entry, out);
        }
        out.array_before(place, ids.len());
        let at_ms = key.env.now_ms as i64;
        if !self.no_ack {
            ids.iter().for_each(|id| told.claimed(*id, at_ms, 1));
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

    /// Shows the consumer what it has. What has been removed since is shown without fields.
    fn show_again(self, key: &mut KeyMut<'_, '_>, after: StreamId, told: &mut PassedOn<'_>, out: &mut Reply) {
        let Ok(Some(stream)) = key.stream() else { return };
        let Some(group) = stream.group(self.group) else { return };
        let Some(consumer) = group.consumers().get(self.consumer) else { return };
        let from = after.next();
        let pending = from.into_iter().flat_map(|from| consumer.pending_range(from, StreamId::MAX));
        let ids: Vec<StreamId> = pending.take(self.count).collect();
        let mut again = Vec::new();
        out.array(ids.len());
        for id in ids {
            match (stream.get(id), group.pending(id)) {
                (Some(entry), Some(pending)) => {
                    show::entry(entry, out);
                    again.push((id, pending.deliveries.wrapping_add(1)));
                }
                _ => {
                    out.array(2);
                    out.stream_id(id);
                    out.null_array();
                }
            }
        }
        for (id, deliveries) in again {
            let (group, consumer) = (self.group, self.consumer);
            let delivered_ms = key.env.now_ms as i64;
            key.apply(Effect::Claim { group, consumer, id, delivered_ms, deliveries });
            told.claimed(id, delivered_ms, deliveries);
        }
    }
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
