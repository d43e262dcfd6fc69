//! CLIENT KILL.

use protocol::ErrorReply;

use super::DONE;
use super::filter::Filter;
use crate::commands::{NodeRow, row};
use crate::dispatch::{Call, Next};

fn kill(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let old_form = call.args.len() == 3;
    let users = &call.worker.server.users;
    let filter = match old_form {
        true => Filter::of_addr(&call.args[2]),
        false => Filter::parse(call.args.rest(2), |user| users.get(user.as_bytes()).is_some())?,
    };
    let mut killed = 0;
    for client in call.worker.server.clients.all().iter().filter(|client| filter.fits(client)) {
        if client.id != call.session.client.id {
            call.worker.server.disconnect(client);
        } else if filter.skips_own(true) {
            continue;
        } else {
            // The reply goes out first.
            call.session.closing = true;
        }
        killed += 1;
    }
    match (old_form, killed) {
        (true, 0) => return Err(ErrorReply::new("ERR No such client")),
        (true, _) => call.out.ok(),
        (false, n) => call.out.int(n),
    }
    DONE
}

pub const ROWS: &[NodeRow] = &[row("CLIENT KILL", kill)];
