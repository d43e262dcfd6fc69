//! A connection: reads requests, has them executed in batches, sends the replies.
//!
//! One turn reads what has arrived, parses up to [`BATCH`] commands, brings the memory they will touch into the cache,
//! executes them and sends all replies with one write. Buffers are the worker's; a connection owns memory only for what is
//! left over: half a request, or replies that a slow reader has not taken yet.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use engine::ctx::Ctx;
use protocol::Reply;
use protocol::resp::{Limits, Parser};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::acl::Access;
use crate::ahead;
use crate::aof::Wait;
use crate::blocking::{self, Blocked};
use crate::client::{Client, Mail, flag};
use crate::dispatch::{self, Next};
use crate::held;
use crate::memcached::{self, Talk};
use crate::mesh::Order;
use crate::session::Session;
use crate::sniff::{self, Tongue};
use crate::ticks;
use crate::tls;
use crate::worker::{Arrival, Buffers, Worker, unix_ms};

/// Commands executed before the loop lets others have their turn, and the span of prefetching.
pub const BATCH: usize = 64;
/// Reads in a row of one connection, and the bytes after which there is no further one.
const BATCHES: usize = 4;
const TURN: usize = 32 * 1024;
/// Replies are sent when they exceed this, bytes, even if more requests are waiting.
const FLUSH_AT: usize = 128 * 1024;
/// How long a connection that is being closed waits for its client to take the last reply.
const LAST_REPLY: Duration = Duration::from_secs(60);
/// Unsent replies, bytes, for which a client is closed that has yet to say who it is.
const STRANGER_OUTPUT_MAX: u64 = 1024;
/// A worker's shared buffer that has grown beyond this is given back, bytes.
const KEEP: usize = 1024 * 1024;

/// Has the task polled again after all others that are ready, those included whose sockets have not been asked yet: merely
/// woken, it would have dozens of turns before somebody asks them.
fn yield_to_all(cx: &mut Context<'_>) {
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

/// What bytes come through.
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(TcpStream, Box<tls::Session>),
}

