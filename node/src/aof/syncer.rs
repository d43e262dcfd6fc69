//! The thread that makes files durable with `appendfsync everysec`, while others go on writing to them: nobody waits for the
//! disk but it.

use std::fs::File;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::thread::Thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::process;
use crate::server::Server;
use crate::system;

/// A write that takes longer has waited for the disk, unless what its thread waited for was a processor.
const SLOW: Duration = Duration::from_millis(1);
/// For how many synchronisations, one a second, writing is not tried again beside them after that.
const APART: u32 = 60;

/// See the [module's page](self).
#[derive(Default)]
pub struct Syncer {
    thread: OnceLock<Thread>,
    asked: Mutex<Asked>,
    busy: AtomicBool,
    /// Synchronisations during which nobody but the feed's thread writes, since writing has had to wait for one.
    apart: AtomicU32,
}

#[derive(Default)]
struct Asked {
    /// Files to be made durable: few, for who asks looks first whether it is at work.
    files: Vec<Arc<File>>,
    /// All up to this version is durable when they are.
    promise: u64,
}

/// A write beside a synchronisation, under way.
pub struct Beside {
    began: Instant,
    waits: i64,
}

impl Syncer {
    /// Whether a synchronisation is under way.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.busy.load(Acquire)
    }

    /// Whether writing may have to wait for it, judging by those before.
    #[inline]
    pub fn is_in_the_way(&self) -> bool {
        self.is_busy() && self.apart.load(Relaxed) > 0
    }

    /// A write begins; `None`: nothing is being synchronised.
    pub fn watch(&self) -> Option<Beside> {
        self.is_busy().then(|| Beside { began: Instant::now(), waits: system::waits() })
    }

    /// That write has ended.
    pub fn note_write(&self, write: &Beside) {
        if write.began.elapsed() >= SLOW && system::waits() > write.waits {
            self.apart.store(APART, Relaxed);
        }
    }

    /// Has files made durable; then all up to a version is. False: there are none.
    pub fn ask(
        &self,
        server: &'static Server,
        files: impl IntoIterator<Item = Arc<File>>,
        promise: u64,
    ) -> bool {
        let mut asked = self.asked.lock();
        asked.files.extend(files);
        if asked.files.is_empty() {
            return false;
        }
        asked.promise = asked.promise.max(promise);
        self.busy.store(true, Release);
        drop(asked);
        self.thread.get_or_init(|| start(server)).unpark();
        true
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
        let Asked { files, promise } = {
            let mut asked = syncer.asked.lock();
            if asked.files.is_empty() {
                // Behind what is told of how it went.
                syncer.busy.store(false, Release);
                return;
            }
            std::mem::take(&mut *asked)
        };
        let result = files.iter().try_for_each(|file| file.sync_data());
        let _ = syncer.apart.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        server.aof.note_sync(server, result.err().map(|e| process::reason(&e)), promise);
    }
}
