//! SETUSER and DELUSER.

use protocol::ErrorReply;

use super::{DONE, all_channels, refresh};
use crate::acl::key_pattern::is_one_word;
use crate::acl::modifier::join_selectors;
use crate::acl::revoke;
use crate::acl::users::DEFAULT;
use crate::commands::{NodeRow, row};
use crate::dispatch::{Call, Next};

/// `SETUSER name [modifier ...]`
fn set_user(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let (server, name) = (call.worker.server, call.args.at(2));
    if !is_one_word(name) {
        return Err(ErrorReply::new("ERR Usernames can't contain spaces or null characters"));
    }
    let modifiers = join_selectors(call.args.rest(3).iter()).map_err(|open| {
        let open = String::from_utf8_lossy(&open);
        ErrorReply::err(format!("Unmatched parenthesis in acl selector starting at '{open}'."))
    })?;
    let account = server.users.change(name, &modifiers, all_channels(call)).map_err(|(modifier, e)| {
        let modifier = String::from_utf8_lossy(&modifier);
        ErrorReply::err(format!("Error in ACL SETUSER modifier '{modifier}': {e}"))
    })?;
    revoke::revoke_channels(server, &account, call.session);
    refresh(call);
    call.out.ok();
    DONE
}

/// `DELUSER name [name ...]`
fn del_user(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let (server, names) = (call.worker.server, call.args.rest(2));
    if names.iter().any(|name| name == DEFAULT) {
        return Err(ErrorReply::new("ERR The 'default' user cannot be removed"));
    }
    let gone: Vec<_> = names.iter().filter_map(|name| server.users.delete(name)).collect();
    if !gone.is_empty() {
        revoke::disconnect_users(server, &gone, call.session);
        refresh(call);
    }
    call.out.int(gone.len() as i64);
    DONE
}

pub const ROWS: &[NodeRow] = &[row("ACL SETUSER", set_user), row("ACL DELUSER", del_user)];
