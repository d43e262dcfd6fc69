//! A snapshot on its way out: the moment it shows, the threads that walk through the shards, and the one that passes on
//! what they write.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

use engine::ctx::Ctx;
use engine::journal::feed;
use engine::keyspace::Locks;
use engine::snapshot::{Cut, Encoder, Options, Piece};
use protocol::rdb::FileWriter;

use super::queue::Queue;
use crate::server::Server;

/// Threads that walk at the same time.
const WALKERS: usize = 2;
/// Bytes that a walk writes before it lets go of a shard. Writing them takes some 50 us.
const ROOM: usize = 32 * 1024;
/// How long a walk runs before it lets others have its core: with as many walks as cores, whoever has a client to
/// serve would wait for the end of a walk's slice, some milliseconds.
const STRETCH: Duration = Duration::from_millis(1);
/// How long it is away then. It sleeps, for who yields gives up a whole slice each time, and starves where others are busy.
const BREAK: Duration = Duration::from_micros(50);
/// How long a walk that is slowed down for a test goes without looking whether it should stop.
const NAP: Duration = Duration::from_millis(10);

/// What a snapshot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A file of its own: SAVE and BGSAVE.
    Save,
    /// The base of an append-only file.
    Rewrite,
    /// A replica.
    Replica,
    /// A server that knows no later RDB than version 9.
    OldReplica,
}

/// A snapshot under way, as INFO and whoever wants to end it see it.
pub struct Job {
    pub purpose: Purpose,
    pub started: Instant,
    cut: OnceLock<Arc<Cut>>,
    /// The libraries of functions at the cut.
    libraries: OnceLock<Vec<Vec<u8>>>,
    /// Keys written.
    keys: AtomicU64,
    /// Of these, those that walks have come by: the others were about to change.
    walked: AtomicU64,
    queue: Arc<Queue>,
    /// The signal that has ended it; 0: none.
    killed: AtomicI32,
    /// A client waits for its end.
    hurries: AtomicBool,
}

impl Job {
    pub fn new(purpose: Purpose) -> Arc<Job> {
        let queue = Arc::new(Queue::new(crate::memory::used()));
        let (cut, libraries) = (OnceLock::new(), OnceLock::new());
        let (keys, walked) = (AtomicU64::new(0), AtomicU64::new(0));
        let (started, killed) = (Instant::now(), AtomicI32::new(0));
        let hurries = AtomicBool::new(false);
        Arc::new(Job { purpose, started, cut, libraries, keys, walked, queue, killed, hurries })
    }

    /// Fixes the moment that the snapshot shows: now. All shards must be held.
    pub fn cut(&self, ctx: &mut Ctx<'_>, stamps: bool, commands: bool, libraries: Vec<Vec<u8>>) {
        let (now_ms, clock, tuning) = (ctx.env.now_ms, ctx.env.clock, ctx.env.tuning.clone());
        let old = self.purpose == Purpose::OldReplica;
        let options = Options { now_ms, clock, tuning, stamps, commands, old };
        let _ = self.libraries.set(libraries);
        let cut = Cut::begin(&mut ctx.locks, options, self.queue.clone());
        let first = self.cut.set(cut).is_ok();
        assert!(first, "a snapshot shows one moment");
    }

    /// It is to be over soon, whatever that costs others.
    pub fn hurry(&self) {
        self.hurries.store(true, Relaxed);
    }

    /// The texts of the libraries of functions that are part of it.
    pub fn libraries(&self) -> &[Vec<u8>] {
        self.libraries.get().map_or(&[], Vec::as_slice)
    }

    fn the_cut(&self) -> &Arc<Cut> {
        self.cut.get().expect("a snapshot is run after its cut")
    }

    /// Whether it is written as commands instead of RDB.
    pub fn in_commands(&self) -> bool {
        self.the_cut().options.commands
    }

    /// Ends the snapshot early: whoever runs it gets an error.
    pub fn abort(&self) {
        if let Some(cut) = self.cut.get() {
            cut.abort();
        }
        self.queue.close();
    }

    /// Ends the snapshot because the process that stands for it was killed.
    pub fn kill(&self, signal: i32) {
        self.killed.store(signal, Release);
        self.abort();
    }

    /// The signal that has ended it.
    pub fn killed(&self) -> Option<i32> {
        Some(self.killed.load(Acquire)).filter(|signal| *signal != 0)
    }

    pub fn is_aborted(&self) -> bool {
        self.cut.get().is_some_and(|cut| cut.is_aborted())
    }

    /// Keys written so far, and all of them.
    pub fn progress(&self) -> (u64, u64) {
        (self.keys.load(Relaxed), self.cut.get().map_or(0, |cut| cut.keys()))
    }

    /// Bytes written because they were about to change.
    pub fn copied(&self) -> u64 {
        self.queue.copied()
    }

