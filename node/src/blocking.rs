//! Clients that wait for keys.
//!
//! A command that finds nothing to do leaves a [`Ticket`] in the queues of its keys, and its connection stops executing
//! until it is told [`Mail::Unblocked`]. Whoever writes to such a key runs the commands of the clients that wait on it,
//! oldest first, before it lets go of the key's shard: so no one else gets at what was added. Serving may make other
//! keys ready (BLMOVE), which are served in turn.
//!
//! A waiting command may use a key of another shard: BLMOVE's destination. It is taken where that can't deadlock: in
//! ascending order by waiting, else only if it is free. If it is not, all shards are let go and the ones needed taken in
//! order, and the key is looked at again.
//!
//! What a group read waits for may be there without a write, too: an entry has been pending for long enough. Its connection runs
//! the command again when that may be so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

use engine::command::CommandId;
use engine::command::keys::touched;
use engine::commands::{Block, Flow, NullReply};
use engine::ctx::Ctx;
use engine::value::Kind;
use engine::waiting::{Ticket, TimedOut};
use protocol::{Args, ErrorReply, OwnedArgs, Reply};
use smallvec::SmallVec;

use crate::client::{Client, Mail};
use crate::dispatch::{Call, Handler};
use crate::feed;
use crate::replicas::waits::Mark;
use crate::server::Server;
use crate::session::Session;
use crate::ticks;
use crate::tracking::Own;
use crate::worker::Worker;

/// What a connection keeps of a command that waits.
pub struct Blocked {
    pub ticket: Arc<Ticket>,
    pub keys: Vec<Vec<u8>>,
    pub timeout_ms: Option<u64>,
    /// When the command is to be run again, ms from when it was last, and when there is no more time for that.
    pub again: Option<(u64, Option<Instant>)>,
    /// CLIENT REPLY has switched the reply off.
    pub silent: bool,
    /// It waits for replicas or disks to have this: which do is the reply.
    pub mark: Option<Arc<Mark>>,
}

impl std::fmt::Debug for Blocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blocked({} keys, {:?})", self.keys.len(), self.timeout_ms)
    }
}

/// Makes ticket numbers.
#[derive(Default)]
pub struct Tickets(AtomicU64);

/// Puts a client into the queues of the keys it waits on, while their shards are still held.
#[cold]
pub fn wait(
    worker: &Worker,
    session: &Session,
    ctx: &mut Ctx<'static>,
    id: CommandId,
    args: Args<'_>,
    block: Block,
) -> Blocked {
    let shard_of = |key: &[u8]| ctx.keyspace.shard_of(ctx.keyspace.hash(key));
    let mut shards = SmallVec::new();
    touched(id.facts(), args, |at| {
        if !block.keys.contains(&at) {
            shards.push(shard_of(&args[at]));
        }
    });
    let ticket = Arc::new(Ticket {
        args: resolved(args, &block.resolved),
        kind: block.kind,
        wake_on_removal: block.wake_on_removal,
        shards,
        ..ticket(worker, session, id, args)
    });
    let keys: Vec<Vec<u8>> = block.keys.iter().map(|at| args[*at].to_vec()).collect();
    for key in &keys {
        let shard = ctx.keyspace.shard_of(ctx.keyspace.hash(key));
        ctx.locks.get_mut(shard).waiting.add(key, &ticket);
    }
    let ends = || block.timeout_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
    let again = block.again_ms.map(|ms| (ms, ends()));
    Blocked { again, ..begin(worker, session, ticket, keys, block.timeout_ms) }
}

/// Lets a client wait until its time is up, for nothing that a key could bring; `None`: until it is unblocked.
pub fn pass_time(call: &Call<'_>, timeout_ms: Option<u64>, timed_out: TimedOut) -> Blocked {
    let ticket = Ticket { timed_out, ..ticket(call.worker, call.session, call.id, call.args) };
    begin(call.worker, call.session, Arc::new(ticket), Vec::new(), timeout_ms)
}

