//! SHUTDOWN.

use engine::waiting::TimedOut;
use protocol::{Args, ErrorReply, error};

use super::{NodeRow, row};
use crate::blocking;
use crate::config::values::ShutdownFlags;
use crate::dispatch::{Call, Next};
use crate::shutdown::{self, departure};

/// What the caller wants.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    save: bool,
    nosave: bool,
    /// Do not wait for replicas.
    now: bool,
    /// Even if the data cannot be saved.
    force: bool,
    abort: bool,
    /// When the last client has left.
    soft: bool,
}

impl Wish {
    fn parse(args: Args<'_>) -> Result<Wish, ErrorReply> {
        let mut wish = Wish::default();
        for word in args.rest(1).iter() {
            match word.to_ascii_lowercase().as_slice() {
                b"save" => wish.save = true,
                b"nosave" => wish.nosave = true,
                b"now" => wish.now = true,
                b"force" => wish.force = true,
                b"abort" => wish.abort = true,
                b"soft" => wish.soft = true,
                _ => return Err(error::SYNTAX),
            }
        }
        let others = wish.save || wish.nosave || wish.now || wish.force;
        if (wish.save && wish.nosave) || (wish.abort && (others || wish.soft)) || (wish.soft && others) {
            return Err(error::SYNTAX);
        }
        Ok(wish)
    }
}

fn shutdown(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let wish = Wish::parse(call.args)?;
    let server = call.worker.server;
    if wish.abort {
        if !server.shutdown.abort(call.worker) {
            return Err(ErrorReply::new("ERR No shutdown in progress."));
        }
        call.out.ok();
        return Ok(Next::Done);
    }
    if wish.soft {
        server.shutdown.begin_soft();
        call.out.ok();
        return Ok(Next::Done);
    }
    let Wish { save, nosave, now, force, .. } = wish;
    let flags = ShutdownFlags { save, nosave, now, force };
    call.ctx.locks.release();
    if !now && !call.session.in_exec && departure::is_worth_it(server) {
        let blocked = blocking::pass_time(call, None, TimedOut::Count(0));
        departure::begin(server, flags, Some(blocked.ticket.clone()));
        return Ok(Next::Blocked(blocked));
    }
    let Err(shutdown::Refused) = shutdown::leave(server, call.ctx, flags);
    Err(departure::REFUSED)
}

pub const ROWS: &[NodeRow] = &[row("SHUTDOWN", shutdown)];

#[cfg(test)]
mod tests {
    use protocol::OwnedArgs;

    use super::*;

    #[test]
    fn words_that_contradict_each_other_are_refused() {
        let parse = |line: &str| {
            let args = OwnedArgs::from_slices(line.split(' ').map(str::as_bytes));
            Wish::parse(args.view())
        };
        assert_eq!(parse("SHUTDOWN"), Ok(Wish::default()));
        assert_eq!(parse("SHUTDOWN nosave NOW"), Ok(Wish { nosave: true, now: true, ..Wish::default() }));
        for line in [
            "SHUTDOWN SAVE NOSAVE",
            "SHUTDOWN ABORT NOW",
            "SHUTDOWN SOFT SAVE",
            "SHUTDOWN SOFT ABORT",
            "SHUTDOWN foo",
        ] {
            assert_eq!(parse(line), Err(error::SYNTAX), "{line}");
        }
    }
}
