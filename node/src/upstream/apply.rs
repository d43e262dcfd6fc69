//! Executes what a master sends, in its order, and counts how far that is: in bytes, as the master does.
//!
//! The offset moves with whole commands, and over a transaction only when it has been executed: where the link breaks,
//! the next one goes on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::resp::{Batch, Limits, Parser};
use protocol::{Args, Reply};

use super::durable::Durable;
use super::link::{Broken, Link, Mode};
use super::status::State;
use super::wire::Wire;
use crate::acl::Access;
use crate::blocking;
use crate::client::{Client, flag};
use crate::config::choice::PropagationError;
use crate::dispatch::{self, Hint, Next};
use crate::replicas::history::{self, History};
use crate::session::Session;
use crate::ticks;
use crate::worker::{Worker, unix_ms};

/// Commands executed between two looks at whether the link is still wanted.
const BATCH: usize = 64;
/// Bytes that are read at once.
const READ: usize = 64 * 1024;
/// Room that a buffer keeps for the next command.
const KEEP: usize = 1 << 20;
/// How often the master hears how far we are.
const ACK_EVERY: Duration = Duration::from_secs(1);
/// A master may send whatever it could take from its clients.
const LIMITS: Limits = Limits { bulk_max: i64::MAX / 4, authenticated: true };
/// Failures that are told in the log, of all that happen.
const FAILURES_LOGGED: u64 = 100;
/// Between two looks at whether a script that takes long has ended.
const BUSY_LOOK: Duration = Duration::from_millis(1);

/// See the [module's page](self).
pub struct Applier<'l> {
    pub link: &'l Link,
    pub worker: Worker,
    client: Arc<Client>,
    session: Option<Session>,
    parser: Parser,
    batch: Batch,
    /// Bytes that came and were not executed yet.
    buffer: Vec<u8>,
    /// Bytes of a transaction whose end has not come.
    open: Vec<u8>,
    reply: Reply,
    /// The database that the stream has selected, as of the offset.
    db: usize,
    /// Sessions of the servers whose commands a KeyDB server passes on.
    pub origins: HashMap<Vec<u8>, Session>,
    /// The offset of a link that merges; that of one that follows is the node's own.
    merged: Option<(String, u64)>,
    /// The UUID of a KeyDB server at the other end.
    peer: Option<Vec<u8>>,
    ack_wanted: bool,
    durable: Durable,
    acknowledged: Instant,
}

