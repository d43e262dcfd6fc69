//! What a KeyDB server with `active-replica yes` sends: each command in an envelope that names the server it comes from
//! and a time that only rises there. Envelopes that were passed on lie in each other.
//!
//! ```text
//! RREPLAY origin-uuid payload [database [time]]           payload: one command, which may be an RREPLAY again
//! ```
//!
//! An envelope of ours has come back and is thrown away; so is one whose time is not above the last that was executed of
//! its origin: it came by another way before. Transactions are the origin's, whichever way their parts come.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;

use protocol::number::parse_u64;
use protocol::resp::{Batch, Limits, Parser};
use protocol::{Args, OwnedArgs, dump};

use super::apply::Applier;
use crate::session::Session;

/// Envelopes in envelopes, at most: as KeyDB has it.
const DEPTH_MAX: usize = 64;
/// Length of a UUID as text.
pub const UUID: usize = 36;
/// Origins that are remembered. A KeyDB server is a new one at each start; the oldest are forgotten.
const ORIGINS_MAX: usize = 1024;
const LIMITS: Limits = Limits { bulk_max: i64::MAX / 4, authenticated: true };
/// Between a value and the end of its dump: the field that KeyDB puts there.
const STAMP: &[u8] = b"\xfa\x0bmvcc-tstamp";
/// The version of RDB that a dump is of after that field has been taken out.
const DUMP_VERSION: u16 = 9;

/// The times of the last envelopes that were executed, by origin: those of all links.
#[derive(Default)]
pub struct Seen(HashMap<Vec<u8>, u64>);

impl Seen {
    /// Whether an envelope is new; it is not the next time. Time 0 says nothing.
    fn note(&mut self, origin: &[u8], time: u64) -> bool {
        if time == 0 {
            return true;
        }
        if let Some(last) = self.0.get_mut(origin) {
            let new = time > *last;
            *last = time.max(*last);
            return new;
        }
        if self.0.len() >= ORIGINS_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, time)| **time).map(|(name, _)| name.clone())
        {
            self.0.remove(&oldest);
        }
        self.0.insert(origin.to_vec(), time);
        true
    }
}

/// A command out of its envelopes.
struct Letter {
    origin: Vec<u8>,
    db: Option<usize>,
    command: OwnedArgs,
}

