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
    /// Something was written since the last synchronisation began.
    unsynced: bool,
    synced: Instant,
    /// What will be durable when the synchronisation ends that is under way beside.
    beside: Option<Beside>,
    /// How many there have been.
    besides: u64,
}

/// A position in the log, and the version up to which clients' writes are below it.
#[derive(Clone, Copy)]
struct Beside {
    number: u64,
    appended: u64,
    promise: u64,
}

/// What a round is about.
struct Work {
    parts: VecDeque<Part>,
    bytes: usize,
    appended: u64,
    promise: u64,
    urgent: bool,
    beside: Option<(u64, io::Result<()>)>,
}

impl Pen {
    pub fn new(server: &'static Server, desk: Arc<Desk>, file: File) -> Pen {
        Pen {
            server,
            desk,
            file,
            size: None,
            failing: false,
            unsynced: false,
            synced: Instant::now(),
            beside: None,
            besides: 0,
        }
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
        while !state.stop
            && state.parts.is_empty()
            && state.promise == covered
            && !state.urgent
            && state.beside.is_none()
        {
            if !self.unsynced || self.beside.is_some() || self.policy() == AppendFsync::No {
                if self.desk.work.wait_for(&mut state, EVERY_SECOND).timed_out() {
                    self.server.aof.nudge();
                }
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
        let beside = state.beside.take();
        Some(Work { parts, bytes, appended: state.appended, promise: state.promise, urgent, beside })
    }

    /// False: nobody waits for it any more.
    fn round(&mut self, work: &Work) -> bool {
        if let Some((number, result)) = &work.beside
            && !self.end_beside(*number, result.is_ok())
        {
            return false;
        }
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
        if policy == AppendFsync::Always && due || work.urgent || aof.is_urged() {
            if !self.insist(Pen::sync) {
                return false;
            }
        } else if due && self.unsynced && self.beside.is_none() {
            self.begin_beside(work);
        }
        let mut state = self.desk.state.lock();
        state.waiting -= work.bytes;
        let clean = !self.unsynced && self.beside.is_none();
        if clean || policy == AppendFsync::No {
            state.durable = work.appended;
        }
        self.desk.done.notify_all();
        drop(state);
        self.server.aof.cover(work.promise, work.bytes as u64);
        if clean {
            self.server.aof.note_durable(self.server, work.promise);
        }
        true
    }

    /// Synchronises what has been written on a thread of its own, for replies wait for what is written meanwhile.
    fn begin_beside(&mut self, work: &Work) {
        self.besides += 1;
        let (file, desk, number) = (self.file.try_clone(), self.desk.clone(), self.besides);
        let sync = move || {
            let result = file.and_then(|file| file.sync_data());
            desk.state.lock().beside = Some((number, result));
            desk.work.notify_one();
        };
        self.synced = Instant::now();
        if std::thread::Builder::new().name("mesh-sync".into()).spawn(sync).is_ok() {
            self.unsynced = false;
            self.beside = Some(Beside { number, appended: work.appended, promise: work.promise });
        }
    }

    /// A synchronisation beside has ended. False: nobody waits for it any more.
    fn end_beside(&mut self, number: u64, worked: bool) -> bool {
        // Another one may have begun since, behind one that was not beside.
        let Some(beside) = self.beside.take_if(|beside| beside.number == number) else { return true };
        if !worked {
            self.unsynced = true;
            return self.insist(Pen::sync);
        }
        let mut state = self.desk.state.lock();
        state.durable = state.durable.max(beside.appended);
        self.desk.done.notify_all();
        drop(state);
        self.server.aof.note_durable(self.server, beside.promise);
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
            self.server.aof.nudge();
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
        if self.unsynced || self.beside.is_some() {
            self.file.sync_data()?;
            // What is under way beside was for no more than that.
            (self.unsynced, self.beside) = (false, None);
        }
        self.synced = Instant::now();
        Ok(())
    }
}
