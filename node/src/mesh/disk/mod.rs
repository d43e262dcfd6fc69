//! A member's log: all effects, its clients' and its peers', in files, so that it comes back after a crash with all that the
//! policy promised to keep.
//!
//! While a node is alone it keeps the append-only file of commands that Redis keeps. From the first peer on commands no
//! longer say what happened, and with `appendonly yes` this log takes over, under the same directives: `appendfsync`, the
//! rules for rewriting, BGREWRITEAOF, `aof-load-truncated`. A start reads it as if a peer had sent a full sync and
//! everything after it: the node that comes back is one that was away for a while.
//!
//! The mesh's thread appends what it carries out; a thread of its own writes and synchronises. Replies wait for that as those of a
//! node without peers do ([`crate::held`]), so with `everysec` it synchronises beside the writing. Beats announce only what is
//! durable (see [`Replica::persisted_as`](replication::replica::Replica::persisted_as)), so nobody forgets what this node
//! might lose. What waits to be written is bounded: beyond [`WAITING_MAX`] the mesh's thread waits for the disk, and with it
//! the links and, when their desks are full, the clients that write.
//!
//! Reading order: [`records`], [`files`], [`base`], [`load`]; [`super::keep`] is the driver's part.

pub mod base;
pub mod files;
pub mod load;
mod pen;
pub mod records;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::server::Server;
use pen::Pen;

/// Bytes that may wait to be written.
pub const WAITING_MAX: usize = 64 << 20;
/// Between two looks of one who waits.
const LOOK: Duration = Duration::from_secs(1);

/// What is to be written, in order.
enum Part {
    Bytes(Vec<u8>),
    /// What follows goes to another file.
    Turn(File),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Part::Bytes(bytes) => bytes.len(),
            Part::Turn(_) => 0,
        }
    }
}

#[derive(Default)]
struct State {
    parts: VecDeque<Part>,
    /// Bytes in `parts`.
    waiting: usize,
    /// Bytes ever appended.
    appended: u64,
    /// All that clients wrote up to this version has been appended.
    promise: u64,
    /// Position up to which all would survive a crash, as far as the policy wants that.
    durable: u64,
    /// Somebody wants all of it durable now.
    urgent: bool,
    /// How the synchronisation beside the writing with this number has ended.
    beside: Option<(u64, io::Result<()>)>,
    stop: bool,
}

/// Where the mesh's thread and the one that writes meet.
#[derive(Default)]
pub struct Desk {
    state: Mutex<State>,
    /// There is work.
    work: Condvar,
    /// Some has been done.
    done: Condvar,
}

/// See the [module's page](self). Dropped, it writes what is left and ends.
pub struct Disk {
    pub desk: Arc<Desk>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Disk {
    /// Begins to append to a file.
    pub fn start(server: &'static Server, file: File) -> io::Result<Disk> {
        let desk = Arc::new(Desk::default());
        let pen = Pen::new(server, desk.clone(), file);
        let thread = std::thread::Builder::new().name("mesh-disk".into()).spawn(move || pen.run())?;
        Ok(Disk { desk, thread: Some(thread) })
    }

    /// Appends records: `put` adds their bytes. Waits while too much is to be written.
    pub fn append(&self, put: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.desk.state.lock();
        while state.waiting > WAITING_MAX && !state.stop {
            self.desk.done.wait_for(&mut state, LOOK);
        }
        if !matches!(state.parts.back(), Some(Part::Bytes(_))) {
            state.parts.push_back(Part::Bytes(Vec::new()));
        }
        let Some(Part::Bytes(bytes)) = state.parts.back_mut() else { return };
        let before = bytes.len();
        put(bytes);
        let more = bytes.len() - before;
        state.waiting += more;
        state.appended += more as u64;
        self.desk.work.notify_one();
    }

    /// All that clients wrote up to a version has been appended.
    pub fn promise(&self, version: u64) {
        let mut state = self.desk.state.lock();
        if version > state.promise {
            state.promise = version;
            self.desk.work.notify_one();
        }
    }

    /// What is appended from now on goes to another file.
    pub fn turn(&self, file: File) {
        self.desk.state.lock().parts.push_back(Part::Turn(file));
        self.desk.work.notify_one();
    }

    /// Bytes ever appended, and how many of them would survive a crash.
    pub fn positions(&self) -> (u64, u64) {
        let state = self.desk.state.lock();
        (state.appended, state.durable)
    }
}

impl Desk {
    /// Makes all that was appended durable; false if that did not come about in time.
    pub fn sync(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        let mut state = self.state.lock();
        let target = state.appended;
        while state.durable < target {
            state.urgent = true;
            self.work.notify_one();
            if self.done.wait_until(&mut state, until).timed_out() {
                return state.durable >= target;
            }
        }
        true
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.desk.sync(Duration::from_secs(10));
        self.desk.state.lock().stop = true;
        self.desk.work.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
