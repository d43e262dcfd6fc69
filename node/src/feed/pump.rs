//! The thread that takes groups of commands from the desks and hands them on, in the order of their versions.
//!
//! It sleeps until a worker wakes it, and looks once in a while by itself: files are synchronised by the clock. When it
//! meets writers that have not handed over yet, it looks again soon.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::*};
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
}

/// See the [module's page](self).
#[derive(Default)]
pub struct Pump {
    thread: OnceLock<Thread>,
    started: AtomicBool,
}

impl Pump {
    /// Has all commands written down from now on. Whoever then holds all shards knows that what comes after is.
    pub fn listen(&self, server: &'static Server) {
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

    /// Nobody wants commands any more.
    pub fn rest(&self, server: &Server) {
        server.keyspace.feed.listen(false);
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
    let consumers: [&dyn Consumer; 1] = [&server.aof];
    let done = drain.round(&server.keyspace.feed, now, |Run { bytes, .. }| {
        for (version, group) in codec::groups(bytes).flatten() {
            consumers.iter().for_each(|consumer| consumer.group(version, group));
        }
    });
    consumers.iter().for_each(|consumer| consumer.done(server, done.promise));
    done.waiting
}
