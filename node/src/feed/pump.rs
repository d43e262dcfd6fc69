//! Takes groups of commands from the desks and hands them on, in the order of their versions.
//!
//! Whoever has time makes a *round*: a worker at the end of its turn, when it holds replies back until what they tell of is
//! in the log ([`crate::held`]), and a thread of its own for all else. That one sleeps until somebody wakes it, and looks
//! once in a while by itself: files are synchronised by the clock. When it meets writers that have not handed over yet, it
//! looks again soon.
//!
//! With `appendfsync always` there are two such threads, who take turns: while one of them synchronises what it has written, the
//! other one gathers and writes what comes meanwhile, and need not wait with its own synchronisation until the first has ended.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::*};
use std::thread::Thread;
use std::time::Duration;

use parking_lot::Mutex;

use engine::journal::{Drain, Run};
use replication::stamp;

use crate::held;
use crate::server::Server;
use crate::worker::unix_ms;

/// How long the thread sleeps when nobody wakes it.
const IDLE: Duration = Duration::from_millis(50);
/// How long it gives writers that are at work.
const SOON: Duration = Duration::from_micros(100);

/// Who wants the commands.
pub trait Consumer {
    /// Takes groups, as [`replication::codec::groups`] reads them: [`engine::journal::feed::ops`] reads one.
    fn take(&self, server: &'static Server, groups: &[u8]);
    /// All groups up to this version have been handed over.
    fn done(&self, server: &'static Server, promise: u64);
    /// Whether somebody waits to hear how far the promise is.
    fn hurries(&self) -> bool {
        false
    }
}

/// Who has asked for the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Who {
    Log = 1,
    Replicas = 2,
}

/// See the [module's page](self).
#[derive(Default)]
pub struct Pump {
    /// Those who listen, as bits.
    listening: AtomicU8,
    /// Whoever makes a round has it.
    drain: Mutex<Drain>,
    /// The threads, the second of which is started when it is first needed.
    threads: [OnceLock<Thread>; 2],
    /// The thread that has it waits for commands and takes them. Its number stands beside it: it is the one to wake.
    turn: Mutex<()>,
    at_turn: AtomicUsize,
    started: AtomicBool,
}

impl Pump {
    /// Has all commands written down from now on. Whoever then holds all shards knows that what comes after is.
    pub fn listen(&self, server: &'static Server, who: Who) {
        self.listening.fetch_or(who as u8, AcqRel);
        server.keyspace.feed.listen(true);
        if !self.started.swap(true, AcqRel) {
            self.start(server, 0);
            server.keyspace.feed.on_wake(move || {
                if !held::is_for_workers(&server.aof) || !held::comes_by() {
                    server.pump.wake();
                }
            });
        }
    }

    fn start(&self, server: &'static Server, number: usize) {
        self.threads[number].get_or_init(|| {
            let run = move || run(server, number);
            let handle = std::thread::Builder::new().name("feed".into()).spawn(run);
            handle.expect("a thread can be started").thread().clone()
        });
    }

    /// This one wants no more commands. When nobody does, none are written down.
    pub fn rest(&self, server: &Server, who: Who) {
        if self.listening.fetch_and(!(who as u8), AcqRel) == who as u8 {
            server.keyspace.feed.listen(false);
            // Another may have begun in between.
            if self.listening.load(Acquire) != 0 {
                server.keyspace.feed.listen(true);
            }
        }
    }

    /// Whether this one listens.
    #[inline]
    pub fn serves(&self, who: Who) -> bool {
        self.listening.load(Relaxed) & who as u8 != 0
    }

    /// Makes a round on the caller's thread. False: another is making one, and the thread will make the next.
    pub fn round(&self, server: &'static Server) -> bool {
        let Some(mut drain) = self.drain.try_lock() else {
            self.wake();
            return false;
        };
        round(server, &mut drain);
        drop(drain);
        server.aof.sync_due(server);
        true
    }

    /// Has the thread look at once.
    pub fn wake(&self) {
        if let Some(thread) = self.threads[self.at_turn.load(SeqCst)].get() {
            thread.unpark();
        }
    }
}

fn run(server: &'static Server, number: usize) -> ! {
    let pump = &server.pump;
    loop {
        let turn = pump.turn.lock();
        // Who hands something over looks at this after that: either it wakes this thread, or the round below finds it.
        pump.at_turn.store(number, SeqCst);
        while !take(server) {}
        pump.start(server, 1 - number);
        drop(turn);
        server.aof.sync_due(server);
    }
}

/// Takes what has come, or waits a while if that is nothing to be synchronised. True: something is.
fn take(server: &'static Server) -> bool {
    server.aof.gather();
    let waiting = {
        let mut drain = server.pump.drain.lock();
        let waiting = round(server, &mut drain);
        if waiting {
            server.keyspace.feed.stay_awake();
        }
        waiting
    };
    if server.aof.has_due() {
        return true;
    }
    std::thread::park_timeout(if waiting { SOON } else { IDLE });
    false
}

/// One round; true if more is about to come.
fn round(server: &'static Server, drain: &mut Drain) -> bool {
    let now = stamp::at(Duration::from_millis(unix_ms()));
    let consumers: [&dyn Consumer; 2] = [&server.aof, &server.replicas];
    let done = drain.round(&server.keyspace.feed, now, |Run { bytes, .. }| {
        consumers.iter().for_each(|consumer| consumer.take(server, bytes));
    });
    consumers.iter().for_each(|consumer| consumer.done(server, done.promise));
    done.waiting || consumers.iter().any(|consumer| consumer.hurries())
}
