//! The append-only file: all that was done, as commands, so that nothing is lost that the policy promised to keep.
//!
//! In reading order: [`manifest`] names the files, [`records`] reads one, in [`batch`]es, [`log`] writes one, [`rewrite`] replaces them by
//! a snapshot and what came after it, [`load`] reads them all, scripts by an [`author`], and learns of what [`age`] they are. The feed
//! brings the groups of commands, in order. Replies wait until what they tell of is in the file, or durable, as the policy says
//! ([`crate::held`]): all that was done meanwhile shares the next write and the next synchronisation, see [`group`]. With `everysec`
//! that is the [`syncer`]'s; with `always` two synchronisations run side by side, and [`order`] says what may be promised of them.

pub mod age;
pub mod author;
pub mod batch;
pub mod group;
pub mod load;
pub mod log;
pub mod manifest;
mod order;
pub mod records;
pub mod rewrite;
pub mod syncer;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::*};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use replication::codec;
use smallvec::SmallVec;

use crate::config::Config;
use crate::config::choice::AppendFsync;
use crate::feed::pump::Consumer;
use crate::mesh::disk::Desk;
use crate::process;
use crate::server::Server;
use crate::worker::unix_ms;
use group::Group;
use log::Log;
use manifest::Manifest;
use order::{Order, Promise};
use syncer::Syncer;

const EVERY_SECOND: Duration = Duration::from_secs(1);
/// How long the end of the process waits for the disk.
const SYNC_WITHIN: Duration = Duration::from_secs(10);
/// How long one who wants everything written waits between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// What the reply to a command that has written waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Wait {
    /// The log is off.
    Nothing,
    /// That it is in the file: whatever becomes of the process, it will be loaded.
    Written,
    /// That it is on the disk.
    Durable,
}

/// Whether files are to tell when their commands were done. Who may join a mesh has to know it then.
pub fn tells_times(config: &Config) -> bool {
    config.aof_timestamp_enabled || config.active_replica
}

/// See the [module's page](self).
#[derive(Default)]
pub struct Aof {
    state: Mutex<State>,
    on: AtomicBool,
    /// A [`Wait`].
    wait: AtomicU8,
    /// All up to this version is where replies wait for it to be.
    covered: AtomicU64,
    /// All up to this version has been handed over by those who did it.
    written: AtomicU64,
    /// All up to this version is on the disk.
    durable: AtomicU64,
    /// Somebody waits for all up to this version to be there, and synchronising is not put off.
    urged: AtomicU64,
    /// Workers that hold replies back, each with the least version they wait for.
    waiting: Mutex<Vec<Waiter>>,
    awaited: AtomicBool,
    /// The log is that of a member of a mesh, see [`crate::mesh::disk`].
    member: Mutex<Option<Arc<Desk>>>,
    is_member: AtomicBool,
    /// All up to this version has been handed to whoever writes it.
    handed: AtomicU64,
    pub syncer: Syncer,
    /// With `always`: what was written and nobody synchronises yet, and what is under way.
    due: Mutex<Option<Due>>,
    order: Order,
    /// Who waits with `always`.
    pub group: Group,
}

/// Files that are to be synchronised, and the number of that in the [`Order`].
struct Due {
    number: u64,
    files: SmallVec<[Arc<File>; 2]>,
}

struct Waiter {
    worker: usize,
    version: u64,
    since: Instant,
    waker: Waker,
}

#[derive(Default)]
struct State {
    manifest: Manifest,
    log: Option<Log>,
    /// The log that groups above a version go to.
    next: Option<(u64, Log)>,
    /// Logs that nothing is added to, but not all of which is in their files yet.
    finished: Vec<Log>,
    /// Groups up to this version are in the base that is being written, or loaded.
    skip: u64,
    /// Seconds are annotated.
    stamps: bool,
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
    /// The log has been turned on, and has no base yet: a start would not find what is logged.
    pub starting: bool,
    /// How the last rewrite ended, how long it took (-1: there was none), how many there were.
    pub rewrite_ok: bool,
    pub rewrite_seconds: i64,
    pub rewrites: u64,
    pub failures_in_a_row: u64,
    /// When the last one that failed was tried, unix seconds.
    pub tried_s: u64,
    /// Why the last write failed, and the last synchronisation beside; `None`: it did not.
    pub write_error: Option<String>,
    pub sync_error: Option<String>,
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
            starting: false,
            rewrite_ok: true,
            rewrite_seconds: -1,
            rewrites: 0,
            failures_in_a_row: 0,
            tried_s: 0,
            write_error: None,
            sync_error: None,
            base_size: 0,
            size: 0,
            pending: 0,
            delayed_syncs: 0,
        }
    }
}