/// A ticket of a client that waits for no kind of value yet. Numbers are taken while the shards are held, so queues are in their order.
fn ticket(worker: &Worker, session: &Session, id: CommandId, args: Args<'_>) -> Ticket {
    Ticket {
        number: worker.server.tickets.0.fetch_add(1, Relaxed),
        client: session.client.id,
        db: session.db,
        args: args.to_owned(),
        command: id.0,
        resp3: session.resp3,
        kind: Kind::Raw,
        wake_on_removal: false,
        shards: SmallVec::new(),
        spent: AtomicU64::new(0),
        timed_out: TimedOut::NullArray,
        state: Default::default(),
    }
}

fn begin(
    worker: &Worker,
    session: &Session,
    ticket: Arc<Ticket>,
    keys: Vec<Vec<u8>>,
    timeout_ms: Option<u64>,
) -> Blocked {
    session.client.blocked_on(Some(ticket.clone()));
    worker.server.blocked.fetch_add(1, Relaxed);
    Blocked { ticket, keys, timeout_ms, again: None, silent: false, mark: None }
}

impl Blocked {
    /// When the connection has to see to it, ms from now.
    pub fn next_ms(&self) -> Option<u64> {
        match self.again {
            None => self.timeout_ms,
            Some((ms, None)) => Some(ms),
            Some((ms, Some(ends))) => {
                let left = ends.saturating_duration_since(Instant::now());
                Some(ms.min(left.as_millis() as u64 + u64::from(!left.is_zero())))
            }
        }
    }

    /// Whether its time is not up yet, and the command is to be run again.
    pub fn is_to_look_again(&self) -> bool {
        self.again.is_some_and(|(_, ends)| ends.is_none_or(|ends| Instant::now() < ends))
    }
}

/// Runs the command of a client that waits again. If there is something now, the reply is on its way.
#[cold]
pub fn look_again(worker: &Worker, blocked: &mut Blocked, client: &Client) {
    let (ticket, Some((next_ms, _))) = (&blocked.ticket, &mut blocked.again) else { return };
    let mut ctx = worker.ctx.borrow_mut();
    worker.tick(&mut ctx);
    let shard_of = |key: &Vec<u8>| ctx.keyspace.shard_of(ctx.keyspace.hash(key));
    let mut shards: SmallVec<[usize; 16]> = blocked.keys.iter().map(shard_of).collect();
    ctx.locks.hold(&mut shards);
    if ticket.state.try_serve() {
        let began = ticks::now();
        match again(worker, &mut ctx, ticket) {
            Ok((reply, failed)) => {
                ticket.state.served();
                leave(worker, client);
                count(worker, ticket, client, ticks::now().wrapping_sub(began), failed);
                worker.server.post(client, Mail::Unblocked(reply));
            }
            Err(ms) => {
                *next_ms = ms.unwrap_or(*next_ms);
                ticket.state.keep();
            }
        }
        deliver(worker, &mut Own { client: client.id, out: None }, &mut ctx);
    }
    ctx.locks.release();
    worker.count_lookups(&mut ctx);
}

/// The command as it is to be run again.
fn resolved(args: Args<'_>, replaced: &[(usize, Vec<u8>)]) -> OwnedArgs {
    let other = |at: usize| replaced.iter().find(|(place, _)| *place == at).map(|(_, text)| &text[..]);
    OwnedArgs::from_slices(args.iter().enumerate().map(|(at, arg)| other(at).unwrap_or(arg)))
}

/// The reply of a blocking command where clients may not wait.
pub fn refuse(reply: NullReply, out: &mut Reply) {
    match reply {
        NullReply::Null => out.null(),
        NullReply::Array => out.null_array(),
    }
}

