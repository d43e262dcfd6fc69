//! MIGRATE: moves keys to another server in one step.
//!
//! ```text
//! MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS key ...]
//! ```
//! The keys' shards are held from the reading to the removing, so nobody changes what is on its way: whoever needs one of
//! them waits, as long as the timeout allows the other server to take (in Redis, everybody waits).

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use engine::commands::generic::dump::payload;
use engine::commands::{Locking, int, is};
use engine::ctx::Ctx;
use engine::effect::Effect;
use engine::tuning::notify;
use protocol::error::{SYNTAX, shown};
use protocol::{Args, ErrorReply, OwnedArgs};

use super::{NodeRow, row};
use crate::dispatch::{self, Call, Next};
use crate::feed;

const EMPTY_KEY: ErrorReply =
    ErrorReply::new("ERR When using MIGRATE KEYS option, the key argument must be set to the empty string");
const CONNECTING: ErrorReply = ErrorReply::new("IOERR error or timeout connecting to the client");
const WRITING: ErrorReply = ErrorReply::new("IOERR error or timeout writing to target instance");
const READING: ErrorReply = ErrorReply::new("IOERR error or timeout reading from target instance");
/// Used if the command's timeout is not positive.
const TIMEOUT_MS: i64 = 1000;
/// Keys that are sent before what the other server says of them is read. Their replies are short, so both can always write.
const AT_ONCE: usize = 64;
/// Longest line that another server may reply with.
const LINE_MAX: usize = 4096;

/// What a command asks for.
struct Request<'a> {
    address: (String, u16),
    db: i64,
    timeout: Duration,
    copy: bool,
    replace: bool,
    /// AUTH's arguments.
    auth: Vec<&'a [u8]>,
    keys: Vec<&'a [u8]>,
}

impl<'a> Request<'a> {
    fn parse(args: Args<'a>) -> Result<Request<'a>, ErrorReply> {
        let (mut copy, mut replace, mut auth, mut keys) = (false, false, Vec::new(), vec![args.at(3)]);
        let mut at = 6;
        while at < args.len() {
            let (word, more) = (args.at(at), args.len() - at - 1);
            match () {
                () if is(word, "COPY") => copy = true,
                () if is(word, "REPLACE") => replace = true,
                () if is(word, "AUTH") && more > 0 => {
                    auth = vec![args.at(at + 1)];
                    at += 1;
                }
                () if is(word, "AUTH2") && more > 1 => {
                    auth = vec![args.at(at + 1), args.at(at + 2)];
                    at += 2;
                }
                () if is(word, "KEYS") => {
                    if !args.at(3).is_empty() {
                        return Err(EMPTY_KEY);
                    }
                    keys = args.rest(at + 1).iter().collect();
                    at = args.len();
                }
                () => return Err(SYNTAX),
            }
            at += 1;
        }
        let timeout = Some(int(args.at(5))?).filter(|ms| *ms > 0).unwrap_or(TIMEOUT_MS);
        let db = int(args.at(4))?;
        let port = std::str::from_utf8(args.at(2)).ok().and_then(|port| port.parse().ok()).unwrap_or(0);
        let address = (shown(args.at(1), usize::MAX), port);
        Ok(Request { address, db, timeout: Duration::from_millis(timeout as u64), copy, replace, auth, keys })
    }
}

/// A connection to another server, whose every step may take as long as the command allows.
struct Peer(BufReader<TcpStream>);

impl Peer {
    fn connect(request: &Request<'_>) -> Result<Peer, ErrorReply> {
        let (host, port) = &request.address;
        let addresses = (host.as_str(), *port).to_socket_addrs().map_err(|_| CONNECTING)?;
        let stream = addresses
            .into_iter()
            .find_map(|address| TcpStream::connect_timeout(&address, request.timeout).ok())
            .ok_or(CONNECTING)?;
        let limits = stream
            .set_read_timeout(Some(request.timeout))
            .and_then(|()| stream.set_write_timeout(Some(request.timeout)))
            .and_then(|()| stream.set_nodelay(true));
        limits.map_err(|_| CONNECTING)?;
        Ok(Peer(BufReader::new(stream)))
    }

