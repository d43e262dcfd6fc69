//! One replica as the rest of the server sees it.
//!
//! ```text
//! Waiting -> Preparing -> Receiving -> Online            after FULLRESYNC
//! Online                                                 after CONTINUE
//! ```
//!
//! Its connection is on a worker, like any client's, and its [`Sender`](super::sender::Sender) takes the bytes from where
//! they are: the snapshot's file, the [`Transfer`], the backlog. Others say how far it may go, and wake it.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::*};

use parking_lot::Mutex;

use super::handshake::Handshake;
use super::transfer::{Reader, Transfer};
use crate::client::Client;

/// How far a replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// It needs a snapshot that has yet to begin.
    Waiting,
    /// Its snapshot is being made.
    Preparing,
    /// It gets its snapshot.
    Receiving,
    /// It follows the stream.
    Online,
    /// It wanted a snapshot only, and has it.
    Served,
}

const STAGES: [Stage; 5] = [Stage::Waiting, Stage::Preparing, Stage::Receiving, Stage::Online, Stage::Served];

impl Stage {
    /// As INFO names it.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Waiting | Stage::Preparing => "wait_bgsave",
            Stage::Receiving => "send_bulk",
            Stage::Online | Stage::Served => "online",
        }
    }
}

/// A snapshot to be sent.
pub enum Payload {
    /// From a file of so many bytes.
    File(File, u64),
    /// As it is being made.
    Transfer(Reader),
}

/// Not in the stream: nothing is kept for it.
const NOWHERE: u64 = u64::MAX;

/// See the [module's page](self).
pub struct Link {
    pub client: Arc<Client>,
    pub about: Handshake,
    /// Unix ms of its PSYNC.
    pub since_ms: u64,
    stage: AtomicU8,
    /// The next byte of the stream to be sent.
    position: AtomicU64,
    /// It has carried out the stream up to this byte.
    acked: AtomicU64,
    /// It has what is up to this byte on its disk; [`NOWHERE`]: it has never said so.
    acked_durable: AtomicU64,
    /// Unix ms of its last acknowledgement.
    heard_ms: AtomicU64,
    /// Unix ms when it last took a piece of its snapshot.
    progress_ms: AtomicU64,
    /// The stream may be sent to it.
    flows: AtomicBool,
    /// Its connection has nothing to send, and waits to be woken.
    idle: AtomicBool,
    /// Unix ms since when more waits for it than the soft limit allows; 0: it does not.
    pub soft_since_ms: AtomicU64,
    payload: Mutex<Option<Payload>>,
    /// It has been given a snapshot.
    given: AtomicBool,
}

impl Link {
    pub fn new(client: Arc<Client>, about: Handshake, now_ms: u64) -> Link {
        Link {
            client,
            about,
            since_ms: now_ms,
            stage: AtomicU8::new(Stage::Waiting as u8),
            position: AtomicU64::new(NOWHERE),
            acked: AtomicU64::new(0),
            acked_durable: AtomicU64::new(NOWHERE),
            heard_ms: AtomicU64::new(now_ms),
            progress_ms: AtomicU64::new(now_ms),
            flows: AtomicBool::new(false),
            idle: AtomicBool::new(false),
            soft_since_ms: AtomicU64::new(0),
            payload: Mutex::default(),
            given: AtomicBool::new(false),
        }
    }

    pub fn stage(&self) -> Stage {
        STAGES[usize::from(self.stage.load(Acquire))]
    }

    pub fn is_online(&self) -> bool {
        self.stage() == Stage::Online
    }

    /// The next byte to be sent; `None`: it is not in the stream yet.
    pub fn position(&self) -> Option<u64> {
        Some(self.position.load(Acquire)).filter(|position| *position != NOWHERE)
    }

    /// Bytes that wait for it where the stream ends before `end`.
    pub fn behind(&self, end: u64) -> u64 {
        self.position().map_or(0, |position| end.saturating_sub(position))
    }

    pub fn acked(&self) -> u64 {
        self.acked.load(Acquire)
    }

