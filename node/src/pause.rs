//! CLIENT PAUSE: clients wait, all of them or those that would write.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};

use engine::command::{Facts, Flags, id};
use protocol::Args;

use crate::client::{Class, flag};
use crate::scripting;
use crate::session::Session;
use crate::worker::Worker;

/// Until when clients wait, unix ms; 0: not at all.
#[derive(Default)]
pub struct Pause {
    until_ms: AtomicU64,
    only_writes: AtomicBool,
}

impl Pause {
    /// Pauses until `until_ms`. A pause that is in force only gets longer, and stricter.
    pub fn pause(&self, until_ms: u64, only_writes: bool, now_ms: u64) {
        let running = self.until_ms.load(Acquire) > now_ms;
        let strict = !only_writes || (running && !self.only_writes.load(Acquire));
        self.only_writes.store(!strict, Release);
        let until = if running { self.until_ms.load(Acquire).max(until_ms) } else { until_ms };
        self.until_ms.store(until, Release);
    }

    pub fn unpause(&self) {
        self.until_ms.store(0, Release);
    }

    pub fn left_ms(&self, now_ms: u64) -> u64 {
        self.until_ms.load(Acquire).saturating_sub(now_ms)
    }

    /// Whether clients are paused at all.
    #[inline]
    pub fn is_on(&self, now_ms: u64) -> bool {
        // The usual case is never to have been paused.
        let until = self.until_ms.load(Relaxed);
        until != 0 && until > now_ms
    }

    /// Whether there has been a pause that nobody has ended.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.until_ms.load(Relaxed) != 0
    }

    /// Whether writes, and everything else, wait at this moment.
    pub fn state(&self, now_ms: u64) -> (bool, bool) {
        let on = self.left_ms(now_ms) > 0;
        (on, on && !self.only_writes.load(Acquire))
    }

    /// Whether a client's command has to wait.
    #[inline]
    pub fn blocks(
        &self,
        worker: &Worker,
        facts: &'static Facts,
        args: Args<'_>,
        session: &Session,
        now_ms: u64,
    ) -> bool {
        if self.until_ms.load(Relaxed) == 0 {
            return false;
        }
        self.blocks_now(worker, facts, args, session, now_ms)
    }

    #[cold]
    fn blocks_now(
        &self,
        worker: &Worker,
        facts: &'static Facts,
        args: Args<'_>,
        session: &Session,
        now_ms: u64,
    ) -> bool {
        let (writes, all) = self.state(now_ms);
        if session.client.class() == Class::Replica || session.client.has(flag::MASTER) {
            return false;
        }
        all || (writes && may_write(worker, facts, args, session))
    }
}

/// Whether a command counts as a write for a pause: also what publishes, runs scripts or ends a writing transaction.
fn may_write(worker: &Worker, facts: &'static Facts, args: Args<'_>, session: &Session) -> bool {
    if facts.id == id::EXEC {
        let queued = session.multi.iter().flat_map(|multi| &multi.queue);
        return queued.into_iter().any(|(id, args)| writes(worker, id.facts(), args.view()));
    }
    writes(worker, facts, args)
}

fn writes(worker: &Worker, facts: &'static Facts, args: Args<'_>) -> bool {
    facts.flags.has(Flags::WRITE)
        || matches!(facts.id, id::PUBLISH | id::SPUBLISH | id::PFCOUNT)
        || scripting::may_write(worker, facts, args)
}
