//! Scripts that take longer than `busy-reply-threshold`: clients are told so instead of being kept waiting, and may end the
//! script if it has not written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::time::Instant;

use parking_lot::Mutex;
use protocol::{ErrorReply, OwnedArgs};

use super::machine::Kind;
use crate::standby;
use crate::worker::Worker;

/// What clients are told while a script or a function is busy.
const BUSY_SCRIPT: ErrorReply =
    ErrorReply::new("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.");
const BUSY_FUNCTION: ErrorReply = ErrorReply::new(
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
);
const NOT_BUSY: ErrorReply = ErrorReply::new("NOTBUSY No scripts in execution right now.");
const UNKILLABLE: ErrorReply = ErrorReply::new(
    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
);

const OBEYED: ErrorReply = ErrorReply::new(
    "UNKILLABLE The busy script was sent by a master instance in the context of replication and cannot be killed.",
);

/// A script that takes long.
pub struct Running {
    pub kind: Kind,
    pub name: String,
    /// The command that called it.
    pub command: OwnedArgs,
    pub since: Instant,
    /// A master, or a file that is loaded, has it run.
    obeyed: bool,
    wrote: AtomicBool,
    kill: AtomicBool,
}

/// Those that take long just now.
#[derive(Default)]
pub struct Busy {
    count: AtomicUsize,
    running: Mutex<Vec<Arc<Running>>>,
}

impl Busy {
    #[inline]
    pub fn is_on(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    /// What a client is told whose command can't run now.
    #[cold]
    pub fn refusal(&self) -> ErrorReply {
        match self.first().map(|running| running.kind) {
            Some(Kind::Functions) => BUSY_FUNCTION,
            _ => BUSY_SCRIPT,
        }
    }

    /// The one that has been running for the longest.
    pub fn first(&self) -> Option<Arc<Running>> {
        self.running.lock().first().cloned()
    }

    /// Ends what is running, if it is of this kind and has not written.
    pub fn kill(&self, kind: Kind) -> Result<(), ErrorReply> {
        let running = self.running.lock();
        let first = running.first().ok_or(NOT_BUSY)?;
        let mut those = running.iter().filter(|r| r.kind == kind).peekable();
        if those.peek().is_none() {
            return Err(if first.kind == Kind::Functions { BUSY_FUNCTION } else { BUSY_SCRIPT });
        }
        if those.peek().is_some_and(|running| running.obeyed) {
            return Err(OBEYED);
        }
        let mut killable = those.filter(|r| !r.wrote.load(Acquire)).peekable();
        if killable.peek().is_none() {
            return Err(UNKILLABLE);
        }
        killable.for_each(|r| r.kill.store(true, Release));
        Ok(())
    }
}

/// Tells everybody that a script takes long.
#[cold]
pub fn begin(
    worker: &Worker,
    kind: Kind,
    name: &str,
    command: OwnedArgs,
    since: Instant,
    obeyed: bool,
) -> Arc<Running> {
    let command_name = if kind == Kind::Eval { "SCRIPT KILL" } else { "FUNCTION KILL" };
    tracing::warn!(
        "Slow script detected: still in execution after {} milliseconds. You can try killing the script using the {command_name} command. Script name is: {name}.",
        since.elapsed().as_millis()
    );
    let running = Arc::new(Running {
        kind,
        name: name.into(),
        command,
        since,
        obeyed,
        wrote: AtomicBool::new(false),
        kill: AtomicBool::new(false),
    });
    let busy = &worker.server.busy;
    busy.running.lock().push(running.clone());
    busy.count.fetch_add(1, Release);
    running
}

impl Running {
    /// What the worker does from time to time while its script takes long. Whether it is to end now.
    pub fn look(&self, worker: &Worker, wrote: bool) -> bool {
        standby::hand_over(worker);
        self.wrote.store(wrote, Release);
        self.kill.load(Acquire)
    }
}

/// The script has ended.
pub fn over(worker: &Worker, running: &Arc<Running>) {
    let busy = &worker.server.busy;
    busy.running.lock().retain(|r| !Arc::ptr_eq(r, running));
    if busy.count.fetch_sub(1, AcqRel) == 1 {
        standby::over(worker.server);
    }
}
