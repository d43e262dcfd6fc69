//! A run of a script: what it holds while it lasts, how it begins, is interrupted, and ends.

use std::ffi::c_int;
use std::sync::Arc;
use std::time::Instant;

use engine::ctx::Ctx;
use protocol::{Args, ErrorReply, Reply};
use smallvec::SmallVec;

use super::busy::{self, Running};
use super::failure::{self, Failure};
use super::lua::{REGISTRY, Raise, State};
use super::machine::{Kind, Machine, with_run};
use super::outgoing::Writer;
use super::reach::{Habit, Reach};
use super::text::ScriptFlags;
use crate::client::flag;
use crate::dispatch::{self, Call};
use crate::eviction;
use crate::session::Session;
use crate::ticks;
use crate::tracking::Own;
use crate::worker::Worker;

/// Instructions between two looks at the clock.
const BETWEEN_LOOKS: c_int = 100_000;

/// What functions that a script calls work with.
pub struct Run<'a> {
    pub worker: &'a Worker,
    pub session: &'a mut Session,
    pub ctx: &'a mut Ctx<'static>,
    /// The protocol in which the script sees replies.
    pub resp3: bool,
    pub read_only: bool,
    /// There was too little memory when it began, and it may not ignore that.
    pub short_of_memory: bool,
    /// It has run a write.
    pub wrote: bool,
    /// It has done something that others may have seen.
    pub spoke: bool,
    pub reach: Reach,
    /// The shards of its declared keys.
    pub declared: SmallVec<[usize; 16]>,
    pub habit: &'a Habit,
    /// When it began, in ticks.
    began: u64,
    /// From when on others are told that the server is busy, in ticks after that.
    patience: u64,
    /// It ends now, whatever it does about errors.
    stop: Option<Stop>,
    /// How others see it, since it has taken too long.
    pub running: Option<Arc<Running>>,
    kind: Kind,
    name: &'a str,
    /// The command that called it.
    command: Args<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Restart,
    Killed,
}

/// A script to be run.
pub struct Order<'a> {
    /// The number of its function in the registry.
    pub function: c_int,
    pub flags: ScriptFlags,
    pub habit: &'a Habit,
    /// How it is called in errors.
    pub name: &'a str,
    /// Called by a command that only reads.
    pub read_only: bool,
    pub keys: Args<'a>,
    pub arguments: Args<'a>,
}

const KILLED: &str = "ERR Script killed by user with SCRIPT KILL...";
const RO_CALLED_FOR_WRITING: ErrorReply =
    ErrorReply::new("ERR Can not execute a script with write flag using *_ro command.");
const ALLOW_OOM_NOT_SET: ErrorReply = ErrorReply::new(
    "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
);

/// Runs a script for a client and writes its reply.
pub fn run(call: &mut Call<'_>, machine: &Machine, order: &Order<'_>) -> Result<(), ErrorReply> {
    let Call { worker, session, ctx, out, id, args } = call;
    // Within a transaction nothing can be evicted: its shards are held.
    let short = worker.server.memory.is_short()
        && !session.client.has(flag::MASTER)
        && !order.flags.may_exceed_memory()
        && (session.in_exec || !eviction::admits(worker, &mut Own::of(session, out), ctx, true));
    if order.flags.declared() {
        if order.read_only && !order.flags.has(ScriptFlags::NO_WRITES) {
            return Err(RO_CALLED_FOR_WRITING);
        }
        if short {
            return Err(ALLOW_OOM_NOT_SET);
        }
    }
    let (start, db) = (out.buf.len(), session.db);
    let mut whole = false;
    let outcome = loop {
        let mut run = Run {
            worker,
            session,
            ctx,
            resp3: false,
            read_only: order.read_only || order.flags.has(ScriptFlags::NO_WRITES),
            short_of_memory: short,
            wrote: false,
            spoke: false,
            reach: Reach::All,
            declared: SmallVec::new(),
            habit: order.habit,
            began: ticks::now(),
            patience: worker.patience_ticks(),
            stop: None,
            running: None,
            kind: machine.kind,
            name: order.name,
            command: *args,
        };
        let outer = run.begin(order.keys, whole);
        let outcome = run.execute(machine, order, out);
        run.end(outer, out);
        session.select(db);
        match outcome {
            Outcome::Restart => {
                out.buf.truncate(start);
                whole = true;
            }
            Outcome::Done { failed, errors } => break (failed, errors),
        }
    };
    let (failed, errors) = outcome;
    if failed {
        worker.stats.commands[id.index()].failed.add(1);
    }
    errors.iter().for_each(|code| worker.stats.error(code));
    Ok(())
}

enum Outcome {
    Restart,
    /// Whether the reply is an error, and the codes to count.
    Done {
        failed: bool,
        errors: Vec<String>,
    },
}

impl<'a> Run<'a> {
    /// Takes the shards and begins the group. False: a transaction has done so.
    fn begin(&mut self, keys: Args<'_>, whole: bool) -> bool {
        if self.session.in_exec {
            return false;
        }
        self.declared.extend(keys.iter().map(|key| self.ctx.keyspace.shard_of(self.ctx.keyspace.hash(key))));
        if !whole && self.habit.keeps() {
            self.reach = Reach::Declared;
            self.ctx.locks.hold(&mut self.declared);
        } else {
            self.reach = if self.habit.is_known() { Reach::All } else { Reach::Trial };
            self.ctx.locks.hold_all();
        }
        self.ctx.begin();
        self.ctx.locks.pin();
        self.session.in_exec = true;
        true
    }

