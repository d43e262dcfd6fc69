//! CLIENT KILL.

use protocol::{Args, ErrorReply, error, number};

use super::{DONE, Kind};
use crate::client::Client;
use crate::commands::{NodeRow, row};
use crate::dispatch::{Call, Next};

/// Which clients to close: those that fit everything that is given.
#[derive(Default)]
struct Filter {
    id: Option<u64>,
    kind: Option<Kind>,
    user: Option<String>,
    addr: Option<String>,
    laddr: Option<String>,
    /// The caller itself is spared, unless it says otherwise.
    own_too: bool,
}

impl Filter {
    fn parse(args: Args<'_>, known_user: impl Fn(&str) -> bool) -> Result<Filter, ErrorReply> {
        let mut filter = Filter::default();
        if !args.len().is_multiple_of(2) {
            return Err(error::SYNTAX);
        }
        let text = |at: usize| Some(String::from_utf8_lossy(&args[at]).into_owned());
        for at in (0..args.len()).step_by(2) {
            let value = at + 1;
            match args[at].to_ascii_lowercase().as_slice() {
                b"id" => {
                    let id = number::parse_i64(&args[value]).filter(|id| *id > 0);
                    filter.id =
                        Some(id.ok_or(ErrorReply::new("ERR client-id should be greater than 0"))? as u64);
                }
                b"type" => filter.kind = Some(Kind::named(&args[value])?),
                b"addr" => filter.addr = text(value),
                b"laddr" => filter.laddr = text(value),
                b"user" => {
                    filter.user = text(value);
                    if let Some(user) = filter.user.as_deref().filter(|user| !known_user(user)) {
                        return Err(ErrorReply::err(format!("No such user '{user}'")));
                    }
                }
                b"skipme" if args[value].eq_ignore_ascii_case(b"yes") => filter.own_too = false,
                b"skipme" if args[value].eq_ignore_ascii_case(b"no") => filter.own_too = true,
                _ => return Err(error::SYNTAX),
            }
        }
        Ok(filter)
    }

    fn fits(&self, client: &Client) -> bool {
        self.id.is_none_or(|id| client.id == id)
            && self.kind.is_none_or(|kind| Kind::of(client) == kind)
            && self.addr.as_ref().is_none_or(|addr| client.addr == *addr)
            && self.laddr.as_ref().is_none_or(|laddr| client.laddr == *laddr)
            && self.user.as_ref().is_none_or(|user| client.names.lock().user == *user)
    }
}

fn kill(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let old_form = call.args.len() == 3;
    let filter = if old_form {
        let addr = String::from_utf8_lossy(&call.args[2]).into_owned();
        Filter { addr: Some(addr), own_too: true, ..Filter::default() }
    } else {
        let users = &call.worker.server.users;
        Filter::parse(call.args.rest(2), |user| users.get(user.as_bytes()).is_some())?
    };
    let mut killed = 0;
    for client in call.worker.server.clients.all().iter().filter(|client| filter.fits(client)) {
        if client.id != call.session.client.id {
            call.worker.server.disconnect(client);
        } else if filter.own_too {
            // The reply goes out first.
            call.session.closing = true;
        } else {
            continue;
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
