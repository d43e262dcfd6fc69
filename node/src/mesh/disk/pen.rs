//! The thread that writes a member's log.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Desk, Part};
use crate::config::choice::AppendFsync;
use crate::process;
use crate::server::Server;

const EVERY_SECOND: Duration = Duration::from_secs(1);
/// Between two tries to write what could not be written.
const RETRY: Duration = Duration::from_millis(100);

/// See the [module's page](self).
pub struct Pen {
    server: &'static Server,
    desk: Arc<Desk>,
    file: File,
    /// Bytes in the file, all of whole records; `None`: not asked yet.
    size: Option<u64>,
    /// The last try did not work.
    failing: bool,
    /// Something was written since the last synchronisation.
    unsynced: bool,
    synced: Instant,
}

/// What a round is about.
struct Work {
    parts: VecDeque<Part>,
    bytes: usize,
    appended: u64,
    promise: u64,
    urgent: bool,
}

impl Pen {
    pub fn new(server: &'static Server, desk: Arc<Desk>, file: File) -> Pen {
        Pen { server, desk, file, size: None, failing: false, unsynced: false, synced: Instant::now() }
    }

    pub fn run(mut self) {
        let mut covered = 0;
        while let Some(work) = self.wait(covered)
            && self.round(&work)
        {
            covered = work.promise;
        }
    }

    fn policy(&self) -> AppendFsync {
        self.server.config.get().appendfsync
    }

    /// Waits for something to do; `None`: it is over.
    fn wait(&self, covered: u64) -> Option<Work> {
        let mut state = self.desk.state.lock();
        while !state.stop && state.parts.is_empty() && state.promise == covered && !state.urgent {
            if !self.unsynced || self.policy() == AppendFsync::No {
                self.desk.work.wait(&mut state);
            } else if self.desk.work.wait_until(&mut state, self.synced + EVERY_SECOND).timed_out() {
                break;
            }
        }
        if state.stop {
            return None;
        }
        let parts = std::mem::take(&mut state.parts);
        let bytes = parts.iter().map(Part::len).sum();
        let urgent = std::mem::take(&mut state.urgent);
        Some(Work { parts, bytes, appended: state.appended, promise: state.promise, urgent })
    }

    /// False: nobody waits for it any more.
    fn round(&mut self, work: &Work) -> bool {
        if !work.parts.iter().all(|part| self.insist(|pen| pen.write(part))) {
            return false;
        }
        let policy = self.policy();
        let aof = &self.server.aof;
        let waits = self.server.config.get().no_appendfsync_on_rewrite && aof.books().rewriting;
        let due = match policy {
            AppendFsync::Always => true,
            AppendFsync::EverySec if waits => {
                // Looked at again in a second.
                self.synced = Instant::now();
                false
            }
            AppendFsync::EverySec => self.synced.elapsed() >= EVERY_SECOND,
            AppendFsync::No => false,
        };
        if (due || work.urgent || aof.is_urged()) && !self.insist(Pen::sync) {
            return false;
        }
        let mut state = self.desk.state.lock();
        state.waiting -= work.bytes;
        if !self.unsynced || policy == AppendFsync::No {
            state.durable = work.appended;
        }
        self.desk.done.notify_all();
        drop(state);
        self.server.aof.cover(work.promise, work.bytes as u64);
        if !self.unsynced {
            self.server.aof.note_durable(self.server, work.promise);
        }
        true
    }

    /// Tries until it works, and tells meanwhile that it does not.
    fn insist(&mut self, mut work: impl FnMut(&mut Pen) -> io::Result<()>) -> bool {
        loop {
            let error = work(self).err();
            if error.is_some() || self.failing {
                self.server.aof.note_error(self.server, error.as_ref().map(process::reason));
            }
            self.failing = error.is_some();
            if error.is_none() {
                return true;
            }
            std::thread::sleep(RETRY);
            if self.desk.state.lock().stop {
                return false;
            }
        }
    }

    /// After a failure nothing of it is in the file.
    fn write(&mut self, part: &Part) -> io::Result<()> {
        match part {
            Part::Turn(file) => {
                self.sync()?;
                (self.file, self.size) = (file.try_clone()?, None);
            }
            Part::Bytes(bytes) => {
                let before = match self.size {
                    Some(size) => size,
                    None => self.file.metadata()?.len(),
                };
                self.size = Some(before);
                if let Err(e) = self.file.write_all(bytes) {
                    self.file.set_len(before)?;
                    return Err(e);
                }
                self.size = Some(before + bytes.len() as u64);
                self.unsynced = true;
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.file.sync_data()?;
            self.unsynced = false;
        }
        self.synced = Instant::now();
        Ok(())
    }
}
