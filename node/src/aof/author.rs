//! Who runs what a log holds besides commands on data: scripts and functions, which Redis up to version 6 logs as they were
//! called.

use std::sync::Arc;

use engine::command::CommandId;
use engine::ctx::Ctx;
use protocol::{Args, Reply};

use crate::acl::Access;
use crate::client::{Client, flag};
use crate::dispatch;
use crate::server::Server;
use crate::session::Session;
use crate::worker::{Worker, unix_ms};

/// See the [module's page](self).
pub struct Author {
    worker: Worker,
    session: Session,
}

impl Author {
    pub fn new(server: &'static Server) -> Author {
        let worker = Worker::beside(server);
        // Nothing that is in a log can be refused: it was done.
        worker.hindrances.set(0);
        let client = Client::new(0, worker.index, String::new(), String::new(), -1, unix_ms());
        client.set(flag::MASTER, true);
        let mut session = Session::new(Arc::new(client), Access::unlimited(&server.users));
        session.in_exec = true;
        Author { worker, session }
    }

    /// Runs a command with all shards held, as if in a transaction. What it answers is of no interest.
    pub fn run(&mut self, ctx: &mut Ctx<'static>, id: CommandId, args: Args<'_>) {
        let held = ctx.locks.holds_all();
        if !held {
            ctx.locks.hold_all();
        }
        self.session.select(ctx.db);
        ctx.begin();
        ctx.locks.pin();
        dispatch::run(&self.worker, &mut self.session, ctx, id, args, &mut Reply::default());
        ctx.locks.unpin();
        if !held {
            ctx.locks.release();
        }
        ctx.db = self.session.db;
    }
}

impl Drop for Author {
    fn drop(&mut self) {
        self.worker.server.beside.give_back(self.worker.stats);
    }
}
