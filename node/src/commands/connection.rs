//! Commands about the connection itself.

use std::sync::atomic::Ordering::Relaxed;

use protocol::{ErrorReply, error, number};

use super::{NodeRow, row};
use crate::acl;
use crate::dispatch::{Call, Next};
use crate::server::Server;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

fn ping(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if call.args.len() > 2 {
        return Err(ErrorReply::wrong_arity("ping"));
    }
    if call.worker.server.shutdown.is_soft() {
        return Err(ErrorReply::new("SHUTDOWN PENDING"));
    }
    let subscribed = !call.session.resp3 && !call.session.subscriptions.is_empty();
    match (subscribed, call.args.get(1)) {
        (true, message) => {
            call.out.array(2);
            call.out.bulk(b"pong");
            call.out.bulk(message.unwrap_or_default());
        }
        (false, Some(message)) => call.out.bulk(message),
        (false, None) => call.out.simple("PONG"),
    }
    DONE
}

/// REPLPING, from KeyDB: PING for replicas, which a server that is loading does not answer.
fn replping(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if call.args.len() > 2 {
        return Err(ErrorReply::wrong_arity("replping"));
    }
    ping(call)
}

/// LFENCE, from KeyDB: what this client reads from now on is not older than now. Here nothing ever is.
fn lfence(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.out.ok();
    DONE
}

fn echo(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.out.bulk(&call.args[1]);
    DONE
}

fn select(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let db = number::parse_i64(&call.args[1]).ok_or(error::NOT_INTEGER)?;
    match usize::try_from(db) {
        Ok(db) if db < call.ctx.keyspace.databases() => call.session.select(db),
        _ => return Err(error::DB_OUT_OF_RANGE),
    }
    call.out.ok();
    DONE
}

fn quit(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.session.closing = true;
    call.out.ok();
    DONE
}

fn authenticate(call: &mut Call<'_>, user: &[u8], password: &[u8]) -> Result<(), ErrorReply> {
    let users = &call.worker.server.users;
    match users.authenticate(user, password) {
        Some(account) => call.session.access.log_in(account, users, &call.session.client),
        None => {
            acl::note_failed_login(call.worker, call.session, call.args.at(0), user);
            return Err(ErrorReply::new("WRONGPASS invalid username-password pair or user is disabled."));
        }
    }
    Ok(())
}

fn auth(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let args = call.args;
    match args.len() {
        2 if call.worker.server.users.default().rules().no_password => {
            return Err(ErrorReply::new(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            ));
        }
        2 => authenticate(call, b"default", args.at(1))?,
        3 => authenticate(call, args.at(1), args.at(2))?,
        _ => return Err(error::SYNTAX),
    }
    call.out.ok();
    DONE
}

fn hello(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let args = call.args;
    let mut version = None;
    if let Some(text) = args.get(1) {
        let number = number::parse_i64(text)
            .ok_or(ErrorReply::new("ERR Protocol version is not an integer or out of range"))?;
        if !(2..=3).contains(&number) {
            return Err(ErrorReply::new("NOPROTO unsupported protocol version"));
        }
        version = Some(number);
    }
    let (mut at, mut name, mut login) = (2, None, None);
    while at < args.len() {
        let left = args.len() - at - 1;
        if args[at].eq_ignore_ascii_case(b"AUTH") && left >= 2 {
            login = Some((args.at(at + 1), args.at(at + 2)));
            at += 3;
        } else if args[at].eq_ignore_ascii_case(b"SETNAME") && left >= 1 {
            name = Some(args.at(at + 1));
            at += 2;
        } else {
            let text = String::from_utf8_lossy(&args[at]).into_owned();
            return Err(ErrorReply::err(format!("Syntax error in HELLO option '{text}'")));
        }
    }
    if let Some((user, password)) = login {
        authenticate(call, user, password)?;
    }
    if call.session.access.is_locked() {
        return Err(ErrorReply::new(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> \
             <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        set_name(call, name)?;
    }
    if let Some(version) = version {
        call.session.set_resp3(version == 3);
        call.out.resp3 = version == 3;
    }
    greet(call);
    DONE
}

fn greet(call: &mut Call<'_>) {
    let id = call.session.client.id as i64;
    let proto = if call.session.resp3 { 3 } else { 2 };
    let out = &mut *call.out;
    out.map(7);
    out.bulk_str("server");
    out.bulk_str("redis");
    out.bulk_str("version");
    out.bulk_str(crate::shown_version(&call.worker.config.borrow()));
    out.bulk_str("proto");
    out.int(proto);
    out.bulk_str("id");
    out.int(id);
    out.bulk_str("mode");
    out.bulk_str("standalone");
    out.bulk_str("role");
    out.bulk_str(role(call.worker.server));
    out.bulk_str("modules");
    out.array(0);
}

fn role(server: &Server) -> &'static str {
    match (server.upstream.is_replica(), server.mesh.status().targets.is_empty()) {
        (true, _) => "replica",
        (false, false) => "active-replica",
        (false, true) => "master",
    }
}

/// Sets the connection's name; it may have no blanks or control characters.
pub fn set_name(call: &mut Call<'_>, name: &[u8]) -> Result<(), ErrorReply> {
    if !name.iter().all(|b| (b'!'..=b'~').contains(b)) {
        return Err(ErrorReply::new(
            "ERR Client names cannot contain spaces, newlines or special characters.",
        ));
    }
    call.session.client.names.lock().name = String::from_utf8_lossy(name).into_owned();
    Ok(())
}

fn reset(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let server = call.worker.server;
    super::transactions::discard_all(server, call.session);
    server.tracking.stop(call.session);
    server.monitors.leave(call.session);
    server.pubsub.leave(call.session);
    let session = &mut *call.session;
    session.select(0);
    session.set_resp3(false);
    session.reply_mode = Default::default();
    session.no_touch = false;
    session.fieldsets = None;
    session.client.flags.store(session.client.flags.load(Relaxed) & crate::client::flag::UNIX, Relaxed);
    session.client.names.lock().name.clear();
    session.access.reset(&server.users, &session.client);
    call.out.resp3 = false;
    call.out.simple("RESET");
    DONE
}

pub const ROWS: &[NodeRow] = &[
    row("PING", ping),
    row("REPLPING", replping),
    row("LFENCE", lfence),
    row("ECHO", echo),
    row("SELECT", select),
    row("QUIT", quit),
    row("AUTH", auth),
    row("HELLO", hello),
    row("RESET", reset),
];
