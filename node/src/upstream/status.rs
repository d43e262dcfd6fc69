//! What is shown of a link to a master: INFO and ROLE read it, the link's thread keeps it.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering::*};

use parking_lot::Mutex;

use crate::worker::unix_ms;

/// How far a link is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Waiting for the next try.
    #[default]
    Connect = 0,
    Connecting,
    Handshake,
    /// A snapshot is being received.
    Sync,
    Connected,
}

const STATES: [State; 5] =
    [State::Connect, State::Connecting, State::Handshake, State::Sync, State::Connected];

impl State {
    /// As ROLE names it.
    pub fn word(self) -> &'static str {
        match self {
            State::Connect => "connect",
            State::Connecting => "connecting",
            State::Handshake => "handshake",
            State::Sync => "sync",
            State::Connected => "connected",
        }
    }
}

/// See the [module's page](self).
#[derive(Debug)]
pub struct Status {
    state: AtomicU8,
    /// Unix ms of the last byte from the master, and since when there is no link; 0: never was.
    heard_ms: AtomicU64,
    down_since_ms: AtomicU64,
    /// Bytes of a snapshot: in all (-1: not known), and received.
    snapshot_bytes: AtomicI64,
    snapshot_received: AtomicU64,
    /// Bytes of the stream that were read, and executed.
    pub read_offset: AtomicU64,
    pub offset: AtomicU64,
    pub full_syncs: AtomicU64,
    pub partial_syncs: AtomicU64,
    /// Commands that the master sent and that failed here.
    pub failed: AtomicU64,
    /// Keys and commands that were passed over: they came here by another way before.
    pub ignored: AtomicU64,
    /// Why the last link ended, or did not come to be.
    error: Mutex<String>,
}

impl Default for Status {
    fn default() -> Status {
        Status {
            state: AtomicU8::new(State::Connect as u8),
            heard_ms: AtomicU64::new(0),
            down_since_ms: AtomicU64::new(unix_ms()),
            snapshot_bytes: AtomicI64::new(-1),
            snapshot_received: AtomicU64::new(0),
            read_offset: AtomicU64::new(0),
            offset: AtomicU64::new(0),
            full_syncs: AtomicU64::new(0),
            partial_syncs: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            ignored: AtomicU64::new(0),
            error: Mutex::default(),
        }
    }
}

/// A snapshot on its way, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub total: Option<u64>,
    pub received: u64,
}

impl Status {
    pub fn state(&self) -> State {
        STATES[usize::from(self.state.load(Acquire))]
    }

    pub fn is_up(&self) -> bool {
        self.state() == State::Connected
    }

    /// True if it was connected before, or is now: something that others look at has changed.
    pub fn set(&self, state: State) -> bool {
        let was = self.state.swap(state as u8, AcqRel) == State::Connected as u8;
        if was && state != State::Connected {
            self.down_since_ms.store(unix_ms(), Relaxed);
        }
        was != (state == State::Connected)
    }

    pub fn heard(&self) {
        self.heard_ms.store(unix_ms(), Relaxed);
    }

    /// Seconds since the master was heard.
    pub fn silent_s(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.heard_ms.load(Relaxed)) / 1000
    }

    pub fn down_s(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.down_since_ms.load(Relaxed)) / 1000
    }

    pub fn begin_transfer(&self, total: Option<u64>) {
        self.snapshot_bytes.store(total.map_or(-1, |n| n as i64), Relaxed);
        self.snapshot_received.store(0, Relaxed);
    }

    pub fn received(&self, bytes: u64) {
        self.snapshot_received.fetch_add(bytes, Relaxed);
    }

    pub fn transfer(&self) -> Transfer {
        let total = u64::try_from(self.snapshot_bytes.load(Relaxed)).ok();
        Transfer { total, received: self.snapshot_received.load(Relaxed) }
    }

    pub fn set_error(&self, text: &str) {
        *self.error.lock() = text.replace(['\r', '\n'], " ");
    }

    pub fn error(&self) -> String {
        self.error.lock().clone()
    }
}
