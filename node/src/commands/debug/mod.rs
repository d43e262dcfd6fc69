//! DEBUG: what tests and people looking for a fault need. Which subcommands exist is a table of its own: Redis knows DEBUG
//! as one command.

mod data;
mod protocol_types;
mod reload;
mod server;

use std::ops::RangeInclusive;

use protocol::ErrorReply;
use protocol::error::shown;

use super::{NodeRow, row};
use crate::config::choice::Permission;
use crate::dispatch::{Call, Next};

/// No limit to the number of arguments.
const ANY: usize = usize::MAX;

type Run = fn(&mut Call<'_>) -> Result<(), ErrorReply>;

/// A subcommand: its name, how many arguments it takes after the name, its function, its
/// arguments and what it does.
struct Sub {
    name: &'static str,
    takes: RangeInclusive<usize>,
    run: Run,
    usage: &'static str,
    help: &'static str,
}

const fn sub(
    name: &'static str,
    takes: RangeInclusive<usize>,
    run: Run,
    usage: &'static str,
    help: &'static str,
) -> Sub {
    Sub { name, takes, run, usage, help }
}

impl Sub {
    fn answers(&self, name: &[u8], arguments: usize) -> bool {
        self.takes.contains(&arguments) && name.eq_ignore_ascii_case(self.name.as_bytes())
    }
}

const SUBS: &[&[Sub]] = &[
    data::SUBS,
    reload::SUBS,
    server::SUBS,
    protocol_types::SUBS,
    &[sub("HELP", 0..=0, help, "", "This text.")],
];

fn debug(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let local = call.session.client.is_local();
    match call.worker.config.borrow().enable_debug_command {
        Permission::Yes => {}
        Permission::Local if local => {}
        _ => return Err(not_allowed("DEBUG", "enable-debug-command")),
    }
    let (name, arguments) = (call.args.at(1), call.args.len() - 2);
    match SUBS.iter().copied().flatten().find(|sub| sub.answers(name, arguments)) {
        Some(sub) => (sub.run)(call)?,
        None => return Err(unknown(name)),
    }
    Ok(Next::Done)
}

/// The refusal of a command that the configuration has to allow.
pub fn not_allowed(command: &str, directive: &str) -> ErrorReply {
    ErrorReply::err(format!(
        "{command} command not allowed. If the {directive} option is set to \"local\", you can run it from a local \
         connection, otherwise you need to set this option in the configuration file, and then restart the server."
    ))
}

fn unknown(name: &[u8]) -> ErrorReply {
    let name = shown(name, 128);
    ErrorReply::err(format!("unknown subcommand or wrong number of arguments for '{name}'. Try DEBUG HELP."))
}

fn help(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    let subs = || SUBS.iter().copied().flatten();
    call.out.array(1 + 2 * subs().count());
    call.out.simple("DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for sub in subs() {
        call.out.simple(format!("{} {}", sub.name, sub.usage).trim_end());
        call.out.simple(&format!("    {}", sub.help));
    }
    Ok(())
}

pub const ROWS: &[NodeRow] = &[row("DEBUG", debug)];
