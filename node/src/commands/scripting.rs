//! EVAL, EVALSHA, their read-only forms, and SCRIPT.

use std::rc::Rc;

use engine::commands::{int, is};
use engine::ctx::Garbage;
use protocol::{Args, ErrorReply, error};

use super::help::help;
use super::{NodeRow, row};
use crate::dispatch::{Call, Next};
use crate::scripting::cache::{Compiled, Scripting};
use crate::scripting::machine::Kind;
use crate::scripting::run::{self, Order};
use crate::scripting::scripts;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

const NO_SCRIPT: ErrorReply = ErrorReply::new("NOSCRIPT No matching script. Please use EVAL.");
const UNKNOWN_SCRIPT: ErrorReply = ErrorReply::new("NOSCRIPT No matching script.");
const KEYS_NEGATIVE: ErrorReply = ErrorReply::new("ERR Number of keys can't be negative");

/// The keys and the other arguments that follow their number, argument 2.
pub fn split(args: Args<'_>) -> Result<(Args<'_>, Args<'_>), ErrorReply> {
    split_counted(args, int(&args[2])?)
}

/// As [`split`], for a count that has been read.
pub fn split_counted(args: Args<'_>, count: i64) -> Result<(Args<'_>, Args<'_>), ErrorReply> {
    let rest = args.rest(3);
    if count > rest.len() as i64 {
        return Err(error::NUMKEYS_TOO_LARGE);
    }
    let count = usize::try_from(count).map_err(|_| KEYS_NEGATIVE)?;
    Ok((rest.first(count), rest.rest(count)))
}

fn eval(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    by_text(call, false)
}

fn eval_ro(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    by_text(call, true)
}

fn evalsha(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    by_name(call, false)
}

fn evalsha_ro(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    by_name(call, true)
}

fn by_text(call: &mut Call<'_>, read_only: bool) -> Result<Next, ErrorReply> {
    monitored(call);
    split(call.args)?;
    let scripting = call.worker.scripts.scripting(call.worker);
    let compiled = scripting.given(call.worker, &call.args[1])?;
    execute(call, &scripting, &compiled, read_only)
}

fn by_name(call: &mut Call<'_>, read_only: bool) -> Result<Next, ErrorReply> {
    monitored(call);
    let sha = scripts::parse_sha(&call.args[1]).ok_or(NO_SCRIPT)?;
    split(call.args)?;
    let scripting = call.worker.scripts.scripting(call.worker);
    let compiled = scripting.named(call.worker, &sha).ok_or(NO_SCRIPT)?;
    execute(call, &scripting, &compiled, read_only)
}

fn execute(
    call: &mut Call<'_>,
    scripting: &Rc<Scripting>,
    compiled: &Compiled,
    read_only: bool,
) -> Result<Next, ErrorReply> {
    let (keys, arguments) = split(call.args)?;
    let script = &compiled.script;
    let order = Order {
        function: compiled.function,
        flags: script.flags,
        habit: &script.habit,
        name: script.name(),
        read_only,
        keys,
        arguments,
    };
    run::run(call, &scripting.machine, &order)?;
    DONE
}

/// Shows the call to clients that monitor, before what the script calls.
#[inline]
pub fn monitored(call: &Call<'_>) {
    if call.worker.server.monitors.any() {
        call.worker.server.monitors.show(call.session, call.id, call.args, call.ctx.env.now_ms);
    }
}

fn script_load(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let scripting = call.worker.scripts.scripting(call.worker);
    let compiled = scripting.given(call.worker, &call.args[2])?;
    call.out.bulk(&compiled.script.sha);
    DONE
}

/// From Valkey: the text of a script.
fn script_show(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let script = scripts::parse_sha(&call.args[2]).and_then(|sha| call.worker.server.scripts.get(&sha));
    call.out.bulk(&script.ok_or(UNKNOWN_SCRIPT)?.text);
    DONE
}

fn script_exists(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let wanted = call.args.rest(2);
    call.out.array(wanted.len());
    for name in wanted.iter() {
        let known = scripts::parse_sha(name).and_then(|sha| call.worker.server.scripts.get(&sha));
        call.out.int(i64::from(known.is_some()));
    }
    DONE
}

/// The way of a flush: given, or as `lazyfree-lazy-user-flush` says. `None`: neither.
pub fn flush_mode(call: &Call<'_>) -> Option<bool> {
    match call.args.get(2) {
        None => Some(call.worker.config.borrow().lazyfree_lazy_user_flush),
        Some(word) if call.args.len() == 3 && is(word, "sync") => Some(false),
        Some(word) if call.args.len() == 3 && is(word, "async") => Some(true),
        Some(_) => None,
    }
}

fn script_flush(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let Some(lazily) = flush_mode(call) else {
        return Err(ErrorReply::new("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    };
    let scripts = call.worker.server.scripts.flush();
    if lazily {
        call.worker.server.reclaim.free(Garbage::Other(Box::new(scripts)));
    }
    call.worker.scripts.tidy(call.worker);
    call.out.ok();
    DONE
}

fn script_kill(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.worker.server.busy.kill(Kind::Eval)?;
    call.out.ok();
    DONE
}

fn script_debug(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let mode = &call.args[2];
    if is(mode, "no") {
        call.out.ok();
        return DONE;
    }
    if is(mode, "yes") || is(mode, "sync") {
        return Err(ErrorReply::new(
            "ERR SCRIPT DEBUG is not supported: this server has no debugger for scripts",
        ));
    }
    Err(ErrorReply::new("ERR Use SCRIPT DEBUG YES/SYNC/NO"))
}

pub const ROWS: &[NodeRow] = &[
    row("EVAL", eval),
    row("EVAL_RO", eval_ro),
    row("EVALSHA", evalsha),
    row("EVALSHA_RO", evalsha_ro),
    row("SCRIPT LOAD", script_load),
    row("SCRIPT EXISTS", script_exists),
    row("SCRIPT SHOW", script_show),
    row("SCRIPT FLUSH", script_flush),
    row("SCRIPT KILL", script_kill),
    row("SCRIPT DEBUG", script_debug),
    row("SCRIPT HELP", help),
];