impl Books {
    /// Why the log can't be written, or not be made durable.
    pub fn error(&self) -> Option<&str> {
        self.write_error.as_deref().or(self.sync_error.as_deref())
    }
}

impl State {
    /// Bytes of everything that a start would read.
    fn size(&self) -> u64 {
        self.settled + self.logs().map(Log::size).sum::<u64>()
    }

    fn logs(&self) -> impl Iterator<Item = &Log> {
        self.finished.iter().chain(&self.log).chain(self.next.iter().map(|(_, log)| log))
    }

    fn logs_mut(&mut self) -> impl Iterator<Item = &mut Log> {
        self.finished.iter_mut().chain(&mut self.log).chain(self.next.iter_mut().map(|(_, log)| log))
    }

    /// What follows goes to another file.
    fn turn_to(&mut self, next: Log) {
        self.finished.extend(self.log.replace(next));
    }

    /// Forgets the logs that are finished and all in their files.
    fn settle(&mut self) {
        let settled = &mut self.settled;
        self.finished.retain(|log| {
            let whole = log.pending() == 0;
            *settled += if whole { log.size() } else { 0 };
            !whole
        });
    }
}

impl Aof {
    /// Whether commands are logged.
    pub fn is_on(&self) -> bool {
        self.on.load(Acquire)
    }

    /// What replies wait for.
    #[inline]
    pub fn wait(&self) -> Wait {
        match self.wait.load(Relaxed) {
            0 => Wait::Nothing,
            1 => Wait::Written,
            _ => Wait::Durable,
        }
    }

    /// Takes over what the configuration says.
    pub fn configure(&self, config: &Config) {
        let wait = match (self.is_on(), config.appendfsync) {
            (false, _) => Wait::Nothing,
            (true, AppendFsync::Always) => Wait::Durable,
            (true, AppendFsync::EverySec | AppendFsync::No) => Wait::Written,
        };
        self.state.lock().stamps = tells_times(config);
        self.wait.store(wait as u8, Release);
        // Who waits looks again what for.
        self.waiting.lock().iter().for_each(|waiter| waiter.waker.wake_by_ref());
    }

    pub fn books(&self) -> Books {
        let state = self.state.lock();
        Books { pending: state.logs().map(|log| log.pending() as u64).sum(), ..state.books.clone() }
    }

    pub fn note(&self, note: impl FnOnce(&mut Books)) {
        note(&mut self.state.lock().books);
    }

    /// Whether all up to a version is where replies wait for it to be.
    #[inline]
    pub fn covers(&self, version: u64) -> bool {
        self.covered.load(Acquire) >= version
    }

    /// Whether some worker holds replies back that others can release.
    #[inline]
    pub fn is_awaited(&self) -> bool {
        self.awaited.load(Relaxed)
    }

    /// Has a worker woken when a version is covered, instead of what it waited for before.
    pub fn wake_when(&self, worker: usize, version: u64, waker: &Waker) {
        let waiter = Waiter { worker, version, since: Instant::now(), waker: waker.clone() };
        let mut waiting = self.waiting.lock();
        match waiting.iter_mut().find(|other| other.worker == worker) {
            Some(before) => *before = waiter,
            None => waiting.push(waiter),
        }
        self.awaited.store(true, SeqCst);
    }

    /// Has what was done written now.
    pub fn hurry(&self, server: &Server) {
        if self.is_member() {
            server.mesh.wake();
        }
        server.pump.wake();
    }

