//! A plain server beside each node, which gets what the fold does as commands: it must have the same data after every step.

use super::*;
use crate::journal::feed::ops;
use crate::snapshot::commands;

pub(super) struct Follower {
    console: Console<'static>,
    drain: Drain,
}

impl Follower {
    pub fn of(node: &'static Keyspace) -> Follower {
        node.feed.listen(true);
        let keyspace: &'static Keyspace = Box::leak(Box::new(Keyspace::new(2, 1)));
        let mut console = Console::new(keyspace);
        // Nothing expires by itself where one follows.
        console.ctx.env.tick(1);
        Follower { console, drain: Drain::default() }
    }

    fn run(&mut self, db: usize, words: &[Vec<u8>]) {
        self.console.ctx.db = db;
        // A time of delivery in the future would be taken for one that can't be right.
        let time = words.iter().position(|word| word == b"TIME").filter(|_| words[0] == b"XCLAIM");
        let ms = time.and_then(|at| std::str::from_utf8(&words[at + 1]).ok()?.parse().ok());
        self.console.ctx.env.tick(ms.unwrap_or(1));
        let reply = shown(&self.console.run_words(words));
        self.console.ctx.env.tick(1);
        let shown: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        assert!(!reply.starts_with('-'), "{shown:?} is answered {reply}");
    }

    fn run_all(&mut self, db: usize, mut commands: &[u8]) {
        while let Some((words, rest)) = command(commands) {
            commands = rest;
            self.run(db, &words);
        }
    }

    /// Does what was done there since, and takes over what clients have written to these keys: their commands are written down
    /// elsewhere.
    pub fn follow(&mut self, node: &mut Console<'static>, written: &[Key]) {
        let (mut all, now) = (Vec::new(), node.ctx.env.now_ms << 20);
        let round = self.drain.round(&node.ctx.keyspace.feed, now, |run| {
            for group in codec::groups(run.bytes) {
                let ops = ops(group.unwrap().1).filter(|op| !op.is_remark());
                all.extend(ops.map(|op| (op.db as usize, op.command.to_vec())));
            }
        });
        assert!(!round.waiting);
        self.console.ctx.locks.hold_all();
        all.iter().for_each(|(db, command)| self.run_all(*db, command));
        for key in written {
            let mut out = Vec::new();
            with_stage(&mut node.ctx, &key.name, |stage| {
                let db = &stage.shard.dbs[key.db as usize];
                if let Some(entry) = db.get(db.hash(&key.name), &key.name) {
                    commands::write(entry, 0, false, &mut out);
                }
            });
            self.run(key.db as usize, &[b"DEL".to_vec(), key.name.clone()]);
            self.run_all(key.db as usize, &out);
        }
        self.console.ctx.locks.release();
    }

    /// Whether a key is the same there as here.
    pub fn check(&mut self, node: &mut Console<'static>, key: &Key) -> Result<(), String> {
        let (there, here) = (stored(&mut node.ctx, key), stored(&mut self.console.ctx, key));
        if there == here {
            Ok(())
        } else {
            Err(format!("{key:?} is {there:?}, and {here:?} where one follows"))
        }
    }
}

/// A command, and what is behind it. A line that is none is passed over.
fn command(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, &[u8])> {
    let line = |bytes: &[u8]| bytes.windows(2).position(|pair| pair == b"\r\n");
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().parse::<usize>().unwrap();
    let end = line(bytes)?;
    if bytes[0] == b'#' {
        return command(&bytes[end + 2..]);
    }
    let (count, mut rest) = (number(&bytes[1..end]), &bytes[end + 2..]);
    let mut words = Vec::new();
    for _ in 0..count {
        let end = line(rest)?;
        let len = number(&rest[1..end]);
        words.push(rest[end + 2..end + 2 + len].to_vec());
        rest = &rest[end + 4 + len..];
    }
    Some((words, rest))
}

fn stored(ctx: &mut Ctx<'_>, key: &Key) -> Seen {
    with_stage(ctx, &key.name, |stage| {
        let db = &stage.shard.dbs[key.db as usize];
        let entry = db.get(db.hash(&key.name), &key.name)?;
        let deadlines = entry.value().deadlines();
        let deadlines = deadlines.into_iter().flat_map(|all| all.iter());
        let deadlines = deadlines.map(|(name, at)| (name.to_vec(), at)).collect();
        visible(owned(entry.value()), entry.deadline(), deadlines, 0)
    })
}
