//! Commands about the mesh, in Redis's and KeyDB's words.

use std::sync::Arc;

use engine::waiting::TimedOut;
use protocol::{ErrorReply, error, number};
use replication::origin::Author;
use replication::overlay::Conflict;

use super::{NodeRow, row};
use crate::blocking::{self, Blocked};
use crate::dispatch::{Call, Next};
use crate::info::replication as info;
use crate::mesh::identity::{parse_uuid, show_uuid};
use crate::mesh::{Order, Wish, conflicts};
use crate::replicas::waits::{Mark, NO_LOG, Wish as Hope};
use crate::worker::unix_ms;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

const WAIT_ON_REPLICA: ErrorReply = ErrorReply::new(
    "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to \
     be writable (which is not the default) writes to replicas are just local and are not propagated.",
);
const WAITAOF_ON_REPLICA: ErrorReply = ErrorReply::new(
    "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are \
     not propagated.",
);
const NO_MESH: ErrorReply = ErrorReply::new("ERR This node is not part of a mesh: active-replica is off");

/// Without a mesh a master; in it KeyDB's answer: for one target an array of five, for several an array of those.
fn role(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if let Some(link) = call.worker.server.upstream.followed() {
        super::replicaof::role(call, &link);
        return DONE;
    }
    let status = call.worker.server.mesh.status();
    let server = call.worker.server;
    let targets = status.targets(&server.config.get().replicaof);
    if targets.is_empty() || !server.mesh.is_on() {
        call.out.array(3);
        call.out.bulk_str("master");
        call.ctx.locks.release();
        server.replicas.catch_up(server);
        let replicas: Vec<_> = server.replicas.links().into_iter().filter(|link| link.is_online()).collect();
        call.out.int(info::offset(server, &status) as i64);
        let peers: Vec<_> = status.linked().collect();
        call.out.array(replicas.len() + peers.len());
        for link in replicas {
            let (ip, port) = link.address();
            call.out.array(3);
            call.out.bulk_str(&ip);
            call.out.bulk_str(&port.to_string());
            call.out.bulk_str(&link.acked().to_string());
        }
        for (_, link) in peers {
            let (host, port) = link.addr.rsplit_once(':').unwrap_or((&link.addr, "0"));
            call.out.array(3);
            call.out.bulk_str(host);
            call.out.bulk_str(port);
            call.out.bulk_str(&status.written.saturating_sub(link.lag_effects).to_string());
        }
        return DONE;
    }
    if targets.len() > 1 {
        call.out.array(targets.len());
    }
    for target in &targets {
        call.out.array(5);
        call.out.bulk_str("active-replica");
        call.out.bulk_str(&target.host);
        call.out.int(i64::from(target.port));
        call.out.bulk_str(target.state.word());
        let lag = status.link_of(target).map(|link| link.lag_effects);
        call.out.int(lag.map_or(-1, |lag| status.written.saturating_sub(lag) as i64));
    }
    DONE
}

/// `WAIT n ms`: until so many peers hold what was written, or the time is up. How many there are is the reply.
fn wait(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let wanted = number::parse_i64(&call.args[1]).ok_or(error::NOT_INTEGER)?;
    let timeout_ms = timeout(&call.args[2])?;
    if call.worker.server.upstream.is_replica() {
        return Err(WAIT_ON_REPLICA);
    }
    let wanted = usize::try_from(wanted).unwrap_or(0);
    let server = call.worker.server;
    if call.session.in_exec {
        let peers = server.mesh.status().linked().filter(|(_, link)| link.lag_effects == 0).count();
        let mark = server.replicas.mark(server, call.session.wrote, Hope::Held(wanted));
        call.out.int((peers + server.replicas.holders(&mark)) as i64);
        return DONE;
    }
    // What this client has written so far must be in the journals before anybody looks.
    call.ctx.locks.release();
    call.session.end_batch(call.ctx.locks.last_version());
    let mark = server.replicas.mark(server, call.session.wrote, Hope::Held(wanted));
    if server.mesh.is_on() {
        return wait_for(call, |ticket| Order::Wait { ticket, mark, holders: wanted, timeout_ms });
    }
    wait_for_replicas(call, mark, timeout_ms)
}

