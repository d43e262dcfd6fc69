//! REPLICAOF: whom this node follows.

use protocol::{ErrorReply, error, number};

use super::{NodeRow, row};
use crate::blocking;
use crate::client::flag;
use crate::commands::client::list;
use crate::config::Config;
use crate::config::values::Master;
use crate::dispatch::{Call, Next};
use crate::mesh::Order;
use crate::upstream::failover::Phase;
use crate::upstream::link::Link;
use crate::worker::unix_ms;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

/// What clients that wait are told when their server becomes a replica.
const UNBLOCKED: ErrorReply = ErrorReply::new(
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
);

/// `REPLICAOF host port | NO ONE | REMOVE host port`.
fn replicaof(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let server = call.worker.server;
    let config = server.config.get();
    if config.cluster_enabled {
        return Err(ErrorReply::new("ERR REPLICAOF not allowed in cluster mode."));
    }
    if config.active_replica {
        return among_equals(call, &config);
    }
    if call.args.len() != 3 {
        return Err(error::SYNTAX);
    }
    if server.upstream.failover.phase() != Phase::None {
        return Err(ErrorReply::new("ERR REPLICAOF not allowed while failing over."));
    }
    let (first, second) = (call.args.at(1), call.args.at(2));
    if first.eq_ignore_ascii_case(b"no") && second.eq_ignore_ascii_case(b"one") {
        if server.upstream.is_replica() {
            turn(call, None)?;
            tracing::info!("MASTER MODE enabled (user request from '{}')", asker(call));
        }
        call.out.ok();
        return DONE;
    }
    if call.session.client.has(flag::REPLICA) {
        return Err(ErrorReply::new("ERR Command is not valid when client is a replica."));
    }
    let new = target(first, second)?;
    if server.upstream.followed().is_some_and(|link| link.master == new) {
        tracing::info!(
            "REPLICAOF would result into synchronization with the master we are already connected with. No operation performed."
        );
        call.out.simple("OK Already connected to specified master");
        return DONE;
    }
    turn(call, Some(new.clone()))?;
    tracing::info!("REPLICAOF {}:{} enabled (user request from '{}')", new.host, new.port, asker(call));
    call.out.ok();
    DONE
}

/// This replica's master asks it to be the master: `PSYNC replid offset FAILOVER`.
pub fn take_over(call: &mut Call<'_>, id: &str) -> Result<(), ErrorReply> {
    let server = call.worker.server;
    tracing::warn!("Failover request received for replid {id}.");
    if !server.upstream.is_replica() {
        return Err(ErrorReply::new("ERR PSYNC FAILOVER can't be sent to a master."));
    }
    if !server.replicas.id().eq_ignore_ascii_case(id) {
        return Err(ErrorReply::new("ERR PSYNC FAILOVER replid must match my replid."));
    }
    turn(call, None)?;
    tracing::info!("MASTER MODE enabled (failover request from '{}')", asker(call));
    Ok(())
}

fn asker(call: &Call<'_>) -> String {
    list::line(&call.session.client, unix_ms())
}

/// Follows this master, or nobody. In a transaction that is a boundary: what the master sent is all done before, and its
/// shards are let go in between.
fn turn(call: &mut Call<'_>, master: Option<Master>) -> Result<(), ErrorReply> {
    let server = call.worker.server;
    let pinned = call.ctx.locks.is_pinned();
    call.ctx.locks.unpin();
    call.ctx.locks.release();
    let turned = server.upstream.follow(server, master.clone());
    if pinned {
        call.ctx.locks.hold_all();
        call.ctx.locks.pin();
    }
    turned.map_err(|e| ErrorReply::err(format!("Can't start a thread: {e}")))?;
    server.config.update(|config: &mut Config| config.replicaof.0 = master.clone().into_iter().collect());
    if master.is_some() {
        for client in server.clients.all() {
            if client.blocked().is_some() {
                blocking::unblock(call.worker, &client, Some(&UNBLOCKED));
            }
        }
    }
    Ok(())
}

/// In a mesh nobody is followed; links to other nodes are kept.
fn among_equals(call: &mut Call<'_>, config: &Config) -> Result<Next, ErrorReply> {
    let (first, second) = (call.args.at(1), call.args.at(2));
    if call.args.len() == 4 && first.eq_ignore_ascii_case(b"remove") {
        let gone = target(second, call.args.at(3))?;
        if !config.replicaof.0.contains(&gone) {
            return Err(ErrorReply::new("ERR Master not found"));
        }
        link(call, |masters| masters.retain(|known| *known != gone));
        call.out.ok();
        return DONE;
    }
    if call.args.len() != 3 {
        return Err(error::SYNTAX);
    }
    if first.eq_ignore_ascii_case(b"no") && second.eq_ignore_ascii_case(b"one") {
        link(call, Vec::clear);
        call.out.ok();
        return DONE;
    }
    let new = target(first, second)?;
    if config.replicaof.0.contains(&new) {
        call.out.simple("OK Already connected to specified master");
        return DONE;
    }
    let several = config.multi_master;
    link(call, |masters| {
        if !several {
            masters.clear();
        }
        masters.push(new);
    });
    call.out.ok();
    DONE
}

fn target(host: &[u8], port: &[u8]) -> Result<Master, ErrorReply> {
    let port = number::parse_i64(port).and_then(|port| u16::try_from(port).ok());
    let host = String::from_utf8(host.to_vec()).ok();
    match (host, port) {
        (Some(host), Some(port)) => Ok(Master { host, port }),
        _ => Err(ErrorReply::new("ERR Invalid master port")),
    }
}

/// Changes whom this node is linked to, in the configuration and at once.
fn link(call: &mut Call<'_>, edit: impl FnOnce(&mut Vec<Master>)) {
    let server = call.worker.server;
    server.config.update(|config: &mut Config| edit(&mut config.replicaof.0));
    let masters = server.config.get().replicaof.0.clone();
    if server.mesh.is_on() {
        let shown: Vec<String> = masters.iter().map(|m| format!("{}:{}", m.host, m.port)).collect();
        tracing::info!("REPLICAOF: this node now follows [{}]", shown.join(", "));
        server.mesh.order(Order::Follow(masters));
    }
}

/// ROLE of a plain replica.
pub fn role(call: &mut Call<'_>, link: &Link) {
    let state = link.status.state();
    call.out.array(5);
    call.out.bulk_str("slave");
    call.out.bulk_str(&link.master.host);
    call.out.int(i64::from(link.master.port));
    call.out.bulk_str(state.word());
    call.out.int(if link.status.is_up() { link.offset() as i64 } else { -1 });
}

pub const ROWS: &[NodeRow] = &[row("REPLICAOF", replicaof), row("SLAVEOF", replicaof)];
