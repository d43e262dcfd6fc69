//! SAVE and its kin.

use engine::command::absent;
use protocol::{ErrorReply, error};

use super::{NodeRow, row};
use crate::aof::rewrite;
use crate::dispatch::{Call, Next};
use crate::mesh::Order;
use crate::persist::background::{self, Busy};
use crate::persist::snapshot::Purpose;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);
const IN_PROGRESS: ErrorReply = ErrorReply::new("ERR Background save already in progress");
const ANOTHER: ErrorReply = ErrorReply::new(
    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a \
     BGSAVE whenever possible.",
);
/// What Redis says when there is nothing more to say.
const FAILED: ErrorReply = ErrorReply::new("ERR");

/// `SAVE`
fn save(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.worker.count_lookups(call.ctx);
    call.ctx.locks.release();
    let saved = background::save_now(call.worker.server, call.ctx);
    match saved {
        Ok(true) => call.out.ok(),
        Ok(false) => return Err(FAILED),
        Err(Busy(Purpose::Save)) => return Err(IN_PROGRESS),
        Err(Busy(_)) => return Err(ANOTHER),
    }
    DONE
}

/// `BGSAVE [SCHEDULE]`
fn bgsave(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let schedule = match call.args.get(1) {
        None => false,
        Some(word) if call.args.len() == 2 && word.eq_ignore_ascii_case(b"schedule") => true,
        Some(word) => return Err(absent::option("BGSAVE", word).unwrap_or(error::SYNTAX)),
    };
    let server = call.worker.server;
    call.worker.count_lookups(call.ctx);
    if server.persistence.job().is_some_and(|job| job.purpose == Purpose::Save) {
        return Err(IN_PROGRESS);
    }
    if call.session.in_exec {
        // What the transaction has yet to do is to be in it.
        server.persistence.saves.note(|books| books.scheduled = true);
        call.out.simple("Background saving scheduled");
        return DONE;
    }
    call.ctx.locks.release();
    let begun = background::save(server, call.ctx);
    match begun {
        Ok(()) => call.out.simple("Background saving started"),
        Err(Busy(Purpose::Save)) => return Err(IN_PROGRESS),
        Err(Busy(_)) if schedule => {
            server.persistence.saves.note(|books| books.scheduled = true);
            call.out.simple("Background saving scheduled");
        }
        Err(Busy(_)) => return Err(ANOTHER),
    }
    DONE
}

/// `BGREWRITEAOF`
fn bgrewriteaof(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let server = call.worker.server;
    if server.aof.books().rewriting {
        return Err(ErrorReply::new("ERR Background append only file rewriting already in progress"));
    }
    if server.persistence.job().is_some() || call.session.in_exec {
        server.aof.note(|books| (books.scheduled, books.failures_in_a_row) = (true, 0));
        call.out.simple("Background append only file rewriting scheduled");
        return DONE;
    }
    if server.aof.is_member() {
        server.mesh.order(Order::Rewrite);
        call.out.simple("Background append only file rewriting started");
        return DONE;
    }
    call.ctx.locks.hold_all();
    let begun = rewrite::start(server, call.ctx);
    call.ctx.locks.release();
    match begun {
        Ok(()) => call.out.simple("Background append only file rewriting started"),
        Err(rewrite::Failed::Busy(_)) => {
            server.aof.note(|books| books.scheduled = true);
            call.out.simple("Background append only file rewriting scheduled");
        }
        Err(rewrite::Failed::Io(_)) => {
            return Err(ErrorReply::err(
                "Can't execute an AOF background rewriting. Please check the server logs for more information.",
            ));
        }
    }
    DONE
}

/// `LASTSAVE`
fn last_save(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.out.int(call.worker.server.persistence.saves.books().last_s as i64);
    DONE
}

pub const ROWS: &[NodeRow] = &[
    row("SAVE", save),
    row("BGSAVE", bgsave),
    row("BGREWRITEAOF", bgrewriteaof),
    row("LASTSAVE", last_save),
];
