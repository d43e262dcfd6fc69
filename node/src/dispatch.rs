//! From arguments to a reply: finds the command, checks whether it may run now, takes the locks it needs, runs it, counts
//! it, and sees to what it left in the outbox.

use std::sync::atomic::Ordering::Relaxed;

use engine::command::keys::touched;
use engine::command::lookup::refusal;
use engine::command::{CommandId, Facts, Flags, id};
use engine::commands::{Flow, Locking};
use engine::ctx::Ctx;
use protocol::{Args, ErrorReply, Reply, error};
use smallvec::SmallVec;

use crate::acl;
use crate::blocking::{self, Blocked};
use crate::client::flag;
use crate::commands::transactions;
use crate::eviction;
use crate::feed;
use crate::hindrance;
use crate::scripting;
use crate::session::{ReplyMode, Session};
use crate::ticks;
use crate::tracking::{self, Own};
use crate::worker::Worker;

/// What the connection does after a command.
#[derive(Debug)]
pub enum Next {
    /// Goes on with the next one.
    Done,
    /// Waits until the ticket is claimed.
    Blocked(Blocked),
    /// Waits until the clients are no longer paused, then runs the command again.
    Paused,
    /// Runs the command again after so many ms.
    Later(u64),
}

/// What is known of a command before it runs, from prefetching.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hint {
    pub id: Option<CommandId>,
    /// The argument that is its first key, and the key's hash.
    pub key: Option<(u8, u64)>,
}

/// What a command of the node works with.
pub struct Call<'a> {
    pub worker: &'a Worker,
    pub session: &'a mut Session,
    pub ctx: &'a mut Ctx<'static>,
    pub args: Args<'a>,
    pub out: &'a mut Reply,
    pub id: CommandId,
}

/// A command of the node: one that is about connections, transactions or the server rather than data.
pub type NodeRun = fn(&mut Call<'_>) -> Result<Next, ErrorReply>;

/// A command's function.
#[derive(Clone, Copy)]
pub enum Handler {
    Data(engine::commands::Run, Locking),
    Node(NodeRun),
    /// Known, but not answered by this server.
    Missing,
}

/// Runs one command of a client and writes its reply.
pub fn execute(
    worker: &Worker,
    session: &mut Session,
    ctx: &mut Ctx<'static>,
    args: Args<'_>,
    hint: Hint,
    out: &mut Reply,
) -> Next {
    let start = out.buf.len();
    out.resp3 = session.resp3;
    let mut next = match admit(worker, session, ctx, args, hint.id, out) {
        Ok(Some(id)) => {
            if let Some((index, hash)) = hint.key {
                ctx.know_hash(args.at(usize::from(index)), hash);
            }
            let next = run(worker, session, ctx, id, args, out);
            ctx.forget_hash();
            next
        }
        Ok(None) => Next::Done,
        Err(next) => next,
    };
    match session.reply_mode {
        ReplyMode::On => {}
        ReplyMode::Off | ReplyMode::Skip => {
            // What tells of subscriptions is not a reply.
            if !std::mem::take(&mut session.pushed) {
                out.buf.truncate(start);
            }
            if let Next::Blocked(blocked) = &mut next {
                blocked.silent = true;
            }
            if session.reply_mode == ReplyMode::Skip {
                session.reply_mode = ReplyMode::On;
            }
        }
        ReplyMode::SkipNext => session.reply_mode = ReplyMode::Skip,
    }
    next
}

/// Finds the command and decides whether it runs now. `None`: it has been answered (refused or queued) instead.
#[inline]
fn admit(
    worker: &Worker,
    session: &mut Session,
    ctx: &mut Ctx<'static>,
    args: Args<'_>,
    known: Option<CommandId>,
    out: &mut Reply,
) -> Result<Option<CommandId>, Next> {
    let id = match known.map_or_else(|| worker.server.lookup.resolve(args), Ok) {
        Ok(id) => id,
        Err(miss) => {
            if is_http(&args[0]) {
                tracing::warn!(
                    "Possible SECURITY ATTACK detected: {} sends a web browser's request. Connection closed.",
                    session.client.addr
                );
                session.closing = true;
                return Ok(None);
            }
            reject(worker, session, None, &refusal(miss, args), out);
            return Ok(None);
        }
    };
    let facts = id.facts();
    if let Err(error) = check(worker, session, ctx, facts, args, out) {
        reject(worker, session, Some(id), &error, out);
        return Ok(None);
    }
    if let Some(multi) = &mut session.multi
        && !runs_in_multi(facts)
    {
        if facts.flags.has(Flags::NO_MULTI) {
            reject(
                worker,
                session,
                Some(id),
                &ErrorReply::err("Command not allowed inside a transaction"),
                out,
            );
            return Ok(None);
        }
        multi.bytes += args.bytes() + args.len() * 8;
        multi.queue.push((id, args.to_owned()));
        multi.flags = multi.flags.or(scripting::flags(worker, facts, args));
        session.client.queued.store(multi.queue.len() as u32, Relaxed);
        session.client.multi_bytes.store(multi.bytes as u64, Relaxed);
        out.simple("QUEUED");
        return Ok(None);
    }
    if worker.server.pause.blocks(worker, facts, args, session, ctx.env.now_ms) {
        return Err(Next::Paused);
    }
    Ok(Some(id))
}

/// Words that a browser sends when a page makes it talk to this port: the connection must end before its body, which an
/// attacker chose, is taken for commands.
#[cold]
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"POST") || name.eq_ignore_ascii_case(b"Host:")
}