impl Stream {
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match self {
            Stream::Tcp(s) => Pin::new(s).poll_read(cx, buf),
            Stream::Unix(s) => Pin::new(s).poll_read(cx, buf),
            Stream::Tls(s, session) => session.poll_read(s, cx, buf),
        }
    }

    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        match self {
            Stream::Tcp(s) => Pin::new(s).poll_write(cx, bytes),
            Stream::Unix(s) => Pin::new(s).poll_write(cx, bytes),
            Stream::Tls(s, session) => session.poll_write(s, cx, bytes),
        }
    }

    /// Whether small packets are held back to be gathered.
    fn set_delay(&self, on: bool) {
        if let Stream::Tcp(s) | Stream::Tls(s, _) = self {
            let _ = s.set_nodelay(!on);
        }
    }

    /// Sends what was written and is still here, encrypted.
    #[inline]
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self {
            Stream::Tls(s, session) => session.poll_flush(s, cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    #[inline]
    fn is_flushed(&self) -> bool {
        match self {
            Stream::Tls(_, session) => session.is_flushed(),
            _ => true,
        }
    }
}

/// A socket that belongs to no event loop yet: the loop that accepted it must not go on watching it.
pub enum Socket {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
    Tls(std::net::TcpStream, Box<tls::Session>),
}

impl Socket {
    /// Gives the socket to the event loop of this thread.
    pub fn adopt(self) -> std::io::Result<Stream> {
        Ok(match self {
            Socket::Tcp(s) => Stream::Tcp(TcpStream::from_std(s)?),
            Socket::Unix(s) => Stream::Unix(UnixStream::from_std(s)?),
            Socket::Tls(s, session) => Stream::Tls(TcpStream::from_std(s)?, session),
        })
    }

    /// Sends a few last bytes, if they can be sent at once.
    pub fn refuse(&mut self, bytes: &[u8]) {
        let _ = match self {
            Socket::Tcp(s) => s.write(bytes),
            Socket::Unix(s) => s.write(bytes),
            // It has no ears yet.
            Socket::Tls(..) => return,
        };
    }
}

impl Stream {
    /// Takes the socket from the event loop of this thread.
    fn release(self) -> std::io::Result<Socket> {
        Ok(match self {
            Stream::Tcp(s) => Socket::Tcp(s.into_std()?),
            Stream::Unix(s) => Socket::Unix(s.into_std()?),
            Stream::Tls(s, session) => Socket::Tls(s.into_std()?, session),
        })
    }
}

/// Why a connection ended.
#[derive(Debug)]
struct Closed;

/// Longer than any timer can be: ten years.
const TIMER_MS_MAX: u64 = 10 * 365 * 24 * 3600 * 1000;

fn timer(after_ms: u64) -> Pin<Box<Sleep>> {
    Box::pin(sleep_until(Instant::now() + Duration::from_millis(after_ms.min(TIMER_MS_MAX))))
}

struct Connection {
    stream: Stream,
    session: Session,
    parser: Parser,
    /// Requests read but not executed: usually empty.
    pending: Vec<u8>,
    /// Replies not sent: usually empty.
    unsent: Vec<u8>,
    sent: usize,
    /// Replies wait until what has this version is in the log, see [`crate::held`]; 0: none wait.
    until: u64,
    /// It is on the worker's list of those whose replies wait.
    listed: bool,
    /// Waiting for keys.
    blocked: Option<Blocked>,
    /// Waiting for the end of a pause, or to try again.
    held: bool,
    /// When something happens without a message: a block's end, a pause's end, a retry.
    timer: Option<Pin<Box<Sleep>>>,
    soft_limit_since: Option<Instant>,
    /// Its task, as the mailbox knows it.
    waker: Option<Waker>,
    /// The first bytes have been looked at.
    known: bool,
    /// It speaks HTTP/2: these bytes were read, and others serve it.
    foreign: Option<Vec<u8>>,
    /// It speaks memcached's protocol, and this is where it is.
    talk: Option<Talk>,
    /// Bytes read in this turn.
    taken: usize,
}

/// A connection between two workers: all of it but what belongs to an event loop.
pub struct Moving {
    socket: Socket,
    session: Session,
    parser: Parser,
    pending: Vec<u8>,
    unsent: Vec<u8>,
    sent: usize,
    until: u64,
    blocked: Option<Blocked>,
    held: bool,
    timer_at: Option<Instant>,
    soft_limit_since: Option<Instant>,
    known: bool,
    talk: Option<Talk>,
}

impl Moving {
    fn new(socket: Socket, session: Session) -> Moving {
        Moving {
            socket,
            session,
            parser: Parser::new(),
            pending: Vec::new(),
            unsent: Vec::new(),
            sent: 0,
            until: 0,
            blocked: None,
            held: false,
            timer_at: None,
            soft_limit_since: None,
            known: false,
            talk: None,
        }
    }
}

/// The place of a connection on its worker, from where it can be taken to another one.
#[derive(Clone)]
pub struct Slot(Rc<RefCell<Option<Connection>>>);

impl Slot {
    /// Whether it can be taken.
    pub fn is_resting(&self) -> bool {
        self.0.try_borrow().is_ok_and(|connection| connection.is_some())
    }

    /// Takes the connection, unless it is having its turn: then it is busy running a command.
    pub fn take(&self) -> Option<Box<Moving>> {
        let connection = self.0.try_borrow_mut().ok()?.take()?;
        // Its task finds it gone.
        if let Some(waker) = &connection.waker {
            waker.wake_by_ref();
        }
        connection.pack()
    }

    /// Sends the replies that were held back, if all may go or what they wait for is there; else that is returned.
    pub fn let_go(&self, worker: &Worker, all: bool) -> Option<u64> {
        self.0.borrow_mut().as_mut().and_then(|connection| connection.let_go(worker, all))
    }

    fn turn(&self, cx: &mut Context<'_>, worker: &Worker) -> Poll<End> {
        match &mut *self.0.borrow_mut() {
            Some(connection) => connection.turn(cx, worker),
            None => Poll::Ready(End::Gone),
        }
    }
}

/// How a turn of a connection ended for good.
enum End {
    Closed,
    /// To be handed to another worker.
    Move(usize),
    /// It has been handed over already.
    Gone,
}

impl From<Closed> for End {
    fn from(_: Closed) -> End {
        End::Closed
    }
}

/// Serves a connection to its end, or until it moves to another worker.
pub async fn serve(worker: &Worker, arrival: Arrival) -> Option<(usize, Box<Moving>)> {
    let connection = match Connection::welcome(worker, arrival) {
        Ok(connection) => connection,
        Err(e) => {
            tracing::warn!("Can't serve a connection: {e}");
            return None;
        }
    };
    let id = connection.session.client.id;
    let slot = Slot(Rc::new(RefCell::new(Some(connection))));
    worker.stats.clients.add(1);
    worker.connections.borrow_mut().insert(id, slot.clone());
    let turn = |cx: &mut Context<'_>| {
        let end = slot.turn(cx, worker);
        held::after_turn(worker);
        end
    };
    let end = poll_fn(turn).await;
    // Who has been handed over was counted and forgotten then, and may be back already.
    let mut connection = slot.0.take()?;
    worker.stats.clients.set(worker.stats.clients.get() - 1);
    worker.connections.borrow_mut().remove(&id);
    let End::Move(target) = end else {
        if let Some(read) = connection.foreign.take() {
            connection.hand_over(worker, read);
        } else {
            connection.end(worker);
        }
        return None;
    };
    Some((target, connection.pack()?))
}

