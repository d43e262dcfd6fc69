//! Commands about replication, as a node answers them that has neither master nor replicas.

use protocol::{ErrorReply, error, number};

use super::{NodeRow, row};
use crate::dispatch::{Call, Next};

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

fn role(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.out.array(3);
    call.out.bulk_str("master");
    call.out.int(0);
    call.out.array(0);
    DONE
}

/// `REPLICAOF NO ONE`; following somebody is not supported yet.
fn replicaof(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let (host, port) = (call.args.at(1), call.args.at(2));
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        call.out.ok();
        return DONE;
    }
    if !number::parse_i64(port).is_some_and(|port| (0..=65535).contains(&port)) {
        return Err(ErrorReply::new("ERR Invalid master port"));
    }
    Err(ErrorReply::new("ERR replication is not supported yet"))
}

/// There are no replicas, so none will ever acknowledge: waiting for the time to be up would tell nobody more.
fn wait(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    number::parse_i64(&call.args[1]).ok_or(error::NOT_INTEGER)?;
    let timeout = number::parse_i64(&call.args[2])
        .ok_or(ErrorReply::new("ERR timeout is not an integer or out of range"))?;
    if timeout < 0 {
        return Err(error::TIMEOUT_NEGATIVE);
    }
    call.out.int(0);
    DONE
}

fn failover(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    match call.args.get(1) {
        Some(word) if word.eq_ignore_ascii_case(b"abort") && call.args.len() == 2 => {
            Err(ErrorReply::new("ERR No failover in progress."))
        }
        _ => Err(ErrorReply::new("ERR FAILOVER requires connected replicas.")),
    }
}

/// What only makes sense in a cluster.
fn no_cluster(_: &mut Call<'_>) -> Result<Next, ErrorReply> {
    Err(ErrorReply::new("ERR This instance has cluster support disabled"))
}

pub const ROWS: &[NodeRow] = &[
    row("ROLE", role),
    row("REPLICAOF", replicaof),
    row("SLAVEOF", replicaof),
    row("WAIT", wait),
    row("FAILOVER", failover),
    row("READONLY", no_cluster),
    row("READWRITE", no_cluster),
    row("ASKING", no_cluster),
];
