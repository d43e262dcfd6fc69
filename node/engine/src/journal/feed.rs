//! The command feed: what was done, as commands that Redis understands, for append-only files and replicas.
//!
//! It is a journal of its own beside that of the effects, with desks and a drain of its own, but the versions are the same: a
//! group here holds the commands of the group of effects with that version. A command is written down after it has
//! changed something, while its shards are still held; what is removed by itself, where it is removed.
//!
//! ```text
//! group = op*      op = database:u32le length:u32le command     command: an array of bulk strings
//! ```
//!
//! The database's highest bit says that the command is for replicas only: it changes no data; the next that another server,
//! which is no member of the mesh, has sent it. More than one operation in
//! a group are a transaction. A remark (see [`Writer::remark`]) is no operation; it stands in the place of a command.

use super::Writer;

/// One command of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op<'a> {
    pub db: u32,
    /// It has changed data; what has not (a message) is for replicas only.
    pub changes: bool,
    /// It was another server's before it was done here.
    pub foreign: bool,
    /// As an array of bulk strings.
    pub command: &'a [u8],
}

/// Begins the remark that tells the [tag](crate::types::tagged) of the string that is set next.
pub const TAG: &str = "#everwrite-tag:";

/// Begins a remark with ids, spaces between them: entries that are late for the group that is made next.
pub const LATE: &str = "#everwrite-late:";

const HEAD: usize = 8;
const NO_CHANGE: u32 = 1 << 31;
const FOREIGN: u32 = 1 << 30;

/// The operations of a group.
pub fn ops(mut group: &[u8]) -> impl Iterator<Item = Op<'_>> {
    std::iter::from_fn(move || {
        let (db, rest) = group.split_first_chunk::<4>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (command, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        group = rest;
        let db = u32::from_le_bytes(*db);
        let (changes, foreign) = (db & NO_CHANGE == 0, db & FOREIGN != 0);
        Some(Op { db: db & !(NO_CHANGE | FOREIGN), changes, foreign, command })
    })
}