/// Ends a client's wait because its time is up. `None`: it has been answered already.
pub fn time_out(worker: &Worker, blocked: &Blocked, client: &Client) -> Option<Vec<u8>> {
    let ticket = &blocked.ticket;
    ticket.state.end().then(|| {
        leave(worker, client);
        time_is_up(worker.server, ticket, blocked.mark.as_deref())
    })
}

fn time_is_up(server: &Server, ticket: &Ticket, mark: Option<&Mark>) -> Vec<u8> {
    let mut out = Reply::new(ticket.resp3);
    match (mark, ticket.timed_out) {
        (Some(mark), _) => server.replicas.tell(server, mark, &mut out),
        (None, TimedOut::NullArray) => out.null_array(),
        (None, TimedOut::Count(n)) => out.int(n),
    }
    out.buf
}

/// Ends the wait of a client whose connection ends.
pub fn abandon(worker: &Worker, ticket: &Ticket, client: &Client) {
    if ticket.state.end() {
        leave(worker, client);
    }
}

/// Takes a client out of the queues of the keys it waited on. No shard may be held.
pub fn leave_queues(server: &Server, blocked: &Blocked) {
    for key in &blocked.keys {
        let shard = server.keyspace.shard_of(server.keyspace.hash(key));
        server.keyspace.cell(shard).lock.lock().waiting.remove(key, &blocked.ticket);
    }
}

/// Ends a client's wait from outside, as if its time were up or with an error. False if it is not waiting.
pub fn unblock(worker: &Worker, client: &Client, error: Option<&ErrorReply>) -> bool {
    let Some(ticket) = client.blocked().filter(|ticket| ticket.state.end()) else { return false };
    leave(worker, client);
    let reply = match error {
        None => {
            let mark = worker.server.replicas.waited_for(&ticket);
            time_is_up(worker.server, &ticket, mark.as_deref())
        }
        Some(error) => {
            worker.stats.error(error.code());
            let mut out = Reply::new(ticket.resp3);
            out.error(error);
            out.buf
        }
    };
    count(worker, &ticket, client, 0, true);
    worker.server.post(client, Mail::Unblocked(reply));
    true
}

/// Ends the wait of a client that waits for something else than a key, with its reply.
pub fn answer_from_outside(worker: &Worker, ticket: &Ticket, reply: Vec<u8>) {
    if let Some(client) = worker.server.clients.get(ticket.client)
        && ticket.state.end()
    {
        leave(worker, &client);
        count(worker, ticket, &client, 0, false);
        worker.server.post(&client, Mail::Unblocked(reply));
    }
}

/// The client waits no longer, and everybody may see that.
fn leave(worker: &Worker, client: &Client) {
    client.blocked_on(None);
    worker.server.blocked.fetch_sub(1, Relaxed);
}

/// Counts the end of a command that waited; its call was counted when it began to wait.
fn count(worker: &Worker, ticket: &Ticket, client: &Client, ticks: u64, failed: bool) {
    let id = CommandId(ticket.command);
    let stats = &worker.stats.commands[id.index()];
    stats.ticks.add(ticks);
    stats.failed.add(u64::from(failed));
    worker.note_duration(stats, ticket.spent.load(Relaxed) + ticks, client, id, ticket.args.view());
}

/// A shard that can't be waited for while those that are held are held.
struct Busy(usize);

/// Serves clients that wait on keys which have been written to, and sends what the writes left for others. `own`: the
/// client that wrote. Shards that are not needed for it may be released.
#[cold]
pub fn deliver(worker: &Worker, own: &mut Own<'_>, ctx: &mut Ctx<'static>) {
    worker.publish(own, ctx);
    let mut wanted: SmallVec<[usize; 16]> = SmallVec::new();
    while let Some((db, key)) = ctx.out.ready.pop_front() {
        ctx.serving = Some(key.as_slice().into());
        let served = serve(worker, ctx, db, &key);
        ctx.serving = None;
        match served {
            Ok(()) => wanted.clear(),
            Err(Busy(shard)) => {
                // What is needed is taken in order, and this key tried again. What was needed before stays wanted: so
                // this comes to an end, even if the client that is the first to be served changes meanwhile.
                wanted.push(shard);
                wanted.push(ctx.keyspace.shard_of(ctx.keyspace.hash(&key)));
                ctx.locks.release();
                ctx.locks.hold(&mut wanted);
                ctx.out.ready.push_front((db, key));
            }
        }
    }
    ctx.reap();
    worker.publish(&mut Own::nobody(), ctx);
}

