//! Bringing members of a big collection into the cache before the commands come that want them, so that the misses of a
//! pipeline that works on one key overlap.

use crate::ctx::Ctx;
use crate::value::ValueRef;

impl Ctx<'_> {
    /// Looks ahead for members (elements, fields) of the collection at a key. Does nothing unless the key's shard is held
    /// already, as it is between two commands of a batch on one key; it changes nothing and counts as no access.
    pub fn prefetch_members<'a>(
        &self,
        db: usize,
        (key, hash): (&[u8], u64),
        members: impl Iterator<Item = &'a [u8]>,
    ) {
        let shard = self.keyspace.shard_of(hash);
        if !self.locks.holds(shard) {
            return;
        }
        match self.locks.get(shard).dbs[db].get(hash, key).map(|entry| entry.value()) {
            Some(ValueRef::Hash(hash)) => hash.prefetch(members),
            Some(ValueRef::Set(set)) => set.prefetch(members),
            Some(ValueRef::Zset(zset)) => zset.prefetch(members),
            _ => {}
        }
    }
}