/// `WAITAOF local replicas ms`: until what was written is on the disk here, and at so many replicas. Where it is is the
/// reply: 1 if here, and how many replicas have said so. The peers of a mesh are not among them.
fn wait_aof(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let local = number::parse_i64(&call.args[1]).ok_or(error::NOT_INTEGER)?;
    if !(0..=1).contains(&local) {
        return Err(ErrorReply::new("ERR value is out of range, value must between 0 and 1"));
    }
    let replicas = number::parse_i64(&call.args[2]).ok_or(error::NOT_INTEGER)?;
    let replicas = usize::try_from(replicas).map_err(|_| error::MUST_BE_POSITIVE)?;
    let timeout_ms = timeout(&call.args[3])?;
    let server = call.worker.server;
    if server.upstream.is_replica() {
        return Err(WAITAOF_ON_REPLICA);
    }
    let here = local == 1;
    if here && !server.aof.is_on() {
        return Err(NO_LOG);
    }
    let wish = Hope::OnDisk { here, replicas };
    if call.session.in_exec {
        let mark = server.replicas.mark(server, call.session.wrote, wish);
        server.replicas.tell(server, &mark, call.out);
        return DONE;
    }
    call.ctx.locks.release();
    call.session.end_batch(call.ctx.locks.last_version());
    let mark = server.replicas.mark(server, call.session.wrote, wish);
    wait_for_replicas(call, mark, timeout_ms)
}

/// Without a mesh there are replicas only.
fn wait_for_replicas(call: &mut Call<'_>, mark: Arc<Mark>, timeout_ms: u64) -> Result<Next, ErrorReply> {
    let server = call.worker.server;
    let replicas = &server.replicas;
    if replicas.is_met(server, &mark) {
        replicas.tell(server, &mark, call.out);
        return DONE;
    }
    let timeout_ms = Some(timeout_ms).filter(|ms| *ms > 0);
    let blocked = blocking::pass_time(call, timeout_ms, TimedOut::Count(0));
    replicas.wait(blocked.ticket.clone(), mark.clone());
    if mark.wants_disk() {
        server.aof.urge(server, mark.version());
    }
    // It may have come about meanwhile.
    replicas.answer_waits(call.worker);
    Ok(Next::Blocked(Blocked { mark: Some(mark), ..blocked }))
}

/// `WAITSTABLE ms`: until nothing can be ordered before what was written. 1: that is so; 0: time was up.
fn wait_stable(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let timeout_ms = timeout(&call.args[1])?;
    if !call.worker.server.mesh.is_on() {
        call.out.int(1);
        return DONE;
    }
    if call.session.in_exec {
        return Err(ErrorReply::new("ERR WAITSTABLE cannot wait inside a transaction"));
    }
    wait_for(call, |ticket| Order::WaitStable { ticket, timeout_ms })
}

fn timeout(arg: &[u8]) -> Result<u64, ErrorReply> {
    let ms =
        number::parse_i64(arg).ok_or(ErrorReply::new("ERR timeout is not an integer or out of range"))?;
    u64::try_from(ms).map_err(|_| error::TIMEOUT_NEGATIVE)
}

fn wait_for(
    call: &mut Call<'_>,
    order: impl FnOnce(std::sync::Arc<engine::waiting::Ticket>) -> Order,
) -> Result<Next, ErrorReply> {
    // What this worker has written so far must be in the journal before the mesh looks.
    call.ctx.locks.release();
    let blocked = blocking::pass_time(call, None, TimedOut::Count(0));
    call.worker.server.mesh.order(order(blocked.ticket.clone()));
    Ok(Next::Blocked(blocked))
}

/// `REPLICATION PEERS`: a map for each member.
fn peers(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let status = call.worker.server.mesh.status();
    call.out.array(status.members.len());
    for member in &status.members {
        let link = member.link.as_ref();
        let state = match link {
            _ if member.detached => "detached",
            Some(link) if link.takes_snapshot || link.sends_snapshot => "syncing",
            Some(_) => "connected",
            None => "away",
        };
        let texts = [
            ("uuid", show_uuid(member.author.uuid)),
            ("state", state.to_owned()),
            ("addr", link.map_or(String::new(), |link| link.addr.clone())),
        ];
        let numbers = [
            ("incarnation", member.author.incarnation as i64),
            ("lag-ms", link.map_or(-1, |link| link.lag_ms as i64)),
            ("lag-effects", link.map_or(-1, |link| link.lag_effects as i64)),
            ("bytes-in", link.map_or(0, |link| link.bytes_in as i64)),
            ("bytes-out", link.map_or(0, |link| link.bytes_out as i64)),
            ("clock-offset-ms", link.map_or(0, |link| link.clock_ms)),
        ];
        call.out.map(texts.len() + numbers.len());
        for (name, text) in texts {
            call.out.bulk_str(name);
            call.out.bulk_str(&text);
        }
        for (name, n) in numbers {
            call.out.bulk_str(name);
            call.out.int(n);
        }
    }
    DONE
}

