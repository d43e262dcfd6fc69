//! Settings of the engine, taken from the configuration.

use engine::tuning::{EvictionPolicy, Tuning, notify};

use crate::config::values::NotifyFlags;
use crate::config::{Config, choice};
use crate::server::Server;

/// The engine's view of the configuration.
pub fn tuning(config: &Config, server: &Server) -> Tuning {
    let chosen = policy(config.maxmemory_policy);
    Tuning {
        keys_output_limit: config.keys_output_limit as usize,
        // The default is half of what a count can be: as Redis has no such limit, it is none.
        max_rand_count: if config.max_rand_count == i64::MAX / 2 { i64::MAX } else { config.max_rand_count },
        hash_max_listpack_entries: config.hash_max_listpack_entries,
        hash_max_listpack_value: config.hash_max_listpack_value,
        zset_max_listpack_entries: config.zset_max_listpack_entries,
        zset_max_listpack_value: config.zset_max_listpack_value,
        set_max_intset_entries: config.set_max_intset_entries,
        list_max_listpack_size: config.list_max_listpack_size,
        list_compress_depth: config.list_compress_depth,
        list_packed_threshold: server.switches.packed_threshold(),
        stream_node_max_bytes: config.stream_node_max_bytes,
        stream_node_max_entries: config.stream_node_max_entries as usize,
        hll_sparse_max_bytes: config.hll_sparse_max_bytes,
        proto_max_bulk_len: config.proto_max_bulk_len as usize,
        policy: chosen,
        shared_integers: config.maxmemory == 0 || !(chosen.is_lru() || chosen.is_lfu()),
        maxmemory_samples: config.maxmemory_samples as usize,
        lfu_log_factor: config.lfu_log_factor,
        lfu_decay_time: config.lfu_decay_time,
        notify: events(config.notify_keyspace_events),
        lazyfree_user_del: config.lazyfree_lazy_user_del,
        lazyfree_server_del: config.lazyfree_lazy_server_del,
        lazyfree_expire: config.lazyfree_lazy_expire,
        lazyfree_eviction: config.lazyfree_lazy_eviction,
        rdb_compression: config.rdbcompression,
        // RESTORE comes from clients.
        sanitize_dump_payload: config.sanitize_dump_payload != choice::SanitizePayload::No,
        skip_checksum: server.switches.skip_checksum(),
    }
}

fn policy(policy: choice::EvictionPolicy) -> EvictionPolicy {
    match policy {
        choice::EvictionPolicy::NoEviction => EvictionPolicy::NoEviction,
        choice::EvictionPolicy::AllKeysLru => EvictionPolicy::AllKeysLru,
        choice::EvictionPolicy::AllKeysLfu => EvictionPolicy::AllKeysLfu,
        choice::EvictionPolicy::AllKeysRandom => EvictionPolicy::AllKeysRandom,
        choice::EvictionPolicy::VolatileLru => EvictionPolicy::VolatileLru,
        choice::EvictionPolicy::VolatileLfu => EvictionPolicy::VolatileLfu,
        choice::EvictionPolicy::VolatileRandom => EvictionPolicy::VolatileRandom,
        choice::EvictionPolicy::VolatileTtl => EvictionPolicy::VolatileTtl,
    }
}

/// The directive's classes of events and the engine's.
const CLASSES: [(NotifyFlags, u32); 14] = [
    (NotifyFlags::KEYSPACE, notify::KEYSPACE),
    (NotifyFlags::KEYEVENT, notify::KEYEVENT),
    (NotifyFlags::GENERIC, notify::GENERIC),
    (NotifyFlags::STRING, notify::STRING),
    (NotifyFlags::LIST, notify::LIST),
    (NotifyFlags::SET, notify::SET),
    (NotifyFlags::HASH, notify::HASH),
    (NotifyFlags::ZSET, notify::ZSET),
    (NotifyFlags::EXPIRED, notify::EXPIRED),
    (NotifyFlags::EVICTED, notify::EVICTED),
    (NotifyFlags::STREAM, notify::STREAM),
    (NotifyFlags::MISS, notify::KEY_MISS),
    (NotifyFlags::MODULE, notify::MODULE),
    (NotifyFlags::NEW, notify::NEW),
];

/// The engine's classes; none if no channel is asked for, so that commands need not prepare what nobody gets.
fn events(flags: NotifyFlags) -> u32 {
    let all = CLASSES.iter().filter(|(flag, _)| flags.has(*flag)).fold(0, |bits, (_, class)| bits | class);
    if all & (notify::KEYSPACE | notify::KEYEVENT) == 0 { 0 } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_need_a_channel() {
        assert_eq!(events(NotifyFlags::ALL), 0);
        let bits = events(NotifyFlags::KEYEVENT);
        assert_eq!(bits, notify::KEYEVENT);
    }

    #[test]
    fn all_classes_are_those_of_the_engine() {
        let all = CLASSES.iter().filter(|(flag, _)| NotifyFlags::ALL.has(*flag)).fold(0, |b, (_, c)| b | c);
        assert_eq!(all, notify::ALL);
    }
}
