//! What scripts find in the table `redis`, beside calls of commands.

use protocol::OwnedArgs;

use super::call::gather;
use super::failure::{push_error, raise};
use super::lua::{Answer, NUMBER, Raise, STRING, State};
use super::machine::with_run;
use super::scripts;
use crate::REDIS_VERSION;

/// Fills the table on top of the stack with what scripts and functions share.
pub fn fill(l: State) {
    fill_for_load(l);
    l.push_function(super::call::call, 0);
    l.set_field(-2, "call");
    l.push_function(super::call::pcall, 0);
    l.set_field(-2, "pcall");
    l.push_function(sha1hex, 0);
    l.set_field(-2, "sha1hex");
    l.push_function(error_reply, 0);
    l.set_field(-2, "error_reply");
    l.push_function(status_reply, 0);
    l.set_field(-2, "status_reply");
    l.push_function(setresp, 0);
    l.set_field(-2, "setresp");
    l.push_function(set_repl, 0);
    l.set_field(-2, "set_repl");
    l.push_function(acl_check_cmd, 0);
    l.set_field(-2, "acl_check_cmd");
    for (name, value) in REPLICATION {
        l.push_number(value);
        l.set_field(-2, name);
    }
}

/// Fills the table on top of the stack with what is there while a library is loaded, too.
pub fn fill_for_load(l: State) {
    l.push_function(log, 0);
    l.set_field(-2, "log");
    for (level, name) in ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"].into_iter().enumerate() {
        l.push_number(level as f64);
        l.set_field(-2, name);
    }
    l.push(REDIS_VERSION.as_bytes());
    l.set_field(-2, "REDIS_VERSION");
    l.push_number(version_number());
    l.set_field(-2, "REDIS_VERSION_NUM");
}

/// Fills the table on top of the stack with what only scripts find.
pub fn fill_for_eval(l: State) {
    l.push_function(replicate_commands, 0);
    l.set_field(-2, "replicate_commands");
    l.push_function(nothing, 0);
    l.set_field(-2, "breakpoint");
    l.push_function(nothing, 0);
    l.set_field(-2, "debug");
}

const REPLICATION: [(&str, f64); 5] =
    [("REPL_NONE", 0.0), ("REPL_AOF", 1.0), ("REPL_SLAVE", 2.0), ("REPL_REPLICA", 2.0), ("REPL_ALL", 3.0)];

/// The version, a byte for each of its parts.
fn version_number() -> f64 {
    REDIS_VERSION.split('.').fold(0, |number, part| number << 8 | part.parse::<u32>().unwrap_or(0)).into()
}

fn sha1hex(l: State) -> Answer {
    if l.top() != 1 {
        return raise(l, "wrong number of arguments");
    }
    let sha = scripts::sha1(l.text(1).unwrap_or_default());
    l.push(&sha);
    Ok(1)
}

/// Whether there is one argument, a string; pushes an error otherwise.
fn one_string<'a>(l: State) -> Option<&'a [u8]> {
    let text = if l.top() == 1 { l.bytes(1) } else { None };
    if text.is_none() {
        push_error(l, b"wrong number or type of arguments", false);
    }
    text
}

fn error_reply(l: State) -> Answer {
    if let Some(text) = one_string(l) {
        let text = text.strip_prefix(b"-").unwrap_or(text);
        push_error(l, &[b"-", text].concat(), false);
    }
    Ok(1)
}

fn status_reply(l: State) -> Answer {
    if let Some(text) = one_string(l) {
        l.push_table(0, 1);
        l.push(text);
        l.set_field(-2, "ok");
    }
    Ok(1)
}

fn log(l: State) -> Answer {
    let count = l.top();
    if count < 2 {
        return raise(l, "redis.log() requires two arguments or more.");
    }
    if !l.is_number(1) {
        return raise(l, "First argument must be a number (log level).");
    }
    let level = l.number(1);
    if !(0.0..=3.0).contains(&level) {
        return raise(l, "Invalid debug level.");
    }
    let words: Vec<_> = (2..=count)
        .filter(|i| matches!(l.kind(*i), STRING | NUMBER))
        .map(|i| String::from_utf8_lossy(l.text(i).unwrap_or_default()))
        .collect();
    let line = words.join(" ");
    match level as u32 {
        0 => tracing::trace!("{line}"),
        1 => tracing::debug!("{line}"),
        2 => tracing::info!("{line}"),
        _ => tracing::warn!("{line}"),
    }
    Ok(0)
}

fn setresp(l: State) -> Answer {
    if l.top() != 1 {
        return raise(l, "redis.setresp() requires one argument.");
    }
    let version = l.number(1);
    if version != 2.0 && version != 3.0 {
        return raise(l, "RESP version must be 2 or 3.");
    }
    with_run(l, |run| run.resp3 = version == 3.0);
    Ok(0)
}

/// What a script does is replicated as a whole: only that may be asked for.
fn set_repl(l: State) -> Answer {
    if l.top() != 1 {
        return raise(l, "redis.set_repl() requires two arguments.");
    }
    let flags = l.number(1) as i64;
    if flags & !3 != 0 {
        return raise(l, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
    }
    if flags != 3 {
        return raise(
            l,
            "redis.set_repl() is only supported with REPL_ALL: what a script writes is always replicated.",
        );
    }
    Ok(0)
}

/// Effects are what is replicated, always.
fn replicate_commands(l: State) -> Answer {
    l.push_bool(true);
    Ok(1)
}

/// Outside a debugging session, what belongs to one does nothing: `breakpoint` and `debug`.
fn nothing(l: State) -> Answer {
    l.push_bool(false);
    Ok(1)
}

/// Whether the user may run a command.
fn acl_check_cmd(l: State) -> Answer {
    let mut args = OwnedArgs::default();
    if let Err(text) = gather(l, &mut args) {
        push_error(l, text.as_bytes(), false);
        return Err(Raise::Top);
    }
    let view = args.view();
    let known = with_run(l, |run| {
        let id = run.worker.server.lookup.resolve(view).ok()?;
        Some(run.session.access.is_free() || run.session.access.check(id.facts(), view).is_ok())
    });
    match known.flatten() {
        Some(allowed) => {
            drop(args);
            l.push_bool(allowed);
            Ok(1)
        }
        None => {
            push_error(l, b"Invalid command passed to redis.acl_check_cmd()", false);
            Err(Raise::Top)
        }
    }
}
