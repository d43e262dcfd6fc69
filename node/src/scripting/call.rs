//! `redis.call` and `redis.pcall`: a command of a script, from its arguments to its reply as a Lua value.

use engine::command::{CommandId, Facts, Flags, id};
use protocol::{Args, ErrorReply, OwnedArgs, Reply, error};

use super::failure;
use super::incoming;
use super::lua::{Answer, NUMBER, Raise, STRING, State};
use super::machine::{machine, no_run, with_run};
use super::reach::Stray;
use super::run::Run;
use crate::acl::{self, Context};
use crate::dispatch;
use crate::hindrance;

/// Buffers of a call that have grown beyond this are given back, bytes.
const KEEP: usize = 64 * 1024;

pub const NOT_FROM_SCRIPT: ErrorReply = ErrorReply::new("ERR This Redis command is not allowed from script");
pub const READ_ONLY_SCRIPT: ErrorReply =
    ErrorReply::new("ERR Write commands are not allowed from read-only scripts.");
const UNKNOWN: ErrorReply = ErrorReply::new("ERR Unknown Redis command called from script");
const WRONG_ARITY: ErrorReply = ErrorReply::new("ERR Wrong number of args calling Redis command from script");
const NO_ARGUMENTS: &str = "Please specify at least one argument for this redis lib call";
const BAD_ARGUMENTS: &str = "Lua redis lib command arguments must be strings or integers";

/// `redis.call`: an error of the command is raised.
pub fn call(l: State) -> Answer {
    generic(l, true)
}

/// `redis.pcall`: an error of the command is returned.
pub fn pcall(l: State) -> Answer {
    generic(l, false)
}

fn generic(l: State, raises: bool) -> Answer {
    if !machine(l).is_running() {
        return Err(no_run("redis.call/pcall"));
    }
    let Ok(mut buffers) = machine(l).call.try_borrow_mut() else { return Err(no_run("redis.call/pcall")) };
    let super::machine::CallBuffers { args, reply } = &mut *buffers;
    let result = match gather(l, args) {
        Ok(()) => perform(l, args, reply)?,
        Err(text) => Err(text.into()),
    };
    // The arguments may have taken all the room there is.
    l.set_top(0);
    let failed = match result {
        Ok(()) if !incoming::push_reply(l, &reply.buf) => {
            failure::push_error(l, b"-ERR reached lua stack limit", false);
            true
        }
        Ok(()) => reply.buf.first() == Some(&b'-'),
        Err(text) => {
            with_run(l, |run| run.worker.stats.error("ERR"));
            failure::push_error(l, text.as_bytes(), true);
            true
        }
    };
    if args.heap_bytes() > KEEP {
        *args = OwnedArgs::default();
    }
    if reply.buf.capacity() > KEEP {
        reply.buf = Vec::new();
    }
    if failed && raises { Err(Raise::Top) } else { Ok(1) }
}

/// Copies the arguments of the Lua call.
#[inline]
pub fn gather(l: State, args: &mut OwnedArgs) -> Result<(), &'static str> {
    args.clear();
    let count = l.top();
    if count == 0 {
        return Err(NO_ARGUMENTS);
    }
    for index in 1..=count {
        match l.kind(index) {
            STRING => args.push(l.bytes(index).unwrap_or_default()),
            NUMBER => push_number(args, l.number(index)),
            _ => return Err(BAD_ARGUMENTS),
        }
    }
    Ok(())
}

fn push_number(args: &mut OwnedArgs, number: f64) {
    let whole = number as i64;
    if whole as f64 == number && whole.unsigned_abs() < 1 << 53 && (whole != 0 || number.is_sign_positive()) {
        return args.push(itoa::Buffer::new().format(whole).as_bytes());
    }
    let mut text = Vec::new();
    protocol::number::fmt_f64(&mut text, number);
    args.push(&text);
}

/// Runs the command. An outer error is one that ends the script whatever it does about errors.
#[inline]
fn perform(l: State, args: &OwnedArgs, reply: &mut Reply) -> Result<Result<(), String>, Raise> {
    reply.buf.clear();
    let stray = with_run(l, |run| {
        reply.resp3 = run.resp3;
        run.perform(args.view(), reply)
    });
    match stray {
        Some(Ok(())) => Ok(Ok(())),
        Some(Err(Stray::Refused(text))) => Ok(Err(text)),
        Some(Err(Stray::Restart)) => {
            super::run::insist(l);
            Err(Raise::Text(b"ERR the script is run again".to_vec()))
        }
        None => Err(no_run("redis.call/pcall")),
    }
}