    fn send(&mut self, wire: &[u8]) -> Result<(), ErrorReply> {
        self.0.get_mut().write_all(wire).map_err(|_| WRITING)
    }

    /// What the other server says: done, or what it has against it.
    fn answer(&mut self) -> Result<Result<(), ErrorReply>, ErrorReply> {
        let mut line = Vec::new();
        let limited = std::io::Read::take(&mut self.0, LINE_MAX as u64).read_until(b'\n', &mut line);
        if limited.is_err() || !line.ends_with(b"\r\n") {
            return Err(READING);
        }
        match line[0] {
            b'+' => Ok(Ok(())),
            _ => {
                let text = shown(&line[1..line.len() - 2], usize::MAX);
                Ok(Err(ErrorReply::err(format!("Target instance replied with error: {text}"))))
            }
        }
    }
}

/// Appends a request to what is to be sent.
fn put(wire: &mut Vec<u8>, words: &[&[u8]]) {
    wire.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        wire.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        wire.extend_from_slice(word);
        wire.extend_from_slice(b"\r\n");
    }
}

/// RESTORE for a key as it is now; `None` if it is not there.
fn restore(ctx: &Ctx<'_>, key: &[u8], replace: bool) -> Option<Vec<u8>> {
    let deadline = ctx.peek(key)?.deadline();
    let ttl = deadline.map_or(0, |at| at.saturating_sub(ctx.env.now_ms).max(1)).to_string();
    let value = payload(ctx, key)?;
    let mut wire = Vec::with_capacity(value.len() + key.len() + 64);
    let mut words: Vec<&[u8]> = vec![b"RESTORE", key, ttl.as_bytes(), &value];
    words.extend(replace.then_some(&b"REPLACE"[..]));
    put(&mut wire, &words);
    Some(wire)
}

/// Removes keys that are elsewhere now, here and wherever this server's commands are carried out again.
fn remove(ctx: &mut Ctx<'_>, keys: &[&[u8]]) {
    for key in keys {
        let mut gone = ctx.key(key);
        gone.apply(Effect::Clear);
        gone.notify(notify::GENERIC, "del");
    }
    let words = [&b"DEL"[..]].into_iter().chain(keys.iter().copied());
    feed::note_commands(ctx, &[OwnedArgs::from_slices(words)]);
}

fn migrate(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let request = Request::parse(call.args)?;
    if !call.session.in_exec {
        dispatch::lock(call.ctx, call.id.facts(), Locking::Keys, call.args);
    }
    let found = |key: &&&[u8]| call.ctx.peek(key).is_some();
    let keys: Vec<&[u8]> = request.keys.iter().filter(found).copied().collect();
    if keys.is_empty() {
        call.out.simple("NOKEY");
        return Ok(Next::Done);
    }
    let mut peer = Peer::connect(&request)?;
    let mut opening = Vec::new();
    if !request.auth.is_empty() {
        put(&mut opening, &[&[&b"AUTH"[..]], request.auth.as_slice()].concat());
    }
    put(&mut opening, &[b"SELECT", request.db.to_string().as_bytes()]);
    peer.send(&opening)?;
    for _ in 0..1 + usize::from(!request.auth.is_empty()) {
        peer.answer()??;
    }
    // What has arrived is removed here even if something else fails: it is there now.
    let mut refused = Ok(());
    for keys in keys.chunks(AT_ONCE) {
        let sent: Vec<&[u8]> = keys.iter().copied().filter(|key| call.ctx.peek(key).is_some()).collect();
        for key in &sent {
            peer.send(&restore(call.ctx, key, request.replace).unwrap_or_default())?;
        }
        let mut arrived = Vec::new();
        let broken = sent.into_iter().find_map(|key| match peer.answer() {
            Ok(Ok(())) => {
                arrived.push(key);
                None
            }
            Ok(Err(error)) => {
                refused = refused.clone().and(Err(error));
                None
            }
            Err(broken) => Some(broken),
        });
        if !request.copy && !arrived.is_empty() {
            remove(call.ctx, &arrived);
        }
        if let Some(broken) = broken {
            return Err(broken);
        }
    }
    refused?;
    call.out.ok();
    Ok(Next::Done)
}

pub const ROWS: &[NodeRow] = &[row("MIGRATE", migrate)];