/// Runs the commands of clients that wait on a key, first come first, as long as the key has what they wait for.
fn serve(worker: &Worker, ctx: &mut Ctx<'static>, db: usize, key: &[u8]) -> Result<(), Busy> {
    let shard = ctx.keyspace.shard_of(ctx.keyspace.hash(key));
    take(ctx, &[shard])?;
    let kind = |ctx: &Ctx<'_>| ctx.peek_in(db, key).map(|entry| entry.kind());
    let mut from = 0;
    while let Some(kind) = kind(ctx) {
        let Some(ticket) = ctx.locks.get(shard).waiting.next(db, key, kind, from) else { break };
        from = ticket.number + 1;
        take(ctx, &ticket.shards)?;
        answer(worker, ctx, shard, key, &ticket);
    }
    let now: Option<Kind> = kind(ctx);
    for ticket in ctx.locks.get(shard).waiting.bereft(db, key, now) {
        take(ctx, &ticket.shards)?;
        answer(worker, ctx, shard, key, &ticket);
    }
    Ok(())
}

fn take(ctx: &mut Ctx<'static>, shards: &[usize]) -> Result<(), Busy> {
    shards.iter().try_for_each(|shard| if ctx.locks.add(*shard) { Ok(()) } else { Err(Busy(*shard)) })
}

/// Runs a waiting client's command, and sends the reply if it need not wait any more.
fn answer(worker: &Worker, ctx: &mut Ctx<'static>, shard: usize, key: &[u8], ticket: &Arc<Ticket>) {
    if !ticket.state.try_serve() {
        return;
    }
    let client = worker.server.clients.get(ticket.client);
    let began = ticks::now();
    let Some((client, (reply, failed))) =
        client.and_then(|client| Some((client, again(worker, ctx, ticket).ok()?)))
    else {
        return ticket.state.keep();
    };
    ticket.state.served();
    leave(worker, &client);
    ctx.locks.get_mut(shard).waiting.remove(key, ticket);
    count(worker, ticket, &client, ticks::now().wrapping_sub(began), failed);
    // The reply comes before what the command's changes mean for the client's own cache.
    worker.server.post(&client, Mail::Unblocked(reply));
    worker.publish(&mut Own { client: client.id, out: None }, ctx);
}

/// Runs a waiting client's command again; the reply, and whether it is an error. `Err`: it still has to wait, and is to be run
/// again after so many ms if that is said.
fn again(worker: &Worker, ctx: &mut Ctx<'static>, ticket: &Ticket) -> Result<(Vec<u8>, bool), Option<u64>> {
    let Handler::Data(run, _) = worker.server.handler(CommandId(ticket.command)) else { return Err(None) };
    let mut out = Reply::new(ticket.resp3);
    let db = std::mem::replace(&mut ctx.db, ticket.db);
    ctx.begin();
    let before = feed::Before::of(ctx);
    let result = run(ctx, ticket.args.view(), &mut out);
    feed::note(ctx, CommandId(ticket.command), ticket.args.view(), &out.buf, before);
    ctx.db = db;
    match result {
        Ok(Flow::Done) => Ok((out.buf, false)),
        Ok(Flow::Block(block)) => Err(block.again_ms),
        Err(error) => {
            worker.stats.error(error.code());
            out.buf.clear();
            out.error(&error);
            Ok((out.buf, true))
        }
    }
}
