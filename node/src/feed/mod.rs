//! The feed: what was done, as a stream of commands in one order, for the append-only file and for replicas.
//!
//! Commands are written down where they run ([`note`]), as Redis would pass them on ([`rewrite`]), into the desks of
//! [`engine::journal`]. One thread ([`pump`]) merges the desks and hands the groups to who consumes them.

pub mod pump;
mod reply;
mod rewrite;

use engine::command::{CommandId, id};
use engine::ctx::Ctx;
use engine::effect::{Deadline, Effect, NewValue};
use engine::journal::feed;
use engine::types::string::IntText;
use engine::value::Value;
use protocol::{Args, OwnedArgs};

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

    /// Whether something has changed since.
    #[inline]
    pub fn has_changed(self, ctx: &Ctx<'_>) -> bool {
        ctx.out.dirty != self.dirty
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

/// Writes down what was done as these commands. The shards of their keys must still be held.
pub fn note_commands(ctx: &mut Ctx<'_>, commands: &[OwnedArgs]) {
    if !ctx.locks.feeds() {
        return;
    }
    ctx.ensure_group();
    let db = ctx.db;
    let Some(feed) = ctx.locks.feed() else { return };
    commands.iter().for_each(|command| feed.command(db, command.view().iter()));
}

/// Writes down that a command of another protocol has set or removed a key: what it is now. Its shard must still be held.
pub fn note_string(ctx: &mut Ctx<'_>, key: &[u8]) {
    if !ctx.locks.feeds() {
        return;
    }
    ctx.ensure_group();
    let (db, mut text) = (ctx.db, IntText::default());
    let now = ctx.peek(key).map(|entry| {
        let value = entry.value();
        (value.string_bytes(&mut text).unwrap_or_default().to_vec(), value.tag(), entry.deadline())
    });
    let Some(writer) = ctx.locks.feed() else { return };
    match now {
        None => writer.command(db, [&b"DEL"[..], key].into_iter()),
        Some((value, tag, deadline)) => {
            if tag != 0 {
                writer.remark(db, &format!("{}{tag}", feed::TAG));
            }
            match deadline.map(|at| at.to_string()) {
                None => writer.command(db, [&b"SET"[..], key, &value].into_iter()),
                Some(at) => {
                    writer.command(db, [&b"SET"[..], key, &value, b"PXAT", at.as_bytes()].into_iter())
                }
            }
        }
    }
}

/// Writes down that a command of another protocol has changed when a key expires. Its shard must still be held.
pub fn note_deadline(ctx: &mut Ctx<'_>, key: &[u8]) {
    if !ctx.locks.feeds() {
        return;
    }
    ctx.ensure_group();
    let (db, deadline) = (ctx.db, ctx.peek(key).map(|entry| entry.deadline()));
    let Some(feed) = ctx.locks.feed() else { return };
    match deadline {
        None => feed.command(db, [&b"DEL"[..], key].into_iter()),
        Some(None) => feed.command(db, [&b"PERSIST"[..], key].into_iter()),
        Some(Some(at)) => {
            feed.command(db, [&b"PEXPIREAT"[..], key, at.to_string().as_bytes()].into_iter());
        }
    }
}

/// Gives the string that is there a tag. Its shard must be held.
pub fn tag(ctx: &mut Ctx<'_>, key: &[u8], tag: u64) {
    let mut key = ctx.key(key);
    let mut text = IntText::default();
    let Ok(Some(bytes)) = key.string(&mut text) else { return };
    let value = NewValue::Built(Value::tagged(bytes.to_vec(), tag));
    key.apply(Effect::Put { value, deadline: Deadline::Keep, absent: false });
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