impl Connection {
    fn welcome(worker: &Worker, arrival: Arrival) -> std::io::Result<Connection> {
        match arrival {
            Arrival::Moved(moving) => Connection::unpack(worker, *moving),
            Arrival::New(new) => {
                let client = Client::new(new.id, worker.index, new.addr, new.laddr, new.fd, unix_ms());
                client.set(flag::UNIX, new.unix);
                let client = Arc::new(client);
                worker.server.clients.add(&client);
                let mut session = Session::new(client, Access::new(&worker.server.users));
                if worker.config.borrow().client_default_resp == 3 {
                    session.set_resp3(true);
                }
                let talk = new.memcached.then(Talk::default);
                Connection::unpack(worker, Moving { talk, ..Moving::new(new.stream, session) })
            }
        }
    }

    /// Puts a connection on this worker's event loop.
    fn unpack(worker: &Worker, moving: Moving) -> std::io::Result<Connection> {
        let session = moving.session;
        session.client.worker.store(worker.index, Relaxed);
        let stream = match moving.socket.adopt() {
            Ok(stream) => stream,
            Err(e) => {
                worker.server.clients.remove(session.client.id);
                return Err(e);
            }
        };
        Ok(Connection {
            stream,
            session,
            parser: moving.parser,
            pending: moving.pending,
            unsent: moving.unsent,
            sent: moving.sent,
            until: moving.until,
            listed: false,
            blocked: moving.blocked,
            held: moving.held,
            timer: moving.timer_at.map(|at| Box::pin(sleep_until(at))),
            soft_limit_since: moving.soft_limit_since,
            waker: None,
            known: moving.known,
            foreign: None,
            talk: moving.talk,
            taken: 0,
        })
    }

    /// Takes a connection from this worker's event loop.
    fn pack(self) -> Option<Box<Moving>> {
        let timer_at = self.timer.as_ref().map(|timer| timer.deadline());
        match self.stream.release() {
            Ok(socket) => Some(Box::new(Moving {
                socket,
                session: self.session,
                parser: self.parser,
                pending: self.pending,
                unsent: self.unsent,
                sent: self.sent,
                until: self.until,
                blocked: self.blocked,
                held: self.held,
                timer_at,
                soft_limit_since: self.soft_limit_since,
                known: self.known,
                talk: self.talk,
            })),
            Err(e) => {
                tracing::warn!("Lost a connection while moving it: {e}");
                self.session.client.kill();
                None
            }
        }
    }

    /// Does what can be done now. Ready when the connection is to be closed.
    fn turn(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Poll<End> {
        if !self.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            self.session.client.set_waker(cx.waker());
            self.waker = Some(cx.waker().clone());
        }
        // A few batches in a row, then the others of this worker have their turn.
        self.taken = 0;
        for _ in 0..BATCHES {
            if self.taken >= TURN {
                break;
            }
            if self.session.client.mail_waiting.load(Acquire) && self.take_mail(worker).is_err() {
                return Poll::Ready(End::Closed);
            }
            if self.send(cx, worker).is_err() {
                return Poll::Ready(End::Closed);
            }
            if self.session.closing {
                return if self.unsent.is_empty() && self.stream.is_flushed() {
                    Poll::Ready(End::Closed)
                } else {
                    self.wait_to_close(cx)
                };
            }
            if self.timer_fired(cx) {
                self.time_is_up(worker);
                continue;
            }
            match self.receive(cx, worker) {
                Poll::Pending if self.session.client.mail_waiting.load(Acquire) => continue,
                Poll::Pending => return self.idle(cx, worker),
                Poll::Ready(Err(closed)) => return Poll::Ready(closed.into()),
                Poll::Ready(Ok(())) => {}
            }
        }
        worker.server.client_memory.weigh(worker.server, &self.session.client);
        yield_to_all(cx);
        Poll::Pending
    }

    /// How long ago the last command ran.
    fn idle_for(&self) -> Duration {
        Duration::from_millis(unix_ms().saturating_sub(self.session.client.active_ms.load(Relaxed)))
    }

    fn wait_to_close(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        // Whoever does not take the last reply soon never will.
        if self.idle_for() > LAST_REPLY || self.timer_fired(cx) {
            return Poll::Ready(End::Closed);
        }
        if self.timer.is_none() {
            self.timer = Some(timer(LAST_REPLY.as_millis() as u64));
            return if self.timer_fired(cx) { Poll::Ready(End::Closed) } else { Poll::Pending };
        }
        Poll::Pending
    }