/// `REPLICATION CLOCK`: this node's time in ms, and each linked peer's offset.
fn clock(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let status = call.worker.server.mesh.status();
    let linked: Vec<_> = status.linked().collect();
    call.out.map(1 + linked.len());
    call.out.bulk_str("now-ms");
    call.out.int(unix_ms() as i64);
    for (member, link) in linked {
        call.out.bulk_str(&show_uuid(member.author.uuid));
        call.out.int(link.clock_ms);
    }
    DONE
}

/// How many conflicts are shown without a number.
const SHOWN: i64 = 10;

/// `REPLICATION CONFLICTS [count | RESET]`: the last writes of different nodes that could not both be, newest first; -1: all.
fn conflicts(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let log = &call.worker.server.mesh.conflicts;
    if call.args.len() > 3 {
        return Err(error::SYNTAX);
    }
    if call.args.len() == 3 && call.args.at(2).eq_ignore_ascii_case(b"RESET") {
        log.lock().reset();
        call.out.ok();
        return DONE;
    }
    let count = match call.args.len() {
        3 => number::parse_i64(call.args.at(2)).ok_or(error::NOT_INTEGER)?,
        _ => SHOWN,
    };
    if count < -1 {
        return Err(ErrorReply::new("ERR count should be greater than or equal to -1"));
    }
    let last = log.lock().last(usize::try_from(count).unwrap_or(usize::MAX));
    call.out.array(last.len());
    last.iter().for_each(|entry| show_conflict(call, entry));
    DONE
}

fn show_conflict(call: &mut Call<'_>, entry: &conflicts::Entry) {
    let Conflict { rule, key, cell, winner, loser } = &entry.conflict;
    let author = |author: Option<Author>| author.map_or(String::new(), |author| show_uuid(author.uuid));
    call.out.map(10);
    for (name, n) in [("id", entry.number as i64), ("time-ms", entry.seen_ms as i64), ("db", key.db.into())] {
        call.out.bulk_str(name);
        call.out.int(n);
    }
    for (name, text) in [("rule", rule.name().as_bytes()), ("key", &key.name), ("cell", cell)] {
        call.out.bulk_str(name);
        call.out.bulk(text);
    }
    for (name, who) in [("winner", author(entry.winner)), ("loser", author(entry.loser))] {
        call.out.bulk_str(name);
        call.out.bulk_str(&who);
    }
    for (name, place) in [("winner-version", winner), ("loser-version", loser)] {
        call.out.bulk_str(name);
        call.out.int(place.version as i64);
    }
}

fn forget(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    ask(call, Wish::Forget)
}

fn detach(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    ask(call, Wish::Detach)
}

fn attach(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    ask(call, Wish::Attach)
}

fn new_id(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    wish(call, Wish::NewId)
}

fn ask(call: &mut Call<'_>, of: fn(u128) -> Wish) -> Result<Next, ErrorReply> {
    let text = String::from_utf8_lossy(call.args.at(2)).into_owned();
    let uuid = parse_uuid(&text).ok_or_else(|| ErrorReply::err("Invalid UUID"))?;
    wish(call, of(uuid))
}

fn wish(call: &mut Call<'_>, wish: Wish) -> Result<Next, ErrorReply> {
    if !call.worker.server.mesh.is_on() {
        return Err(NO_MESH);
    }
    if call.session.in_exec {
        return Err(ErrorReply::new("ERR This command cannot wait inside a transaction"));
    }
    wait_for(call, |ticket| Order::Ask { ticket, wish })
}

pub const ROWS: &[NodeRow] = &[
    row("ROLE", role),
    row("WAIT", wait),
    row("WAITAOF", wait_aof),
    row("WAITPEERS", wait),
    row("WAITSTABLE", wait_stable),
    row("REPLICATION PEERS", peers),
    row("REPLICATION CLOCK", clock),
    row("REPLICATION CONFLICTS", conflicts),
    row("REPLICATION FORGET", forget),
    row("REPLICATION DETACH", detach),
    row("REPLICATION ATTACH", attach),
    row("REPLICATION NEWID", new_id),
    row("REPLICATION HELP", super::help::help),
];
