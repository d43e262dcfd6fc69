//! `maxmemory-clients`: what all clients' buffers may take together. Beyond, clients are closed, those with most first.
//!
//! A client's worker weighs it after each of its turns, and the total is adjusted only if the weight has changed: clients
//! that ask, read the answer and ask again weigh the same all the time. Without a limit nobody is weighed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::*};

use parking_lot::Mutex;

use crate::client::{Class, Client, flag};
use crate::config::Config;
use crate::server::Server;
use crate::worker::unix_ms;

/// How long nobody looks for clients to close again after there were not enough that may be closed, ms.
const RETRY_MS: u64 = 100;

/// See the [module's page](self).
#[derive(Default)]
pub struct ClientMemory {
    /// Bytes; 0: no limit.
    limit: AtomicU64,
    /// Bytes of all clients that have been weighed.
    total: AtomicU64,
    /// Unix ms until which it is in vain to look for clients to close.
    vain_until_ms: AtomicU64,
    /// One thread closes clients at a time, so that two don't close twice as many as need be.
    closing: Mutex<()>,
}

impl ClientMemory {
    pub fn set_limit(&self, config: &Config) {
        self.limit.store(config.maxmemory_clients.of(config.maxmemory), Relaxed);
        self.vain_until_ms.store(0, Relaxed);
    }

    /// Weighs a client, and closes some if all together weigh too much. Called by the client's worker.
    #[inline]
    pub fn weigh(&self, server: &Server, client: &Client) {
        if self.limit.load(Relaxed) > 0 {
            self.weigh_now(server, client);
        }
    }

    #[cold]
    fn weigh_now(&self, server: &Server, client: &Client) {
        if counts(client) {
            self.update(client, client.memory());
        }
        self.check(server);
    }

    /// Closes clients if all together weigh too much by what is known of them.
    pub fn check(&self, server: &Server) {
        let limit = self.limit.load(Relaxed);
        if limit > 0 && self.total.load(Relaxed) > limit && self.vain_until_ms.load(Relaxed) <= unix_ms() {
            self.evict(server);
        }
    }

    /// The client is gone.
    pub fn forget(&self, client: &Client) {
        self.update(client, 0);
    }

    /// Whoever weighs it: the total changes by what the weight has.
    fn update(&self, client: &Client, bytes: u64) {
        let before = client.weight.load(Relaxed);
        if before != bytes {
            let before = client.weight.swap(bytes, Relaxed);
            self.total.fetch_add(bytes.wrapping_sub(before), Relaxed);
        }
    }

    /// Weighs all clients and closes the heaviest until the rest is light enough.
    pub fn evict(&self, server: &Server) {
        let _one_at_a_time = self.closing.lock();
        let limit = self.limit.load(Relaxed);
        if limit == 0 {
            return;
        }
        let mut clients: Vec<(u64, Arc<Client>)> =
            server.clients.all().into_iter().filter(|c| counts(c)).map(|c| (c.memory(), c)).collect();
        clients.iter().for_each(|(bytes, client)| self.update(client, *bytes));
        let mut total: u64 = clients.iter().map(|(bytes, _)| bytes).sum();
        clients.retain(|(_, client)| !client.has(flag::NO_EVICT));
        clients.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (bytes, client) in clients {
            if total <= limit {
                return;
            }
            tracing::info!("Evicting client: id={} addr={} tot-mem={bytes}", client.id, client.addr);
            total -= bytes;
            self.forget(&client);
            // From here on nobody sees it, although its worker has yet to close it.
            server.clients.remove(client.id);
            server.evicted_clients.fetch_add(1, Relaxed);
            client.kill();
        }
        if total > limit {
            self.vain_until_ms.store(unix_ms() + RETRY_MS, Relaxed);
        }
    }
}

/// Whether a client is one of those that the limit is about: replicas have limits of their own.
fn counts(client: &Client) -> bool {
    client.class() != Class::Replica && !client.has(flag::MASTER) && !client.kill.load(Relaxed)
}
