//! Runs command lines in tests, and compares their replies with those recorded from a live Redis.
//!
//! A golden script is a file of `testdata/`: each line that begins with `> ` is a command, the line after it the reply
//! as Redis 7.0.15 gave it, with `¶` for CRLF and `\xHH` for what is not printable. `testdata/record.py` fills in the
//! replies. After `CONFIG SET notify-keyspace-events KEA` the events that a command announces follow its reply, one a line:
//! `! set key`. Of other families' and the node's commands, `HELLO 2|3`, `SELECT` and `CONFIG SET` of limits
//! are understood here.

use protocol::{ErrorReply, OwnedArgs, Reply, error};

use super::{Flow, Row, rows};
use crate::command::CommandId;
use crate::ctx::Ctx;
use crate::keyspace::Keyspace;
use crate::tuning::notify;

/// A client of a keyspace, without a network.
pub struct Console<'e> {
    pub ctx: Ctx<'e>,
    pub resp3: bool,
    /// Commands belong to one group, as in a transaction that has begun.
    pub in_exec: bool,
}

impl<'e> Console<'e> {
    pub fn new(keyspace: &'e Keyspace) -> Console<'e> {
        let mut ctx = Ctx::new(keyspace, 7);
        ctx.env.tick(1_700_000_000_000);
        ctx.locks.hold_all();
        Console { ctx, resp3: false, in_exec: false }
    }

    /// Runs one line and returns the reply's bytes, or the word `(blocked)`.
    pub fn run(&mut self, line: &str) -> Vec<u8> {
        let words = protocol::quote::split(line.as_bytes()).expect("a line of a test has balanced quotes");
        self.run_words(&words)
    }

    pub fn run_words<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Vec<u8> {
        let args = OwnedArgs::from_slices(words.iter().map(AsRef::as_ref));
        let mut out = Reply::new(self.resp3);
        match self.dispatch(&args, &mut out) {
            Ok(Flow::Done) => {}
            Ok(Flow::Block(_)) => out.raw(b"(blocked)"),
            Err(error) => {
                assert!(
                    out.buf.is_empty(),
                    "an error after other output: {:?}",
                    out.buf.escape_ascii().to_string()
                );
                out.error(&error);
            }
        }
        self.ctx.reap();
        out.buf
    }

    /// Runs one line and returns the reply in the notation of golden scripts.
    pub fn text(&mut self, line: &str) -> String {
        shown(&self.run(line))
    }

    /// The events announced since the last call, in the notation of golden scripts.
    pub fn events(&mut self) -> Vec<String> {
        let events = std::mem::take(&mut self.ctx.out.events);
        events.into_iter().map(|e| format!("! {} {}", e.name, shown(&e.key))).collect()
    }

    fn dispatch(&mut self, args: &OwnedArgs, out: &mut Reply) -> Result<Flow, ErrorReply> {
        let words = args.view();
        let name = String::from_utf8_lossy(&words[0]).to_uppercase();
        let container = rows().any(|row| row.name.starts_with(&format!("{name} ")));
        let name = match words.get(1) {
            Some(sub) if container => format!("{name} {}", String::from_utf8_lossy(sub).to_uppercase()),
            _ => name,
        };
        if let Some(row) = rows().find(|row| row.name == name) {
            return self.call(row, args, out);
        }
        self.call_stand_in(&name, args, out)
    }

    fn call(&mut self, row: &Row, args: &OwnedArgs, out: &mut Reply) -> Result<Flow, ErrorReply> {
        let facts = CommandId::all().map(CommandId::facts).find(|facts| facts.name == row.name);
        let facts = facts.expect("every row has its facts");
        if !facts.admits(args.view()) {
            return Err(ErrorReply::wrong_arity(facts.full_name));
        }
        if !self.in_exec {
            self.ctx.begin();
        }
        let result = (row.run)(&mut self.ctx, args.view(), out);
        // Commands that take shards by themselves have let go of all.
        self.ctx.locks.hold_all();
        result
    }

    /// What scripts need of commands that belong to other families or to the node.
    fn call_stand_in(&mut self, name: &str, args: &OwnedArgs, out: &mut Reply) -> Result<Flow, ErrorReply> {
        let args = args.view();
        self.ctx.begin();
        match name {
            "HELLO" => self.resp3 = &args[1] == b"3",
            "SELECT" => {
                self.ctx.db = super::database(&self.ctx, &args[1])?;
                out.ok();
            }
            "CONFIG" if &args[2] == b"notify-keyspace-events" => {
                self.ctx.env.tuning.notify = match &args[3] {
                    b"" => 0,
                    b"KEA" => notify::ALL,
                    b"KEAnm" => notify::ALL | notify::NEW | notify::KEY_MISS,
                    other => panic!("{} is no setting of tests", other.escape_ascii()),
                };
                out.ok();
            }
            "CONFIG" => {
                self.configure(&args[2], &args[3]);
                out.ok();
            }
            other => panic!("{other} is not implemented"),
        }
        Ok(Flow::Done)
    }

    fn configure(&mut self, name: &[u8], value: &[u8]) {
        let tuning = &mut self.ctx.env.tuning;
        let place = match name {
            b"hash-max-listpack-entries" => &mut tuning.hash_max_listpack_entries,
            b"hash-max-listpack-value" => &mut tuning.hash_max_listpack_value,
            b"zset-max-listpack-entries" => &mut tuning.zset_max_listpack_entries,
            b"zset-max-listpack-value" => &mut tuning.zset_max_listpack_value,
            b"hll-sparse-max-bytes" => &mut tuning.hll_sparse_max_bytes,
            b"proto-max-bulk-len" => &mut tuning.proto_max_bulk_len,
            b"set-max-intset-entries" => &mut tuning.set_max_intset_entries,
            other => panic!("{} is no limit", other.escape_ascii()),
        };
        *place = super::int(value).map_or_else(|e: ErrorReply| panic!("{}", e.text()), |n| n as usize);
    }
}

/// A reply in the notation of golden scripts.
pub fn shown(reply: &[u8]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while let Some(&byte) = reply.get(at) {
        if reply[at..].starts_with(b"\r\n") {
            text.push('¶');
            at += 1;
        } else if byte == b'\\' || !(byte == b' ' || byte.is_ascii_graphic()) {
            text.push_str(&format!("\\x{byte:02x}"));
        } else {
            text.push(byte as char);
        }
        at += 1;
    }
    text
}

/// Runs a golden script and compares every reply.
pub fn check_golden(script: &str) {
    let keyspace = Keyspace::new(16, 1);
    let mut console = Console::new(&keyspace);
    let mut lines = script.lines().enumerate().peekable();
    let mut wrong = Vec::new();
    while let Some((at, line)) = lines.next() {
        let Some(command) = line.strip_prefix("> ") else { continue };
        let got = console.text(command);
        if command.starts_with("HELLO") {
            continue;
        }
        let got = std::iter::once(got).chain(console.events()).collect::<Vec<_>>().join("\n  ");
        let is_answer = |line: &str| !(line.starts_with("> ") || line.starts_with('#') || line.is_empty());
        let answers = std::iter::from_fn(|| lines.next_if(|(_, next)| is_answer(next)));
        let expected = answers.map(|(_, line)| line).collect::<Vec<_>>().join("\n  ");
        if got != expected {
            wrong.push(format!("line {}: {command}\n  expected {expected}\n  got      {got}", at + 1));
        }
    }
    assert!(wrong.is_empty(), "{} replies differ from Redis:\n{}", wrong.len(), wrong.join("\n"));
}

/// Checks a script whose answers were written by hand: lines of `> command`, each with its reply and events below it,
/// all events on. The clock begins at 1,700,000,000,000; `> WAIT ms` moves it on.
pub fn check_by_hand(script: &str) {
    let keyspace = Keyspace::new(1, 1);
    let mut console = Console::new(&keyspace);
    console.text("CONFIG SET notify-keyspace-events KEA");
    let mut lines = script.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    while let Some(line) = lines.next() {
        let command = line.strip_prefix("> ").expect("a command");
        if let Some(ms) = command.strip_prefix("WAIT ") {
            let now = console.ctx.env.now_ms + ms.parse::<u64>().expect("a number");
            console.ctx.env.tick(now);
            continue;
        }
        let mut got = vec![console.text(command)];
        got.extend(console.events());
        let expected: Vec<&str> = std::iter::from_fn(|| lines.next_if(|l| !l.starts_with("> "))).collect();
        assert_eq!(got, expected, "{command}");
    }
}

/// The text of an error, for tests that ask for nothing else.
pub fn error_of(reply: &[u8]) -> Option<&[u8]> {
    reply.strip_prefix(b"-")?.strip_suffix(b"\r\n")
}

#[test]
fn replies_are_shown_on_one_line() {
    assert_eq!(shown(b"*1\r\n$3\r\na\n\\\r\n"), "*1¶$3¶a\\x0a\\x5c¶");
    assert_eq!(error_of(b"-ERR syntax error\r\n"), Some(error::SYNTAX.text().as_bytes()));
}

#[test]
fn a_golden_script_of_strings_is_met() {
    check_golden(
        "> SET a 1\n+OK¶\n> GET a\n$1¶1¶\n> GET b\n$-1¶\n> GET\n-ERR wrong number of arguments for 'get' command¶\n",
    );
}
