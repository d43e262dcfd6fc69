//! Client-side caching: who is told that a key changed.
//!
//! A client in the default mode is told of each key that it has read, once: the read is noted in the key's shard (see
//! [`engine::interest`]), and the change takes the note away. A broadcasting client is told of every change to keys with
//! its prefixes; those of one command or transaction come together, one message for each prefix.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};

use engine::command::Facts;
use engine::command::keys::touched;
use engine::ctx::{Changed, Ctx};
use parking_lot::RwLock;
use protocol::{Args, Reply};

use crate::client::{Client, Mail, flag};
use crate::server::Server;
use crate::session::{ReplyMode, Session, Tracking};

/// A client that asked to hear of all changes to keys with certain prefixes.
struct Broadcast {
    client: Arc<Client>,
    prefixes: Vec<Vec<u8>>,
    no_loop: bool,
}

/// The client whose command caused what is told, 0 for none, and its replies: what it is told itself comes among them.
pub struct Own<'a> {
    pub client: u64,
    pub out: Option<&'a mut Reply>,
}

impl Own<'_> {
    /// Nobody's command: expiry, eviction.
    pub fn nobody() -> Own<'static> {
        Own { client: 0, out: None }
    }
}

impl<'a> Own<'a> {
    /// A session's command. A client that wants no replies gets what is not one through its mailbox.
    pub fn of(session: &Session, out: &'a mut Reply) -> Own<'a> {
        Own { client: session.client.id, out: (session.reply_mode == ReplyMode::On).then_some(out) }
    }

    /// Sends bytes to a client: to the one whose command it is right where its replies are being written.
    pub fn tell(&mut self, server: &Server, target: &Client, bytes: &Arc<[u8]>) {
        match &mut self.out {
            Some(out) if self.client == target.id => out.raw(bytes),
            _ => server.post(target, Mail::Send(bytes.clone())),
        }
    }
}

/// Clients with tracking switched on.
#[derive(Default)]
pub struct Trackers {
    /// Clients in any mode.
    count: AtomicUsize,
    /// Somebody has switched tracking on, once.
    used: AtomicBool,
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
        let all: BTreeSet<&[u8]> =
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
        if !session.tracking.on {
            self.count.fetch_add(1, Relaxed);
            self.used.store(true, Relaxed);
        }
        if tracking.bcast {
            let mut broadcasts = self.broadcasts.write();
            broadcasts.retain(|b| b.client.id != session.client.id);
            broadcasts.push(Broadcast {
                client: session.client.clone(),
                prefixes: tracking.prefixes.clone(),
                no_loop: tracking.no_loop,
            });
            self.broadcasting.store(broadcasts.len(), Relaxed);
        }
        session.tracking.prefixes.iter().for_each(|prefix| session.client.let_go(prefix));
        tracking.prefixes.iter().for_each(|prefix| session.client.keep(prefix));
        session.client.redirect.store(tracking.redirect, Relaxed);
        session.client.set(flag::TRACKING, true);
        session.client.set(flag::BCAST, tracking.bcast);
        session.client.set(flag::NO_LOOP, tracking.no_loop);
        session.client.set(flag::BROKEN_REDIRECT, false);
        session.tracking = tracking;
    }