    /// The byte up to which it has the stream on its disk; `None`: it has never said so.
    pub fn acked_durable(&self) -> Option<u64> {
        Some(self.acked_durable.load(Acquire)).filter(|offset| *offset != NOWHERE)
    }

    /// It has so much on its disk.
    pub fn acknowledge_durable(&self, offset: u64) {
        self.acked_durable.store(offset, Release);
    }

    /// Seconds since it was last heard.
    pub fn lag_s(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.heard_ms.load(Relaxed)) / 1000
    }

    /// Whether it has taken nothing for so long of what there is of its snapshot.
    pub fn is_stuck(&self, now_ms: u64, timeout_ms: u64) -> bool {
        !self.idle.load(SeqCst) && now_ms.saturating_sub(self.progress_ms.load(Relaxed)) > timeout_ms
    }

    /// The stream goes on from this byte once its snapshot is there.
    pub fn prepare(&self, position: u64) {
        self.position.store(position, Release);
        self.turn(Stage::Preparing);
    }

    /// Its snapshot is to be sent.
    pub fn give(&self, payload: Payload, now_ms: u64) {
        self.progress_ms.store(now_ms, Relaxed);
        *self.payload.lock() = Some(payload);
        self.given.store(true, Release);
        self.wake();
    }

    pub fn has_payload(&self) -> bool {
        self.given.load(Acquire)
    }

    pub fn take_payload(&self) -> Option<Payload> {
        self.payload.lock().take()
    }

    pub fn turn(&self, stage: Stage) {
        self.stage.store(stage as u8, Release);
    }

    /// It goes on with the stream from this byte at once.
    pub fn resume(&self, position: u64, now_ms: u64) {
        self.position.store(position, Release);
        self.go_online(now_ms);
        self.flow();
    }

    /// Its snapshot is out. The stream may have to wait until it has found the end of the snapshot.
    pub fn go_online(&self, now_ms: u64) {
        self.heard_ms.store(now_ms, Relaxed);
        self.turn(Stage::Online);
    }

    /// The stream may be sent.
    pub fn flow(&self) {
        self.flows.store(true, Release);
    }

    pub fn flows(&self) -> bool {
        self.flows.load(Acquire)
    }

    /// Bytes have been handed to its socket.
    pub fn sent(&self, bytes: u64) {
        self.position.fetch_add(bytes, Release);
    }

    /// It has taken something of its snapshot, or there is something again.
    pub fn sent_of_snapshot(&self, now_ms: u64) {
        self.progress_ms.store(now_ms, Relaxed);
    }

    /// It says how far it is. True if the stream begins with that.
    pub fn acknowledge(&self, offset: u64, now_ms: u64) -> bool {
        self.acked.fetch_max(offset, AcqRel);
        self.heard_ms.store(now_ms, Relaxed);
        self.is_online() && !self.flows.swap(true, AcqRel)
    }

    /// What follows is looked for after this: whoever brings more wakes the connection.
    pub fn rest(&self) {
        self.idle.store(true, SeqCst);
    }

    pub fn work(&self) {
        self.idle.store(false, Relaxed);
    }

    /// There is something to send.
    pub fn wake(&self) {
        if self.idle.swap(false, SeqCst) {
            self.client.nudge();
        }
    }

    /// Its name in the log.
    pub fn name(&self) -> String {
        let (ip, port) = self.address();
        format!("{ip}:{port}")
    }

    /// As it wants to be known.
    pub fn address(&self) -> (String, u16) {
        let seen = self.client.addr.rsplit_once(':').map_or(&self.client.addr[..], |(ip, _)| ip);
        let ip = if self.about.ip.is_empty() { seen } else { &self.about.ip };
        (ip.trim_matches(['[', ']']).to_owned(), self.about.port)
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({}, {:?})", self.name(), self.stage())
    }
}

impl Payload {
    pub fn of(transfer: &Arc<Transfer>, link: &Arc<Link>) -> Payload {
        Payload::Transfer(transfer.reader(link))
    }
}
