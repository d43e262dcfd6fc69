//! REPLCONF, PSYNC and SYNC: what a replica says of itself, and its wish to follow.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use engine::commands::{int, is};
use protocol::{ErrorReply, error, number};

use super::{NodeRow, row};
use crate::client::flag;
use crate::dispatch::{Call, Next};
use crate::replicas::handshake::{Handshake, Parts};
use crate::replicas::link::Link;
use crate::replicas::sender::Sender;
use crate::upstream::rreplay::UUID;
use crate::worker::unix_ms;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

/// Longest address that a replica may give.
const HOST_MAX: usize = 1025;

const NO_MASTER_LINK: ErrorReply =
    ErrorReply::new("NOMASTERLINK Can't SYNC while not connected with my master");
const KEYDB_FOLLOWS: ErrorReply = ErrorReply::new(
    "ERR KeyDB servers follow this node, which get their commands in envelopes: let the replica follow another member of the \
     mesh, or take a snapshot (REPLCONF rdb-only 1)",
);
const REPLICAS_FOLLOW: ErrorReply = ErrorReply::new(
    "ERR Replicas follow this node that are no KeyDB servers: let this one follow another member of the mesh",
);
const NEEDS_EOF: ErrorReply = ErrorReply::new("ERR Filtered replica requires EOF capability");

fn replconf(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if call.args.len().is_multiple_of(2) {
        return Err(error::SYNTAX);
    }
    for at in (1..call.args.len()).step_by(2) {
        let args = call.args;
        let (option, value) = (&args[at], &args[at + 1]);
        if is(option, "ack") {
            let durable = call.args.get(at + 3).filter(|_| is(&call.args[at + 2], "fack"));
            acknowledge(call, value, durable);
            return DONE;
        }
        if is(option, "getack") {
            // For one that follows: this server is asked by its own master, not by a client.
            return DONE;
        }
        if is(option, "uuid") && call.worker.server.mesh.is_on() {
            return meet_keydb(call, value);
        }
        note(&mut call.session.peer.get_or_insert_default().about, option, value)?;
    }
    call.out.ok();
    DONE
}

/// A KeyDB server says who it is, and wants to know who this is.
fn meet_keydb(call: &mut Call<'_>, uuid: &[u8]) -> Result<Next, ErrorReply> {
    let known = std::str::from_utf8(uuid).is_ok_and(|text| crate::mesh::identity::parse_uuid(text).is_some());
    if uuid.len() != UUID || !known {
        return Err(ErrorReply::new("ERR Invalid UUID"));
    }
    let about = &mut call.session.peer.get_or_insert_default().about;
    (about.keydb, about.parts) = (true, Parts::KEYDB);
    call.out.simple(call.worker.server.upstream.uuid());
    DONE
}

/// RREPLAY is between servers: KeyDB takes it from a master only, and so does this one (`upstream/rreplay.rs`).
fn rreplay(_: &mut Call<'_>) -> Result<Next, ErrorReply> {
    Err(ErrorReply::new("ERR Command must be sent from a master"))
}

/// Only a replica's word counts, and it is not answered. `durable`: up to where it has the stream on its disk.
fn acknowledge(call: &mut Call<'_>, offset: &[u8], durable: Option<&[u8]>) {
    let (Some(sender), Some(offset)) = (call.session.sender(), number::parse_i64(offset)) else { return };
    let replicas = &call.worker.server.replicas;
    replicas.acknowledged(&sender.link, offset.max(0) as u64);
    if let Some(durable) = durable.and_then(number::parse_i64) {
        sender.link.acknowledge_durable(durable.max(0) as u64);
    }
    replicas.answer_waits(call.worker);
}

fn note(about: &mut Handshake, option: &[u8], value: &[u8]) -> Result<(), ErrorReply> {
    if is(option, "listening-port") {
        about.port = u16::try_from(int(value)?).map_err(|_| error::NOT_INTEGER)?;
    } else if is(option, "ip-address") {
        if value.len() >= HOST_MAX {
            return Err(ErrorReply::err(format!(
                "REPLCONF ip-address provided by replica instance is too long: {} bytes",
                value.len()
            )));
        }
        about.ip = String::from_utf8_lossy(value).into_owned();
    } else if is(option, "capa") {
        // What is not known is passed over: it may be of a later version.
        about.eof |= is(value, "eof");
        about.psync2 |= is(value, "psync2");
    } else if is(option, "rdb-only") {
        about.rdb_only = int(value)? == 1;
    } else if is(option, "rdb-filter-only") {
        about.parts = parts(value)?;
    } else {
        let shown = error::shown(option, usize::MAX);
        return Err(ErrorReply::err(format!("Unrecognized REPLCONF option: {shown}")));
    }
    Ok(())
}

