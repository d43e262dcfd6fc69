//! The command feed: what was done, as commands that Redis understands, for append-only files and replicas.
//!
//! It is a journal of its own beside that of the effects, with desks and a drain of its own, but the versions are the same: a
//! group here holds the commands of the group of effects with that version. A command is written down after it has
//! changed something, while its shards are still held; what is removed by itself, where it is removed.
//!
//! ```text
//! group = op*      op = database:u16le length:u32le command     command: an array of bulk strings
//! ```
//!
//! More than one operation in a group are a transaction.

use super::Writer;

/// One command of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op<'a> {
    pub db: u16,
    /// As an array of bulk strings.
    pub command: &'a [u8],
}

const HEAD: usize = 6;

/// The operations of a group.
pub fn ops(mut group: &[u8]) -> impl Iterator<Item = Op<'_>> {
    std::iter::from_fn(move || {
        let (db, rest) = group.split_first_chunk::<2>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (command, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        group = rest;
        Some(Op { db: u16::from_le_bytes(*db), command })
    })
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

impl Writer {
    /// Adds a command to the group under way.
    pub fn command<'a>(&mut self, db: usize, words: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.add(|w| {
            let at = w.0.len();
            w.0.extend_from_slice(&(db as u16).to_le_bytes());
            w.0.extend_from_slice(&[0; 4]);
            encode(&mut w.0, words);
            let len = u32::try_from(w.0.len() - at - HEAD).expect("a command is below 4 GB");
            w.0[at + 2..at + HEAD].copy_from_slice(&len.to_le_bytes());
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
                ["A", "B"].iter().take(1 + n % 2).map(|w| ((n % 2) as u16, command(w))).collect();
            assert_eq!(*group, expected);
        }
    }
}
