//! Persistence: the data in files, and back.
//!
//! In reading order: [`queue`] is between those who write a snapshot's pieces and the one who passes them on,
//! [`snapshot`] runs the threads of one, [`rdb_file`] makes a file of it, [`saves`] keeps the books and knows the rules,
//! [`background`] is BGSAVE, for which a process [stands in](stand_in), [`loading`], [`load`] and [`start`] go the other way.

pub mod background;
pub mod load;
pub mod loading;
pub mod queue;
pub mod rdb_file;
pub mod saves;
pub mod snapshot;
pub mod stand_in;
pub mod start;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;

/// What the server knows about its files.
#[derive(Default)]
pub struct Persistence {
    pub loading: loading::Loading,
    pub saves: saves::Saves,
    /// The snapshot under way: one at a time.
    pub running: Mutex<Option<Arc<snapshot::Job>>>,
    /// Processes that have stood for snapshots.
    pub stand_ins: AtomicU64,
}

impl Persistence {
    /// The books begin: the server has just been started.
    pub fn started(&self, now_s: u64) {
        self.saves.note(|books| books.last_s = now_s);
    }

    /// The snapshot under way.
    pub fn job(&self) -> Option<Arc<snapshot::Job>> {
        self.running.lock().clone()
    }
}
