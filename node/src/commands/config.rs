//! CONFIG: the configuration, seen and changed while the server runs.

use std::sync::atomic::Ordering::Relaxed;

use protocol::{ErrorReply, error};

use super::help::help;
use super::{NodeRow, row};
use crate::config::{Caller, Extra};
use crate::dispatch::{Call, Next};
use crate::server::Server;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

fn get(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let patterns: Vec<&[u8]> = call.args.rest(2).iter().collect();
    let found = call.worker.server.config.get().get(&patterns);
    call.out.map(found.len());
    for (name, value) in found {
        call.out.bulk_str(&name);
        call.out.bulk(&value);
    }
    DONE
}

fn set(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let words: Vec<&[u8]> = call.args.rest(2).iter().collect();
    if !words.len().is_multiple_of(2) {
        return Err(error::SYNTAX);
    }
    let pairs: Vec<(&[u8], &[u8])> = words.chunks_exact(2).map(|p| (p[0], p[1])).collect();
    let server = call.worker.server;
    let loading = &server.persistence.loading;
    let caller =
        Caller { local: call.session.client.is_local(), loading: loading.is_active() || loading.is_beside() };
    server.config.set_many(&pairs, caller)?;
    for row in server.config.unmet() {
        tracing::warn!("{} is set, but has no effect yet", row.name);
    }
    // What follows in the same batch sees the change.
    call.worker.refresh(call.ctx);
    call.out.ok();
    DONE
}

fn rewrite(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    rewrite_file(call.worker.server, false)?;
    call.out.ok();
    DONE
}

/// Writes the configuration into its file; `all`: defaults as well.
pub fn rewrite_file(server: &Server, all: bool) -> Result<(), ErrorReply> {
    // With a file of their own, users have no place in this one.
    let users = if server.config.get().aclfile.is_empty() { server.users.lines() } else { Vec::new() };
    let extra = Extra { all, users: Some(users), ..Extra::default() };
    match server.config.rewrite(&extra) {
        Ok(()) => tracing::info!("CONFIG REWRITE executed with success."),
        Err(e) => {
            tracing::warn!("CONFIG REWRITE failed: {}", e.text());
            return Err(e);
        }
    }
    Ok(())
}

fn reset_stat(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let server = call.worker.server;
    server.stats().for_each(|stats| stats.reset());
    for count in [&server.connections_received, &server.connections_rejected, &server.evicted_clients] {
        count.store(0, Relaxed);
    }
    server.reclaim.reset();
    server.samples.reset();
    server.memory.reset();
    server.users.journal.reset_counts();
    server.replicas.counters.reset();
    call.ctx.each_shard(|shard| {
        shard.stats.expired = 0;
        shard.stats.evicted = 0;
    });
    call.out.ok();
    DONE
}

pub const ROWS: &[NodeRow] = &[
    row("CONFIG GET", get),
    row("CONFIG SET", set),
    row("CONFIG REWRITE", rewrite),
    row("CONFIG RESETSTAT", reset_stat),
    row("CONFIG HELP", help),
];
