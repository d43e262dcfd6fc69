//! ACL: who may do what, seen and changed. What it all means is at [`crate::acl`].

mod about;
mod dry_run;
mod file;
mod log;
mod show;
mod users;

use protocol::ErrorReply;

use super::NodeRow;
use crate::acl::users::new_users_have_all_channels;
use crate::dispatch::{Call, Next};

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

/// Whether new users and selectors begin with all channels.
fn all_channels(call: &Call<'_>) -> bool {
    new_users_have_all_channels(call.worker.server.config.get().acl_pubsub_default)
}

/// What follows in the same batch sees a change of the users.
fn refresh(call: &mut Call<'_>) {
    let server = call.worker.server;
    if !call.session.access.refresh(&server.users) {
        call.session.closing = true;
    }
}

pub const ROWS: &[&[NodeRow]] = &[about::ROWS, dry_run::ROWS, file::ROWS, log::ROWS, show::ROWS, users::ROWS];
