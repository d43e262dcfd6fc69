//! Publish and subscribe: channels, patterns, and the sharded channels of Redis 7.
//!
//! Subscribers of a channel are found in one of several maps by the channel's hash, so publishers on different channels
//! seldom meet. A message is encoded once per protocol version and shared by all who get it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*};

use engine::ctx::Event;
use engine::tuning::notify;
use parking_lot::{Mutex, RwLock};
use protocol::{Reply, glob};

use crate::client::Client;
use crate::server::Server;
use crate::session::Session;
use crate::tracking::Own;

const PARTS: usize = 64;

type Subscribers = Vec<Arc<Client>>;
type Channels = HashMap<Vec<u8>, Subscribers, ahash::RandomState>;

/// One name space of channels.
pub struct Space {
    parts: [Mutex<Channels>; PARTS],
    hasher: ahash::RandomState,
    count: AtomicUsize,
}

impl Default for Space {
    fn default() -> Self {
        Space {
            parts: std::array::from_fn(|_| Mutex::default()),
            hasher: ahash::RandomState::default(),
            count: AtomicUsize::new(0),
        }
    }
}

impl Space {
    fn part(&self, channel: &[u8]) -> &Mutex<Channels> {
        &self.parts[self.hasher.hash_one(channel) as usize % PARTS]
    }

    fn add(&self, channel: &[u8], client: &Arc<Client>) {
        let mut part = self.part(channel).lock();
        let subscribers = part.entry(channel.to_vec()).or_insert_with(|| {
            self.count.fetch_add(1, Relaxed);
            Vec::new()
        });
        subscribers.push(client.clone());
    }

    fn remove(&self, channel: &[u8], client: u64) {
        let mut part = self.part(channel).lock();
        if let Some(subscribers) = part.get_mut(channel) {
            subscribers.retain(|c| c.id != client);
            if subscribers.is_empty() {
                part.remove(channel);
                self.count.fetch_sub(1, Relaxed);
            }
        }
    }

    fn subscribers(&self, channel: &[u8]) -> Subscribers {
        self.part(channel).lock().get(channel).cloned().unwrap_or_default()
    }

    /// Clients subscribed to a channel.
    pub fn subscriber_count(&self, channel: &[u8]) -> usize {
        self.part(channel).lock().get(channel).map_or(0, Vec::len)
    }

    /// Channels with subscribers.
    pub fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names of the channels, those that match `pattern` if there is one.
    pub fn names(&self, pattern: Option<&[u8]>) -> Vec<Vec<u8>> {
        let wanted = |name: &[u8]| pattern.is_none_or(|p| glob::matches(p, name, glob::Case::Matters));
        self.parts
            .iter()
            .flat_map(|p| p.lock().keys().filter(|k| wanted(k)).cloned().collect::<Vec<_>>())
            .collect()
    }
}

/// See the [module's page](self).
#[derive(Default)]
pub struct PubSub {
    pub channels: Space,
    pub shard_channels: Space,
    patterns: RwLock<Vec<(Vec<u8>, Subscribers)>>,
}

/// What kind of subscription a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Channel,
    Pattern,
    Shard,
}

impl PubSub {
    /// Patterns with subscribers.
    pub fn pattern_count(&self) -> usize {
        self.patterns.read().len()
    }

    /// Adds a subscription; false if the client had it.
    pub fn subscribe(&self, session: &mut Session, kind: Kind, name: &[u8]) -> bool {
        let own = &mut session.subscriptions;
        let new = match kind {
            Kind::Channel => own.channels.insert(name.to_vec()),
            Kind::Pattern => own.patterns.insert(name.to_vec()),
            Kind::Shard => own.shard_channels.insert(name.to_vec()),
        };
        if new {
            match kind {
                Kind::Channel => self.channels.add(name, &session.client),
                Kind::Shard => self.shard_channels.add(name, &session.client),
                Kind::Pattern => self.add_pattern(name, &session.client),
            }
            session.client.keep(name);
            session.subscriptions_changed();
        }
        new
    }

    fn add_pattern(&self, pattern: &[u8], client: &Arc<Client>) {
        let mut patterns = self.patterns.write();
        match patterns.iter_mut().find(|(p, _)| p == pattern) {
            Some((_, clients)) => clients.push(client.clone()),
            None => patterns.push((pattern.to_vec(), vec![client.clone()])),
        }
    }

