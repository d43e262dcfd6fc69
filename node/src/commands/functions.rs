//! FCALL, FCALL_RO and FUNCTION.

use std::sync::Arc;

use engine::commands::is;
use engine::ctx::Garbage;
use protocol::{ErrorReply, glob, number};

use super::help::help;
use super::scripting::{flush_mode, monitored, split_counted};
use super::{NodeRow, row};
use crate::dispatch::{Call, Next};
use crate::feed;
use crate::scripting::ledger::{self, Mark};
use crate::scripting::libraries::{self, Library, Shelf};
use crate::scripting::machine::Kind;
use crate::scripting::run::{self, Order};
use crate::scripting::text;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

const NO_FUNCTION: ErrorReply = ErrorReply::new("ERR Function not found");
const NO_LIBRARY: ErrorReply = ErrorReply::new("ERR Library not found");
const BAD_KEY_COUNT: ErrorReply = ErrorReply::new("ERR Bad number of keys provided");

fn fcall(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    execute(call, false)
}

fn fcall_ro(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    execute(call, true)
}

fn execute(call: &mut Call<'_>, read_only: bool) -> Result<Next, ErrorReply> {
    monitored(call);
    let calling = call.worker.scripts.calling(call.worker);
    let callable = calling.named(call.worker, &call.args[1])?.ok_or(NO_FUNCTION)?;
    let count = number::parse_i64(&call.args[2]).ok_or(BAD_KEY_COUNT)?;
    let (keys, arguments) = split_counted(call.args, count)?;
    let function = &callable.library.functions[callable.nth];
    let order = Order {
        function: callable.function,
        flags: function.flags,
        habit: &function.habit,
        name: &function.name,
        read_only,
        keys,
        arguments,
    };
    run::run(call, &calling.machine, &order)?;
    DONE
}

fn load(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let mut replace = false;
    let last = call.args.len() - 1;
    for option in call.args.rest(2).first(last - 2).iter() {
        if !is(option, "replace") {
            let option = String::from_utf8_lossy(option);
            return Err(ErrorReply::err(format!("Unknown option given: {option}")));
        }
        replace = true;
    }
    let source = &call.args[last];
    let shelved = |name: &str| call.worker.server.libraries.read(|shelf| shelf.has(name));
    // What is there already need not be run to be refused.
    if let Ok(header) = text::library(source)
        && header.engine.eq_ignore_ascii_case("lua")
        && !replace
        && shelved(&header.name)
    {
        return Err(ErrorReply::err(format!("Library '{}' already exists", header.name)));
    }
    let calling = call.worker.scripts.calling(call.worker);
    let (library, numbers) = libraries::build(&calling.machine, source).map_err(ErrorReply::err)?;
    fits_into_mesh(call, source.len())?;
    let mark = hold(call);
    let added = call.worker.server.libraries.change(mark, |shelf| shelf.add(library.clone(), replace));
    if let Err(reason) = added {
        numbers.iter().for_each(|n| calling.machine.state().drop_kept(*n));
        return Err(ErrorReply::err(reason));
    }
    note(call);
    call.out.bulk_str(&library.name);
    calling.keep_loaded(library, numbers);
    call.worker.stats.note_lua(Kind::Functions, calling.machine.bytes());
    DONE
}

/// Keeps others from changing the libraries; when, and by whom, they are changed now.
fn hold(call: &mut Call<'_>) -> Mark {
    call.ctx.locks.hold_one(feed::APART);
    call.ctx.ensure_group();
    let origin = call.worker.server.mesh.status().me.map_or(0, |me| me.uuid);
    Mark { version: call.ctx.locks.last_version(), origin }
}

/// Writes down what has changed the libraries, and lets others change them.
fn note(call: &mut Call<'_>) {
    feed::note_apart(call.ctx, call.args, !call.session.in_exec);
    call.ctx.locks.release();
    call.worker.server.mesh.order(crate::mesh::Order::Libraries);
}

/// Nodes send each other a library as a whole.
fn fits_into_mesh(call: &Call<'_>, bytes: usize) -> Result<(), ErrorReply> {
    if bytes > ledger::TEXT_MAX && call.worker.server.mesh.is_on() {
        return Err(ErrorReply::err(format!(
            "The nodes of a mesh can't send each other a library of more than {} bytes",
            ledger::TEXT_MAX
        )));
    }
    Ok(())
}

fn delete(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let name = String::from_utf8_lossy(&call.args[2]).into_owned();
    let mark = hold(call);
    let libraries = &call.worker.server.libraries;
    let removed = libraries.change(mark, |shelf| shelf.remove(&name).ok_or_else(String::new));
    removed.map_err(|_| NO_LIBRARY)?;
    note(call);
    call.out.ok();
    DONE
}