/// `functions`, or nothing at all.
fn parts(value: &[u8]) -> Result<Parts, ErrorReply> {
    let mut parts = Parts { data: false, functions: false, old: false };
    for word in value.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty()) {
        if !is(word, "functions") {
            let shown = error::shown(word, usize::MAX);
            return Err(ErrorReply::err(format!("Unsupported rdb-filter-only option: {shown}")));
        }
        parts.functions = true;
    }
    Ok(parts)
}

/// `PSYNC replid offset`: go on with this history from this byte, or begin with a snapshot.
fn psync(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if call.session.sender().is_some() {
        return DONE;
    }
    let server = call.worker.server;
    let id = String::from_utf8_lossy(&call.args[1]).into_owned();
    if call.args.get(3).is_some_and(|word| is(word, "failover")) {
        super::replicaof::take_over(call, &id)?;
    }
    let link = join(call, false)?;
    let Some(offset) = number::parse_i64(&call.args[2]) else {
        tracing::warn!("Replica {} asks for synchronization but with a wrong offset", link.name());
        return Err(error::NOT_INTEGER);
    };
    tracing::info!("Replica {} asks for synchronization", link.name());
    let wanted = u64::try_from(offset).ok();
    let resumed = wanted.and_then(|position| server.replicas.resume(server, &link, &id, position));
    let Some(bytes) = resumed else {
        refuse_partial(call, &link, &id, offset);
        full(call, &link);
        return DONE;
    };
    server.replicas.counters.partial.fetch_add(1, Relaxed);
    tracing::info!(
        "Partial resynchronization request from {} accepted. Sending {bytes} bytes of backlog starting from offset {}.",
        link.name(),
        offset
    );
    let reply = match link.about.psync2 {
        true => format!("+CONTINUE {}\r\n", server.replicas.id()),
        false => "+CONTINUE\r\n".to_owned(),
    };
    attach(call, link, reply.into_bytes());
    DONE
}

fn refuse_partial(call: &Call<'_>, link: &Link, id: &str, offset: i64) {
    let server = call.worker.server;
    let name = link.name();
    // It has no history, and asks for none.
    if id == "?" {
        return tracing::info!("Full resync requested by replica {name}");
    }
    server.replicas.counters.partial_refused.fetch_add(1, Relaxed);
    let (own, before) =
        server.replicas.history(|history| (history.id().to_owned(), history.second().0.to_owned()));
    if id.eq_ignore_ascii_case(&own) || id.eq_ignore_ascii_case(&before) {
        tracing::info!(
            "Unable to partial resync with replica {name} for lack of backlog (Replica request was: {offset})."
        );
    } else {
        tracing::info!(
            "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{id}', my \
             replication IDs are '{own}' and '{before}')"
        );
    }
}

/// `SYNC`: a snapshot, then the stream.
fn sync(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if call.session.sender().is_some() {
        return DONE;
    }
    let link = join(call, true)?;
    tracing::info!("Replica {} asks for synchronization", link.name());
    full(call, &link);
    DONE
}

/// The client is a replica from now on.
fn join(call: &mut Call<'_>, old: bool) -> Result<Arc<Link>, ErrorReply> {
    if call.worker.server.upstream.followed().is_some_and(|link| !link.status.is_up()) {
        return Err(NO_MASTER_LINK);
    }
    let about = &call.session.peer.get_or_insert_default().about;
    if !about.rdb_only && call.worker.server.replicas.speaks_otherwise(about.keydb) {
        return Err(if about.keydb { REPLICAS_FOLLOW } else { KEYDB_FOLLOWS });
    }
    let about = Handshake { old, ..call.session.peer.get_or_insert_default().about.clone() };
    if about.parts != Parts::ALL && !about.eof {
        return Err(NEEDS_EOF);
    }
    Ok(Arc::new(Link::new(call.session.client.clone(), about, unix_ms())))
}

fn full(call: &mut Call<'_>, link: &Arc<Link>) {
    let server = call.worker.server;
    server.replicas.counters.full.fetch_add(1, Relaxed);
    attach(call, link.clone(), Vec::new());
    server.replicas.admit(server, link);
}

fn attach(call: &mut Call<'_>, link: Arc<Link>, first: Vec<u8>) {
    call.session.client.set(flag::REPLICA, true);
    let peer = call.session.peer.get_or_insert_default();
    peer.before = Some(call.out.buf.len());
    peer.sender = Some(Sender::new(link, first));
}

pub const ROWS: &[NodeRow] =
    &[row("REPLCONF", replconf), row("PSYNC", psync), row("SYNC", sync), row("RREPLAY", rreplay)];
