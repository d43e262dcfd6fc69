//! The section of counters.

use std::sync::atomic::Ordering::Relaxed;

use super::{Info, Lines};
use crate::acl::Reason;
use crate::expiry;

/// Sums over the shards.
#[derive(Default)]
struct Shards {
    expired: u64,
    evicted: u64,
    tracked_keys: usize,
    tracked_items: usize,
}

fn shards(info: &mut Info<'_>) -> Shards {
    let mut sums = Shards::default();
    info.ctx.each_shard(|shard| {
        sums.expired += shard.stats.expired;
        sums.evicted += shard.stats.evicted;
        sums.tracked_keys += shard.interests.tracked_keys();
        sums.tracked_items += shard.interests.tracked_items();
    });
    sums
}

/// How later Redises call a reason here.
fn denied_field(reason: Reason) -> &'static str {
    if reason == Reason::Command { "cmd" } else { reason.name() }
}

pub fn write(info: &mut Info<'_>, lines: &mut Lines) {
    let (server, shards) = (info.server, shards(info));
    let rates = server.samples.rates();
    let kbps = |bytes: f64| format!("{:.2}", bytes / 1024.0);
    lines.put("total_connections_received", server.connections_received.load(Relaxed));
    lines.put("total_commands_processed", info.sum(|stats| stats.processed.get()));
    lines.put("instantaneous_ops_per_sec", rates.commands.round() as u64);
    lines.put("total_net_input_bytes", info.sum(|stats| stats.net_in.get()));
    lines.put("total_net_output_bytes", info.sum(|stats| stats.net_out.get()));
    lines.put("total_net_repl_input_bytes", 0);
    let replicas = &server.replicas.counters;
    lines.put("total_net_repl_output_bytes", replicas.bytes.load(Relaxed));
    lines.put("instantaneous_input_kbps", kbps(rates.bytes_in));
    lines.put("instantaneous_output_kbps", kbps(rates.bytes_out));
    lines.put("instantaneous_input_repl_kbps", "0.00");
    lines.put("instantaneous_output_repl_kbps", "0.00");
    lines.put("rejected_connections", server.connections_rejected.load(Relaxed));
    lines.put("sync_full", replicas.full.load(Relaxed));
    lines.put("sync_partial_ok", replicas.partial.load(Relaxed));
    lines.put("sync_partial_err", replicas.partial_refused.load(Relaxed));
    lines.put("expired_keys", shards.expired);
    lines.put("expired_stale_perc", format_args!("{:.2}", expiry::stale_percent(server)));
    lines.put("expired_time_cap_reached_count", info.sum(|stats| stats.expire_caps.get()));
    lines.put("expire_cycle_cpu_milliseconds", info.sum(|stats| stats.expire_us.get()) / 1000);
    lines.put("evicted_keys", shards.evicted);
    lines.put("evicted_clients", server.evicted_clients.load(Relaxed));
    lines.put("overload_closed_clients", server.overload.closed.load(Relaxed));
    let (now, total) = server.memory.short_for(info.now_ms);
    lines.put("total_eviction_exceeded_time", total);
    lines.put("current_eviction_exceeded_time", now);
    lines.put("keyspace_hits", info.sum(|stats| stats.hits.get()));
    lines.put("keyspace_misses", info.sum(|stats| stats.misses.get()));
    lines.put("pubsub_channels", server.pubsub.channels.len());
    lines.put("pubsub_patterns", server.pubsub.pattern_count());
    lines.put("pubsubshard_channels", server.pubsub.shard_channels.len());
    lines.put("latest_fork_usec", 0);
    lines.put("total_forks", server.persistence.stand_ins.load(Relaxed));
    for field in ["migrate_cached_sockets", "slave_expires_tracked_keys"] {
        lines.put(field, 0);
    }
    for field in ["hits", "misses", "key_hits", "key_misses"] {
        lines.put(format_args!("active_defrag_{field}"), 0);
    }
    lines.put("total_active_defrag_time", 0);
    lines.put("current_active_defrag_time", 0);
    lines.put("tracking_total_keys", shards.tracked_keys);
    lines.put("tracking_total_items", shards.tracked_items);
    lines.put("tracking_total_prefixes", server.tracking.prefixes());
    for reason in Reason::ALL {
        lines.put(
            format_args!("acl_access_denied_{}", denied_field(reason)),
            server.users.journal.denied(reason),
        );
    }
    lines.put("unexpected_error_replies", 0);
    lines.put("total_error_replies", info.sum(|stats| stats.errors_total.get()));
    lines.put("dump_payload_sanitizations", 0);
    lines.put("total_reads_processed", info.sum(|stats| stats.reads.get()));
    lines.put("total_writes_processed", info.sum(|stats| stats.writes.get()));
    lines.put("io_threaded_reads_processed", 0);
    lines.put("io_threaded_writes_processed", 0);
    lines.put("reply_buffer_shrinks", 0);
    lines.put("reply_buffer_expands", 0);
}