impl Run<'_> {
    /// Runs a command of the script and writes its reply.
    #[inline]
    fn perform(&mut self, args: Args<'_>, out: &mut Reply) -> Result<(), Stray> {
        let found = self.worker.server.lookup.resolve(args).map_err(|_| (None, UNKNOWN));
        let admitted = found.and_then(|id| match self.admit(id, args) {
            Ok(()) => Ok(id),
            Err(error) => Err((Some(id), error)),
        });
        let id = match admitted {
            Ok(id) => id,
            Err((id, error)) => {
                if let Some(id) = id {
                    self.worker.stats.commands[id.index()].rejected.add(1);
                }
                self.worker.stats.error(error.code());
                out.error(&error);
                return Ok(());
            }
        };
        let facts = id.facts();
        if let Err(stray) = self.reach(id, args) {
            self.ctx.forget_hash();
            return Err(stray);
        }
        if facts.flags.has(Flags::WRITE) {
            self.wrote = true;
        }
        self.spoke |= self.wrote || may_replicate(facts);
        dispatch::run(self.worker, self.session, self.ctx, id, args, out);
        // The next call has its arguments at the same place.
        self.ctx.forget_hash();
        Ok(())
    }

    /// Whether the script may run the command now.
    #[inline]
    fn admit(&mut self, id: CommandId, args: Args<'_>) -> Result<(), ErrorReply> {
        let facts = id.facts();
        if !facts.admits(args) {
            return Err(WRONG_ARITY);
        }
        if facts.flags.has(Flags::NOSCRIPT) && !self.is_allowed(facts) {
            return Err(NOT_FROM_SCRIPT);
        }
        if !self.session.access.is_free() {
            self.ask_rules(facts, args)?;
        }
        let writes = facts.flags.has(Flags::WRITE);
        if self.read_only && (writes || may_replicate(facts)) {
            return Err(READ_ONLY_SCRIPT);
        }
        let hindrances = self.worker.hindrances.get();
        if hindrances != 0 && (writes || hindrances & hindrance::SYNCING != 0) && !self.wrote {
            hindrance::check(self.worker.server, hindrances, facts.flags, false, &self.session.client)?;
        }
        // Once it has written, a script is not stopped half-way.
        if self.short_of_memory && !self.wrote && facts.flags.has(Flags::DENYOOM) {
            return Err(error::OOM);
        }
        if matches!(facts.id, id::XREAD | id::XREADGROUP) && blocks(args) {
            return Err(ErrorReply::err(format!(
                "{} command is not allowed with BLOCK option from scripts",
                facts.full_name
            )));
        }
        Ok(())
    }

    /// Whether the user who runs the script may run the command.
    #[cold]
    fn ask_rules(&self, facts: &'static Facts, args: Args<'_>) -> Result<(), ErrorReply> {
        self.session.access.check(facts, args).map_err(|denial| {
            acl::note(self.worker, self.session, denial, Context::Lua, facts, args);
            denial.reply_in_script()
        })
    }

    /// Whether a command that is not for scripts may be called all the same: in tests, if it does not meddle with the
    /// script itself.
    #[cold]
    fn is_allowed(&self, facts: &Facts) -> bool {
        self.worker.server.switches.deny_scripts_ignored()
            && !matches!(
                facts.name,
                "MULTI" | "EXEC" | "DISCARD" | "WATCH" | "UNWATCH" | "RESET" | "QUIT" | "MONITOR"
            )
            && !super::runs_script(facts)
    }
}

/// What a read-only script may not do although it is no write: others hear of it.
#[inline]
fn may_replicate(facts: &Facts) -> bool {
    matches!(facts.id, id::PUBLISH | id::SPUBLISH | id::PFCOUNT)
}

/// Whether a read of streams would wait.
fn blocks(args: Args<'_>) -> bool {
    let words = args.rest(1);
    let mut words = words.iter().take_while(|word| !word.eq_ignore_ascii_case(b"STREAMS"));
    words.any(|word| word.eq_ignore_ascii_case(b"BLOCK"))
}