impl<'l> Applier<'l> {
    pub fn new(link: &'l Link) -> Applier<'l> {
        let worker = Worker::beside(link.server);
        if link.mode == Mode::Merge {
            worker.ctx.borrow_mut().locks.for_another();
        }
        Applier {
            link,
            worker,
            client: Arc::new(Client::new(0, 0, String::new(), String::new(), -1, 0)),
            session: None,
            parser: Parser::new(),
            batch: Batch::default(),
            buffer: Vec::new(),
            open: Vec::new(),
            reply: Reply::default(),
            db: link.db.load(std::sync::atomic::Ordering::Relaxed),
            origins: HashMap::new(),
            merged: None,
            peer: None,
            ack_wanted: false,
            durable: Durable::default(),
            acknowledged: Instant::now(),
        }
    }

    /// The history that we have, and how much of it.
    pub fn position(&self) -> (String, u64) {
        match self.link.mode {
            Mode::Follow => {
                self.link.server.replicas.history(|history| (history.id().to_owned(), history.offset()))
            }
            Mode::Merge => self.merged.clone().unwrap_or_else(|| (history::new_id(), 0)),
        }
    }

    /// A KeyDB server that has been started anew says that its stream goes on where it does not.
    pub fn meet_again(&mut self, peer: Option<Vec<u8>>) {
        if self.peer != peer {
            self.merged = None;
            self.peer = peer;
        }
    }

    /// The data are now those of this history at this offset, and the stream begins in this database.
    pub fn begin_at(&mut self, replid: &str, offset: u64, db: usize) {
        match self.link.mode {
            Mode::Follow => self.link.server.replicas.adopt(self.link.server, replid, offset),
            Mode::Merge => self.merged = Some((replid.to_owned(), offset)),
        }
        self.durable = Durable::default();
        self.db = db.min(self.link.server.keyspace.databases() - 1);
        self.link.db.store(self.db, std::sync::atomic::Ordering::Relaxed);
        self.show(offset, offset);
    }

    /// The data are those of no history: whatever comes next, it is everything.
    pub fn begin_anew(&mut self) {
        match self.link.mode {
            Mode::Follow => self.link.server.replicas.history(History::begin_anew),
            Mode::Merge => self.merged = None,
        }
    }

    /// The master goes on where we stopped.
    pub fn go_on(&mut self, replid: Option<String>) -> Result<(), Broken> {
        let (own, offset) = self.position();
        tracing::info!("Successful partial resynchronization with master.");
        self.link.status.partial_syncs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if let Some(new) = replid.filter(|new| *new != own) {
            tracing::info!("Master replication ID changed to {new}");
            match self.link.mode {
                Mode::Follow => self.link.server.replicas.rename(self.link.server, &new),
                Mode::Merge => self.merged = Some((new, offset)),
            }
        }
        self.show(offset, offset);
        Ok(())
    }

    fn show(&self, read: u64, done: u64) {
        use std::sync::atomic::Ordering::Relaxed;
        self.link.status.read_offset.store(read, Relaxed);
        self.link.status.offset.store(done, Relaxed);
    }

    /// The link is gone. What was not executed will come again.
    pub fn hung_up(&mut self) {
        if let Some(mut session) = self.session.take() {
            self.link.server.forget(&mut session);
        }
        self.parser = Parser::new();
        // What had begun comes again from its beginning, with what else was not acknowledged.
        self.origins.clear();
        (self.buffer, self.open) = (Vec::new(), Vec::new());
        let (_, offset) = self.position();
        self.show(offset, offset);
    }

    /// Executes what comes until the link breaks.
    pub fn stream(&mut self, wire: &mut Wire) -> Result<(), Broken> {
        self.meet(wire);
        self.link.heard();
        self.link.set(State::Connected);
        self.acknowledge(wire)?;
        loop {
            let config = self.link.server.config.get();
            self.link.check(&config)?;
            let had = self.buffer.len();
            self.buffer.resize(had + READ, 0);
            let read = wire.read(&mut self.buffer[had..]);
            self.buffer.truncate(had + read.as_ref().unwrap_or(&0));
            if read? > 0 {
                self.link.heard();
                self.execute()?;
            }
            if self.session.as_ref().is_none_or(|s| s.client.kill.load(std::sync::atomic::Ordering::Acquire))
            {
                return Err(Broken::Lost("killed by CLIENT KILL".into()));
            }
            if self.ack_wanted
                || self.durable.is_due(self.link.server)
                || self.acknowledged.elapsed() >= ACK_EVERY
            {
                self.acknowledge(wire)?;
            }
        }
    }

    /// Makes the master known as a client.
    fn meet(&mut self, wire: &Wire) {
        let server = self.link.server;
        let (addr, laddr) = (wire.peer.to_string(), wire.local.to_string());
        let id = server.clients.next_id();
        let client = Client::new(id, self.worker.index, addr, laddr, wire.fd, unix_ms());
        client.set(flag::MASTER, true);
        self.client = Arc::new(client);
        server.clients.add(&self.client);
        let mut session = Session::new(self.client.clone(), Access::unlimited(&server.users));
        session.select(self.db);
        self.session = Some(session);
    }

    /// The master as a client.
    pub fn client(&self) -> Arc<Client> {
        self.client.clone()
    }

    fn acknowledge(&mut self, wire: &mut Wire) -> Result<(), Broken> {
        let (_, offset) = self.position();
        let done = offset.to_string();
        // What is merged into other data is not all in the log before it has been rewritten.
        let durable = match self.link.mode {
            Mode::Follow => self.durable.at(self.link.server, offset),
            Mode::Merge => None,
        };
        match durable.map(|at| at.to_string()) {
            None => wire.command(&[b"REPLCONF", b"ACK", done.as_bytes()])?,
            Some(at) => wire.command(&[b"REPLCONF", b"ACK", done.as_bytes(), b"FACK", at.as_bytes()])?,
        }
        (self.ack_wanted, self.acknowledged) = (false, Instant::now());
        Ok(())
    }

    /// Executes the whole commands at the front of the buffer.
    fn execute(&mut self) -> Result<(), Broken> {
        let buffer = std::mem::take(&mut self.buffer);
        let mut used = 0;
        let result = loop {
            self.batch.clear();
            let (parsed, error) = self.parser.parse(&buffer[used..], LIMITS, BATCH, &mut self.batch);
            if let Err(broken) = self.run(&buffer[used..used + parsed]) {
                break Err(broken);
            }
            used += parsed;
            if let Some(error) = error {
                break Err(Broken::Refused(format!("Protocol error from master: {}", error.0)));
            }
            if self.batch.is_empty() || used == buffer.len() {
                break Ok(());
            }
        };
        self.buffer = buffer;
        self.buffer.drain(..used);
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
        self.show_progress();
        result
    }

    fn show_progress(&self) {
        let (_, offset) = self.position();
        self.show(offset + (self.open.len() + self.buffer.len()) as u64, offset);
    }

    /// Executes a batch of commands, which are in `data`, and moves the offset behind them.
    fn run(&mut self, data: &[u8]) -> Result<(), Broken> {
        let link = self.link;
        while link.server.busy.is_on() && !link.is_unwanted() {
            std::thread::sleep(BUSY_LOOK);
        }
        let _applying = link.applying.lock();
        if link.is_unwanted() {
            return Err(Broken::Unwanted);
        }
        let Some(mut session) = self.session.take() else { return Err(Broken::Unwanted) };
        let batch = std::mem::take(&mut self.batch);
        let committed = self.commands(&mut session, &batch, data);
        (self.batch, self.session) = (batch, Some(session));
        self.commit(data, committed);
        Ok(())
    }

    /// Executes commands; returns up to where in `data` they need not be executed again.
    fn commands(&mut self, session: &mut Session, batch: &Batch, data: &[u8]) -> usize {
        let mut committed = 0;
        self.begin();
        for i in 0..batch.len() {
            self.command(session, batch.args(i, data));
            if session.multi.is_none() {
                committed = batch.end(i);
                self.db = session.db;
            }
        }
        let mut ctx = self.worker.ctx.borrow_mut();
        ctx.locks.release();
        self.worker.count_lookups(&mut ctx);
        self.worker.stats.processed.add(batch.len() as u64);
        committed
    }

    fn begin(&self) {
        let mut ctx = self.worker.ctx.borrow_mut();
        self.worker.tick(&mut ctx);
        // A master has looked already at what hinders commands; what it says has expired has, and nothing else.
        self.worker.hindrances.set(0);
        ctx.env.expiry = self.link.mode == Mode::Merge;
        self.worker.lap.set(ticks::now());
    }

    pub fn command(&mut self, session: &mut Session, args: Args<'_>) {
        // These are between servers, whatever names clients may use here.
        let is = |name: &[u8]| args.at(0).eq_ignore_ascii_case(name);
        if is(b"replconf") {
            self.ack_wanted |= args.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"getack"));
            return;
        }
        if self.link.mode == Mode::Merge && is(b"rreplay") {
            return self.replay(args);
        }
        if self.link.mode == Mode::Merge && is(b"keydb.cron") {
            return self.refuse_job();
        }
        let mut ctx = self.worker.ctx.borrow_mut();
        self.reply.buf.clear();
        let hint = Hint::default();
        let next = dispatch::execute(&self.worker, session, &mut ctx, args, hint, &mut self.reply);
        if let Next::Blocked(blocked) = next {
            // No master waits; what would, finds nothing to do.
            blocking::abandon(&self.worker, &blocked.ticket, &session.client);
            ctx.locks.release();
            blocking::leave_queues(self.link.server, &blocked);
        }
        drop(ctx);
        if self.reply.buf.first() == Some(&b'-') {
            self.failed(args);
        }
    }

    /// A command that the master could execute cannot be executed here.
    #[cold]
    fn failed(&mut self, args: Args<'_>) {
        let reply = String::from_utf8_lossy(&self.reply.buf).into_owned();
        let name = String::from_utf8_lossy(args.get(0).unwrap_or_default()).escape_debug().to_string();
        self.note_failure(&name, reply.trim_start_matches('-').trim_end());
    }

    #[cold]
    pub fn refuse_job(&self) {
        self.note_failure("KEYDB.CRON", "KeyDB runs its jobs itself, here they would run twice");
    }

    pub fn note_failure(&self, name: &str, reply: &str) {
        let server = self.link.server;
        let so_far = self.link.status.failed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if so_far < FAILURES_LOGGED {
            tracing::error!(
                "== CRITICAL == This replica is sending an error to its master: '{reply}' after processing the command '{name}'"
            );
        }
        let config = server.config.get();
        // A replica that others write to has every reason to differ.
        let strict = self.link.mode == Mode::Follow && config.replica_read_only;
        if strict && config.propagation_error_behavior != PropagationError::Ignore {
            panic!("'{name}' of the master failed, and propagation-error-behavior says to stop: {reply}");
        }
    }

    /// Moves the offset: `data` was executed up to `committed`, and the rest of it belongs to an open transaction.
    fn commit(&mut self, data: &[u8], committed: usize) {
        let (done, rest) = data.split_at(committed);
        self.link.db.store(self.db, std::sync::atomic::Ordering::Relaxed);
        if !done.is_empty() {
            match &mut self.merged {
                Some((_, offset)) => *offset += (self.open.len() + done.len()) as u64,
                None => {
                    let server = self.link.server;
                    if !self.open.is_empty() {
                        server.replicas.relay(server, &self.open);
                    }
                    server.replicas.relay(server, done);
                }
            }
            self.open.clear();
        }
        self.open.extend_from_slice(rest);
    }
}

impl Drop for Applier<'_> {
    fn drop(&mut self) {
        self.link.server.beside.give_back(self.worker.stats);
    }
}
