//! Commands about replication, as a node answers them that has neither master nor replicas.

use engine::commands::{int, is};
use engine::waiting::TimedOut;
use protocol::{ErrorReply, error, number};

use super::{NodeRow, row};
use crate::blocking;
use crate::dispatch::{Call, Next};

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

fn role(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.out.array(3);
    call.out.bulk_str("master");
    call.out.int(0);
    call.out.array(0);
    DONE
}

/// `REPLICAOF NO ONE`; following somebody is not supported yet.
fn replicaof(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let (host, port) = (call.args.at(1), call.args.at(2));
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        call.out.ok();
        return DONE;
    }
    if !number::parse_i64(port).is_some_and(|port| (0..=65535).contains(&port)) {
        return Err(ErrorReply::new("ERR Invalid master port"));
    }
    Err(ErrorReply::new("ERR replication is not supported yet"))
}

/// There are no replicas: who waits for more than none waits until the time is up.
fn wait(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let wanted = number::parse_i64(&call.args[1]).ok_or(error::NOT_INTEGER)?;
    let timeout = number::parse_i64(&call.args[2])
        .ok_or(ErrorReply::new("ERR timeout is not an integer or out of range"))?;
    if timeout < 0 {
        return Err(error::TIMEOUT_NEGATIVE);
    }
    if wanted <= 0 || call.session.in_exec {
        call.out.int(0);
        return DONE;
    }
    let timeout_ms = Some(timeout as u64).filter(|ms| *ms > 0);
    Ok(Next::Blocked(blocking::pass_time(call, timeout_ms, TimedOut::Count(0))))
}

/// `FAILOVER [TO host port [FORCE]] [TIMEOUT ms] [ABORT]`
fn failover(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let (args, mut at) = (call.args, 1);
    if args.len() == 2 && is(&args[1], "ABORT") {
        return Err(ErrorReply::new("ERR No failover in progress."));
    }
    let (mut target, mut timeout, mut force) = (false, false, false);
    // Redis looks at everything else only once there is a replica to take over.
    while at < args.len() {
        let more = args.len() - at - 1;
        if is(&args[at], "TIMEOUT") && more > 0 && !timeout {
            if int(&args[at + 1])? <= 0 {
                return Err(ErrorReply::new("ERR FAILOVER timeout must be greater than 0"));
            }
            (timeout, at) = (true, at + 2);
        } else if is(&args[at], "TO") && more > 1 && !target {
            int(&args[at + 2])?;
            (target, at) = (true, at + 3);
        } else if is(&args[at], "FORCE") && !force {
            (force, at) = (true, at + 1);
        } else {
            return Err(error::SYNTAX);
        }
    }
    Err(ErrorReply::new("ERR FAILOVER requires connected replicas."))
}

pub const ROWS: &[NodeRow] = &[
    row("ROLE", role),
    row("REPLICAOF", replicaof),
    row("SLAVEOF", replicaof),
    row("WAIT", wait),
    row("FAILOVER", failover),
];
