//! What only makes sense in a cluster, as it is answered outside of one.

use protocol::ErrorReply;

use super::{NodeRow, row};
use crate::dispatch::{Call, Next};

fn no_cluster(_: &mut Call<'_>) -> Result<Next, ErrorReply> {
    Err(ErrorReply::new("ERR This instance has cluster support disabled"))
}

pub const ROWS: &[NodeRow] = &[
    row("READONLY", no_cluster),
    row("READWRITE", no_cluster),
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
