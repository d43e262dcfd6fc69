//! ACL, as far as there is one user: who one is, and the categories of commands.

use engine::command::Categories;
use protocol::ErrorReply;

use super::{NodeRow, row};
use crate::dispatch::{Call, Next};

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

fn whoami(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.out.bulk_str(&call.session.client.names.lock().user);
    DONE
}

/// `CAT [category]`: the categories, or the commands of one.
fn cat(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let names: Vec<&'static str> = match call.args.get(2) {
        _ if call.args.len() > 3 => return Err(ErrorReply::subcommand_arity(&call.args[1], "ACL")),
        None => Categories::NAMES.iter().map(|(_, name)| *name).collect(),
        Some(name) => {
            let category = Categories::named(name).ok_or_else(|| {
                ErrorReply::err(format!("Unknown category '{}'", String::from_utf8_lossy(name)))
            })?;
            call.worker.server.lookup.iter().filter(|f| f.acl.has(category)).map(|f| f.full_name).collect()
        }
    };
    call.out.array(names.len());
    names.iter().for_each(|name| call.out.bulk_str(name));
    DONE
}

pub const ROWS: &[NodeRow] = &[row("ACL WHOAMI", whoami), row("ACL CAT", cat)];
