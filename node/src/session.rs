//! What a connection remembers between commands.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use engine::interest::WatchFlag;
use protocol::OwnedArgs;

use engine::command::{CommandId, Flags};

use crate::acl::Access;
use crate::client::{Client, flag};
use crate::commands::himport::Fieldsets;
use crate::replicas::handshake::Handshake;
use crate::replicas::sender::Sender;

/// A transaction being queued.
#[derive(Default)]
pub struct Multi {
    pub queue: Vec<(CommandId, OwnedArgs)>,
    /// Of all commands queued.
    pub flags: Flags,
    /// A command could not be queued: EXEC will refuse.
    pub failed: bool,
    pub bytes: usize,
}

/// A key watched for a transaction.
pub struct WatchedKey {
    pub db: usize,
    pub key: Vec<u8>,
    /// It was there when it was first watched.
    pub was_there: bool,
}

/// Keys watched for a transaction.
#[derive(Default)]
pub struct Watching {
    pub flag: WatchFlag,
    pub keys: Vec<WatchedKey>,
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    #[default]
    On,
    Off,
    /// Nothing for the command after this one.
    SkipNext,
    /// Nothing for this command.
    Skip,
}

/// Channels and patterns a client listens to.
#[derive(Default)]
pub struct Subscriptions {
    pub channels: std::collections::BTreeSet<Vec<u8>>,
    pub patterns: std::collections::BTreeSet<Vec<u8>>,
    pub shard_channels: std::collections::BTreeSet<Vec<u8>>,
}

impl Subscriptions {
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shard_channels.is_empty()
    }

    /// Channels and patterns together, as the replies to SUBSCRIBE count them.
    pub fn count(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }
}

/// CLIENT TRACKING.
#[derive(Clone, Debug, Default)]
pub struct Tracking {
    pub on: bool,
    pub bcast: bool,
    pub opt_in: bool,
    pub opt_out: bool,
    pub no_loop: bool,
    pub prefixes: Vec<Vec<u8>>,
    /// Client that gets the invalidations, 0: this one.
    pub redirect: u64,
    /// The script under way has read something.
    pub script_reads: bool,
    /// CLIENT CACHING for the next command.
    pub caching: Option<bool>,
}

/// What there is of a client that is a replica, or is about to be.
#[derive(Default)]
pub struct Peer {
    pub about: Handshake,
    pub sender: Option<Sender>,
    /// Bytes of replies that it had not been sent when it became a replica.
    pub before: Option<usize>,
}

/// See the [module's page](self).
pub struct Session {
    pub client: Arc<Client>,
    pub db: usize,
    pub resp3: bool,
    /// Its user, and what that one may do.
    pub access: Access,
    pub multi: Option<Multi>,
    pub watching: Watching,
    pub subscriptions: Subscriptions,
    pub tracking: Tracking,
    pub reply_mode: ReplyMode,
    /// What the command wrote is no reply, and goes out whatever the reply mode; set only where that matters.
    pub pushed: bool,
    pub no_touch: bool,
    /// Shows every command (MONITOR): such a client has nothing to do with data.
    pub monitoring: bool,
    /// The connection is closed once what is written has been sent.
    pub closing: bool,
    /// It has spoken as a replica does.
    pub peer: Option<Box<Peer>>,
    /// Lists of fields that it has prepared for HIMPORT.
    pub fieldsets: Option<Box<Fieldsets>>,
    /// The version of what it wrote last, see [`Session::wrote`]; 0: nothing that is written down.
    pub wrote: u64,
    /// The worker's last version before the batch under way.
    pub before_batch: u64,
    /// EXEC is running: commands do not block and locks stay.
    pub in_exec: bool,
    /// A script is running: what is executed was called by it.
    pub in_script: bool,
}

impl Session {
    pub fn new(client: Arc<Client>, access: Access) -> Session {
        Session {
            client,
            db: 0,
            resp3: false,
            access,
            multi: None,
            watching: Watching::default(),
            subscriptions: Subscriptions::default(),
            tracking: Tracking::default(),
            reply_mode: ReplyMode::On,
            pushed: false,
            no_touch: false,
            monitoring: false,
            closing: false,
            peer: None,
            fieldsets: None,
            wrote: 0,
            before_batch: 0,
            in_exec: false,
            in_script: false,
        }
    }

    /// What sends the stream to it, if it is a replica.
    #[inline]
    pub fn sender(&mut self) -> Option<&mut Sender> {
        self.peer.as_mut()?.sender.as_mut()
    }

    #[inline]
    pub fn is_replica(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.sender.is_some())
    }

    /// Notes what a batch has written: the worker's last version changes with each write.
    #[inline]
    pub fn end_batch(&mut self, last: u64) {
        if last != self.before_batch {
            (self.wrote, self.before_batch) = (last, last);
        }
    }

    pub fn select(&mut self, db: usize) {
        self.db = db;
        self.client.db.store(db as u32, Relaxed);
    }

    pub fn set_resp3(&mut self, resp3: bool) {
        self.resp3 = resp3;
        self.client.resp.store(if resp3 { 3 } else { 2 }, Relaxed);
    }

    /// Shows the numbers of subscriptions to others, and whether this is a pub/sub client.
    pub fn subscriptions_changed(&self) {
        let s = &self.subscriptions;
        self.client.subscriptions.store(s.channels.len() as u32, Relaxed);
        self.client.patterns.store(s.patterns.len() as u32, Relaxed);
        self.client.shard_subscriptions.store(s.shard_channels.len() as u32, Relaxed);
        self.client.set(flag::PUBSUB, !s.is_empty());
    }
}
