//! Pauses: clients wait, all of them or those that would write. CLIENT PAUSE asks for that, and whatever hands over to
//! another server, or leaves.

use std::sync::atomic::{AtomicU64, Ordering::*};

use engine::command::{Facts, Flags, id};
use parking_lot::Mutex;
use protocol::Args;

use crate::client::{Class, flag};
use crate::scripting;
use crate::session::Session;
use crate::worker::Worker;

/// Clients wait for as long as it takes.
const FOR_EVER: u64 = u64::MAX >> 1;

/// Who else than a client has writes wait, until further notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Failover,
    Shutdown,
}

#[derive(Default)]
struct Asked {
    /// By a client: until when, unix ms, and whether only writes wait.
    until_ms: u64,
    only_writes: bool,
    holds: [bool; 2],
}

/// Who has asked for a pause, and until when it may last.
#[derive(Default)]
pub struct Pause {
    asked: Mutex<Asked>,
    /// The latest of all, unix ms; 0: nobody has asked.
    until_ms: AtomicU64,
}

impl Pause {
    /// Pauses until `until_ms`. A pause that is in force only gets longer, and stricter.
    pub fn pause(&self, until_ms: u64, only_writes: bool, now_ms: u64) {
        self.change(|asked| {
            let running = asked.until_ms > now_ms;
            asked.only_writes = only_writes && (asked.only_writes || !running);
            asked.until_ms = if running { asked.until_ms.max(until_ms) } else { until_ms };
        });
    }

    /// Takes back what [`Pause::pause`] did.
    pub fn unpause(&self) {
        self.change(|asked| asked.until_ms = 0);
    }

    /// Has writes wait until this is taken back.
    pub fn hold(&self, why: Why, on: bool) {
        self.change(|asked| asked.holds[why as usize] = on);
    }

    fn change(&self, change: impl FnOnce(&mut Asked)) {
        let mut asked = self.asked.lock();
        change(&mut asked);
        let held = asked.holds.contains(&true);
        self.until_ms.store(if held { FOR_EVER } else { asked.until_ms }, Release);
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
        if self.left_ms(now_ms) == 0 {
            return (false, false);
        }
        let asked = self.asked.lock();
        (true, asked.until_ms > now_ms && !asked.only_writes)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_pauses_takes_back_what_is_his() {
        let pause = Pause::default();
        pause.pause(100, false, 10);
        pause.hold(Why::Shutdown, true);
        assert_eq!(pause.state(50), (true, true));
        assert_eq!(pause.state(150), (true, false));
        pause.unpause();
        assert_eq!(pause.state(50), (true, false));
        pause.hold(Why::Failover, true);
        pause.hold(Why::Shutdown, false);
        assert!(pause.is_on(50));
        pause.hold(Why::Failover, false);
        assert!(!pause.is_on(50) && !pause.is_set());
    }
}
