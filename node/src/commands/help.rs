//! The HELP subcommand of every container, and COMMAND: what the table of commands says about itself.

use protocol::ErrorReply;

use super::{NodeRow, row};
use crate::dispatch::{Call, Next};

/// HELP of the container that the called subcommand belongs to.
pub fn help(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let facts = call.id.facts();
    let container = facts.parent.map_or(facts, |p| p.facts());
    engine::command::help::help(&call.worker.server.lookup, container, call.out);
    Ok(Next::Done)
}

fn command(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let lookup = &call.worker.server.lookup;
    engine::command::reply::command(call.id.facts(), lookup, call.args, call.out)?;
    Ok(Next::Done)
}

pub const ROWS: &[NodeRow] = &[
    row("COMMAND", command),
    row("COMMAND COUNT", command),
    row("COMMAND INFO", command),
    row("COMMAND DOCS", command),
    row("COMMAND LIST", command),
    row("COMMAND GETKEYS", command),
    row("COMMAND GETKEYSANDFLAGS", command),
    row("COMMAND HELP", command),
    row("XGROUP HELP", help),
    row("XINFO HELP", help),
];
