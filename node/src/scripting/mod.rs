//! Scripts and functions in Lua 5.1.
//!
//! Each worker has a Lua state of its own for scripts and one for functions, made when first needed, and a cache of what it
//! has compiled; the texts are shared. A script runs on the worker of the client that calls it, to its end, with the shards
//! of its keys held, so scripts on different keys run in parallel. What it does is one group: everything it writes shares
//! one version, and nobody sees half of it. How that holds for scripts that use keys they have not declared is told in
//! [`reach`].
//!
//! What scripts may use is decided in [`sandbox`]. The libraries beside Lua's own, `cjson`, `cmsgpack`, `struct` and `bit`,
//! are written here. State that a library keeps between calls, in local variables of its top level, is each worker's own:
//! functions must not rely on it.

pub mod api;
pub mod bit;
pub mod busy;
pub mod cache;
pub mod call;
pub mod cjson;
pub mod cmsgpack;
pub mod failure;
pub mod incoming;
pub mod ledger;
pub mod libraries;
pub mod lua;
pub mod machine;
pub mod number;
pub mod outgoing;
pub mod random;
pub mod reach;
pub mod register;
pub mod run;
pub mod sandbox;
pub mod scripts;
pub mod structs;
pub mod text;

use engine::command::{Facts, Flags, id};
use protocol::Args;

use crate::worker::Worker;
use text::ScriptFlags;

/// Whether the command runs a script or function.
#[inline]
pub fn runs_script(facts: &Facts) -> bool {
    matches!(facts.id, id::EVAL | id::EVALSHA | id::EVAL_RO | id::EVALSHA_RO | id::FCALL | id::FCALL_RO)
}

/// The flags of a command as far as they decide whether it may run: for one that runs a script, what that declares.
#[inline]
pub fn flags(worker: &Worker, facts: &'static Facts, args: Args<'_>) -> Flags {
    if runs_script(facts) { declared_flags(worker, facts, args) } else { facts.flags }
}

/// Whether a command runs a script that may write, as far as it has not said that it does not.
pub fn may_write(worker: &Worker, facts: &'static Facts, args: Args<'_>) -> bool {
    let writing_form = matches!(facts.id, id::EVAL | id::EVALSHA | id::FCALL);
    writing_form
        && !declared(worker, facts, args).is_some_and(|declared| declared.has(ScriptFlags::NO_WRITES))
}

fn declared_flags(worker: &Worker, facts: &'static Facts, args: Args<'_>) -> Flags {
    declared(worker, facts, args).map_or(facts.flags, |declared| declared.of(facts.flags))
}

/// What a script says of itself.
fn declared(worker: &Worker, facts: &'static Facts, args: Args<'_>) -> Option<ScriptFlags> {
    match facts.id {
        id::FCALL | id::FCALL_RO => {
            let callable = worker.scripts.calling(worker).named(worker, &args[1]);
            callable.ok().flatten().map(|callable| callable.library.functions[callable.nth].flags)
        }
        id::EVAL | id::EVAL_RO => text::script(&args[1]).ok().map(|(flags, _)| flags),
        _ => scripts::parse_sha(&args[1])
            .and_then(|sha| worker.scripts.scripting(worker).named(worker, &sha))
            .map(|compiled| compiled.script.flags),
    }
}