    /// Nothing to do now: leaves word of the state, and a timer if idle clients are closed.
    fn idle(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Poll<End> {
        let (target, wanted) = worker.shed.get();
        if wanted > 0 && self.may_move() {
            worker.shed.set((target, wanted - 1));
            return Poll::Ready(End::Move(target));
        }
        worker.refresh_idle();
        worker.server.client_memory.weigh(worker.server, &self.session.client);
        let timeout = worker.config.borrow().timeout;
        let may_time_out = timeout > 0
            && self.blocked.is_none()
            && self.session.subscriptions.is_empty()
            && !self.session.client.has(flag::REPLICA | flag::MASTER | flag::MONITOR);
        let left = Duration::from_secs(timeout as u64).saturating_sub(self.idle_for());
        let at = Instant::now() + left;
        // A timer that fires too early finds the client active; one that fires too late is of an older setting.
        let slack = Duration::from_millis(100);
        let too_late = |timer: &Pin<Box<Sleep>>| timer.deadline() > at + slack;
        if may_time_out && !self.held && self.timer.as_ref().is_none_or(too_late) {
            if left.is_zero() {
                return Poll::Ready(End::Closed);
            }
            self.timer = Some(Box::pin(sleep_until(at)));
            if self.timer_fired(cx) {
                return Poll::Ready(End::Closed);
            }
        }
        Poll::Pending
    }

    /// Whether there is nothing here but the socket and what the client set up.
    fn may_move(&self) -> bool {
        self.blocked.is_none()
            && !self.held
            && self.pending.is_empty()
            && self.unsent.is_empty()
            && self.parser.is_fresh()
            && !self.session.client.mail_waiting.load(Acquire)
    }

    fn timer_fired(&mut self, cx: &mut Context<'_>) -> bool {
        let fired = self.timer.as_mut().is_some_and(|t| t.as_mut().poll(cx).is_ready());
        if fired {
            self.timer = None;
        }
        fired
    }

    fn time_is_up(&mut self, worker: &Worker) {
        match &mut self.blocked {
            Some(blocked) if blocked.is_to_look_again() => {
                blocking::look_again(worker, blocked, &self.session.client);
                self.timer = blocked.next_ms().map(timer);
            }
            // If it is not ended here, the reply is on its way.
            Some(blocked) => {
                if let Some(reply) = blocking::time_out(worker, blocked, &self.session.client) {
                    self.unblock(worker, &reply);
                }
            }
            None => self.held = false,
        }
    }

    /// Ends a wait for what has come about.
    fn look(&mut self, worker: &Worker) {
        let replicas = &worker.server.replicas;
        let mark = self.blocked.as_ref().and_then(|blocked| blocked.mark.as_ref());
        if mark.is_some_and(|mark| replicas.is_met(worker.server, mark)) {
            self.time_is_up(worker);
        }
    }

    /// Goes on after a wait, with its reply.
    fn unblock(&mut self, worker: &Worker, reply: &[u8]) {
        let Some(blocked) = self.blocked.take() else { return };
        self.timer = None;
        blocking::leave_queues(worker.server, &blocked);
        if blocked.timeout_ms.is_some() {
            self.session.client.set(flag::TIMED, false);
        }
        if !blocked.silent {
            self.unsent.extend_from_slice(reply);
        }
    }

    /// Counts a client that waits for the end of a pause among the blocked ones, or no longer.
    fn show_paused(&self, worker: &Worker, paused: bool) {
        let client = &self.session.client;
        if client.has(flag::PAUSED) != paused {
            client.set(flag::PAUSED, paused);
            if paused {
                worker.server.blocked.fetch_add(1, Relaxed);
            } else {
                worker.server.blocked.fetch_sub(1, Relaxed);
            }
        }
    }

    fn take_mail(&mut self, worker: &Worker) -> Result<(), Closed> {
        let client = self.session.client.clone();
        let mail = client.collect();
        if client.kill.load(Acquire) {
            return Err(Closed);
        }
        for mail in mail {
            match mail {
                Mail::Send(bytes) => self.unsent.extend_from_slice(&bytes),
                Mail::Unblocked(reply) => {
                    match worker.server.aof.wait() {
                        Wait::Nothing => {}
                        // What served it was done by now.
                        Wait::Written if !worker.server.aof.is_member() => {
                            self.until = replication::stamp::at(Duration::from_millis(unix_ms()))
                        }
                        // Maybe under a version that is ahead of the clock, where that of a mesh counts.
                        Wait::Written | Wait::Durable => self.until = worker.server.keyspace.latest_version(),
                    }
                    self.unblock(worker, &reply);
                }
                Mail::Look => self.look(worker),
            }
        }
        Ok(())
    }

    /// Sends what is left over from before.
    fn send(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Result<(), Closed> {
        if let Poll::Ready(Err(_)) = self.stream.poll_flush(cx) {
            return Err(Closed);
        }
        if self.until > 0 && self.holds_back(worker) {
            return Ok(());
        }
        while self.sent < self.unsent.len() {
            match self.stream.poll_write(cx, &self.unsent[self.sent..]) {
                Poll::Ready(Ok(n)) if n > 0 => {
                    self.sent += n;
                    worker.stats.net_out.add(n as u64);
                    worker.stats.writes.add(1);
                }
                Poll::Ready(_) => return Err(Closed),
                Poll::Pending => break,
            }
        }
        if self.sent == self.unsent.len() {
            if self.sent > 0 {
                self.unsent = Vec::new();
                self.sent = 0;
                self.soft_limit_since = None;
                self.session.client.output_bytes.store(0, Relaxed);
            }
            return match self.session.peer {
                None => Ok(()),
                Some(_) => self.send_stream(cx, worker),
            };
        }
        self.check_unsent(worker)
    }

    /// Sends what a replica gets.
    #[cold]
    fn send_stream(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Result<(), Closed> {
        let Some(sender) = self.session.peer.as_mut().and_then(|peer| peer.sender.as_mut()) else {
            return Ok(());
        };
        if sender.is_new() {
            self.stream.set_delay(worker.config.borrow().repl_disable_tcp_nodelay);
        }
        let stream = &mut self.stream;
        let more = sender.send(worker.server, |bytes| {
            let result = stream.poll_write(cx, bytes);
            if let Poll::Ready(Ok(n)) = &result {
                worker.stats.net_out.add(*n as u64);
                worker.stats.writes.add(1);
            }
            result
        });
        if more.map_err(|_| Closed)? {
            cx.waker().wake_by_ref();
        }
        match self.stream.poll_flush(cx) {
            Poll::Ready(Err(_)) => Err(Closed),
            _ => Ok(()),
        }
    }

    /// Whether replies have to wait for the log; they are sent then when the worker comes by ([`crate::held`]).
    fn holds_back(&mut self, worker: &Worker) -> bool {
        let aof = &worker.server.aof;
        if aof.wait() == Wait::Nothing || aof.covers(self.until) {
            self.until = 0;
        } else if !std::mem::replace(&mut self.listed, true) {
            worker.held.add(aof, self.session.client.id, self.until);
        }
        self.until > 0
    }

    /// See [`Slot::let_go`]. What its task has to do then is left to that.
    fn let_go(&mut self, worker: &Worker, all: bool) -> Option<u64> {
        if !all && !worker.server.aof.covers(self.until) {
            return Some(self.until);
        }
        (self.until, self.listed) = (0, false);
        let waker = self.waker.clone()?;
        let sent = self.send(&mut Context::from_waker(&waker), worker);
        if sent.is_err() || self.session.closing {
            waker.wake();
        }
        None
    }

    /// Closes a client whose unsent replies exceed its class's limits.
    #[cold]
    fn check_unsent(&mut self, worker: &Worker) -> Result<(), Closed> {
        self.session.client.output_bytes.store(self.unsent.capacity() as u64, Relaxed);
        self.check_output_limit(worker, (self.unsent.len() - self.sent) as u64)
    }

    #[cold]
    fn check_output_limit(&mut self, worker: &Worker, bytes: u64) -> Result<(), Closed> {
        let limit = worker.config.borrow().client_output_buffer_limit.of(self.session.client.class());
        let stranger = self.session.access.is_locked() && bytes > STRANGER_OUTPUT_MAX;
        if stranger || (limit.hard > 0 && bytes > limit.hard) {
            worker.server.log_output_limit(&self.session.client, bytes);
            return Err(Closed);
        }
        if limit.soft == 0 || bytes <= limit.soft {
            self.soft_limit_since = None;
            return Ok(());
        }
        let since = *self.soft_limit_since.get_or_insert_with(Instant::now);
        let left = Duration::from_secs(limit.soft_seconds).saturating_sub(since.elapsed());
        if left.is_zero() {
            worker.server.log_output_limit(&self.session.client, bytes);
            return Err(Closed);
        }
        // Without traffic a timer looks again; a blocked client's is its block's.
        if self.blocked.is_none() && !self.held && self.timer.is_none() {
            self.timer = Some(timer(left.as_millis() as u64 + 1));
        }
        Ok(())
    }

    /// Reads once and executes what came.
    fn receive(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Poll<Result<(), Closed>> {
        let mut buffers = worker.buffers.borrow_mut();
        let stalled = self.blocked.is_some() || self.held;
        if !stalled && !self.pending.is_empty() && self.parser.is_fresh() {
            // Commands that were read before and held back.
            let had = self.pending.len();
            self.execute_pending(cx, worker, &mut buffers)?;
            if self.pending.len() != had || self.blocked.is_some() || self.held || self.session.closing {
                return Poll::Ready(Ok(()));
            }
        }
        if self.pending.is_empty() && !stalled {
            let mut read = std::mem::take(&mut buffers.read);
            let result = self.read_into(cx, worker, &mut read);
            let outcome = match result {
                Poll::Ready(Ok(n)) => {
                    self.execute(cx, worker, &mut buffers, &read[..n]).map(|used| self.leave(&read[used..n]))
                }
                Poll::Ready(Err(closed)) => Err(closed),
                Poll::Pending => {
                    buffers.read = read;
                    return Poll::Pending;
                }
            };
            buffers.read = read;
            return Poll::Ready(outcome);
        }
        // Half a request is here already (or the client has to wait): the rest goes behind it.
        let had = self.pending.len();
        let limit = worker.config.borrow().client_query_buffer_limit;
        if had >= limit {
            worker.server.log_query_limit(&self.session.client, had);
            return Poll::Ready(Err(Closed));
        }
        let mut read = std::mem::take(&mut buffers.read);
        let result = self.read_into(cx, worker, &mut read);
        if let Poll::Ready(Ok(n)) = result {
            self.keep(&read[..n]);
        }
        buffers.read = read;
        ready!(result)?;
        // Nothing can be executed before the argument that is being read is whole.
        if !stalled && self.wanted() == 0 {
            self.execute_pending(cx, worker, &mut buffers)?;
        }
        self.show_query();
        Poll::Ready(Ok(()))
    }

    /// Bytes that are missing of what is being read, as far as that is known.
    fn wanted(&self) -> usize {
        let had = self.pending.len();
        self.talk.as_ref().map_or_else(|| self.parser.wanted(had), |talk| talk.wanted(had))
    }

    /// Puts bytes behind those that wait. The buffer never has more room than it holds bytes already, however long the
    /// argument that its client has announced, and ends with that argument where it can.
    fn keep(&mut self, bytes: &[u8]) {
        let (had, wanted) = (self.pending.len(), self.wanted());
        if wanted > bytes.len() && self.pending.capacity() - had < bytes.len() {
            self.pending.reserve_exact(wanted.min(had.max(bytes.len())));
        }
        self.pending.extend_from_slice(bytes);
    }

    /// Keeps half a request.
    fn leave(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.keep(bytes);
            self.show_query();
        }
    }

    fn execute_pending(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        buffers: &mut Buffers,
    ) -> Result<(), Closed> {
        let mut pending = std::mem::take(&mut self.pending);
        let used = self.execute(cx, worker, buffers, &pending)?;
        if used == pending.len() {
            pending = Vec::new();
        } else {
            pending.drain(..used);
        }
        self.pending = pending;
        self.show_query();
        Ok(())
    }

    fn show_query(&self) {
        let (client, bytes) = (&self.session.client, self.pending.len());
        let taken = self.parser.taken().min(bytes);
        client.argv_bytes.store(taken as u64, Relaxed);
        client.query_bytes.store((bytes - taken) as u64, Relaxed);
        client.query_free.store((self.pending.capacity() - bytes) as u64, Relaxed);
    }

    fn read_into(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        buf: &mut [u8],
    ) -> Poll<Result<usize, Closed>> {
        let mut read = ReadBuf::new(buf);
        match ready!(self.stream.poll_read(cx, &mut read)) {
            Ok(()) if !read.filled().is_empty() => {
                let n = read.filled().len();
                self.taken += n;
                worker.stats.net_in.add(n as u64);
                worker.stats.reads.add(1);
                Poll::Ready(Ok(n))
            }
            _ => Poll::Ready(Err(Closed)),
        }
    }

    /// Finds out what a new connection speaks. False: not known yet, or not spoken here.
    fn understand(&mut self, worker: &Worker, data: &[u8]) -> bool {
        match sniff::tongue(data) {
            None => return false,
            Some(Tongue::Resp) => self.known = true,
            Some(Tongue::Http2) if worker.server.mesh.is_on() && !matches!(self.stream, Stream::Unix(_)) => {
                self.foreign = Some(data.to_vec());
                self.session.closing = true;
            }
            Some(Tongue::Http1 | Tongue::Http2) => {
                self.unsent.extend_from_slice(sniff::NO_HTTP);
                self.session.closing = true;
            }
        }
        self.known
    }

    /// Executes the commands at the front of `data`. Returns how many bytes they took.
    fn execute(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        buffers: &mut Buffers,
        data: &[u8],
    ) -> Result<usize, Closed> {
        if self.talk.is_some() {
            return self.talk_memcached(cx, worker, buffers, data);
        }
        if !self.known && !self.understand(worker, data) {
            return Ok(if self.session.closing { data.len() } else { 0 });
        }
        let mut ctx = worker.ctx.borrow_mut();
        worker.stats.serving.set(self.session.client.id);
        worker.tick(&mut ctx);
        let logged_before = (worker.server.aof.wait() != Wait::Nothing).then(|| ctx.locks.last_version());
        self.session.before_batch = ctx.locks.last_version();
        if !self.session.access.refresh(&worker.server.users) {
            return Err(Closed);
        }
        let mut used = 0;
        loop {
            let limits = Limits {
                bulk_max: worker.config.borrow().proto_max_bulk_len as i64,
                authenticated: !self.session.access.is_locked(),
            };
            let max = if limits.authenticated { BATCH } else { 1 };
            buffers.batch.clear();
            let (parsed, error) = self.parser.parse(&data[used..], limits, max, &mut buffers.batch);
            let batch = &data[used..];
            ahead::keys(worker, &ctx, &self.session, buffers, batch);
            let executed = self.execute_batch(worker, &mut ctx, buffers, batch);
            ctx.locks.release();
            self.session.end_batch(ctx.locks.last_version());
            if logged_before.is_some_and(|before| ctx.locks.last_version() != before) {
                self.until = ctx.locks.last_version();
            }
            if !self.held {
                self.show_paused(worker, false);
            }
            if let Some(end) = executed {
                // Not all were executed: what follows is parsed again later.
                self.parser = Parser::new();
                used += end;
                break;
            }
            used += parsed;
            if let Some(error) = error {
                worker.stats.error("ERR");
                buffers.reply.error(&protocol::ErrorReply::err(format!("Protocol error: {}", error.0)));
                self.session.closing = true;
                used = data.len();
                break;
            }
            if buffers.batch.is_empty() || used == data.len() {
                break;
            }
            if buffers.reply.buf.len() >= FLUSH_AT {
                self.flush(cx, worker, &mut buffers.reply)?;
            }
        }
        worker.count_lookups(&mut ctx);
        worker.stats.serving.set(0);
        self.session.client.active_ms.store(ctx.env.now_ms, Relaxed);
        drop(ctx);
        self.flush(cx, worker, &mut buffers.reply)?;
        if buffers.reply.buf.capacity() > KEEP {
            buffers.reply.buf = Vec::new();
        }
        buffers.batch.trim();
        Ok(used)
    }

    /// Executes the requests at the front of `data`, of a client that speaks memcached's protocol.
    fn talk_memcached(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        buffers: &mut Buffers,
        data: &[u8],
    ) -> Result<usize, Closed> {
        let mut ctx = worker.ctx.borrow_mut();
        worker.stats.serving.set(self.session.client.id);
        worker.tick(&mut ctx);
        let logged_before = (worker.server.aof.wait() != Wait::Nothing).then(|| ctx.locks.last_version());
        if !self.session.access.refresh(&worker.server.users) {
            return Err(Closed);
        }
        worker.lap.set(ticks::now());
        buffers.reply.limit = 0;
        let mut used = 0;
        let mut talk = self.talk.take().unwrap_or_default();
        loop {
            let (took, end) =
                talk.serve(worker, &mut self.session, &mut ctx, &mut buffers.reply, &data[used..], FLUSH_AT);
            used += took;
            if logged_before.is_some_and(|before| ctx.locks.last_version() != before) {
                self.until = ctx.locks.last_version();
            }
            match end {
                memcached::End::Full => self.flush(cx, worker, &mut buffers.reply)?,
                memcached::End::Paused => {
                    self.held = true;
                    self.timer = Some(timer(worker.server.pause.left_ms(ctx.env.now_ms).clamp(1, 50)));
                    break;
                }
                memcached::End::Closing => {
                    used = data.len();
                    break;
                }
                memcached::End::Waits => break,
            }
        }
        self.show_paused(worker, self.held);
        self.talk = Some(talk);
        worker.count_lookups(&mut ctx);
        worker.stats.serving.set(0);
        self.session.client.active_ms.store(ctx.env.now_ms, Relaxed);
        drop(ctx);
        self.flush(cx, worker, &mut buffers.reply)?;
        if buffers.reply.buf.capacity() > KEEP {
            buffers.reply.buf = Vec::new();
        }
        Ok(used)
    }

    /// Executes a parsed batch. `Some(end)`: stopped early, having used that many bytes.
    fn execute_batch(
        &mut self,
        worker: &Worker,
        ctx: &mut Ctx<'static>,
        buffers: &mut Buffers,
        data: &[u8],
    ) -> Option<usize> {
        let Buffers { batch, reply, hints, .. } = buffers;
        reply.limit = worker.reply_limit(self.session.client.class());
        worker.lap.set(ticks::now());
        let mut looked = 1;
        for i in 0..batch.len() {
            let args = batch.args(i, data);
            let start = if i == 0 { 0 } else { batch.end(i - 1) };
            worker.stats.processed.add(1);
            ahead::shard(ctx, hints, i);
            if i == looked {
                looked = ahead::members(ctx, self.session.db, (batch, hints, data), i);
            }
            let hint = hints.get(i).copied().unwrap_or_default();
            match dispatch::execute(worker, &mut self.session, ctx, args, hint, reply) {
                Next::Done => {
                    if self.session.closing {
                        return Some(data.len());
                    }
                }
                Next::Blocked(blocked) => {
                    // Replaces a timer that would close the idle client.
                    self.timer = blocked.next_ms().map(timer);
                    self.session.client.set(flag::TIMED, blocked.timeout_ms.is_some());
                    self.blocked = Some(blocked);
                    return Some(batch.end(i));
                }
                Next::Paused => {
                    self.held = true;
                    self.show_paused(worker, true);
                    self.timer = Some(timer(worker.server.pause.left_ms(ctx.env.now_ms).clamp(1, 50)));
                    return Some(start);
                }
                Next::Later(ms) => {
                    self.held = true;
                    self.timer = Some(timer(ms));
                    return Some(start);
                }
            }
        }
        None
    }

    /// Sends replies, keeping what the socket does not take.
    fn flush(&mut self, cx: &mut Context<'_>, worker: &Worker, reply: &mut Reply) -> Result<(), Closed> {
        if reply.buf.is_empty() {
            return Ok(());
        }
        if self.session.is_replica() {
            return self.refuse_reply(reply);
        }
        let result = if self.until > 0 && self.holds_back(worker) {
            self.unsent.extend_from_slice(&reply.buf);
            self.check_unsent(worker)
        } else {
            self.hand_out(cx, worker, reply)
        };
        // The buffer is the worker's: whatever became of this client, the next one must find nothing in it.
        reply.buf.clear();
        if result.is_err() {
            reply.buf.shrink_to(FLUSH_AT);
        }
        result
    }

    /// A replica gets the stream, and nothing may come between. It has become one in this batch, or asks for something
    /// that no replica asks for.
    #[cold]
    fn refuse_reply(&mut self, reply: &mut Reply) -> Result<(), Closed> {
        let before = self.session.peer.as_mut().and_then(|peer| peer.before.take());
        let bytes = std::mem::take(&mut reply.buf);
        match before {
            Some(len) if len == bytes.len() => {
                self.unsent.extend_from_slice(&bytes);
                Ok(())
            }
            _ => {
                let client = &self.session.client;
                let name = client.last_command().unwrap_or("none");
                let answer = &bytes[before.unwrap_or(0).min(bytes.len())..];
                if answer.first() == Some(&b'-') {
                    let error = String::from_utf8_lossy(&answer[1..]);
                    tracing::error!(
                        "== CRITICAL == This master is sending an error to its replica: '{}' after processing the \
                         command '{name}'",
                        error.trim_end()
                    );
                }
                tracing::warn!(
                    "Replica generated a reply to command '{name}', disconnecting it: {}",
                    client.addr
                );
                Err(Closed)
            }
        }
    }

    fn hand_out(&mut self, cx: &mut Context<'_>, worker: &Worker, reply: &Reply) -> Result<(), Closed> {
        let waiting = (self.unsent.len() - self.sent + reply.buf.len()) as u64;
        if waiting > worker.least_output_limit.get() {
            // A reply beyond the limit is not even begun.
            self.check_output_limit(worker, waiting)?;
        }
        let mut sent = 0;
        if self.unsent.is_empty() {
            while sent < reply.buf.len() {
                match self.stream.poll_write(cx, &reply.buf[sent..]) {
                    Poll::Ready(Ok(n)) if n > 0 => {
                        sent += n;
                        worker.stats.net_out.add(n as u64);
                        worker.stats.writes.add(1);
                    }
                    Poll::Ready(_) => return Err(Closed),
                    Poll::Pending => break,
                }
            }
        }
        if sent < reply.buf.len() {
            self.unsent.extend_from_slice(&reply.buf[sent..]);
        }
        if self.unsent.is_empty() { Ok(()) } else { self.check_unsent(worker) }
    }

    /// Gives a connection from a peer to those who serve it.
    fn hand_over(mut self, worker: &Worker, read: Vec<u8>) {
        worker.server.forget(&mut self.session);
        let addr = self.session.client.addr.clone();
        match self.stream.release() {
            Ok(socket) => drop(worker.server.mesh.order(Order::Adopt { socket, read, addr })),
            Err(e) => tracing::warn!("Lost the connection of peer {addr} while handing it over: {e}"),
        }
    }

    /// Leaves nothing behind.
    fn end(mut self, worker: &Worker) {
        if let Stream::Tls(tcp, session) = &mut self.stream {
            session.close(tcp);
        }
        if let Some(blocked) = self.blocked.take() {
            blocking::abandon(worker, &blocked.ticket, &self.session.client);
            blocking::leave_queues(worker.server, &blocked);
        }
        self.show_paused(worker, false);
        crate::commands::transactions::unwatch(worker.server, &mut self.session);
        worker.server.forget(&mut self.session);
    }
}
