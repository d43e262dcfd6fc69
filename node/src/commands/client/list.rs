//! CLIENT LIST and INFO: a line for each client.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use protocol::{Args, ErrorReply, OwnedArgs, number};

use super::DONE;
use super::filter::Filter;
use crate::client::{Client, flag};
use crate::commands::{NodeRow, row};
use crate::dispatch::{Call, Next};
use crate::worker::unix_ms;

const BAD_ID: ErrorReply = ErrorReply::new("ERR Invalid client ID");

fn list(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    show_own(call);
    let clients = chosen(call)?;
    let now = unix_ms();
    let text: String = clients.iter().map(|client| line(client, now) + "\n").collect();
    call.out.verbatim("txt", text.as_bytes());
    DONE
}

fn info(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    show_own(call);
    let text = line(&call.session.client, unix_ms()) + "\n";
    call.out.verbatim("txt", text.as_bytes());
    DONE
}

/// The clients that are asked for: by id in the order of the ids, else in their own.
fn chosen(call: &Call<'_>) -> Result<Vec<Arc<Client>>, ErrorReply> {
    let (args, server) = (call.args, call.worker.server);
    if args.get(2).is_some_and(|word| word.eq_ignore_ascii_case(b"id"))
        && let Some(first) = args.get(3)
    {
        // As Redis 7.0 says it, which knew nothing else behind ids.
        number::parse_i64(first).ok_or(BAD_ID)?;
        if let Some(word) = args.rest(4).iter().find(|arg| number::parse_i64(arg).is_none())
            && Filter::parse(OwnedArgs::from_slices([word, b"1"]).view(), |_| true).is_err()
        {
            return Err(BAD_ID);
        }
        let id = |arg| number::parse_i64(arg).and_then(|id| u64::try_from(id).ok());
        if args.rest(3).iter().all(|arg| number::parse_i64(arg).is_some()) {
            return Ok(args.rest(3).iter().filter_map(|arg| server.clients.get(id(arg)?)).collect());
        }
    }
    let filter = Filter::parse(args.rest(2), |user| server.users.get(user.as_bytes()).is_some())?;
    let own = filter.skips_own(false).then_some(call.session.client.id);
    let mut clients = server.clients.all();
    clients.retain(|client| Some(client.id) != own && filter.fits(client));
    Ok(clients)
}

/// What others see only when a batch is done: this command, and the request that holds it.
fn show_own(call: &Call<'_>) {
    let client = &call.session.client;
    client.query_bytes.store(request_bytes(call.args), Relaxed);
    client.argv_bytes.store(call.args.bytes() as u64, Relaxed);
    client.active_ms.store(call.ctx.env.now_ms, Relaxed);
}

/// Bytes of a command as a request.
fn request_bytes(args: Args<'_>) -> u64 {
    let digits = |n: usize| n.checked_ilog10().unwrap_or(0) as usize + 1;
    let header = |n: usize| 1 + digits(n) + 2;
    (header(args.len()) + args.iter().map(|arg| header(arg.len()) + arg.len() + 2).sum::<usize>()) as u64
}

pub fn line(c: &Client, now_ms: u64) -> String {
    let get = |n: &std::sync::atomic::AtomicU64| n.load(Relaxed);
    let names = c.names.lock().clone();
    let seconds = |since: u64| now_ms.saturating_sub(since) / 1000;
    let queued = match c.queued.load(Relaxed) {
        u32::MAX => -1,
        n => i64::from(n),
    };
    let redirect = if c.has(flag::TRACKING) { get(&c.redirect) as i64 } else { -1 };
    let (mail, waiting) = (c.mail_bytes(), get(&c.output_bytes));
    let mut text = format!("id={} addr={} laddr={} fd={} name={}", c.id, c.addr, c.laddr, c.fd, names.name);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        " age={} idle={} flags={} db={}",
        seconds(c.created_ms),
        seconds(get(&c.active_ms)),
        letters(c),
        c.db.load(Relaxed)
    );
    let _ = write!(
        text,
        " sub={} psub={} ssub={} multi={queued} qbuf={} qbuf-free={} argv-mem={} multi-mem={}",
        c.subscriptions.load(Relaxed),
        c.patterns.load(Relaxed),
        c.shard_subscriptions.load(Relaxed),
        get(&c.query_bytes),
        get(&c.query_free),
        get(&c.argv_bytes),
        get(&c.multi_bytes)
    );
    // Reply buffers belong to workers: a client's own holds only what it has not taken yet.
    let _ = write!(
        text,
        " rbs=0 rbp=0 obl={waiting} oll={} omem={} tot-mem={} events={} cmd={} user={} redir={redirect} resp={}",
        u8::from(mail > 0),
        waiting + mail,
        c.memory(),
        if waiting > 0 { "rw" } else { "r" },
        c.last_command().unwrap_or("NULL"),
        names.user,
        c.resp.load(Relaxed)
    );
    let _ = write!(text, " lib-name={} lib-ver={}", names.lib_name, names.lib_ver);
    text
}

/// The client's state as letters.
pub(super) fn letters(c: &Client) -> String {
    let multi = c.queued.load(Relaxed) != u32::MAX;
    let states = [
        (c.has(flag::MONITOR), 'O'),
        (c.has(flag::REPLICA) && !c.has(flag::MONITOR), 'S'),
        (c.has(flag::MASTER), 'M'),
        (c.has(flag::PUBSUB), 'P'),
        (multi, 'x'),
        (c.has(flag::BLOCKED | flag::PAUSED), 'b'),
        (c.has(flag::TRACKING), 't'),
        (c.has(flag::BROKEN_REDIRECT), 'R'),
        (c.has(flag::BCAST), 'B'),
        (c.watch_broken(), 'd'),
        (c.has(flag::CLOSING), 'c'),
        (c.kill.load(Relaxed), 'A'),
        (c.has(flag::UNIX), 'U'),
        (c.has(flag::READONLY), 'r'),
        (c.has(flag::NO_EVICT), 'e'),
        (c.has(flag::NO_TOUCH), 'T'),
    ];
    let text: String = states.iter().filter(|(on, _)| *on).map(|(_, letter)| *letter).collect();
    if text.is_empty() { "N".into() } else { text }
}

pub const ROWS: &[NodeRow] = &[row("CLIENT LIST", list), row("CLIENT INFO", info)];

#[cfg(test)]
mod tests {
    use protocol::OwnedArgs;

    use super::*;

    #[test]
    fn a_request_is_as_long_as_on_the_wire() {
        let args = OwnedArgs::from_slices([&b"CLIENT"[..], b"LIST"]);
        assert_eq!(request_bytes(args.view()), b"*2\r\n$6\r\nCLIENT\r\n$4\r\nLIST\r\n".len() as u64);
        let long = vec![b'x'; 1000];
        let args = OwnedArgs::from_slices([&b""[..], &long]);
        assert_eq!(request_bytes(args.view()), 4 + 6 + (7 + 1000 + 2));
    }

    #[test]
    fn states_are_letters() {
        let client = Client::new(1, 0, "1.2.3.4:5".into(), "1.2.3.4:6".into(), 7, 0);
        assert_eq!(letters(&client), "N");
        client.set(flag::TRACKING | flag::BCAST | flag::PUBSUB, true);
        client.queued.store(2, Relaxed);
        assert_eq!(letters(&client), "PxtB");
        assert!(
            line(&client, 5000)
                .starts_with("id=1 addr=1.2.3.4:5 laddr=1.2.3.4:6 fd=7 name= age=5 idle=5 flags=PxtB db=0")
        );
    }
}
