//! MODULE: there are no modules, and none can be loaded; whoever asks is told so.

use protocol::ErrorReply;

use super::debug::not_allowed;
use super::help::help;
use super::{NodeRow, row};
use crate::config::choice::Permission;
use crate::dispatch::{Call, Next};

/// MODULE may be used by those whom `enable-module-command` names.
fn allowed(call: &Call<'_>) -> Result<(), ErrorReply> {
    match call.worker.config.borrow().enable_module_command {
        Permission::Yes => Ok(()),
        Permission::Local if call.session.client.is_local() => Ok(()),
        _ => Err(not_allowed("MODULE", "enable-module-command")),
    }
}

fn list(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.out.array(0);
    Ok(Next::Done)
}

fn load(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    allowed(call)?;
    Err(ErrorReply::new("ERR modules are not supported by this server"))
}

fn unload(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    allowed(call)?;
    Err(ErrorReply::new("ERR Error unloading module: no such module with that name"))
}

pub const ROWS: &[NodeRow] = &[
    row("MODULE LIST", list),
    row("MODULE LOAD", load),
    row("MODULE LOADEX", load),
    row("MODULE UNLOAD", unload),
    row("MODULE HELP", help),
];
