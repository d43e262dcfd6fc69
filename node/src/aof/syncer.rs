//! The thread that makes files durable with `appendfsync everysec`, while others go on writing to them: nobody waits for the
//! disk but it.

use std::fs::File;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::thread::Thread;
use std::time::Duration;

use parking_lot::Mutex;

use crate::process;
use crate::server::Server;

/// A write that takes longer has waited for the disk.
const SLOW: Duration = Duration::from_millis(1);
/// For how many synchronisations, one a second, writing is not tried again beside them after that.
const APART: u32 = 60;

/// See the [module's page](self).
#[derive(Default)]
pub struct Syncer {
    thread: OnceLock<Thread>,
    /// Files to be made durable: few, for who asks looks first whether it is at work.
    files: Mutex<Vec<Arc<File>>>,
    busy: AtomicBool,
    /// Synchronisations during which nobody but the feed's thread writes, since writing has had to wait for one.
    apart: AtomicU32,
}

impl Syncer {
    /// Whether a synchronisation is under way.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.busy.load(Relaxed)
    }

    /// Whether writing may have to wait for it, judging by those before.
    #[inline]
    pub fn is_in_the_way(&self) -> bool {
        self.is_busy() && self.apart.load(Relaxed) > 0
    }

    /// A write during a synchronisation took so long.
    pub fn note_write(&self, took: Duration) {
        if took >= SLOW {
            self.apart.store(APART, Relaxed);
        }
    }

    /// Has files made durable.
    pub fn ask(&self, server: &'static Server, files: impl IntoIterator<Item = Arc<File>>) {
        let mut asked = self.files.lock();
        asked.extend(files);
        if asked.is_empty() {
            return;
        }
        self.busy.store(true, Relaxed);
        drop(asked);
        self.thread.get_or_init(|| start(server)).unpark();
    }
}

fn start(server: &'static Server) -> Thread {
    let run = move || {
        loop {
            run(server);
            std::thread::park();
        }
    };
    let handle = std::thread::Builder::new().name("sync".into()).spawn(run);
    handle.expect("a thread can be started").thread().clone()
}

/// Does what was asked for.
fn run(server: &'static Server) {
    let syncer = &server.aof.syncer;
    loop {
        let files = {
            let mut asked = syncer.files.lock();
            if asked.is_empty() {
                syncer.busy.store(false, Relaxed);
                return;
            }
            std::mem::take(&mut *asked)
        };
        let result = files.iter().try_for_each(|file| file.sync_data());
        let _ = syncer.apart.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        server.aof.note_sync(server, result.err().map(|e| process::reason(&e)));
    }
}