    /// Wakes the workers that have waited for long: somebody else's command, or the disk, keeps what they wait for.
    pub fn nudge(&self) {
        self.release(0);
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

    /// Whether all up to a version is on the disk.
    pub fn is_durable(&self, version: u64) -> bool {
        self.is_on() && self.durable.load(Acquire) >= version
    }

    /// Whether somebody waits for what is not on the disk.
    pub fn is_urged(&self) -> bool {
        self.urged.load(Acquire) > self.durable.load(Acquire)
    }

    /// Has all up to a version synchronised without waiting for the second to pass.
    pub fn urge(&self, server: &Server, version: u64) {
        self.urged.fetch_max(version, AcqRel);
        if self.is_urged() {
            self.hurry(server);
        }
    }

    /// All up to a version is on the disk: clients that wait for that look again.
    pub fn note_durable(&self, server: &Server, version: u64) {
        if self.durable.fetch_max(version, AcqRel) < version {
            server.replicas.look_at_disk(server);
        }
    }

    /// The log is off, and so nothing is on the disk that it could say.
    fn forget_durable(&self, server: &Server) {
        self.durable.store(0, Release);
        self.urged.store(0, Release);
        server.replicas.look_at_disk(server);
    }

    /// Makes durable what was written.
    pub fn sync(&self) {
        let desk = self.member.lock().clone();
        if desk.is_some_and(|desk| !desk.sync(SYNC_WITHIN)) {
            tracing::warn!("Fail to fsync the member's log in time");
        }
        let mut state = self.state.lock();
        for log in state.logs_mut() {
            if let Err(e) = log.write().and_then(|()| log.sync()) {
                tracing::warn!("Fail to fsync the AOF file: {}", process::reason(&e));
            }
            log.trim();
        }
    }

    /// Writes what has come, all up to a version, and sees to it that it becomes durable when it is time. False: it could not.
    fn write(&self, server: &'static Server, promise: u64) -> bool {
        let config = server.config.get();
        let always = config.appendfsync == AppendFsync::Always;
        let saving = config.no_appendfsync_on_rewrite && server.persistence.job().is_some();
        let urged = self.is_urged();
        let mut due: SmallVec<[Arc<File>; 2]> = SmallVec::new();
        let mut state = self.state.lock();
        let pause = server.switches.aof_flush_sleep();
        if !pause.is_zero() && state.logs().any(|log| log.pending() > 0) {
            std::thread::sleep(pause);
        }
        let (mut result, mut late) = (Ok(()), false);
        let beside = self.syncer.watch();
        for log in state.logs_mut() {
            if always {
                log.reserve();
            }
            result = result.and_then(|()| log.write());
            match config.appendfsync {
                AppendFsync::Always => due.extend(log.to_sync()),
                AppendFsync::EverySec | AppendFsync::No if urged => {
                    // Who is at work on the disk comes back when he is done.
                    if !self.syncer.is_busy() {
                        due.extend(log.to_sync());
                    }
                }
                AppendFsync::EverySec if saving || !log.is_due(EVERY_SECOND) => {}
                AppendFsync::EverySec if self.syncer.is_busy() => {
                    log.put_off();
                    late = true;
                }
                AppendFsync::EverySec => due.extend(log.to_sync()),
                AppendFsync::No => {}
            }
        }
        if let Some(write) = &beside {
            self.syncer.note_write(write);
        }
        let complete = state.finished.iter_mut().filter(|log| log.pending() == 0);
        due.extend(complete.filter_map(Log::to_sync));
        state.settle();
        state.books.delayed_syncs += u64::from(late);
        // Nothing is left but what is about to be synchronised, and a start would find it.
        let clean = !state.books.starting && state.logs().all(Log::is_handed_over);
        let (covered, promise) = (promise, if clean { promise } else { 0 });
        drop(state);
        if always {
            if result.is_ok() {
                self.put_on_disk(server, due, Promise { covered, durable: promise });
            }
        } else if !self.syncer.ask(server, due, promise) && beside.is_none() {
            // None was under way that could fail.
            self.note_durable(server, promise);
        }
        let ok = result.is_ok();
        self.note_write(server, result, always);
        ok
    }

    /// Writing, or synchronising where replies wait for that, has gone like this.
    fn note_write(&self, server: &'static Server, result: io::Result<()>, always: bool) {
        let error = result.err().map(|e| process::reason(&e));
        let ok = error.is_none();
        self.note_error(server, error);
        if !ok && always {
            tracing::error!(
                "Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting..."
            );
            std::process::exit(1);
        }
    }

    /// With `always`: whoever made the round synchronises these files when he has let go of the desks.
    fn put_on_disk(&self, server: &Server, files: SmallVec<[Arc<File>; 2]>, promise: Promise) {
        let mut due = self.due.lock();
        match &mut *due {
            Some(due) => {
                due.files.extend(files);
                self.order.extend(due.number, promise);
            }
            None if files.is_empty() => {
                drop(due);
                self.keep(server, self.order.pass(promise));
            }
            None => {
                *due = Some(Due { number: self.order.begin(promise), files });
                self.group.depart();
            }
        }
    }

    fn keep(&self, server: &Server, promise: Option<Promise>) {
        let Some(Promise { covered, durable }) = promise else { return };
        self.note_durable(server, durable);
        if !self.is_member() {
            self.release(covered);
        }
    }

    /// Whether [`Aof::sync_due`] has something to do.
    pub fn has_due(&self) -> bool {
        self.due.lock().is_some()
    }

    /// Synchronises what was written with `always`, and sends the replies that wait for it.
    pub fn sync_due(&self, server: &'static Server) {
        let Some(Due { number, files }) = self.due.lock().take() else { return };
        let began = Instant::now();
        let result = files.iter().try_for_each(|file| file.sync_data());
        self.group.synced(began.elapsed());
        self.note_write(server, result, true);
        self.keep(server, self.order.end(number));
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

    /// Notes how a synchronisation beside went, with which all up to a version would be durable.
    fn note_sync(&self, server: &Server, error: Option<String>, promise: u64) {
        let mut state = self.state.lock();
        if error.is_none() && state.books.sync_error.is_none() {
            drop(state);
            self.note_durable(server, promise);
            if self.is_urged() {
                server.pump.wake();
            }
            return;
        }
        let turned = error.is_some() != state.books.sync_error.is_some();
        match &error {
            Some(reason) => {
                tracing::warn!("Fail to fsync the AOF file: {reason}");
                state.logs_mut().for_each(Log::sync_again);
            }
            None => tracing::info!("The AOF file can be synchronised again, writes are accepted again"),
        }
        state.books.sync_error = error;
        drop(state);
        if turned {
            server.config.touch();
        }
    }

    /// With `always`, waits until those that may share the next synchronisation are there.
    pub fn gather(&self) {
        if self.wait() == Wait::Durable && !self.is_member() {
            self.group.gather();
        }
    }

    /// Whether a synchronisation beside is under way that writing may have to wait for.
    #[inline]
    pub fn is_writing_slow(&self) -> bool {
        self.syncer.is_in_the_way()
    }

    /// All up to a version is where replies wait for it to be: wakes the workers that wait for that, or have for too long.
    fn release(&self, promise: u64) {
        self.covered.fetch_max(promise, SeqCst);
        if !self.awaited.load(SeqCst) {
            return;
        }
        let mut waiting = self.waiting.lock();
        waiting.retain(|waiter| {
            let over = waiter.version <= promise || waiter.since.elapsed() >= EVERY_SECOND;
            if over {
                waiter.waker.wake_by_ref();
            }
            !over
        });
        self.awaited.store(!waiting.is_empty(), SeqCst);
    }
}

/// The log of a member of a mesh, which its own thread writes.
impl Aof {
    /// Whether it is kept instead of one of commands.
    pub fn is_member(&self) -> bool {
        self.is_member.load(Acquire)
    }

    /// All that clients wrote up to a version has been handed to the thread that writes it.
    pub fn hand_over(&self, version: u64) {
        self.handed.fetch_max(version, Release);
    }

    /// Whether all up to a version is about to be in the log: it takes no more than the disk does.
    pub fn is_about_to_cover(&self, version: u64) -> bool {
        self.is_member()
            && self.handed.load(Acquire) >= version
            && self.state.lock().books.write_error.is_none()
    }

    pub fn begin_member(&self, server: &Server, desk: &Arc<Desk>) {
        *self.member.lock() = Some(desk.clone());
        self.handed.store(0, Release);
        self.is_member.store(true, Release);
        self.on.store(true, Release);
        self.configure(&server.config.get());
    }

    /// The log is kept no more.
    pub fn end_member(&self, server: &'static Server) {
        *self.member.lock() = None;
        self.is_member.store(false, Release);
        self.on.store(false, Release);
        self.wait.store(Wait::Nothing as u8, Release);
        self.note_error(server, None);
        self.release(u64::MAX >> 1);
        self.covered.store(0, Release);
        self.forget_durable(server);
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
    fn take(&self, _: &'static Server, groups: &[u8]) {
        let mut state = self.state.lock();
        let now_s = state.stamps.then(|| unix_ms() / 1000);
        for (version, group) in codec::groups(groups).flatten() {
            if version <= state.skip {
                continue;
            }
            if state.next.as_ref().is_some_and(|(after, _)| version > *after)
                && let Some((_, next)) = state.next.take()
            {
                state.turn_to(next);
            }
            if let Some(log) = &mut state.log {
                log.append(group, now_s);
            }
        }
    }

    fn done(&self, server: &'static Server, promise: u64) {
        if !self.is_on() || self.state.lock().log.is_none() {
            return;
        }
        self.written.store(promise, Release);
        self.write(server, promise);
        // What can't be written stays here and is tried again; replies do not wait for that. Where a member's log takes over,
        // that decides what is durable.
        if self.wait() != Wait::Durable && !self.is_member() {
            self.release(promise);
        }
        let mut state = self.state.lock();
        state.books.size = state.size();
    }

    /// With `always` somebody waits for whoever is at work now.
    fn hurries(&self) -> bool {
        let written = self.written.load(Acquire);
        self.is_awaited()
            && self.wait() == Wait::Durable
            && self.waiting.lock().iter().any(|waiter| waiter.version > written)
    }
}
