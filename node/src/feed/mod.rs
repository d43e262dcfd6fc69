//! The feed: what was done, as a stream of commands in one order, for the append-only file and for replicas.
//!
//! Commands are written down where they run ([`note`]), as Redis would pass them on ([`rewrite`]), into the desks of
//! [`engine::journal`]. One thread ([`pump`]) merges the desks and hands the groups to who consumes them.

pub mod pump;
mod reply;
mod rewrite;

use engine::command::{CommandId, id};
use engine::ctx::Ctx;
use protocol::Args;

use crate::server::Server;
use pump::Who;

/// Where the counters of changes stood before a command.
#[derive(Clone, Copy)]
pub struct Before {
    dirty: u64,
    reclaimed: u64,
}

impl Before {
    #[inline]
    pub fn of(ctx: &Ctx<'_>) -> Before {
        Before { dirty: ctx.out.dirty, reclaimed: ctx.out.reclaimed }
    }
}

/// Writes a command down that has just run, if it has changed anything. The shards it changed must still be held.
#[inline]
pub fn note(ctx: &mut Ctx<'_>, id: CommandId, args: Args<'_>, reply: &[u8], before: Before) {
    if ctx.locks.feeds() {
        note_change(ctx, id, args, reply, before);
    }
}

/// The shard that is held by whoever changes something other than keys: so a cut is before or after it, like its note.
pub const APART: usize = 0;

/// Writes a command down that changes something other than keys. The shard [`APART`] must be held. `alone`: it is no part
/// of a transaction.
pub fn note_apart(ctx: &mut Ctx<'_>, args: Args<'_>, alone: bool) {
    if ctx.keyspace.feed.is_on() {
        if alone {
            ctx.begin();
        }
        ctx.ensure_group();
        let db = ctx.db;
        if let Some(feed) = ctx.locks.feed() {
            feed.command(db, args.iter());
        }
    }
}

/// Writes a message down, which replicas pass on to those who listen there. No shard need be held.
#[inline]
pub fn note_message(server: &Server, ctx: &mut Ctx<'_>, args: Args<'_>, alone: bool) {
    if server.pump.serves(Who::Replicas) {
        note_for_replicas(ctx, args, alone);
    }
}

#[cold]
fn note_for_replicas(ctx: &mut Ctx<'_>, args: Args<'_>, alone: bool) {
    if alone {
        ctx.begin();
    }
    ctx.ensure_group();
    let db = ctx.db;
    if let Some(feed) = ctx.locks.feed() {
        feed.message(db, args.iter());
    }
}

#[cold]
fn note_change(ctx: &mut Ctx<'_>, id: CommandId, args: Args<'_>, reply: &[u8], before: Before) {
    let made = (ctx.out.dirty - before.dirty).saturating_sub(ctx.out.reclaimed - before.reclaimed);
    // Emptying what is empty is passed on all the same: elsewhere it may not be.
    if made == 0 && !matches!(id, id::FLUSHALL | id::FLUSHDB) {
        return;
    }
    let commands = rewrite::rewrite(ctx, id, args, reply);
    ctx.ensure_group();
    let db = ctx.db;
    let Some(feed) = ctx.locks.feed() else { return };
    match commands {
        None => feed.command(db, args.iter()),
        Some(commands) => commands.iter().for_each(|command| feed.command(db, command.view().iter())),
    }
}
