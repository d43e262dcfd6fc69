//! The append-only file: all that was done, as commands, so that nothing is lost that the policy promised to keep.
//!
//! In reading order: [`manifest`] names the files, [`records`] reads one, [`log`] writes one, [`rewrite`] replaces them by
//! a snapshot and what came after it, [`load`] reads them all. The feed brings the groups of commands, in order, and
//! whoever waits for a group to be durable is told when a synchronisation has covered it: all that was done meanwhile
//! shares the next one.

pub mod load;
pub mod log;
pub mod manifest;
pub mod records;
pub mod rewrite;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::client::Client;
use crate::config::Config;
use crate::config::choice::AppendFsync;
use crate::feed::pump::Consumer;
use crate::mesh::disk::Desk;
use crate::process;
use crate::server::Server;
use crate::worker::unix_ms;
use log::Log;
use manifest::Manifest;

const EVERY_SECOND: Duration = Duration::from_secs(1);
/// How long the end of the process waits for the disk.
const SYNC_WITHIN: Duration = Duration::from_secs(10);
/// How long one who wants everything written waits between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// See the [module's page](self).
#[derive(Default)]
pub struct Aof {
    state: Mutex<State>,
    on: AtomicBool,
    /// Every reply waits until what its command did is durable.
    strict: AtomicBool,
    /// All up to this version is in the files, and as durable as the policy wants it.
    durable: AtomicU64,
    waiting: Mutex<Vec<(u64, Arc<Client>)>>,
    /// The log is that of a member of a mesh, see [`crate::mesh::disk`].
    member: Mutex<Option<Arc<Desk>>>,
    is_member: AtomicBool,
}

#[derive(Default)]
struct State {
    manifest: Manifest,
    log: Option<Log>,
    /// The log that groups above a version go to.
    next: Option<(u64, Log)>,
    /// Groups up to this version are in the base that is being written, or loaded.
    skip: u64,
    /// The second to annotate, if that is wanted.
    now_s: Option<u64>,
    /// Bytes of the base and of increments that are written no more.
    settled: u64,
    books: Books,
}

/// What is known about the log, for INFO and for decisions.
#[derive(Clone, Debug)]
pub struct Books {
    /// A rewrite is under way, or about to begin because the log was turned on.
    pub rewriting: bool,
    pub scheduled: bool,
    /// How the last rewrite ended, how long it took (-1: there was none), how many there were.
    pub rewrite_ok: bool,
    pub rewrite_seconds: i64,
    pub rewrites: u64,
    pub failures_in_a_row: u64,
    /// When the last one that failed was tried, unix seconds.
    pub tried_s: u64,
    /// Why the last write failed; `None`: it did not.
    pub write_error: Option<String>,
    /// Bytes after the last rewrite, or at the start, and now.
    pub base_size: u64,
    pub size: u64,
    pub pending: u64,
    pub delayed_syncs: u64,
}

impl Default for Books {
    fn default() -> Books {
        Books {
            rewriting: false,
            scheduled: false,
            rewrite_ok: true,
            rewrite_seconds: -1,
            rewrites: 0,
            failures_in_a_row: 0,
            tried_s: 0,
            write_error: None,
            base_size: 0,
            size: 0,
            pending: 0,
            delayed_syncs: 0,
        }
    }
}

impl State {
    /// Bytes of everything that a start would read.
    fn size(&self) -> u64 {
        self.settled
            + self.log.as_ref().map_or(0, Log::size)
            + self.next.as_ref().map_or(0, |(_, log)| log.size())
    }
}

impl State {
    /// What follows goes to another file; the one before is complete.
    fn turn_to(&mut self, next: Log) {
        let Some(mut old) = self.log.replace(next) else { return };
        if let Err(e) = old.write().and_then(|()| old.sync()) {
            tracing::warn!("Error writing to the AOF file: {}", process::reason(&e));
        }
        self.settled += old.size();
    }
}

impl Aof {
    /// Whether commands are logged.
    pub fn is_on(&self) -> bool {
        self.on.load(Acquire)
    }

    /// Whether replies wait for the disk.
    #[inline]
    pub fn is_strict(&self) -> bool {
        self.strict.load(Relaxed)
    }

    /// Takes over what the configuration says.
    pub fn configure(&self, config: &Config) {
        self.strict.store(self.is_on() && config.appendfsync == AppendFsync::Always, Release);
    }

    pub fn books(&self) -> Books {
        let state = self.state.lock();
        Books { pending: state.log.as_ref().map_or(0, |log| log.pending() as u64), ..state.books.clone() }
    }

    pub fn note(&self, note: impl FnOnce(&mut Books)) {
        note(&mut self.state.lock().books);
    }

    /// Whether all up to a version is as durable as the policy wants it.
    #[inline]
    pub fn covers(&self, version: u64) -> bool {
        self.durable.load(Acquire) >= version
    }

    /// Has a client woken when that is so. False: it is already.
    pub fn wait(&self, server: &Server, version: u64, client: &Arc<Client>) -> bool {
        let mut waiting = self.waiting.lock();
        if self.covers(version) {
            return false;
        }
        waiting.push((version, client.clone()));
        drop(waiting);
        self.hurry(server);
        true
    }

