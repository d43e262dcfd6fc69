//! What a command works with, and the way to its key.

use std::sync::atomic::Ordering::Relaxed;

use engine::command::CommandId;
use engine::ctx::Ctx;
use protocol::{OwnedArgs, Reply};

use super::tally::{Tallies, Tally};
use crate::dispatch;
use crate::session::Session;
use crate::ticks;
use crate::worker::Worker;

pub struct Call<'a> {
    pub worker: &'a Worker,
    pub session: &'a mut Session,
    pub ctx: &'a mut Ctx<'static>,
    pub out: &'a mut Reply,
}

/// Why a command has not run.
#[derive(Debug)]
pub enum Halt {
    /// It has been answered instead.
    Answered,
    /// Clients are paused: it is to be run again later.
    Paused,
}

impl Call<'_> {
    pub fn line(&mut self, text: &str) {
        self.out.buf.extend_from_slice(text.as_bytes());
        self.out.buf.extend_from_slice(b"\r\n");
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.buf.extend_from_slice(bytes);
    }

    pub fn number(&mut self, n: u64) {
        self.out.buf.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
    }

    pub fn tallies(&self) -> &'static Tallies {
        &self.worker.stats.memcached
    }

    pub fn tally(&self, tally: Tally) {
        self.tallies().add(tally);
    }

    /// Does something with a key whose shard is held meanwhile. `id`: the command of Redis that would do so.
    pub fn on_key<T>(
        &mut self,
        id: CommandId,
        key: &[u8],
        run: impl FnOnce(&mut Call<'_>) -> T,
    ) -> Result<T, Halt> {
        self.admit(id, key)?;
        let began = self.worker.lap.get();
        self.session.client.command.store(u32::from(id.0), Relaxed);
        self.ctx.db = 0;
        self.ctx.env.no_touch = false;
        self.ctx.begin();
        let shard = self.ctx.keyspace.shard_of(self.ctx.keyspace.hash(key));
        self.ctx.locks.hold_one(shard);
        let result = run(self);
        self.count(id, key, began);
        dispatch::settle(self.worker, self.session, self.ctx, self.out);
        Ok(result)
    }

    /// Counts a command that began at `began`, in ticks.
    pub fn count(&mut self, id: CommandId, key: &[u8], began: u64) {
        let now = ticks::now();
        self.worker.lap.set(now);
        let (ticks, stats) = (now.wrapping_sub(began), &self.worker.stats.commands[id.index()]);
        if self.worker.is_notable(ticks) || self.worker.server.monitors.any() {
            let args = OwnedArgs::from_slices([id.facts().name.as_bytes(), key]);
            self.worker.count(stats, ticks, &self.session.client, id, args.view());
            if self.worker.server.monitors.any() {
                self.worker.server.monitors.feed(self.session, id, args.view(), self.ctx.env.now_ms);
            }
        } else {
            self.worker.count(stats, ticks, &self.session.client, id, OwnedArgs::default().view());
        }
    }
}
