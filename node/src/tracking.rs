//! Client-side caching: who is told that a key changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*};

use parking_lot::RwLock;
use protocol::Reply;

use crate::client::{Client, Mail, flag};
use crate::server::Server;
use crate::session::{Session, Tracking};

/// A client that asked to hear of all changes to keys with certain prefixes.
struct Broadcast {
    client: Arc<Client>,
    prefixes: Vec<Vec<u8>>,
    no_loop: bool,
}

/// Clients with tracking switched on. Which keys a client has read stands in the shards, see `engine::interest`.
#[derive(Default)]
pub struct Trackers {
    /// Clients in any mode.
    count: AtomicUsize,
    broadcasting: AtomicUsize,
    broadcasts: RwLock<Vec<Broadcast>>,
}

impl Trackers {
    /// Clients with tracking on.
    pub fn clients(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Prefixes that clients in broadcasting mode listen to.
    pub fn prefixes(&self) -> usize {
        let broadcasts = self.broadcasts.read();
        let all: std::collections::BTreeSet<&[u8]> =
            broadcasts.iter().flat_map(|b| b.prefixes.iter().map(Vec::as_slice)).collect();
        all.len()
    }

    /// Whether somebody wants to hear of every change.
    #[inline]
    pub fn wants_all(&self) -> bool {
        self.broadcasting.load(Relaxed) > 0
    }

    /// Switches tracking on, or changes its mode.
    pub fn start(&self, session: &mut Session, tracking: Tracking) {
        let was_on = session.tracking.on;
        if !was_on {
            self.count.fetch_add(1, Relaxed);
        }
        if tracking.bcast {
            let mut broadcasts = self.broadcasts.write();
            broadcasts.retain(|b| b.client.id != session.client.id);
            let prefixes =
                if tracking.prefixes.is_empty() { vec![Vec::new()] } else { tracking.prefixes.clone() };
            broadcasts.push(Broadcast {
                client: session.client.clone(),
                prefixes,
                no_loop: tracking.no_loop,
            });
            self.broadcasting.store(broadcasts.len(), Relaxed);
        }
        session.client.redirect.store(tracking.redirect, Relaxed);
        session.client.set(flag::TRACKING, true);
        session.client.set(flag::BCAST, tracking.bcast);
        session.client.set(flag::BROKEN_REDIRECT, false);
        session.tracking = tracking;
    }

    /// Switches tracking off.
    pub fn stop(&self, session: &mut Session) {
        if !session.tracking.on {
            return;
        }
        self.count.fetch_sub(1, Relaxed);
        if session.tracking.bcast {
            let mut broadcasts = self.broadcasts.write();
            broadcasts.retain(|b| b.client.id != session.client.id);
            self.broadcasting.store(broadcasts.len(), Relaxed);
        }
        session.tracking = Tracking::default();
        session.client.redirect.store(0, Relaxed);
        session.client.set(flag::TRACKING | flag::BCAST | flag::BROKEN_REDIRECT, false);
    }

    /// The client is gone.
    pub fn leave(&self, server: &Server, session: &mut Session) {
        self.stop(session);
        let _ = server;
    }

    /// Tells one client that a key it read has changed; `own` is the client that changed it.
    pub fn invalidate(&self, server: &Server, client: u64, key: &[u8], own: u64) {
        let Some(client) = server.clients.get(client) else { return };
        if client.has(flag::TRACKING) && !(client.id == own && client.has(flag::NO_LOOP)) {
            self.tell(server, &client, Some(&[key]));
        }
    }

    /// Tells broadcasting clients that a key has changed.
    pub fn broadcast(&self, server: &Server, key: &[u8], own: u64) {
        for b in self.broadcasts.read().iter() {
            let skip = b.no_loop && b.client.id == own;
            if !skip && b.prefixes.iter().any(|p| key.starts_with(p)) {
                self.tell(server, &b.client, Some(&[key]));
            }
        }
    }

    /// Tells every tracking client to drop everything.
    pub fn invalidate_all(&self, server: &Server) {
        if self.clients() == 0 {
            return;
        }
        for client in server.clients.all() {
            if client.has(flag::TRACKING) {
                self.tell(server, &client, None);
            }
        }
    }

    /// Sends an invalidation where the client wants it: to itself as a push, or to another client as a message.
    fn tell(&self, server: &Server, client: &Arc<Client>, keys: Option<&[&[u8]]>) {
        let redirect = client.redirect.load(Relaxed);
        let target = if redirect == 0 { Some(client.clone()) } else { server.clients.get(redirect) };
        let Some(target) = target else {
            // The client to redirect to is gone: say so, if that can be said.
            client.set(flag::BROKEN_REDIRECT, true);
            if client.resp.load(Relaxed) == 3 {
                let mut out = Reply::new(true);
                out.push(2);
                out.bulk_str("tracking-redir-broken");
                out.int(redirect as i64);
                server.post(client, Mail::Send(out.buf.into()));
            }
            return;
        };
        let resp3 = target.resp.load(Relaxed) == 3;
        if !resp3 && (redirect == 0 || !target.has(flag::PUBSUB)) {
            return;
        }
        let mut out = Reply::new(resp3);
        if resp3 {
            out.push(2);
            out.bulk_str("invalidate");
        } else {
            out.push(3);
            out.bulk_str("message");
            out.bulk_str("__redis__:invalidate");
        }
        match keys {
            Some(keys) => {
                out.array(keys.len());
                keys.iter().for_each(|k| out.bulk(k));
            }
            None => out.null_array(),
        }
        server.post(&target, Mail::Send(out.buf.into()));
    }
}
