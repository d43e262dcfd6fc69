//! ACL LOG: what was denied of late, and how often.
//!
//! A denial like one of the last ten, within a minute of it, is counted there. Beyond `acllog-max-len` the oldest are
//! forgotten, so whoever is denied all the time takes no memory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// Entries that a new denial is compared with.
const ALIKE_AMONG: usize = 10;
/// Age at which an entry is left as it is, ms.
const ALIKE_WITHIN_MS: u64 = 60_000;

/// What was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Command,
    Key,
    Channel,
    Auth,
}

impl Reason {
    pub const ALL: [Reason; 4] = [Reason::Auth, Reason::Command, Reason::Key, Reason::Channel];

    pub fn name(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Auth => "auth",
        }
    }
}

/// Where it was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    TopLevel,
    Multi,
    Lua,
}

impl Context {
    pub fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Lua => "lua",
        }
    }
}

/// A denial, or several that are alike.
#[derive(Clone, Debug)]
pub struct Entry {
    pub count: u64,
    pub reason: Reason,
    pub context: Context,
    /// The command, key or channel.
    pub object: Vec<u8>,
    pub user: Vec<u8>,
    /// Unix ms of the last one.
    pub at_ms: u64,
    /// The client as CLIENT LIST shows it, at the last one.
    pub client: String,
}

impl Entry {
    fn is_like(&self, new: &Entry) -> bool {
        self.reason == new.reason
            && self.context == new.context
            && self.object == new.object
            && self.user == new.user
            && new.at_ms.saturating_sub(self.at_ms) <= ALIKE_WITHIN_MS
    }
}

/// See the [module's page](self).
#[derive(Default)]
pub struct Journal {
    /// Newest first.
    entries: Mutex<VecDeque<Entry>>,
    denied: [AtomicU64; Reason::ALL.len()],
}

impl Journal {
    pub fn record(&self, mut new: Entry, max_len: usize) {
        self.denied[new.reason as usize].fetch_add(1, Relaxed);
        let mut entries = self.entries.lock();
        if let Some(at) = entries.iter().take(ALIKE_AMONG).position(|entry| entry.is_like(&new)) {
            new.count += entries.remove(at).map_or(0, |entry| entry.count);
        }
        entries.push_front(new);
        entries.truncate(max_len);
    }

    pub fn newest(&self, n: usize) -> Vec<Entry> {
        self.entries.lock().iter().take(n).cloned().collect()
    }

    pub fn clear(&self) {
        self.entries.lock().clear();
    }

    /// How often something was denied for this reason.
    pub fn denied(&self, reason: Reason) -> u64 {
        self.denied[reason as usize].load(Relaxed)
    }

    pub fn reset_counts(&self) {
        self.denied.iter().for_each(|count| count.store(0, Relaxed));
    }
}
