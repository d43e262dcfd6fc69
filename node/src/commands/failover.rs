//! FAILOVER: a master hands over to one of its replicas.

use engine::commands::{int, is};
use protocol::{ErrorReply, error};

use super::{NodeRow, row};
use crate::config::values::Master;
use crate::dispatch::{Call, Next};
use crate::server::Server;
use crate::upstream::failover::{Phase, Wish};

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

/// `FAILOVER [TO host port [FORCE]] [TIMEOUT ms] [ABORT]`
fn failover(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let (args, mut at) = (call.args, 1);
    let server = call.worker.server;
    if args.len() == 2 && is(&args[1], "ABORT") {
        call.ctx.locks.release();
        if !server.upstream.failover.abort(server, "by FAILOVER ABORT") {
            return Err(ErrorReply::new("ERR No failover in progress."));
        }
        call.out.ok();
        return DONE;
    }
    let mut wish = Wish::default();
    while at < args.len() {
        let more = args.len() - at - 1;
        if is(&args[at], "TIMEOUT") && more > 0 && wish.timeout_ms.is_none() {
            let ms = u64::try_from(int(&args[at + 1])?).ok().filter(|ms| *ms > 0);
            let ms = ms.ok_or(ErrorReply::new("ERR FAILOVER timeout must be greater than 0"))?;
            (wish.timeout_ms, at) = (Some(ms), at + 2);
        } else if is(&args[at], "TO") && more > 1 && wish.target.is_none() {
            let port = u16::try_from(int(&args[at + 2])?).unwrap_or(0);
            let host = String::from_utf8_lossy(&args[at + 1]).into_owned();
            (wish.target, at) = (Some(Master { host, port }), at + 3);
        } else if is(&args[at], "FORCE") && !wish.force {
            (wish.force, at) = (true, at + 1);
        } else {
            return Err(error::SYNTAX);
        }
    }
    may_fail_over(server, &wish)?;
    server.upstream.failover.begin(server, wish)?;
    call.out.ok();
    DONE
}

fn may_fail_over(server: &Server, wish: &Wish) -> Result<(), ErrorReply> {
    if server.upstream.failover.phase() != Phase::None {
        return Err(ErrorReply::new("ERR FAILOVER already in progress."));
    }
    if server.upstream.is_replica() {
        return Err(ErrorReply::new("ERR FAILOVER is not valid when server is a replica."));
    }
    let links = server.replicas.links();
    if links.is_empty() {
        return Err(ErrorReply::new("ERR FAILOVER requires connected replicas."));
    }
    if wish.force && (wish.timeout_ms.is_none() || wish.target.is_none()) {
        return Err(ErrorReply::new(
            "ERR FAILOVER with force option requires both a timeout and target HOST and IP.",
        ));
    }
    if let Some(target) = &wish.target {
        let link = links.iter().find(|link| link.address() == (target.host.clone(), target.port));
        let link = link.ok_or(ErrorReply::new("ERR FAILOVER target HOST and PORT is not a replica."))?;
        if !link.is_online() {
            return Err(ErrorReply::new("ERR FAILOVER target replica is not online."));
        }
    }
    Ok(())
}

pub const ROWS: &[NodeRow] = &[row("FAILOVER", failover)];
