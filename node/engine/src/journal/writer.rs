//! What one context writes: the group under way, and those since it last let go of its shards.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use replication::codec::{self, GROUP_HEAD};

use super::desk::Desk;
use super::{Journal, WRITER_BITS};

/// Bytes that a writer keeps room for between batches.
pub(super) const ROOM: usize = 256 << 10;

/// How long a writer waits at a full desk before it looks again.
const PATIENCE: Duration = Duration::from_millis(100);

/// See the [module's page](super).
pub struct Writer {
    journal: Arc<Journal>,
    desk: Arc<Desk>,
    /// The group under way is written down.
    on: bool,
    /// Nothing is written down, whoever listens.
    muted: bool,
    opened: bool,
    pub(super) bytes: codec::Writer,
    /// Where the group under way begins in `bytes`, if anything of it has been written.
    begun: Option<usize>,
    /// Its version; 0: none is under way.
    version: u64,
    /// The last version minted here, or the floor it was minted above.
    last: u64,
    /// Writes of the group under way.
    subs: u32,
    /// What is written down is another server's, of no mesh.
    pub(super) foreign: bool,
    /// It does not wait at a full desk.
    hurried: bool,
    /// Writes down commands beside the effects, under the same versions: see [`super::feed`].
    feed: Option<Box<Writer>>,
}

impl Writer {
    pub(crate) fn new(journal: &Arc<Journal>) -> Writer {
        Writer {
            journal: journal.clone(),
            desk: journal.sign_on(),
            on: false,
            muted: false,
            opened: false,
            bytes: codec::Writer::default(),
            begun: None,
            version: 0,
            last: 0,
            subs: 0,
            foreign: false,
            hurried: false,
            feed: None,
        }
    }

    pub(crate) fn with_feed(mut self, feed: &Arc<Journal>) -> Writer {
        self.feed = Some(Box::new(Writer::new(feed)));
        self
    }

    /// This writer never waits at a full desk: it runs where the desks are emptied, and bounds what it writes in between.
    pub fn hurry(&mut self) {
        self.hurried = true;
    }

    /// Bytes written down since it last let go.
    pub(crate) fn gathered(&self) -> usize {
        self.bytes.0.len()
    }

    /// The writer of commands, if they are written down in the group under way.
    #[inline]
    pub fn feed(&mut self) -> Option<&mut Writer> {
        self.feed.as_deref_mut().filter(|feed| feed.on)
    }

    /// No commands are written down until the next group begins.
    pub fn rest_feed(&mut self) {
        if let Some(feed) = &mut self.feed {
            feed.on = false;
        }
    }

    /// Whether commands are written down, as of the last group.
    #[inline]
    pub fn feeds(&self) -> bool {
        self.feed.as_ref().is_some_and(|feed| feed.on)
    }

    /// Whether commands are written down from the next group on: not where they come from what was written down before.
    pub fn mute_feed(&mut self, muted: bool) {
        if let Some(feed) = &mut self.feed {
            feed.muted = muted;
        }
    }

    /// All commands that are written down from now on are another server's.
    pub fn is_for_another(&mut self) {
        if let Some(feed) = &mut self.feed {
            feed.foreign = true;
        }
    }

    /// Makes ready for a group whose version another writer mints: above what this returns.
    #[inline]
    fn prepare(&mut self, now_ms: u64) -> u64 {
        self.on = self.journal.is_on() && !self.muted;
        if !self.on {
            return 0;
        }
        if !self.opened {
            self.open(now_ms);
        }
        self.last
    }

    /// Whether the group under way is written down.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// The version of the group under way; 0: none is.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The last version minted here.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The node's label in stamps.
    #[inline]
    pub fn label(&self) -> u16 {
        self.journal.label()
    }

    /// See [`Journal::first_label`].
    #[inline]
    pub(crate) fn first_label(&self) -> u16 {
        self.journal.first_label()
    }

    /// The version up to which everything has arrived here.
    pub(crate) fn horizon(&self) -> u64 {
        self.journal.horizon()
    }

    /// How many writes the group under way has: the number of the next.
    pub fn subs(&self) -> u32 {
        self.subs
    }

    /// What was added from `at` on.
    pub(crate) fn written(&self, at: usize) -> &[u8] {
        &self.bytes.0[at..]
    }

