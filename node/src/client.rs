//! A client as the rest of the server sees it: who it is, what it is doing, and how to reach it from another thread.
//!
//! The connection itself belongs to its worker. Others hold a [`Client`]: they read its numbers (written by its worker
//! once per batch, with plain stores) and put messages into its mailbox, which wakes its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
use std::task::Waker;

use engine::command::CommandId;
use engine::interest::WatchFlag;
use engine::waiting::Ticket;
use parking_lot::Mutex;

pub use crate::config::values::ClientClass as Class;

/// Something for a connection to do.
#[derive(Debug)]
pub enum Mail {
    /// Bytes to be sent as they are: a published message, an invalidation.
    Send(Arc<[u8]>),
    /// The end of a block, and its reply.
    Unblocked(Vec<u8>),
    /// What it waits for may have come about.
    Look,
}

/// Bytes that may wait for a client that monitors; beyond, it is closed.
pub const MONITOR_LIMIT: u64 = 256 * 1024 * 1024;

/// What a name takes that is kept for a client, besides its bytes: its places in the client's set and in the server's map.
const NAME_BYTES: u64 = 96;

/// Bits that CLIENT LIST shows as letters.
pub mod flag {
    pub const BLOCKED: u32 = 1 << 0;
    pub const MULTI: u32 = 1 << 1;
    pub const DIRTY_CAS: u32 = 1 << 2;
    pub const MONITOR: u32 = 1 << 3;
    pub const PUBSUB: u32 = 1 << 4;
    pub const TRACKING: u32 = 1 << 5;
    pub const BROKEN_REDIRECT: u32 = 1 << 6;
    pub const BCAST: u32 = 1 << 7;
    pub const UNIX: u32 = 1 << 8;
    pub const NO_EVICT: u32 = 1 << 9;
    pub const NO_TOUCH: u32 = 1 << 10;
    pub const CLOSING: u32 = 1 << 11;
    pub const READONLY: u32 = 1 << 12;
    pub const REPLICA: u32 = 1 << 13;
    pub const MASTER: u32 = 1 << 14;
    pub const NO_LOOP: u32 = 1 << 15;
    /// Blocked, but not for ever.
    pub const TIMED: u32 = 1 << 16;
    /// Waits for the end of CLIENT PAUSE.
    pub const PAUSED: u32 = 1 << 17;
    /// Follows `-REDIRECT`, as it has said (CLIENT CAPA).
    pub const REDIRECT: u32 = 1 << 18;
}

/// Names that the client gave itself.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub name: String,
    pub lib_name: String,
    pub lib_ver: String,
    pub user: String,
}

/// See the [module's page](self).
pub struct Client {
    pub id: u64,
    /// The worker it is on; changes when workers share their load anew.
    pub worker: AtomicUsize,
    pub addr: String,
    pub laddr: String,
    pub fd: i32,
    /// Unix ms.
    pub created_ms: u64,
    pub names: Mutex<Names>,
    /// The account of its user, see [`crate::acl::Account`].
    pub account: AtomicU64,
    pub flags: AtomicU32,
    /// Unix ms of the last command.
    pub active_ms: AtomicU64,
    pub db: AtomicU32,
    /// Index of the last command, `u32::MAX` for none.
    pub command: AtomicU32,
    pub resp: AtomicU32,
    pub subscriptions: AtomicU32,
    pub patterns: AtomicU32,
    pub shard_subscriptions: AtomicU32,
    /// Commands queued in a transaction; `u32::MAX`: none open.
    pub queued: AtomicU32,
    pub watched: AtomicU32,
    /// Bytes queued in a transaction.
    pub multi_bytes: AtomicU64,
    /// Bytes of requests not executed yet, and room for more.
    pub query_bytes: AtomicU64,
    pub query_free: AtomicU64,
    /// Bytes of arguments of an incomplete command.
    pub argv_bytes: AtomicU64,
    /// Bytes of replies not sent yet, mailbox included.
    pub output_bytes: AtomicU64,
    /// Bytes that its subscriptions, watched keys and prefixes take.
    pub kept_bytes: AtomicU64,
    /// Its share of what all clients take, as last counted, see [`crate::client_memory`].
    pub weight: AtomicU64,
    /// Client that gets the invalidations, 0: itself.
    pub redirect: AtomicU64,
    /// Set when a key that the client's transaction watches has changed; there only while it watches.
    pub watch: Mutex<Option<WatchFlag>>,
    pub kill: AtomicBool,
    /// Something is in the mailbox, or `kill` is set.
    pub mail_waiting: AtomicBool,
    mailbox: Mutex<Mailbox>,
    /// What it waits for.
    blocked: Mutex<Option<Arc<Ticket>>>,
}

#[derive(Default)]
struct Mailbox {
    mail: Vec<Mail>,
    bytes: u64,
    waker: Option<Waker>,
}

