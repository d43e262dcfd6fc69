//! stats.

use std::sync::atomic::Ordering::Relaxed;

use super::call::Call;
use super::tally::NAMES;
use crate::worker::unix_ms;

/// The memcached whose behaviour clients may expect.
pub const VERSION: &str = "1.6.18";

pub fn stats(call: &mut Call<'_>, what: &[u8]) {
    match what {
        b"" => general(call),
        b"settings" => settings(call),
        b"reset" => {
            call.worker.server.workers().iter().for_each(|worker| worker.stats.memcached.reset());
            call.line("RESET");
        }
        // There are no slabs, and nothing is known of an item but what a key says.
        b"items" | b"slabs" | b"sizes" | b"cachedump" => call.line("END"),
        b"conns" => conns(call),
        _ => call.line(protocol::memcached::ERROR),
    }
}

fn stat(call: &mut Call<'_>, name: &str, value: impl std::fmt::Display) {
    call.line(&format!("STAT {name} {value}"));
}

fn general(call: &mut Call<'_>) {
    call.worker.count_lookups(call.ctx);
    let server = call.worker.server;
    let workers = server.workers();
    let sum = |of: fn(&crate::worker::WorkerHandle) -> u64| workers.iter().map(of).sum::<u64>();
    stat(call, "pid", std::process::id());
    stat(call, "uptime", server.started.elapsed().as_secs());
    stat(call, "time", unix_ms() / 1000);
    stat(call, "version", VERSION);
    stat(call, "pointer_size", usize::BITS);
    stat(call, "max_connections", server.config.get().maxclients);
    stat(call, "curr_connections", sum(|w| w.stats.clients.get()));
    stat(call, "total_connections", server.connections_received.load(Relaxed));
    stat(call, "rejected_connections", server.connections_rejected.load(Relaxed));
    for (index, name) in NAMES.iter().enumerate() {
        stat(call, name, workers.iter().map(|worker| worker.stats.memcached.get(index)).sum::<u64>());
    }
    stat(call, "bytes_read", sum(|w| w.stats.net_in.get()));
    stat(call, "bytes_written", sum(|w| w.stats.net_out.get()));
    stat(call, "limit_maxbytes", server.config.get().maxmemory);
    stat(call, "threads", server.threads);
    stat(call, "bytes", crate::memory::used());
    let mut evicted = 0;
    call.ctx.each_shard(|shard| evicted += shard.stats.evicted);
    stat(call, "evictions", evicted);
    let (keys, _) = server.keyspace.sizes(0);
    stat(call, "curr_items", keys);
    call.line("END");
}

/// Who speaks this protocol just now.
fn conns(call: &mut Call<'_>) {
    let (server, now) = (call.worker.server, call.ctx.env.now_ms);
    let port = server.config.get().memcached_port.to_string();
    let mut clients = server.clients.all();
    clients.retain(|client| client.laddr.rsplit_once(':').is_some_and(|(_, end)| end == port));
    for client in clients {
        let own = client.id == call.session.client.id;
        let idle_s = if own { 0 } else { now.saturating_sub(client.active_ms.load(Relaxed)) / 1000 };
        let state = if own { "conn_parse_cmd" } else { "conn_read" };
        stat(call, &format!("{}:addr", client.fd), format_args!("tcp:{}", client.addr));
        stat(call, &format!("{}:listen_addr", client.fd), format_args!("tcp:{}", client.laddr));
        stat(call, &format!("{}:state", client.fd), state);
        stat(call, &format!("{}:secs_since_last_cmd", client.fd), idle_s);
    }
    call.line("END");
}

fn settings(call: &mut Call<'_>) {
    let config = call.worker.server.config.get();
    stat(call, "maxbytes", config.maxmemory);
    stat(call, "maxconns", config.maxclients);
    stat(call, "tcpport", config.memcached_port);
    stat(call, "udpport", 0);
    stat(call, "num_threads", call.worker.server.threads);
    stat(call, "item_size_max", config.memcached_item_size_max);
    stat(call, "cas_enabled", "yes");
    stat(call, "flush_enabled", "yes");
    call.line("END");
}
