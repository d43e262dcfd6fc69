//! SUBSCRIBE, PUBLISH and their kin.

use std::sync::atomic::Ordering::Relaxed;

use engine::command::id;
use protocol::{ErrorReply, Reply};

use super::help::help;
use super::{NodeRow, row};
use crate::acl::revoke;
use crate::dispatch::{Call, Next};
use crate::feed;
use crate::pubsub::{Kind, Space};
use crate::session::{ReplyMode, Session};
use crate::tracking::Own;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

fn subscribe_to(call: &mut Call<'_>, kind: Kind) -> Result<Next, ErrorReply> {
    let word = match kind {
        Kind::Channel => "subscribe",
        Kind::Pattern => "psubscribe",
        Kind::Shard => "ssubscribe",
    };
    for name in call.args.rest(1).iter() {
        call.worker.server.pubsub.subscribe(call.session, kind, name);
        confirm(call, word, Some(name), kind);
    }
    revoke::recheck(call.worker.server, call.session);
    DONE
}

fn unsubscribe_from(call: &mut Call<'_>, kind: Kind) -> Result<Next, ErrorReply> {
    let (word, own) = match kind {
        Kind::Channel => ("unsubscribe", &call.session.subscriptions.channels),
        Kind::Pattern => ("punsubscribe", &call.session.subscriptions.patterns),
        Kind::Shard => ("sunsubscribe", &call.session.subscriptions.shard_channels),
    };
    let names: Vec<Vec<u8>> = if call.args.len() > 1 {
        call.args.rest(1).iter().map(<[u8]>::to_vec).collect()
    } else {
        own.iter().cloned().collect()
    };
    if names.is_empty() {
        confirm(call, word, None, kind);
    }
    for name in names {
        call.worker.server.pubsub.unsubscribe(call.session, kind, &name);
        confirm(call, word, Some(&name), kind);
    }
    DONE
}

fn confirm(call: &mut Call<'_>, word: &str, name: Option<&[u8]>, kind: Kind) {
    let count = match kind {
        Kind::Shard => call.session.subscriptions.shard_channels.len(),
        _ => call.session.subscriptions.count(),
    };
    call.session.pushed = call.session.reply_mode != ReplyMode::On;
    call.out.push(3);
    call.out.bulk_str(word);
    match name {
        Some(name) => call.out.bulk(name),
        None => call.out.null(),
    }
    call.out.int(count as i64);
}

fn subscribe(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    subscribe_to(call, Kind::Channel)
}

fn psubscribe(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    subscribe_to(call, Kind::Pattern)
}

fn ssubscribe(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    subscribe_to(call, Kind::Shard)
}

fn unsubscribe(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    unsubscribe_from(call, Kind::Channel)
}

fn punsubscribe(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    unsubscribe_from(call, Kind::Pattern)
}

fn sunsubscribe(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    unsubscribe_from(call, Kind::Shard)
}

/// A client that listens to what it says hears it before the reply, as in Redis; but not within a transaction's reply, nor
/// before what it was told earlier.
fn own<'a>(session: &Session, out: &'a mut Reply) -> Own<'a> {
    match session.in_exec || session.client.mail_waiting.load(Relaxed) {
        true => Own { client: session.client.id, out: None },
        false => Own::of(session, out),
    }
}

fn publish(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let server = call.worker.server;
    let reached =
        server.pubsub.publish(server, &mut own(call.session, call.out), &call.args[1], &call.args[2]);
    call.out.int(reached as i64);
    feed::note_message(server, call.ctx, call.args, !call.session.in_exec);
    DONE
}

fn spublish(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let server = call.worker.server;
    let own = &mut own(call.session, call.out);
    let reached = server.pubsub.publish_shard(server, own, &call.args[1], &call.args[2]);
    call.out.int(reached as i64);
    feed::note_message(server, call.ctx, call.args, !call.session.in_exec);
    DONE
}

fn space<'a>(call: &Call<'a>) -> &'a Space {
    let pubsub = &call.worker.server.pubsub;
    let sharded = matches!(call.id, id::PUBSUB_SHARDCHANNELS | id::PUBSUB_SHARDNUMSUB);
    if sharded { &pubsub.shard_channels } else { &pubsub.channels }
}

/// `CHANNELS [pattern]`, `SHARDCHANNELS [pattern]`
fn channels(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if call.args.len() > 3 {
        return Err(ErrorReply::subcommand_arity(&call.args[1], "PUBSUB"));
    }
    let names = space(call).names(call.args.get(2));
    call.out.array(names.len());
    names.iter().for_each(|name| call.out.bulk(name));
    DONE
}

/// `NUMSUB [channel ...]`, `SHARDNUMSUB [channel ...]`
fn numsub(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let names = call.args.rest(2);
    call.out.array(2 * names.len());
    for name in names.iter() {
        call.out.bulk(name);
        call.out.int(space(call).subscriber_count(name) as i64);
    }
    DONE
}

fn numpat(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.out.int(call.worker.server.pubsub.pattern_count() as i64);
    DONE
}

pub const ROWS: &[NodeRow] = &[
    row("PUBSUB CHANNELS", channels),
    row("PUBSUB SHARDCHANNELS", channels),
    row("PUBSUB NUMSUB", numsub),
    row("PUBSUB SHARDNUMSUB", numsub),
    row("PUBSUB NUMPAT", numpat),
    row("PUBSUB HELP", help),
    row("SUBSCRIBE", subscribe),
    row("PSUBSCRIBE", psubscribe),
    row("SSUBSCRIBE", ssubscribe),
    row("UNSUBSCRIBE", unsubscribe),
    row("PUNSUBSCRIBE", punsubscribe),
    row("SUNSUBSCRIBE", sunsubscribe),
    row("PUBLISH", publish),
    row("SPUBLISH", spublish),
];