    /// Walks through all data and writes them to `out`, after what `file` holds. Returns when all is over.
    pub fn run(&self, server: &Server, file: FileWriter, out: &mut dyn Write) -> io::Result<()> {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::scope(|scope| {
                    for _ in 0..WALKERS {
                        scope.spawn(|| self.walk(server, &next));
                    }
                });
                self.the_cut().walk_left_behind(&mut Encoder::new(&self.the_cut().options), ROOM);
                // Who asks for a long save means all keys, whoever has written them.
                self.dawdle_for_others(server);
                self.queue.end();
            });
            self.pass_on(file, out)
        })
    }

    /// [`Job::run`] for one who holds all shards.
    pub fn run_held(
        &self,
        locks: &mut Locks<'_>,
        file: FileWriter,
        out: &mut (dyn Write + Send),
    ) -> io::Result<()> {
        let cut = self.the_cut();
        std::thread::scope(|scope| {
            let written = scope.spawn(|| self.pass_on(file, out));
            let mut encoder = Encoder::new(&cut.options);
            locks.iter_mut().for_each(|shard| cut.walk_held(shard, &mut encoder, ROOM));
            self.queue.end();
            written.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread has ended")))
        })
    }

    /// Walks through the shards that nobody has begun with, until there are none.
    fn walk(&self, server: &Server, next: &AtomicUsize) {
        let cut = self.the_cut();
        let (mut encoder, mut since) = (Encoder::new(&cut.options), Instant::now());
        loop {
            let shard = next.fetch_add(1, Relaxed);
            if shard >= server.keyspace.shard_count() {
                return;
            }
            let delay = server.config.get().rdb_key_save_delay;
            cut.walk(&server.keyspace, shard, &mut encoder, if delay > 0 { 0 } else { ROOM }, |keys| {
                self.queue.wait_for_room();
                self.walked.fetch_add(keys, Relaxed);
                self.dawdle(delay, keys);
                if since.elapsed() >= STRETCH && !self.hurries.load(Relaxed) {
                    std::thread::sleep(BREAK);
                    since = Instant::now();
                }
            });
        }
    }

    /// `rdb-key-save-delay`: us for each key, for tests.
    fn dawdle(&self, delay: i32, keys: u64) {
        let until = Instant::now() + Duration::from_micros(delay.max(0) as u64 * keys);
        while delay > 0 && !self.is_aborted() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(NAP));
        }
    }

    /// The same for keys that no walk has come by.
    fn dawdle_for_others(&self, server: &Server) {
        let mut left = self.the_cut().keys().saturating_sub(self.walked.load(Relaxed));
        while left > 0 && !self.is_aborted() {
            let delay = server.config.get().rdb_key_save_delay;
            if delay <= 0 {
                return;
            }
            let some = left.min((NAP.as_micros() as u64 / delay as u64).max(1));
            self.dawdle(delay, some);
            left -= some;
        }
    }

    /// Writes what comes through the queue until its end.
    fn pass_on(&self, file: FileWriter, out: &mut dyn Write) -> io::Result<()> {
        let result = if self.in_commands() { self.write_commands(out) } else { self.write_rdb(file, out) };
        if result.is_err() {
            // The walks have to come to their ends all the same.
            self.abort();
            while self.queue.take().is_some() {}
        }
        result
    }

    /// The pieces as they are, and which database they are of.
    fn write_commands(&self, out: &mut dyn Write) -> io::Result<()> {
        let (mut selected, mut select) = (None, Vec::new());
        while let Some(Piece { db, records, keys, .. }) = self.queue.take() {
            if selected.replace(db) != Some(db) {
                select.clear();
                feed::encode(&mut select, [&b"SELECT"[..], db.to_string().as_bytes()].into_iter());
                out.write_all(&select)?;
            }
            out.write_all(&records)?;
            self.keys.fetch_add(keys, Relaxed);
        }
        self.check_complete()
    }

    fn check_complete(&self) -> io::Result<()> {
        if self.is_aborted() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "aborted"));
        }
        Ok(())
    }

    fn write_rdb(&self, mut file: FileWriter, out: &mut dyn Write) -> io::Result<()> {
        let mut selected = None;
        let mut sized = vec![false; self.the_cut().sizes.len()];
        let mut buffer = Vec::new();
        while let Some(Piece { db, records, keys, .. }) = self.queue.take() {
            if selected != Some(db) {
                file.select(db as u64);
                selected = Some(db);
            }
            if !std::mem::replace(&mut sized[db], true) {
                let size = self.the_cut().sizes[db];
                file.resize(size.keys, size.expires);
            }
            buffer.clear();
            file.take(&mut buffer);
            out.write_all(&buffer)?;
            file.pass(&records);
            out.write_all(&records)?;
            self.keys.fetch_add(keys, Relaxed);
        }
        self.check_complete()?;
        buffer.clear();
        file.finish(&mut buffer);
        out.write_all(&buffer)
    }
}