/// Commands that act at once although a transaction is being queued.
fn runs_in_multi(facts: &Facts) -> bool {
    matches!(facts.name, "EXEC" | "DISCARD" | "MULTI" | "WATCH" | "QUIT" | "RESET")
}

/// Whether the command may run at all.
#[inline]
pub fn check(
    worker: &Worker,
    session: &Session,
    ctx: &mut Ctx<'static>,
    facts: &'static Facts,
    args: Args<'_>,
    out: &mut Reply,
) -> Result<(), ErrorReply> {
    if !facts.admits(args) {
        return Err(ErrorReply::wrong_arity(facts.full_name));
    }
    if !session.access.is_free() {
        acl::admit(worker, session, facts, args)?;
    }
    if !session.resp3 && !session.subscriptions.is_empty() && !runs_in_subscription(facts) {
        return Err(ErrorReply::err(format!(
            "Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
            facts.full_name
        )));
    }
    if worker.server.busy.is_on() && !facts.flags.has(Flags::ALLOW_BUSY) {
        let loading = worker.hindrances.get() & hindrance::LOADING != 0 && !facts.flags.has(Flags::LOADING);
        return Err(if loading { error::LOADING } else { worker.server.busy.refusal() });
    }
    if (session.monitoring || session.is_replica()) && facts.flags.meets(Flags::READONLY.or(Flags::WRITE)) {
        return Err(ErrorReply::new("ERR Replica can't interact with the keyspace"));
    }
    // A transaction is checked as what its commands are.
    let flags = match &session.multi {
        Some(multi) if facts.id == id::EXEC => multi.flags,
        _ => scripting::flags(worker, facts, args),
    };
    if worker.server.memory.is_short() {
        make_room(worker, session, ctx, flags, out)?;
    }
    match worker.hindrances.get() {
        0 => Ok(()),
        hindrances => {
            hindrance::check(worker.server, hindrances, flags, facts.id == id::PING, &session.client)
        }
    }
}

#[cold]
fn make_room(
    worker: &Worker,
    session: &Session,
    ctx: &mut Ctx<'static>,
    flags: Flags,
    out: &mut Reply,
) -> Result<(), ErrorReply> {
    let own = &mut Own::of(session, out);
    if eviction::admits(worker, own, ctx, flags.has(Flags::DENYOOM)) { Ok(()) } else { Err(error::OOM) }
}

fn runs_in_subscription(facts: &Facts) -> bool {
    matches!(
        facts.name,
        "SUBSCRIBE"
            | "PSUBSCRIBE"
            | "SSUBSCRIBE"
            | "UNSUBSCRIBE"
            | "PUNSUBSCRIBE"
            | "SUNSUBSCRIBE"
            | "PING"
            | "QUIT"
            | "RESET"
    )
}

/// Answers a command that does not run.
#[cold]
fn reject(
    worker: &Worker,
    session: &mut Session,
    id: Option<CommandId>,
    error: &ErrorReply,
    out: &mut Reply,
) {
    if let Some(id) = id {
        worker.stats.commands[id.index()].rejected.add(1);
        session.client.command.store(u32::from(id.0), Relaxed);
    }
    if let Some(multi) = &mut session.multi {
        multi.failed = true;
    }
    // Nothing of a transaction is left that can't be executed.
    let abort = (id == Some(id::EXEC)).then(|| {
        transactions::discard_all(worker.server, session);
        ErrorReply::exec_abort(error)
    });
    let error = abort.as_ref().unwrap_or(error);
    worker.stats.error(error.code());
    out.error(error);
}