    /// Switches tracking off. Notes of keys that the client read stay where they are until the keys change.
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
        session.tracking.prefixes.iter().for_each(|prefix| session.client.let_go(prefix));
        session.tracking = Tracking::default();
        session.client.redirect.store(0, Relaxed);
        session.client.set(flag::TRACKING | flag::BCAST | flag::NO_LOOP | flag::BROKEN_REDIRECT, false);
    }

    /// Tells the clients that read a key that it has changed.
    pub fn invalidate(&self, server: &Server, client: u64, changed: &Changed, own: &mut Own<'_>) {
        let Some(client) = server.clients.get(client) else { return };
        // The note may be from before the client switched tracking off, or to another mode.
        if !client.has(flag::TRACKING) || client.has(flag::BCAST) {
            return;
        }
        let caused = changed.by_client && own.client == client.id;
        if !(caused && client.has(flag::NO_LOOP)) {
            tell(server, &client, Some(&[&changed.key]), own);
        }
    }

    /// Tells broadcasting clients which keys have changed.
    pub fn broadcast(&self, server: &Server, changed: &[Changed], own: &mut Own<'_>) {
        for b in self.broadcasts.read().iter() {
            let caused = own.client == b.client.id;
            for prefix in &b.prefixes {
                let wanted =
                    |c: &&Changed| c.key.starts_with(prefix) && !(b.no_loop && caused && c.by_client);
                let keys: BTreeSet<&[u8]> = changed.iter().filter(wanted).map(|c| c.key.as_slice()).collect();
                if !keys.is_empty() {
                    let keys: Vec<&[u8]> = keys.into_iter().collect();
                    tell(server, &b.client, Some(&keys), own);
                }
            }
        }
    }

    /// Tells every tracking client to drop everything.
    pub fn invalidate_all(&self, server: &Server, own: &mut Own<'_>) {
        if self.clients() == 0 {
            return;
        }
        for client in server.clients.all() {
            if client.has(flag::TRACKING) {
                tell(server, &client, None, own);
            }
        }
    }

    /// Forgets tracked keys beyond `max` (0: no limit), and tells those who read them. The caller holds no shard.
    pub fn limit(&self, server: &Server, max: usize) {
        if max == 0 || !self.used.load(Relaxed) {
            return;
        }
        let keyspace = &server.keyspace;
        let mut excess = keyspace.sum(|shard| shard.interests.tracked_keys()).saturating_sub(max);
        let mut forgotten = Vec::new();
        // What goes is taken from one shard after the other: no key is dearer than another.
        for shard in 0..keyspace.shard_count() {
            if excess == 0 {
                break;
            }
            let mut shard = keyspace.cell(shard).lock.lock();
            while excess > 0
                && let Some(gone) = shard.interests.evict_tracked()
            {
                forgotten.push(gone);
                excess -= 1;
            }
        }
        for (key, clients) in forgotten {
            let changed = Changed { key: key.into_vec(), by_client: false };
            clients
                .into_iter()
                .for_each(|client| self.invalidate(server, client, &changed, &mut Own::nobody()));
        }
    }
}

/// Notes the keys that a tracking client's command has read. Their shards are held, or taken here.
#[cold]
pub fn remember(session: &Session, ctx: &mut Ctx<'_>, facts: &'static Facts, args: Args<'_>) {
    let t = &session.tracking;
    let asked = match (t.opt_in, t.opt_out) {
        (true, _) => t.caching == Some(true),
        (_, true) => t.caching != Some(false),
        _ => true,
    };
    if t.bcast || !asked {
        return;
    }
    touched(facts, args, |index| {
        let key = &args[index];
        let shard = ctx.keyspace.shard_of(ctx.keyspace.hash(key));
        if !ctx.locks.holds(shard) {
            ctx.locks.hold_one(shard);
        }
        ctx.locks.get_mut(shard).interests.track(key, session.client.id);
    });
}

/// Sends an invalidation where the client wants it: to itself as a push, or to another client as a message.
fn tell(server: &Server, client: &Arc<Client>, keys: Option<&[&[u8]]>, own: &mut Own<'_>) {
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
            own.tell(server, client, &out.buf.into());
        }
        return;
    };
    let resp3 = target.resp.load(Relaxed) == 3;
    if !resp3 && (redirect == 0 || !target.has(flag::PUBSUB)) {
        return;
    }
    own.tell(server, &target, &message(resp3, keys).into());
}

fn message(resp3: bool, keys: Option<&[&[u8]]>) -> Vec<u8> {
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
        None => out.null(),
    }
    out.buf
}
