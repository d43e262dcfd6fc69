//! CLIENT subcommands about the connection itself: its id and names, whether it gets replies, how it is treated.

use protocol::{ErrorReply, error};

use super::DONE;
use crate::client::flag;
use crate::commands::connection::set_name;
use crate::commands::help::help;
use crate::commands::{NodeRow, row};
use crate::dispatch::{Call, Next};
use crate::session::ReplyMode;

fn id(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.out.int(call.session.client.id as i64);
    DONE
}

fn getname(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    match call.session.client.names.lock().name.as_str() {
        "" => call.out.null(),
        name => call.out.bulk_str(name),
    }
    DONE
}

fn setname(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    set_name(call, call.args.at(2))?;
    call.out.ok();
    DONE
}

/// `SETINFO LIB-NAME name | LIB-VER version`: what library speaks here. From Redis 7.2.
fn setinfo(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let (field, value) = (call.args.at(2), call.args.at(3));
    let word = field.to_ascii_lowercase();
    let field_name = match word.as_slice() {
        b"lib-name" => "lib-name",
        b"lib-ver" => "lib-ver",
        _ => {
            let field = String::from_utf8_lossy(field);
            return Err(ErrorReply::err(format!("Unrecognized option '{field}'")));
        }
    };
    if !value.iter().all(u8::is_ascii_graphic) {
        return Err(ErrorReply::err(format!(
            "{field_name} cannot contain spaces, newlines or special characters."
        )));
    }
    let value = String::from_utf8_lossy(value).into_owned();
    let mut names = call.session.client.names.lock();
    if field_name == "lib-name" {
        names.lib_name = value
    } else {
        names.lib_ver = value
    }
    drop(names);
    call.out.ok();
    DONE
}

/// `CAPA capability...`: what the client can do; what is not known is of a later version, and passed over. From Valkey 8.0.
fn capa(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if call.args.rest(2).iter().any(|word| word.eq_ignore_ascii_case(b"redirect")) {
        call.session.client.set(flag::REDIRECT, true);
    }
    call.out.ok();
    DONE
}

fn on_or_off(word: &[u8]) -> Result<bool, ErrorReply> {
    match word.to_ascii_lowercase().as_slice() {
        b"on" => Ok(true),
        b"off" => Ok(false),
        _ => Err(error::SYNTAX),
    }
}

fn no_evict(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let on = on_or_off(&call.args[2])?;
    call.session.client.set(flag::NO_EVICT, on);
    if !on {
        call.worker.server.client_memory.evict(call.worker.server);
    }
    call.out.ok();
    DONE
}

/// From Redis 7.2.
fn no_touch(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let on = on_or_off(&call.args[2])?;
    call.session.no_touch = on;
    call.session.client.set(flag::NO_TOUCH, on);
    call.out.ok();
    DONE
}

fn reply(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    match call.args[2].to_ascii_lowercase().as_slice() {
        b"on" => {
            call.session.reply_mode = ReplyMode::On;
            call.out.ok();
        }
        b"off" => call.session.reply_mode = ReplyMode::Off,
        b"skip" if call.session.reply_mode == ReplyMode::Off => {}
        b"skip" => call.session.reply_mode = ReplyMode::SkipNext,
        _ => return Err(error::SYNTAX),
    }
    DONE
}

pub const ROWS: &[NodeRow] = &[
    row("CLIENT ID", id),
    row("CLIENT GETNAME", getname),
    row("CLIENT SETNAME", setname),
    row("CLIENT SETINFO", setinfo),
    row("CLIENT NO-EVICT", no_evict),
    row("CLIENT NO-TOUCH", no_touch),
    row("CLIENT CAPA", capa),
    row("CLIENT REPLY", reply),
    row("CLIENT HELP", help),
];