impl Client {
    pub fn new(id: u64, worker: usize, addr: String, laddr: String, fd: i32, now_ms: u64) -> Client {
        Client {
            id,
            worker: AtomicUsize::new(worker),
            addr,
            laddr,
            fd,
            created_ms: now_ms,
            names: Mutex::new(Names { user: "default".into(), ..Names::default() }),
            account: AtomicU64::new(0),
            flags: AtomicU32::new(0),
            active_ms: AtomicU64::new(now_ms),
            db: AtomicU32::new(0),
            command: AtomicU32::new(u32::MAX),
            resp: AtomicU32::new(2),
            subscriptions: AtomicU32::new(0),
            patterns: AtomicU32::new(0),
            shard_subscriptions: AtomicU32::new(0),
            queued: AtomicU32::new(u32::MAX),
            watched: AtomicU32::new(0),
            multi_bytes: AtomicU64::new(0),
            query_bytes: AtomicU64::new(0),
            query_free: AtomicU64::new(0),
            argv_bytes: AtomicU64::new(0),
            output_bytes: AtomicU64::new(0),
            kept_bytes: AtomicU64::new(0),
            weight: AtomicU64::new(0),
            redirect: AtomicU64::new(0),
            watch: Mutex::new(None),
            kill: AtomicBool::new(false),
            mail_waiting: AtomicBool::new(false),
            mailbox: Mutex::default(),
            blocked: Mutex::default(),
        }
    }

    /// Name of the last command.
    pub fn last_command(&self) -> Option<&'static str> {
        let n = u16::try_from(self.command.load(Relaxed)).ok()?;
        Some(CommandId(n).facts().full_name)
    }

    pub fn has(&self, flag: u32) -> bool {
        self.flags.load(Relaxed) & flag != 0
    }

    pub fn set(&self, flag: u32, on: bool) {
        if on {
            self.flags.fetch_or(flag, Relaxed);
        } else {
            self.flags.fetch_and(!flag, Relaxed);
        }
    }

    /// Whether the next EXEC will not run.
    pub fn watch_broken(&self) -> bool {
        self.watch.lock().as_ref().is_some_and(|flag| flag.load(Relaxed))
    }

    /// Connected over the loopback interface or a Unix domain socket.
    pub fn is_local(&self) -> bool {
        let host = self.addr.rsplit_once(':').map_or("", |(host, _)| host);
        self.has(flag::UNIX) || host.parse().is_ok_and(crate::acceptor::is_local)
    }

    /// Whether its user has this account.
    pub fn is_account(&self, id: u64) -> bool {
        self.account.load(Relaxed) == id
    }

    pub fn class(&self) -> Class {
        if self.has(flag::REPLICA) {
            Class::Replica
        } else if self.has(flag::PUBSUB) {
            Class::Pubsub
        } else {
            Class::Normal
        }
    }

    /// Puts something into the mailbox and wakes the connection. What is sent to a client beyond its class's hard
    /// limit (bytes, 0: none) is dropped, and the client is closed.
    pub fn post(&self, mail: Mail, hard_limit: u64) {
        let mut mailbox = self.mailbox.lock();
        if let Mail::Send(bytes) = &mail {
            mailbox.bytes += bytes.len() as u64;
            let total = mailbox.bytes + self.output_bytes.load(Relaxed);
            if hard_limit > 0 && total > hard_limit {
                self.kill.store(true, Release);
            }
        }
        if !self.kill.load(Acquire) {
            mailbox.mail.push(mail);
        }
        self.mail_waiting.store(true, Release);
        if let Some(waker) = &mailbox.waker {
            waker.wake_by_ref();
        }
    }

    /// Counts a name that something is kept under for the client: a channel, a watched key, a prefix.
    pub fn keep(&self, name: &[u8]) {
        self.kept_bytes.fetch_add(NAME_BYTES + name.len() as u64, Relaxed);
    }

    /// Ends [`Client::keep`].
    pub fn let_go(&self, name: &[u8]) {
        self.kept_bytes.fetch_sub(NAME_BYTES + name.len() as u64, Relaxed);
    }

    /// What the client waits for, if it does.
    pub fn blocked(&self) -> Option<Arc<Ticket>> {
        self.blocked.lock().clone()
    }

    /// Begins or ends a wait.
    pub fn blocked_on(&self, ticket: Option<Arc<Ticket>>) {
        self.set(flag::BLOCKED, ticket.is_some());
        *self.blocked.lock() = ticket;
    }

    /// Closes the connection, soon.
    pub fn kill(&self) {
        self.kill.store(true, Release);
        self.mail_waiting.store(true, Release);
        self.nudge();
    }

    /// Wakes the connection so that it looks at its state.
    pub fn nudge(&self) {
        if let Some(waker) = &self.mailbox.lock().waker {
            waker.wake_by_ref();
        }
    }

    /// Takes what is in the mailbox. Called by the connection.
    pub fn collect(&self) -> Vec<Mail> {
        let mut mailbox = self.mailbox.lock();
        self.mail_waiting.store(false, Release);
        mailbox.bytes = 0;
        std::mem::take(&mut mailbox.mail)
    }

    /// Bytes waiting in the mailbox.
    pub fn mail_bytes(&self) -> u64 {
        self.mailbox.lock().bytes
    }

    /// The connection's task: whom to wake.
    pub fn set_waker(&self, waker: &Waker) {
        let mut mailbox = self.mailbox.lock();
        if !mailbox.waker.as_ref().is_some_and(|w| w.will_wake(waker)) {
            mailbox.waker = Some(waker.clone());
        }
    }
}