    /// Ends the group under way: what follows has another version.
    #[inline]
    pub fn end_group(&mut self) {
        self.version = 0;
        if self.begun.is_some() {
            self.close();
        }
        if let Some(feed) = &mut self.feed
            && feed.begun.is_some()
        {
            feed.close();
        }
    }

    /// Begins a group: its version is above `seen`, which is the highest that the shards it writes to have seen.
    #[inline]
    pub(crate) fn begin_group(&mut self, seen: u64, now_ms: u64) -> u64 {
        self.end_group();
        self.on = self.journal.is_on();
        if self.on && !self.opened {
            self.open(now_ms);
        }
        let prepared = self.feed.as_mut().map_or(0, |feed| feed.prepare(now_ms));
        let base = seen
            .max(self.last)
            .max(prepared)
            .max((now_ms << replication::stamp::COUNTER_BITS).saturating_sub(1));
        let number = u64::from(self.desk.number);
        let step = 1 << WRITER_BITS;
        self.subs = 0;
        self.version = (base + step) & !(step - 1) | number;
        self.last = self.version;
        if let Some(feed) = &mut self.feed {
            (feed.version, feed.last) = (self.version, self.version);
        }
        self.version
    }

    #[cold]
    fn open(&mut self, now_ms: u64) {
        self.opened = true;
        let time = (now_ms << replication::stamp::COUNTER_BITS).saturating_sub(1);
        let mut desk = self.desk.state.lock();
        self.last = self.last.max(self.journal.floor.load(Relaxed));
        desk.open = Some(self.last.max(time));
    }

    /// Adds an effect on a key to the group under way: `write` appends its head and itself. Returns what
    /// [`Writer::retract`] takes.
    #[inline]
    pub fn add(&mut self, write: impl FnOnce(&mut codec::Writer)) -> usize {
        if self.begun.is_none() {
            self.begun = Some(self.bytes.0.len());
            codec::begin_group(&mut self.bytes, self.version);
        }
        let at = self.bytes.0.len();
        write(&mut self.bytes);
        self.subs += 1;
        at
    }

    /// Appends several writes, which are in `bytes`; returns where they begin.
    pub fn add_several(&mut self, count: u32, bytes: &[u8]) -> usize {
        if count == 0 {
            return self.bytes.0.len();
        }
        let at = self.add(|w| w.0.extend_from_slice(bytes));
        self.subs += count - 1;
        at
    }

    /// Takes back what was added last, and began at `at`: it turned out to do nothing.
    pub fn retract(&mut self, at: usize) {
        self.bytes.0.truncate(at);
        if let Some(begun) = self.begun
            && at == begun + GROUP_HEAD
        {
            self.bytes.0.truncate(begun);
            self.begun = None;
        }
    }

    fn close(&mut self) {
        if let Some(begun) = self.begun.take() {
            codec::end_group(&mut self.bytes, begun);
        }
    }

    /// Hands everything over. The shards must have been let go.
    #[inline]
    pub fn flush(&mut self) {
        self.end_group();
        if self.opened {
            self.hand_over();
        }
        if let Some(feed) = &mut self.feed
            && feed.opened
        {
            feed.hand_over();
        }
    }

    #[cold]
    fn hand_over(&mut self) {
        let written = !self.bytes.0.is_empty();
        let mut desk = self.desk.state.lock();
        if desk.bytes.is_empty() {
            std::mem::swap(&mut desk.bytes, &mut self.bytes.0);
        } else {
            desk.bytes.extend_from_slice(&self.bytes.0);
        }
        (desk.open, desk.last) = (None, self.last);
        self.opened = false;
        let full = desk.bytes.len() > self.journal.limit.load(Relaxed);
        drop(desk);
        self.bytes.0.clear();
        self.bytes.0.shrink_to(ROOM);
        if written {
            self.journal.wake();
        }
        if full && !self.hurried {
            self.wait_for_room();
        }
    }

    #[cold]
    fn wait_for_room(&self) {
        let mut desk = self.desk.state.lock();
        while desk.bytes.len() > self.journal.limit.load(Relaxed) && self.journal.is_on() {
            self.desk.emptied.wait_for(&mut desk, PATIENCE);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.flush();
        self.desk.state.lock().left = true;
    }
}