/// Runs a command that has been admitted, and counts it.
pub fn run(
    worker: &Worker,
    session: &mut Session,
    ctx: &mut Ctx<'static>,
    id: CommandId,
    args: Args<'_>,
    out: &mut Reply,
) -> Next {
    let start = out.buf.len();
    let began = worker.lap.get();
    ctx.db = session.db;
    ctx.env.no_touch = session.no_touch;
    ctx.env.confined = session.access.confines(id.facts(), args);
    if !session.in_exec {
        ctx.begin();
        session.client.command.store(u32::from(id.0), Relaxed);
    }
    let result = match worker.server.handlers[id.index()] {
        Handler::Data(run, locking) => data(worker, session, ctx, id, run, locking, args, out),
        Handler::Node(run) => {
            if !session.in_exec {
                ctx.locks.release();
            }
            run(&mut Call { worker, session, ctx, args, out, id })
        }
        Handler::Missing => Err(missing(id.facts())),
    };
    let stats = &worker.stats.commands[id.index()];
    let next = match result {
        Ok(next) => next,
        Err(error) => {
            out.buf.truncate(start);
            if let Some(why) = ctx.out.refused.take() {
                tracing::warn!("A payload for {} was refused. {why}", id.facts().name);
            }
            stats.failed.add(1);
            worker.stats.error(error.code());
            out.error(&error);
            Next::Done
        }
    };
    let now = ticks::now();
    worker.lap.set(now);
    let ticks = now.wrapping_sub(began);
    match &next {
        Next::Done => {
            worker.count(stats, ticks, &session.client, id, args);
            worker.note_size(&session.client, id, args, out.buf.len().saturating_sub(start), ticks);
        }
        Next::Blocked(blocked) => {
            // How long it took is known when it has been served.
            stats.calls.add(1);
            stats.ticks.add(ticks);
            blocked.ticket.spent.store(ticks, Relaxed);
        }
        Next::Paused | Next::Later(_) => {}
    }
    if session.tracking.on {
        track(session, ctx, id.facts(), args);
    }
    settle(worker, session, ctx, out);
    if worker.server.monitors.any() && !matches!(next, Next::Paused | Next::Later(_)) {
        worker.server.monitors.feed(session, id, args, ctx.env.now_ms);
    }
    next
}

/// Notes what a tracking client has read. CLIENT CACHING holds for the next command that is not about the client, or for
/// a transaction.
#[cold]
fn track(session: &mut Session, ctx: &mut Ctx<'static>, facts: &'static Facts, args: Args<'_>) {
    let reads = facts.flags.has(Flags::READONLY);
    if session.in_script {
        // A script that reads anything has read the keys that it declares, as Redis has it.
        session.tracking.script_reads |= reads;
        return;
    }
    let script_reads = std::mem::take(&mut session.tracking.script_reads);
    if if scripting::runs_script(facts) { script_reads } else { reads } {
        tracking::remember(session, ctx, facts, args);
    }
    let about_client = facts.parent == Some(id::CLIENT);
    if !about_client && session.multi.is_none() && !session.in_exec {
        session.tracking.caching = None;
    }
}

fn missing(facts: &Facts) -> ErrorReply {
    ErrorReply::err(format!("'{}' is not supported by this server", facts.full_name))
}

/// Takes the locks of a data command and runs it.
#[inline]
#[expect(clippy::too_many_arguments, reason = "everything a command needs, passed on")]
fn data(
    worker: &Worker,
    session: &mut Session,
    ctx: &mut Ctx<'static>,
    id: CommandId,
    run: engine::commands::Run,
    locking: Locking,
    args: Args<'_>,
    out: &mut Reply,
) -> Result<Next, ErrorReply> {
    if !session.in_exec {
        lock(ctx, id.facts(), locking, args);
    }
    let (before, start) = (feed::Before::of(ctx), out.buf.len());
    let flow = run(ctx, args, out)?;
    feed::note(ctx, id, args, &out.buf[start..], before);
    if worker.is_replica() && before.has_changed(ctx) && !session.client.has(flag::MASTER) {
        worker.server.upstream.own.note(ctx, id.facts(), args);
    }
    match flow {
        Flow::Done => Ok(Next::Done),
        Flow::Block(block) if session.in_exec => {
            blocking::refuse(block.refusal, out);
            Ok(Next::Done)
        }
        Flow::Block(block) => Ok(Next::Blocked(blocking::wait(worker, session, ctx, id, args, block))),
    }
}

/// Takes the shards that a command needs.
#[inline]
pub fn lock(ctx: &mut Ctx<'static>, facts: &'static Facts, locking: Locking, args: Args<'_>) {
    match locking {
        // Of ZUNIONSTORE and its like these numbers name the destination only.
        Locking::Keys
            if facts.last_key == facts.first_key
                && facts.first_key > 0
                && !facts.flags.has(Flags::MOVABLEKEYS) =>
        {
            let hash = ctx.hash(&args[facts.first_key as usize]);
            let shard = ctx.keyspace.shard_of(hash);
            ctx.locks.hold_one(shard);
        }
        Locking::Keys => {
            let mut shards = SmallVec::new();
            shards_of(ctx, facts, args, &mut shards);
            ctx.locks.hold(&mut shards);
        }
        Locking::All => ctx.locks.hold_all(),
        Locking::Own => ctx.locks.release(),
    }
}

/// Adds the shards of a command's keys to `shards`. Malformed key counts name no keys: the command will say so.
pub fn shards_of(ctx: &Ctx<'_>, facts: &'static Facts, args: Args<'_>, shards: &mut SmallVec<[usize; 16]>) {
    touched(facts, args, |index| {
        shards.push(ctx.keyspace.shard_of(ctx.keyspace.hash(&args[index])));
    });
}

/// Sees to what a command left behind: expired keys it met, blocked clients it can serve, messages to others.
#[inline]
pub fn settle(worker: &Worker, session: &Session, ctx: &mut Ctx<'static>, out: &mut Reply) {
    ctx.reap();
    if ctx.out.is_quiet() || session.in_exec {
        return;
    }
    blocking::deliver(worker, &mut Own::of(session, out), ctx);
}
