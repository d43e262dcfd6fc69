//! The settings that commands on data depend on, copied from the node's configuration whenever it changes.

/// Bits of keyspace notification classes, in the order of their letters.
pub mod notify {
    pub const KEYSPACE: u32 = 1 << 0;
    pub const KEYEVENT: u32 = 1 << 1;
    pub const GENERIC: u32 = 1 << 2;
    pub const STRING: u32 = 1 << 3;
    pub const LIST: u32 = 1 << 4;
    pub const SET: u32 = 1 << 5;
    pub const HASH: u32 = 1 << 6;
    pub const ZSET: u32 = 1 << 7;
    pub const EXPIRED: u32 = 1 << 8;
    pub const EVICTED: u32 = 1 << 9;
    pub const STREAM: u32 = 1 << 10;
    pub const KEY_MISS: u32 = 1 << 11;
    pub const MODULE: u32 = 1 << 12;
    pub const NEW: u32 = 1 << 13;
    /// What `A` stands for.
    pub const ALL: u32 = GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE;
}

/// `maxmemory-policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EvictionPolicy {
    #[default]
    NoEviction,
    AllKeysLru,
    AllKeysLfu,
    AllKeysRandom,
    VolatileLru,
    VolatileLfu,
    VolatileRandom,
    VolatileTtl,
}

impl EvictionPolicy {
    pub fn is_lfu(self) -> bool {
        matches!(self, EvictionPolicy::AllKeysLfu | EvictionPolicy::VolatileLfu)
    }

    pub fn is_lru(self) -> bool {
        matches!(self, EvictionPolicy::AllKeysLru | EvictionPolicy::VolatileLru)
    }

    pub fn only_expiring(self) -> bool {
        use EvictionPolicy::*;
        matches!(self, VolatileLru | VolatileLfu | VolatileRandom | VolatileTtl)
    }
}

/// The sequence numbers that automatic ids of stream entries may have. Nodes of one mesh have different lanes, and so never
/// make the same id: the low bits of a sequence say whose it is. The default is any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdLane {
    index: u64,
    bits: u32,
}

impl IdLane {
    /// The lane of the node number `index` of up to 2^`bits`.
    pub fn new(index: u64, bits: u32) -> IdLane {
        assert!(bits < u64::BITS && index >> bits == 0, "node {index} of 2^{bits}");
        IdLane { index, bits }
    }

    /// The first number of the lane.
    pub fn first(self) -> u64 {
        self.index
    }

    /// The lowest number of the lane above `seq`.
    pub fn after(self, seq: u64) -> Option<u64> {
        let next = seq.checked_add(1)?;
        let mask = (1 << self.bits) - 1;
        // From the index of `next` up to that of the lane, around.
        next.checked_add(self.index.wrapping_sub(next) & mask)
    }
}

/// Defaults are Redis 7.0's.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// Keys that KEYS answers with at most; 0: all.
    pub keys_output_limit: usize,
    /// The largest count that HRANDFIELD, SRANDMEMBER and ZRANDMEMBER take, below 0 without the sign.
    pub max_rand_count: i64,
    pub hash_max_listpack_entries: usize,
    pub hash_max_listpack_value: usize,
    pub zset_max_listpack_entries: usize,
    pub zset_max_listpack_value: usize,
    pub set_max_intset_entries: usize,
    pub list_max_listpack_size: i32,
    pub list_compress_depth: u32,
    /// Largest element of a list that is packed with others, bytes (DEBUG QUICKLIST-PACKED-THRESHOLD).
    pub list_packed_threshold: usize,
    pub stream_node_max_bytes: usize,
    pub stream_node_max_entries: usize,
    pub hll_sparse_max_bytes: usize,
    /// Longest string, bytes.
    pub proto_max_bulk_len: usize,
    pub policy: EvictionPolicy,
    pub maxmemory_samples: usize,
    /// Small integers may be one object, as far as clients can see: not if each key's use is to be known.
    pub shared_integers: bool,
    pub lfu_log_factor: u32,
    /// Minutes.
    pub lfu_decay_time: u32,
    /// Classes of [`notify`] that somebody may listen to.
    pub notify: u32,
    pub lazyfree_user_del: bool,
    pub lazyfree_server_del: bool,
    pub lazyfree_expire: bool,
    pub lazyfree_eviction: bool,
    /// Compress strings in dump payloads.
    pub rdb_compression: bool,
    pub sanitize_dump_payload: bool,
    /// Checksums of dump payloads are not looked at (DEBUG SET-SKIP-CHECKSUM-VALIDATION).
    pub skip_checksum: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            keys_output_limit: 0,
            max_rand_count: i64::MAX,
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            set_max_intset_entries: 512,
            list_max_listpack_size: -2,
            list_compress_depth: 0,
            list_packed_threshold: 1 << 30,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
            hll_sparse_max_bytes: 3000,
            proto_max_bulk_len: 512 << 20,
            policy: EvictionPolicy::NoEviction,
            maxmemory_samples: 5,
            shared_integers: true,
            lfu_log_factor: 10,
            lfu_decay_time: 1,
            notify: 0,
            lazyfree_user_del: false,
            lazyfree_server_del: false,
            lazyfree_expire: false,
            lazyfree_eviction: false,
            rdb_compression: true,
            sanitize_dump_payload: false,
            skip_checksum: false,
        }
    }
}
