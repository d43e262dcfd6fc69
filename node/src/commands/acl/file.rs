//! LOAD and SAVE: the file of users.

use std::sync::Arc;

use protocol::ErrorReply;

use super::{DONE, all_channels, refresh};
use crate::acl::revoke;
use crate::commands::{NodeRow, row};
use crate::config::Config;
use crate::dispatch::{Call, Next};

const NO_FILE: ErrorReply = ErrorReply::new(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command \
     and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis \
     configuration.",
);

fn config_with_file(call: &Call<'_>) -> Result<Arc<Config>, ErrorReply> {
    Some(call.worker.server.config.get()).filter(|config| !config.aclfile.is_empty()).ok_or(NO_FILE)
}

/// Every connection whose user was not the default one ends: that user is another now, though it may have the same name.
fn load(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let server = call.worker.server;
    let config = config_with_file(call)?;
    let gone = server.users.load(&config.aclfile, all_channels(call)).map_err(|errors| {
        tracing::warn!("ACL LOAD failed: {errors}");
        ErrorReply::err(errors)
    })?;
    revoke::disconnect_users(server, &gone, call.session);
    revoke::revoke_channels(server, server.users.default(), call.session);
    refresh(call);
    call.out.ok();
    DONE
}

fn save(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let config = config_with_file(call)?;
    call.worker.server.users.save(&config.aclfile).map_err(|e| {
        tracing::warn!("Saving the ACL file '{}' failed: {e}", config.aclfile);
        ErrorReply::new(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        )
    })?;
    call.out.ok();
    DONE
}

pub const ROWS: &[NodeRow] = &[row("ACL LOAD", load), row("ACL SAVE", save)];