fn flush(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if call.args.len() > 3 {
        return Err(ErrorReply::subcommand_arity(&call.args[1], "FUNCTION"));
    }
    let Some(lazily) = flush_mode(call) else {
        return Err(ErrorReply::new("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
    };
    let mark = hold(call);
    let shelf = call.worker.server.libraries.flush(mark);
    note(call);
    if lazily {
        call.worker.server.reclaim.free(Garbage::Other(Box::new(shelf)));
    }
    call.worker.scripts.tidy(call.worker);
    call.out.ok();
    DONE
}

fn list(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let (mut pattern, mut with_code) = (None, false);
    let mut words = call.args.rest(2).iter();
    while let Some(word) = words.next() {
        if !with_code && is(word, "withcode") {
            with_code = true;
        } else if pattern.is_none() && is(word, "libraryname") {
            pattern = Some(words.next().ok_or(ErrorReply::new("ERR library name argument was not given"))?);
        } else {
            let word = String::from_utf8_lossy(word);
            return Err(ErrorReply::err(format!("Unknown argument {word}")));
        }
    }
    let fits = |library: &&Arc<Library>| {
        pattern.is_none_or(|pattern| glob::matches(pattern, library.name.as_bytes(), glob::Case::Ignored))
    };
    let shown: Vec<Arc<Library>> =
        call.worker.server.libraries.read(|shelf| shelf.libraries().filter(fits).cloned().collect());
    call.out.array(shown.len());
    shown.iter().for_each(|library| write_library(call, library, with_code));
    DONE
}

fn write_library(call: &mut Call<'_>, library: &Library, with_code: bool) {
    let out = &mut *call.out;
    out.map(if with_code { 4 } else { 3 });
    out.bulk_str("library_name");
    out.bulk_str(&library.name);
    out.bulk_str("engine");
    out.bulk_str("LUA");
    out.bulk_str("functions");
    out.array(library.functions.len());
    for function in &library.functions {
        out.map(3);
        out.bulk_str("name");
        out.bulk_str(&function.name);
        out.bulk_str("description");
        match &function.description {
            Some(text) => out.bulk(text),
            None => out.null(),
        }
        out.bulk_str("flags");
        out.set(function.flags.names().count());
        function.flags.names().for_each(|name| out.simple(name));
    }
    if with_code {
        out.bulk_str("library_code");
        out.bulk(&library.text);
    }
}

fn stats(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let server = call.worker.server;
    let running = server.busy.first();
    if running.as_ref().is_some_and(|running| running.kind == Kind::Eval) {
        return Err(server.busy.refusal());
    }
    let out = &mut *call.out;
    out.map(2);
    out.bulk_str("running_script");
    match running {
        None => out.null(),
        Some(running) => {
            out.map(3);
            out.bulk_str("name");
            out.bulk_str(&running.name);
            out.bulk_str("command");
            let command = running.command.view();
            out.array(command.len());
            command.iter().for_each(|word| out.bulk(word));
            out.bulk_str("duration_ms");
            out.int(running.since.elapsed().as_millis() as i64);
        }
    }
    let (libraries, functions) =
        server.libraries.read(|shelf| (shelf.libraries().len(), shelf.function_count()));
    out.bulk_str("engines");
    out.map(1);
    out.bulk_str("LUA");
    out.map(2);
    out.bulk_str("libraries_count");
    out.int(libraries as i64);
    out.bulk_str("functions_count");
    out.int(functions as i64);
    DONE
}

fn kill(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.worker.server.busy.kill(Kind::Functions)?;
    call.out.ok();
    DONE
}

fn dump(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let compress = call.worker.config.borrow().rdbcompression;
    let payload = call.worker.server.libraries.read(|shelf| libraries::dump(shelf, compress));
    call.out.bulk(&payload);
    DONE
}

/// What FUNCTION RESTORE does with what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Flush,
    Append,
    Replace,
}

fn restore(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if call.args.len() > 4 {
        return Err(ErrorReply::subcommand_arity(&call.args[1], "FUNCTION"));
    }
    let policy = match call.args.get(3) {
        None => Policy::Append,
        Some(word) if is(word, "append") => Policy::Append,
        Some(word) if is(word, "replace") => Policy::Replace,
        Some(word) if is(word, "flush") => Policy::Flush,
        Some(_) => {
            return Err(ErrorReply::new(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    let texts = libraries::undump(&call.args[2]).map_err(ErrorReply::err)?;
    fits_into_mesh(call, texts.iter().map(Vec::len).max().unwrap_or(0))?;
    restore_texts(call, &texts, policy).map_err(ErrorReply::err)?;
    note(call);
    call.out.ok();
    DONE
}

/// Loads all libraries or none.
fn restore_texts(call: &mut Call<'_>, texts: &[Vec<u8>], policy: Policy) -> Result<(), String> {
    let calling = call.worker.scripts.calling(call.worker);
    let mut built = Vec::new();
    for text in texts {
        built.push(libraries::build(&calling.machine, text)?);
    }
    let add_all = |shelf: &mut Shelf| {
        let mut next = if policy == Policy::Flush { Shelf::default() } else { shelf.clone() };
        for (library, _) in &built {
            next.add(library.clone(), policy == Policy::Replace).map_err(|reason| {
                reason.replacen(
                    &format!("Library '{}'", library.name),
                    &format!("Library {}", library.name),
                    1,
                )
            })?;
        }
        *shelf = next;
        Ok(())
    };
    let mark = hold(call);
    let changed = call.worker.server.libraries.change(mark, add_all);
    for (library, numbers) in built {
        match &changed {
            Ok(()) => calling.keep_loaded(library, numbers),
            Err(_) => numbers.iter().for_each(|n| calling.machine.state().drop_kept(*n)),
        }
    }
    changed
}

pub const ROWS: &[NodeRow] = &[
    row("FCALL", fcall),
    row("FCALL_RO", fcall_ro),
    row("FUNCTION LOAD", load),
    row("FUNCTION DELETE", delete),
    row("FUNCTION FLUSH", flush),
    row("FUNCTION LIST", list),
    row("FUNCTION STATS", stats),
    row("FUNCTION KILL", kill),
    row("FUNCTION DUMP", dump),
    row("FUNCTION RESTORE", restore),
    row("FUNCTION HELP", help),
];
