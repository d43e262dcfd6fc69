//! The thread that takes groups of commands from the desks and hands them on, in the order of their versions.
//!
//! It sleeps until a worker wakes it, and looks once in a while by itself: files are synchronised by the clock. When it
//! meets writers that have not handed over yet, it looks again soon.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::*};
use std::thread::Thread;
use std::time::Duration;

use engine::journal::{Drain, Run};
use replication::codec;
use replication::stamp;

use crate::server::Server;
use crate::worker::unix_ms;

/// How long the thread sleeps when nobody wakes it.
const IDLE: Duration = Duration::from_millis(50);
/// How long it gives writers that are at work.
const SOON: Duration = Duration::from_micros(100);

/// Who wants the commands.
pub trait Consumer {
    /// Takes a group: [`engine::journal::feed::ops`] reads it.
    fn group(&self, version: u64, group: &[u8]);
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
    thread: OnceLock<Thread>,
    started: AtomicBool,
}

impl Pump {
    /// Has all commands written down from now on. Whoever then holds all shards knows that what comes after is.
    pub fn listen(&self, server: &'static Server, who: Who) {
        self.listening.fetch_or(who as u8, AcqRel);
        server.keyspace.feed.listen(true);
        if !self.started.swap(true, AcqRel) {
            let run = move || run(server);
            let handle =
                std::thread::Builder::new().name("feed".into()).spawn(run).expect("a thread can be started");
            let thread = handle.thread().clone();
            let _ = self.thread.set(thread.clone());
            server.keyspace.feed.on_wake(move || thread.unpark());
        }
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

    /// Has the thread look at once.
    pub fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

fn run(server: &'static Server) -> ! {
    let mut drain = Drain::default();
    loop {
        let waiting = round(server, &mut drain);
        std::thread::park_timeout(if waiting { SOON } else { IDLE });
    }
}

/// One round; true if more is about to come.
fn round(server: &'static Server, drain: &mut Drain) -> bool {
    let now = stamp::at(Duration::from_millis(unix_ms()));
    let consumers: [&dyn Consumer; 2] = [&server.aof, &server.replicas];
    let done = drain.round(&server.keyspace.feed, now, |Run { bytes, .. }| {
        for (version, group) in codec::groups(bytes).flatten() {
            consumers.iter().for_each(|consumer| consumer.group(version, group));
        }
    });
    consumers.iter().for_each(|consumer| consumer.done(server, done.promise));
    done.waiting || consumers.iter().any(|consumer| consumer.hurries())
}