    fn execute(&mut self, machine: &Machine, order: &Order<'_>, out: &mut Reply) -> Outcome {
        self.session.in_script = true;
        self.ctx.env.in_script = true;
        let l = machine.state();
        let hook = if self.patience == u64::MAX { 0 } else { BETWEEN_LOOKS };
        l.every(hook, interrupt);
        let done = machine.during(self, || enter(l, machine, order));
        l.every(0, interrupt);
        machine.restore_settings();
        self.session.in_script = false;
        self.ctx.env.in_script = false;
        self.worker.stats.note_lua(machine.kind, machine.bytes());
        if let Some(running) = self.running.take() {
            busy::over(self.worker, &running);
        }
        // What was asked of replies is asked of the script's own, too.
        out.resp3 = self.session.resp3;
        if self.stop == Some(Stop::Restart) {
            l.set_top(0);
            return Outcome::Restart;
        }
        if self.reach == Reach::Trial {
            self.habit.kept();
        }
        let outcome = if done { self.answer(l, out) } else { self.fail(failure::take(l), order.name, out) };
        l.set_top(0);
        outcome
    }

    /// Writes what the script returned.
    fn answer(&self, l: State, out: &mut Reply) -> Outcome {
        let mut writer = Writer::new(out, self.resp3);
        writer.whole(l);
        Outcome::Done { failed: writer.failed, errors: writer.errors }
    }

    fn fail(&self, failure: Failure, name: &str, out: &mut Reply) -> Outcome {
        let line = failure.line(name);
        out.error(&ErrorReply(String::from_utf8_lossy(&line).into_owned().into()));
        let errors = if failure.counted { Vec::new() } else { vec![failure.code()] };
        Outcome::Done { failed: true, errors }
    }

    /// Sees to what the script left to do while its shards are held, then lets go of them.
    fn end(&mut self, outer: bool, out: &mut Reply) {
        if !outer {
            return;
        }
        self.session.in_exec = false;
        self.ctx.locks.unpin();
        if self.stop != Some(Stop::Restart) {
            dispatch::settle(self.worker, self.session, self.ctx, out);
        }
        self.ctx.locks.release();
    }
}

/// Calls the function of a script; its result or its error is on the stack.
fn enter(l: State, machine: &Machine, order: &Order<'_>) -> bool {
    let kept = machine.kept.get();
    l.get_index(REGISTRY, kept.handler);
    let arguments = match machine.kind {
        Kind::Eval => {
            l.get_index(REGISTRY, kept.globals);
            for (name, values) in [(kept.keys, order.keys), (kept.argv, order.arguments)] {
                l.get_index(REGISTRY, name);
                push_array(l, values);
                l.set(-3);
            }
            l.pop(1);
            l.get_index(REGISTRY, order.function);
            0
        }
        Kind::Functions => {
            l.get_index(REGISTRY, order.function);
            push_array(l, order.keys);
            push_array(l, order.arguments);
            2
        }
    };
    l.call(arguments, 1, 1)
}

fn push_array(l: State, values: Args<'_>) {
    l.push_table(values.len(), 0);
    for (i, value) in values.iter().enumerate() {
        l.push(value);
        l.set_index(-2, i as c_int + 1);
    }
}

/// What is done from time to time while a script runs.
fn interrupt(l: State) -> Result<(), Raise> {
    let stop = with_run(l, |run| {
        if run.stop.is_none() && ticks::now().wrapping_sub(run.began) >= run.patience {
            run.take_long();
        }
        run.stop
    });
    match stop.flatten() {
        None => Ok(()),
        Some(Stop::Restart) => Err(Raise::Text(b"ERR the script is run again".to_vec())),
        Some(Stop::Killed) => {
            l.every(1, interrupt);
            failure::raise(l, &format!("-{KILLED}"))
        }
    }
}

/// Has the script end at its next instruction, to be run again, even if it catches the error.
pub fn insist(l: State) {
    with_run(l, |run| run.stop = Some(Stop::Restart));
    l.every(1, interrupt);
}

impl Run<'_> {
    /// The script has been running for longer than others should wait without an answer.
    #[cold]
    fn take_long(&mut self) {
        let (worker, kind, name, command) = (self.worker, self.kind, self.name, self.command);
        let took = worker.duration(ticks::now().wrapping_sub(self.began));
        let since = || Instant::now().checked_sub(took).unwrap_or_else(Instant::now);
        let obeyed = self.session.client.has(flag::MASTER);
        let running = self
            .running
            .get_or_insert_with(|| busy::begin(worker, kind, name, command.to_owned(), since(), obeyed));
        if running.look(self.worker, self.wrote) && !self.wrote {
            tracing::warn!("Lua script killed by user with SCRIPT KILL.");
            self.stop = Some(Stop::Killed);
        }
    }
}
