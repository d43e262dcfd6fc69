//! DRYRUN: whether a user could run a command.

use protocol::ErrorReply;

use super::DONE;
use crate::commands::{NodeRow, row};
use crate::dispatch::{Call, Next};

/// `DRYRUN user command [argument ...]`
fn dry_run(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let server = call.worker.server;
    let (name, args) = (&call.args[2], call.args.rest(3));
    let user = server
        .users
        .get(name)
        .ok_or_else(|| ErrorReply::err(format!("User '{}' not found", String::from_utf8_lossy(name))))?;
    let Ok(id) = server.lookup.resolve(args) else {
        let command = String::from_utf8_lossy(&args[0]);
        return Err(ErrorReply::err(format!("Command '{command}' not found")));
    };
    let facts = id.facts();
    if !facts.admits(args) {
        return Err(ErrorReply::wrong_arity(facts.full_name));
    }
    match user.rules().check(facts, args) {
        Ok(()) => call.out.ok(),
        Err(denial) => call.out.bulk(&denial.explanation(facts, args)),
    }
    DONE
}

pub const ROWS: &[NodeRow] = &[row("ACL DRYRUN", dry_run)];
