//! Settings of the engine, taken from the configuration.

use engine::tuning::{EvictionPolicy, Tuning};

use crate::config::{Config, choice};
use crate::server::Server;

/// The engine's view of the configuration.
pub fn tuning(config: &Config, _server: &Server) -> Tuning {
    Tuning {
        hash_max_listpack_entries: config.hash_max_listpack_entries as usize,
        hash_max_listpack_value: config.hash_max_listpack_value as usize,
        zset_max_listpack_entries: config.zset_max_listpack_entries as usize,
        zset_max_listpack_value: config.zset_max_listpack_value as usize,
        set_max_intset_entries: config.set_max_intset_entries as usize,
        list_max_listpack_size: config.list_max_listpack_size,
        list_compress_depth: config.list_compress_depth as u32,
        stream_node_max_bytes: config.stream_node_max_bytes as usize,
        stream_node_max_entries: config.stream_node_max_entries as usize,
        hll_sparse_max_bytes: config.hll_sparse_max_bytes as usize,
        proto_max_bulk_len: config.proto_max_bulk_len as usize,
        policy: policy(config.maxmemory_policy),
        maxmemory_samples: config.maxmemory_samples as usize,
        lfu_log_factor: config.lfu_log_factor as u32,
        lfu_decay_time: config.lfu_decay_time as u32,
        lazyfree_user_del: config.lazyfree_lazy_user_del,
        lazyfree_server_del: config.lazyfree_lazy_server_del,
        lazyfree_expire: config.lazyfree_lazy_expire,
        lazyfree_eviction: config.lazyfree_lazy_eviction,
        ..Tuning::default()
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