    /// Ends a subscription; false if the client did not have it.
    pub fn unsubscribe(&self, session: &mut Session, kind: Kind, name: &[u8]) -> bool {
        let own = &mut session.subscriptions;
        let had = match kind {
            Kind::Channel => own.channels.remove(name),
            Kind::Pattern => own.patterns.remove(name),
            Kind::Shard => own.shard_channels.remove(name),
        };
        if had {
            match kind {
                Kind::Channel => self.channels.remove(name, session.client.id),
                Kind::Shard => self.shard_channels.remove(name, session.client.id),
                Kind::Pattern => self.remove_pattern(name, session.client.id),
            }
            session.client.let_go(name);
            session.subscriptions_changed();
        }
        had
    }

    fn remove_pattern(&self, pattern: &[u8], client: u64) {
        let mut patterns = self.patterns.write();
        if let Some(at) = patterns.iter().position(|(p, _)| p == pattern) {
            patterns[at].1.retain(|c| c.id != client);
            if patterns[at].1.is_empty() {
                patterns.remove(at);
            }
        }
    }

    /// Shows every channel and pattern with its subscribers.
    pub fn each_subscription(&self, mut see: impl FnMut(Kind, &[u8], &[Arc<Client>])) {
        for (space, kind) in [(&self.channels, Kind::Channel), (&self.shard_channels, Kind::Shard)] {
            for part in &space.parts {
                part.lock().iter().for_each(|(name, clients)| see(kind, name, clients));
            }
        }
        self.patterns.read().iter().for_each(|(pattern, clients)| see(Kind::Pattern, pattern, clients));
    }

    /// Ends all subscriptions of a client.
    pub fn leave(&self, session: &mut Session) {
        let own = std::mem::take(&mut session.subscriptions);
        own.channels.iter().for_each(|name| self.channels.remove(name, session.client.id));
        own.shard_channels.iter().for_each(|name| self.shard_channels.remove(name, session.client.id));
        own.patterns.iter().for_each(|name| self.remove_pattern(name, session.client.id));
        let names = own.channels.iter().chain(&own.shard_channels).chain(&own.patterns);
        names.for_each(|name| session.client.let_go(name));
        session.subscriptions_changed();
    }

    /// Sends a message to all who listen. Returns how many do. `own`: the client that sends it.
    pub fn publish(&self, server: &Server, own: &mut Own<'_>, channel: &[u8], message: &[u8]) -> usize {
        let direct = self.channels.subscribers(channel);
        let mut reached = direct.len();
        Message::new("message", &[channel, message]).send(server, own, &direct);
        for (pattern, clients) in self.patterns.read().iter() {
            if glob::matches(pattern, channel, glob::Case::Matters) {
                Message::new("pmessage", &[pattern, channel, message]).send(server, own, clients);
                reached += clients.len();
            }
        }
        reached
    }

    /// Sends a message on a sharded channel.
    pub fn publish_shard(&self, server: &Server, own: &mut Own<'_>, channel: &[u8], message: &[u8]) -> usize {
        let clients = self.shard_channels.subscribers(channel);
        Message::new("smessage", &[channel, message]).send(server, own, &clients);
        clients.len()
    }

    /// Publishes what happened to a key, on the channels that `flags` ask for.
    pub fn keyspace_event(&self, server: &Server, event: &Event, flags: u32) {
        let channel = |kind: &str, tail: &[u8]| {
            let mut name = format!("__{kind}@{}__:", event.db).into_bytes();
            name.extend_from_slice(tail);
            name
        };
        if flags & notify::KEYSPACE != 0 {
            let own = &mut Own::nobody();
            self.publish(server, own, &channel("keyspace", &event.key), event.name.as_bytes());
        }
        if flags & notify::KEYEVENT != 0 {
            let own = &mut Own::nobody();
            self.publish(server, own, &channel("keyevent", event.name.as_bytes()), &event.key);
        }
    }
}

/// A message, encoded when the first client of each protocol version needs it.
struct Message<'a> {
    kind: &'a str,
    parts: &'a [&'a [u8]],
    encoded: [Option<Arc<[u8]>>; 2],
}

impl<'a> Message<'a> {
    fn new(kind: &'a str, parts: &'a [&'a [u8]]) -> Message<'a> {
        Message { kind, parts, encoded: [None, None] }
    }

    fn send(mut self, server: &Server, own: &mut Own<'_>, clients: &[Arc<Client>]) {
        for client in clients {
            let resp3 = client.resp.load(Relaxed) == 3;
            let (kind, parts) = (self.kind, self.parts);
            let bytes = self.encoded[usize::from(resp3)].get_or_insert_with(|| encode(resp3, kind, parts));
            own.tell(server, client, bytes);
        }
    }
}

fn encode(resp3: bool, kind: &str, parts: &[&[u8]]) -> Arc<[u8]> {
    let mut out = Reply::new(resp3);
    out.push(1 + parts.len());
    out.bulk_str(kind);
    parts.iter().for_each(|p| out.bulk(p));
    out.buf.into()
}