/// Opens an envelope and those inside. `None`: it is ours, it came before, or it is none.
fn open(args: Args<'_>, own: &[u8], seen: &mut Seen) -> Result<Option<Letter>, &'static str> {
    let (mut command, mut db) = (args.to_owned(), None);
    for _ in 0..DEPTH_MAX {
        let envelope = command.view();
        let is_envelope = envelope.at(0).eq_ignore_ascii_case(b"rreplay");
        if !is_envelope {
            return Err("it holds no command");
        }
        let (Some(origin), Some(payload)) = (envelope.get(1), envelope.get(2)) else {
            return Err("it has no payload");
        };
        if origin.len() != UUID {
            return Err("its origin is no UUID");
        }
        let origin = origin.to_ascii_lowercase();
        let number = |at: usize| envelope.get(at).map_or(Some(0), parse_u64);
        let (Some(number_db), Some(time)) = (number(3), number(4)) else { return Err("it has no numbers") };
        if origin == own || !seen.note(&origin, time) {
            return Ok(None);
        }
        if envelope.len() > 3 {
            db = Some(number_db as usize);
        }
        let inner = parse(payload).ok_or("its payload is not one command")?;
        let is_letter = !inner.view().at(0).eq_ignore_ascii_case(b"rreplay");
        if is_letter {
            return Ok(Some(Letter { origin, db, command: inner }));
        }
        command = inner;
    }
    Err("there are too many envelopes in each other")
}

fn parse(payload: &[u8]) -> Option<OwnedArgs> {
    let mut batch = Batch::default();
    let (used, error) = Parser::new().parse(payload, LIMITS, 2, &mut batch);
    let whole = error.is_none() && batch.len() == 1 && used == payload.len();
    (whole && !batch.args(0, payload).is_empty()).then(|| batch.args(0, payload).to_owned())
}

/// `KEYDB.MVCCRESTORE key time deadline dump` as a RESTORE.
pub fn restore(args: Args<'_>) -> Option<OwnedArgs> {
    let (key, deadline, payload) = (args.get(1)?, args.get(3)?, args.get(4)?);
    // KeyDB says the largest number for none.
    let none = i64::MAX as u64;
    let deadline = parse_u64(deadline).filter(|at| *at < none).unwrap_or(0).to_string();
    let object = dump::unseal(payload)?;
    let end = object.windows(STAMP.len()).rposition(|bytes| bytes == STAMP).unwrap_or(object.len());
    let mut value = object[..end].to_vec();
    dump::seal(&mut value, DUMP_VERSION);
    let words: [&[u8]; 6] = [b"RESTORE", key, deadline.as_bytes(), &value, b"REPLACE", b"ABSTTL"];
    Some(OwnedArgs::from_slices(words))
}

impl Applier<'_> {
    /// Executes what is in an envelope.
    pub fn replay(&mut self, args: Args<'_>) {
        let upstream = &self.link.server.upstream;
        let opened = open(args, upstream.uuid().as_bytes(), &mut upstream.seen.lock());
        let letter = match opened {
            Ok(Some(letter)) => letter,
            Ok(None) => {
                self.link.status.ignored.fetch_add(1, Relaxed);
                return;
            }
            Err(reason) => return self.note_failure("RREPLAY", reason),
        };
        let Letter { origin, db, command } = letter;
        let mut session = self.origins.remove(&origin).unwrap_or_else(|| self.session_of_origin());
        if let Some(db) = db.filter(|db| *db < self.link.server.keyspace.databases()) {
            session.select(db);
        }
        let view = command.view();
        if view.at(0).eq_ignore_ascii_case(b"keydb.mvccrestore") {
            match restore(view) {
                // KeyDB passes on all that it took from a snapshot of ours.
                Some(_) if self.is_as_new_here(session.db, view) => {
                    self.link.status.ignored.fetch_add(1, Relaxed);
                }
                Some(restore) => self.command(&mut session, restore.view()),
                None => self.note_failure("KEYDB.MVCCRESTORE", "it holds no value"),
            }
        } else {
            self.command(&mut session, view);
        }
        if self.origins.len() < ORIGINS_MAX || session.multi.is_some() {
            self.origins.insert(origin, session);
        }
    }

    /// Whether the key of a `KEYDB.MVCCRESTORE` was written here at the time it names, or later.
    fn is_as_new_here(&self, db: usize, args: Args<'_>) -> bool {
        let (key, time) = (args.at(1), args.get(2).and_then(parse_u64));
        let Some(time) = time.filter(|time| *time != 0 && *time != u64::MAX) else { return false };
        let mut ctx = self.worker.ctx.borrow_mut();
        ctx.db = db;
        ctx.begin();
        let shard = ctx.keyspace.shard_of(ctx.hash(key));
        ctx.locks.hold_one(shard);
        ctx.key(key).entry().is_some_and(|entry| entry.stamp().version >= time)
    }

    fn session_of_origin(&self) -> Session {
        Session::new(self.client(), crate::acl::Access::unlimited(&self.link.server.users))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "11111111-2222-3333-4444-555555555555";
    const B: &str = "AAAAAAAA-2222-3333-4444-555555555555";
    const OWN: &str = "99999999-2222-3333-4444-555555555555";

    fn encode(words: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        engine::journal::feed::encode(&mut out, words.iter().copied());
        out
    }

    fn envelope(origin: &str, payload: &[u8], db: &str, time: &str) -> OwnedArgs {
        let words: [&[u8]; 5] = [b"RREPLAY", origin.as_bytes(), payload, db.as_bytes(), time.as_bytes()];
        OwnedArgs::from_slices(words)
    }

    #[test]
    fn envelopes_are_opened_once() {
        let mut seen = Seen::default();
        let mut read = |args: &OwnedArgs| open(args.view(), OWN.as_bytes(), &mut seen);
        let set = encode(&[b"SET", b"k", b"v"]);
        let direct = envelope(A, &set, "3", "7");
        let letter = read(&direct).unwrap().unwrap();
        assert_eq!((letter.origin, letter.db), (A.as_bytes().to_vec(), Some(3)));
        assert_eq!(letter.command.view().at(1), b"k");
        assert!(read(&direct).unwrap().is_none(), "it came before");
        // The same by way of another, and a newer one by the same way.
        let wrapped = |time: &str, outer: &str| {
            let inner = encode(&[b"RREPLAY", A.as_bytes(), &set, b"3", time.as_bytes()]);
            envelope(B, &inner, "0", outer)
        };
        assert!(read(&wrapped("7", "100")).unwrap().is_none());
        assert_eq!(read(&wrapped("8", "101")).unwrap().unwrap().origin, A.as_bytes());
        assert!(read(&envelope(OWN, &set, "0", "1000")).unwrap().is_none(), "an echo");
        for bad in [
            envelope("short", &set, "0", "9"),
            envelope(A, b"*1\r\n$3\r\nSE", "0", "9"),
            envelope(A, &set, "x", "9"),
        ] {
            assert!(read(&bad).is_err());
        }
    }

    #[test]
    fn no_depth_of_envelopes_is_trusted() {
        let mut payload = encode(&[b"SET", b"k", b"v"]);
        for time in 1..=100u64 {
            payload =
                encode(&[b"RREPLAY", A.as_bytes(), &payload, b"0", (1000 - time).to_string().as_bytes()]);
        }
        let outer = parse(&payload).unwrap();
        let mut seen = Seen::default();
        // The time of each inner envelope is above that of the one around it.
        assert!(open(outer.view(), OWN.as_bytes(), &mut seen).is_err());
    }

    #[test]
    fn a_dump_loses_its_stamp() {
        let mut payload = b"\x00\x01v".to_vec();
        payload.extend_from_slice(STAMP);
        payload.extend_from_slice(b"\x0212");
        dump::seal(&mut payload, 9);
        let words: [&[u8]; 5] = [b"KEYDB.MVCCRESTORE", b"k", b"12", b"9223372036854775807", &payload];
        let args = OwnedArgs::from_slices(words);
        let restore = restore(args.view()).unwrap();
        assert_eq!(restore.view().at(2), b"0");
        assert_eq!(dump::verify(restore.view().at(3)), Some(&b"\x00\x01v"[..]));
    }
}
