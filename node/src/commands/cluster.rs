//! What only makes sense in a cluster, as it is answered outside of one; and READONLY, which a client that follows redirections
//! may send to a replica.

use protocol::ErrorReply;

use super::{NodeRow, row};
use crate::client::flag;
use crate::dispatch::{Call, Next};

fn no_cluster(_: &mut Call<'_>) -> Result<Next, ErrorReply> {
    Err(ErrorReply::new("ERR This instance has cluster support disabled"))
}

/// READONLY and READWRITE: whether a client that follows redirections reads from a replica.
fn reads_here(call: &mut Call<'_>, yes: bool) -> Result<Next, ErrorReply> {
    if !call.session.client.has(flag::REDIRECT) {
        return no_cluster(call);
    }
    call.session.client.set(flag::READONLY, yes);
    call.out.ok();
    Ok(Next::Done)
}

pub const ROWS: &[NodeRow] = &[
    row("READONLY", |call| reads_here(call, true)),
    row("READWRITE", |call| reads_here(call, false)),
    row("ASKING", no_cluster),
    row("CLUSTER ADDSLOTS", no_cluster),
    row("CLUSTER ADDSLOTSRANGE", no_cluster),
    row("CLUSTER BUMPEPOCH", no_cluster),
    row("CLUSTER COUNT-FAILURE-REPORTS", no_cluster),
    row("CLUSTER COUNTKEYSINSLOT", no_cluster),
    row("CLUSTER DELSLOTS", no_cluster),
    row("CLUSTER DELSLOTSRANGE", no_cluster),
    row("CLUSTER FAILOVER", no_cluster),
    row("CLUSTER FLUSHSLOTS", no_cluster),
    row("CLUSTER FORGET", no_cluster),
    row("CLUSTER GETKEYSINSLOT", no_cluster),
    row("CLUSTER HELP", no_cluster),
    row("CLUSTER INFO", no_cluster),
    row("CLUSTER KEYSLOT", no_cluster),
    row("CLUSTER LINKS", no_cluster),
    row("CLUSTER MEET", no_cluster),
    row("CLUSTER MYID", no_cluster),
    row("CLUSTER NODES", no_cluster),
    row("CLUSTER REPLICAS", no_cluster),
    row("CLUSTER REPLICATE", no_cluster),
    row("CLUSTER RESET", no_cluster),
    row("CLUSTER SAVECONFIG", no_cluster),
    row("CLUSTER SET-CONFIG-EPOCH", no_cluster),
    row("CLUSTER SETSLOT", no_cluster),
    row("CLUSTER SHARDS", no_cluster),
    row("CLUSTER SLAVES", no_cluster),
    row("CLUSTER SLOTS", no_cluster),
];