/// Appends the operations of a group that are wanted for a reader who has `selected` a database.
pub fn pass_on(
    out: &mut Vec<u8>,
    group: &[u8],
    selected: &mut Option<u32>,
    wanted: impl Fn(&Op<'_>) -> bool,
) {
    let mut first = true;
    let alone = ops(group).next().is_some_and(|op| HEAD + op.command.len() == group.len());
    let many = !alone && ops(group).filter(|op| wanted(op) && !op.is_remark()).nth(1).is_some();
    for op in ops(group).filter(|op| wanted(op)) {
        select(out, op.db, selected);
        if many && std::mem::take(&mut first) {
            encode(out, [&b"MULTI"[..]].into_iter());
        }
        out.extend_from_slice(op.command);
    }
    if many {
        encode(out, [&b"EXEC"[..]].into_iter());
    }
}

fn select(out: &mut Vec<u8>, db: u32, selected: &mut Option<u32>) {
    if *selected != Some(db) {
        *selected = Some(db);
        encode(out, [&b"SELECT"[..], itoa::Buffer::new().format(db).as_bytes()].into_iter());
    }
}

/// Appends a command as an array of bulk strings.
pub fn encode<'a>(out: &mut Vec<u8>, words: impl ExactSizeIterator<Item = &'a [u8]>) {
    let mut int = itoa::Buffer::new();
    out.push(b'*');
    out.extend_from_slice(int.format(words.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    for word in words {
        out.push(b'$');
        out.extend_from_slice(int.format(word.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

impl Op<'_> {
    /// A remark for append-only files about the command that follows it: no command.
    pub fn is_remark(&self) -> bool {
        self.command.first() == Some(&b'#')
    }
}

impl Writer {
    /// Adds a remark about the next command of the group: a line that readers of append-only files skip if it tells them
    /// nothing. It begins with `#` and has no line break in it.
    pub fn remark(&mut self, db: usize, text: &str) {
        self.add(|w| {
            w.0.extend_from_slice(&(db as u32).to_le_bytes());
            w.0.extend_from_slice(&(text.len() as u32 + 2).to_le_bytes());
            w.0.extend_from_slice(text.as_bytes());
            w.0.extend_from_slice(b"\r\n");
        });
    }

    /// Adds a command to the group under way.
    pub fn command<'a>(&mut self, db: usize, words: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.operation(db as u32, words);
    }

    /// Adds a command that changes no data: a message.
    pub fn message<'a>(&mut self, db: usize, words: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.operation(db as u32 | NO_CHANGE, words);
    }

    /// Adds a command that does what a peer's effect has done here: it is no news to other members.
    pub fn echo<'a>(&mut self, db: usize, words: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.operation(db as u32 | FOREIGN, words);
    }

    /// The same of commands that are encoded, one behind the other: they stay together.
    pub fn echo_raw(&mut self, db: usize, commands: &[u8]) {
        self.add(|w| {
            let len = u32::try_from(commands.len()).expect("a key's commands are below 4 GB");
            w.0.extend_from_slice(&(db as u32 | FOREIGN).to_le_bytes());
            w.0.extend_from_slice(&len.to_le_bytes());
            w.0.extend_from_slice(commands);
        });
    }

    fn operation<'a>(&mut self, db: u32, words: impl ExactSizeIterator<Item = &'a [u8]>) {
        let db = if self.foreign { db | FOREIGN } else { db };
        self.add(|w| {
            let at = w.0.len();
            w.0.extend_from_slice(&db.to_le_bytes());
            w.0.extend_from_slice(&[0; 4]);
            encode(&mut w.0, words);
            let len = u32::try_from(w.0.len() - at - HEAD).expect("a command is below 4 GB");
            w.0[at + 4..at + HEAD].copy_from_slice(&len.to_le_bytes());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctx::Ctx;
    use crate::journal::{Drain, Run};
    use crate::keyspace::Keyspace;

    #[test]
    fn commands_come_out_in_the_order_of_their_versions() {
        let keyspace = Keyspace::new(2, 1);
        keyspace.feed.listen(true);
        let mut contexts = [Ctx::new(&keyspace, 1), Ctx::new(&keyspace, 2)];
        for n in 0..50usize {
            let ctx = &mut contexts[n % 2];
            ctx.locks.hold_all();
            ctx.begin();
            ctx.locks.mint(1_000);
            let number = n.to_string();
            for word in [&b"A"[..], b"B"].iter().take(1 + n % 2) {
                let feed = ctx.locks.feed().expect("it listens");
                feed.command(n % 2, [*word, number.as_bytes()].into_iter());
            }
            ctx.locks.release();
        }
        let (mut drain, mut all) = (Drain::default(), Vec::new());
        let now = replication::stamp::at(std::time::Duration::from_secs(1));
        drain.round(&keyspace.feed, now, |Run { bytes, .. }| {
            for group in replication::codec::groups(bytes) {
                let (_, group) = group.unwrap();
                all.push(ops(group).map(|op| (op.db, op.command.to_vec())).collect::<Vec<_>>());
            }
        });
        assert_eq!(all.len(), 50);
        for (n, group) in all.iter().enumerate() {
            let number = n.to_string();
            let command =
                |word| format!("*2\r\n$1\r\n{word}\r\n${}\r\n{number}\r\n", number.len()).into_bytes();
            let expected: Vec<_> =
                ["A", "B"].iter().take(1 + n % 2).map(|w| ((n % 2) as u32, command(w))).collect();
            assert_eq!(*group, expected);
        }
    }

    #[test]
    fn a_reader_gets_transactions_and_selects() {
        let keyspace = Keyspace::new(4, 1);
        keyspace.feed.listen(true);
        let mut ctx = Ctx::new(&keyspace, 1);
        for n in 0..3usize {
            ctx.locks.hold_all();
            ctx.begin();
            ctx.locks.mint(1_000);
            let feed = ctx.locks.feed().expect("it listens");
            feed.command(n, [&b"A"[..]].into_iter());
            feed.message(n + 1, [&b"M"[..]].into_iter());
            ctx.locks.release();
        }
        let (mut all, mut changes) = ((Vec::new(), None), (Vec::new(), None));
        let now = replication::stamp::at(std::time::Duration::from_secs(1));
        Drain::default().round(&keyspace.feed, now, |Run { bytes, .. }| {
            for group in replication::codec::groups(bytes) {
                let (_, group) = group.unwrap();
                pass_on(&mut all.0, group, &mut all.1, |_| true);
                pass_on(&mut changes.0, group, &mut changes.1, |op| op.changes);
            }
        });
        let words = |bytes: &[u8]| -> Vec<String> {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            text.lines().filter(|l| !l.starts_with(['*', '$'])).map(str::to_owned).collect()
        };
        let (all, changes) = (words(&all.0), words(&changes.0));
        assert_eq!(all[..8], ["SELECT", "0", "MULTI", "A", "SELECT", "1", "M", "EXEC"]);
        assert_eq!(all[8..10], ["MULTI", "A"], "the database is selected already");
        assert_eq!(changes, ["SELECT", "0", "A", "SELECT", "1", "A", "SELECT", "2", "A"]);
    }
}