    /// Has what was done written now.
    fn hurry(&self, server: &Server) {
        if self.is_member() {
            server.mesh.wake();
        }
        server.pump.wake();
    }

    /// Returns when all that was done before is in the files. No shard may be held.
    pub fn drain(&self, server: &Server) {
        let target = replication::stamp::at(Duration::from_millis(unix_ms() + 1));
        let until = Instant::now() + Duration::from_secs(10);
        while self.is_on() && !self.covers(target) && Instant::now() < until {
            self.hurry(server);
            std::thread::sleep(LOOK);
        }
    }

    /// Makes durable what was written.
    pub fn sync(&self) {
        let desk = self.member.lock().clone();
        if desk.is_some_and(|desk| !desk.sync(SYNC_WITHIN)) {
            tracing::warn!("Fail to fsync the member's log in time");
        }
        let mut state = self.state.lock();
        if let Some(log) = &mut state.log
            && let Err(e) = log.write().and_then(|()| log.sync())
        {
            tracing::warn!("Fail to fsync the AOF file: {}", process::reason(&e));
        }
    }

    /// Writes what has come, and makes it durable if it is time. False: it could not.
    fn write(&self, server: &'static Server) -> bool {
        let config = server.config.get();
        let mut state = self.state.lock();
        let State { log, next, books, .. } = &mut *state;
        let mut result = Ok(());
        let saving = config.no_appendfsync_on_rewrite && server.persistence.job().is_some();
        for log in log.iter_mut().chain(next.iter_mut().map(|(_, log)| log)) {
            result = result.and_then(|()| log.write());
            let due = match config.appendfsync {
                AppendFsync::Always => true,
                AppendFsync::EverySec => log.since_sync() >= EVERY_SECOND,
                AppendFsync::No => false,
            };
            if due && (!saving || config.appendfsync == AppendFsync::Always) {
                let began = Instant::now();
                result = result.and_then(|()| log.sync());
                books.delayed_syncs += u64::from(began.elapsed() >= EVERY_SECOND);
            }
        }
        let error = result.err().map(|e| process::reason(&e));
        drop(state);
        let ok = error.is_none();
        self.note_error(server, error);
        if !ok && config.appendfsync == AppendFsync::Always {
            tracing::error!(
                "Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting..."
            );
            std::process::exit(1);
        }
        ok
    }

    /// Writing has worked, or has not: then clients' writes are refused.
    pub fn note_error(&self, server: &'static Server, error: Option<String>) {
        let mut state = self.state.lock();
        let books = &mut state.books;
        let turned = error.is_some() != books.write_error.is_some();
        match &error {
            Some(reason) if turned => tracing::warn!("Error writing to the AOF file: {reason}"),
            None if turned => tracing::info!("AOF write error looks solved, writes are accepted again"),
            _ => {}
        }
        books.write_error = error;
        drop(state);
        if turned {
            server.config.touch();
        }
    }

    /// Wakes those whose commands are covered.
    fn release(&self, promise: u64) {
        self.durable.fetch_max(promise, AcqRel);
        let mut waiting = self.waiting.lock();
        waiting.retain(|(version, client)| {
            let covered = *version <= promise;
            if covered {
                client.nudge();
            }
            !covered
        });
    }
}

/// The log of a member of a mesh, which its own thread writes.
impl Aof {
    /// Whether it is kept instead of one of commands.
    pub fn is_member(&self) -> bool {
        self.is_member.load(Acquire)
    }

    pub fn begin_member(&self, server: &Server, desk: &Arc<Desk>) {
        *self.member.lock() = Some(desk.clone());
        self.is_member.store(true, Release);
        self.on.store(true, Release);
        self.configure(&server.config.get());
    }

    /// The log is kept no more.
    pub fn end_member(&self, server: &'static Server) {
        *self.member.lock() = None;
        self.is_member.store(false, Release);
        self.on.store(false, Release);
        self.strict.store(false, Release);
        self.note_error(server, None);
        self.release(u64::MAX >> 1);
        self.durable.store(0, Release);
    }

    /// So many bytes more have been written; all that clients wrote up to this version is as durable as the policy wants it.
    pub fn cover(&self, promise: u64, bytes: u64) {
        self.release(promise);
        self.state.lock().books.size += bytes;
    }

    /// This is the size of the files after a rewrite, or at the start.
    pub fn rebased(&self, size: u64) {
        self.note(|books| (books.base_size, books.size) = (size, size));
    }
}

impl Consumer for Aof {
    fn group(&self, version: u64, group: &[u8]) {
        let mut state = self.state.lock();
        if version <= state.skip {
            return;
        }
        if state.next.as_ref().is_some_and(|(after, _)| version > *after)
            && let Some((_, next)) = state.next.take()
        {
            state.turn_to(next);
        }
        let now_s = state.now_s;
        if let Some(log) = &mut state.log {
            log.append(group, now_s);
        }
    }

    fn done(&self, server: &'static Server, promise: u64) {
        if !self.is_on() || self.state.lock().log.is_none() {
            return;
        }
        // Where a member's log takes over, that decides what is durable.
        if self.write(server) && !self.is_member() {
            self.release(promise);
        }
        let mut state = self.state.lock();
        state.now_s = server.config.get().aof_timestamp_enabled.then(|| unix_ms() / 1000);
        state.books.size = state.size();
    }
}
