//! How far loading is, for INFO, and that it is under way, for everybody.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};

use parking_lot::Mutex;

use crate::worker::unix_ms;

/// See the [module's page](self).
#[derive(Default)]
pub struct Loading {
    active: AtomicBool,
    /// Data are being loaded beside those that are there, which are served meanwhile.
    beside: AtomicBool,
    started_s: AtomicU64,
    total: AtomicU64,
    loaded: AtomicU64,
    /// What the data took where they were saved, bytes.
    used_when_saved: AtomicU64,
    pub keys: AtomicU64,
    pub expired: AtomicU64,
    /// The database that a master's stream selects behind its snapshot.
    pub stream_db: AtomicUsize,
    /// Libraries that come into force with the data.
    functions: Mutex<Vec<Vec<u8>>>,
}

impl Loading {
    /// Commands that need the data are refused from now on.
    pub fn begin(&self) {
        self.reset();
        self.active.store(true, Release);
    }

    /// Data are loaded beside those that are there. `served`: commands get those meanwhile.
    pub fn begin_beside(&self, served: bool) {
        self.reset();
        self.beside.store(served, Release);
        self.active.store(!served, Release);
    }

    fn reset(&self) {
        self.started_s.store(unix_ms() / 1000, Relaxed);
        for counter in [&self.total, &self.loaded, &self.used_when_saved, &self.keys, &self.expired] {
            counter.store(0, Relaxed);
        }
        self.stream_db.store(0, Relaxed);
        self.functions.lock().clear();
    }

    pub fn keep_function(&self, code: Vec<u8>) {
        self.functions.lock().push(code);
    }

    pub fn take_functions(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.functions.lock())
    }

    pub fn end(&self) {
        self.beside.store(false, Release);
        self.active.store(false, Release);
    }

    #[inline]
    pub fn is_active(&self) -> bool {
        self.active.load(Acquire)
    }

    /// Whether data are being loaded while others are served.
    pub fn is_beside(&self) -> bool {
        self.beside.load(Acquire)
    }

    /// Another file of so many bytes is to be loaded.
    pub fn add_total(&self, bytes: u64) {
        self.total.fetch_add(bytes, Relaxed);
    }

    pub fn advance(&self, bytes: u64) {
        self.loaded.fetch_add(bytes, Relaxed);
    }

    pub fn note_used(&self, bytes: u64) {
        self.used_when_saved.store(bytes, Relaxed);
    }

    pub fn progress(&self) -> Progress {
        let (total, loaded) = (self.total.load(Relaxed).max(1), self.loaded.load(Relaxed));
        let started_s = self.started_s.load(Relaxed);
        let elapsed = (unix_ms() / 1000).saturating_sub(started_s);
        let eta_s = (elapsed * total.saturating_sub(loaded)).checked_div(loaded).unwrap_or(1);
        Progress { started_s, total, loaded, used: self.used_when_saved.load(Relaxed), eta_s }
    }
}

/// Bytes, unix seconds and seconds.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub started_s: u64,
    pub total: u64,
    pub loaded: u64,
    pub used: u64,
    pub eta_s: u64,
}

impl Progress {
    pub fn percent(&self) -> f64 {
        self.loaded as f64 * 100.0 / self.total as f64
    }
}
