//! The shards a script may touch.
//!
//! A script names its keys when it is called, and holds their shards while it runs. Nothing forces it to stay with them,
//! so every command it calls is looked at first:
//!
//! - The first run of a script on this node holds all shards, and shows whether it keeps to its keys. Scripts that do run
//!   with the shards of their keys from then on, in parallel with everything else. Scripts that do not always hold all.
//! - A script that strays although it did not before is run again from the start, with all shards held, if it has done
//!   nothing yet that anybody could see. It cannot tell: what it has read, it reads anew.
//! - If it has written, it can't be run again. The shard it wants is taken if it lies behind those that are held, or is
//!   free. Otherwise the script waits for it while it keeps its own; who then waits for several shards lets go of those
//!   that it has, see [`engine::keyspace::Locks::insist`], and who runs will end. Only another script in the very same
//!   state could wait for this one for ever: of two such the later one gets an error from its call, and from then on both
//!   hold all shards.
//!
//! In each case nobody sees what a script does before it has ended, and a script sees nothing of others meanwhile.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use engine::command::keys::touched;
use engine::command::{CommandId, Facts, Group};
use engine::commands::Locking;
use protocol::Args;
use smallvec::SmallVec;

use super::run::Run;
use crate::dispatch::Handler;

/// What is known of a script's way with keys.
#[derive(Debug, Default)]
pub struct Habit(AtomicU8);

const UNKNOWN: u8 = 0;
const KEEPS: u8 = 1;
const STRAYS: u8 = 2;

impl Habit {
    /// Whether its declared keys are known to be enough.
    #[inline]
    pub fn keeps(&self) -> bool {
        self.0.load(Relaxed) == KEEPS
    }

    pub fn is_known(&self) -> bool {
        self.0.load(Relaxed) != UNKNOWN
    }

    pub fn strayed(&self) {
        self.0.store(STRAYS, Relaxed);
    }

    /// A whole run has kept to its keys.
    pub fn kept(&self) {
        let _ = self.0.compare_exchange(UNKNOWN, KEEPS, Relaxed, Relaxed);
    }
}

/// A command that cannot be run with the shards that are held.
pub enum Stray {
    /// The script is to be run again with all shards.
    Restart,
    /// It has written, and the shard is not to be had.
    Refused(String),
}

/// How a run meets keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All shards are held, and nothing is to be found out.
    All,
    /// All shards are held, and it is noted whether those of the declared keys would have been enough.
    Trial,
    /// The shards of the declared keys are held.
    Declared,
}

/// What a command needs.
enum Need {
    Nothing,
    Keys,
    Everything,
}

fn need(handler: Handler, facts: &Facts) -> Need {
    match handler {
        Handler::Data(_, Locking::Keys) => Need::Keys,
        Handler::Data(..) => Need::Everything,
        Handler::Node(_) if matches!(facts.group, Group::Connection | Group::Pubsub) => Need::Nothing,
        Handler::Node(_) if facts.name == "TIME" || facts.name.starts_with("COMMAND") => Need::Nothing,
        Handler::Node(_) => Need::Everything,
        Handler::Missing => Need::Nothing,
    }
}

impl Run<'_> {
    /// Sees to it that the shards of a command are held.
    #[inline]
    pub fn reach(&mut self, id: CommandId, args: Args<'_>) -> Result<(), Stray> {
        if self.reach == Reach::All {
            return Ok(());
        }
        let facts = id.facts();
        match need(self.worker.server.handlers[id.index()], facts) {
            Need::Nothing => Ok(()),
            Need::Everything => self.stray(None),
            Need::Keys => self.reach_keys(facts, args),
        }
    }

    #[inline]
    fn reach_keys(&mut self, facts: &'static Facts, args: Args<'_>) -> Result<(), Stray> {
        if let Some(keys) = facts.fixed_keys(args.len())
            && keys.count == 1
        {
            // The hash is needed again by the command itself, on the same bytes.
            let key = args.at(keys.first);
            let hash = self.ctx.keyspace.hash(key);
            self.ctx.know_hash(key, hash);
            let shard = self.ctx.keyspace.shard_of(hash);
            return if self.has(shard) { Ok(()) } else { self.stray(Some(&[shard])) };
        }
        let mut shards: SmallVec<[usize; 16]> = SmallVec::new();
        touched(facts, args, |at| {
            let shard = self.ctx.keyspace.shard_of(self.ctx.keyspace.hash(&args[at]));
            shards.push(shard);
        });
        if shards.iter().all(|shard| self.has(*shard)) { Ok(()) } else { self.stray(Some(&shards)) }
    }

    #[inline]
    fn has(&self, shard: usize) -> bool {
        match self.reach {
            Reach::Declared => self.ctx.locks.holds(shard),
            _ => self.declared.contains(&shard),
        }
    }

    /// A command needs shards that were not declared; `None`: all of them.
    #[cold]
    fn stray(&mut self, shards: Option<&[usize]>) -> Result<(), Stray> {
        self.habit.strayed();
        if self.reach == Reach::Trial {
            self.reach = Reach::All;
            return Ok(());
        }
        if !self.spoke {
            return Err(Stray::Restart);
        }
        let got = match shards {
            Some(shards) => self.ctx.locks.insist(shards.iter().copied()),
            None => self.ctx.locks.insist(0..self.ctx.keyspace.shard_count()),
        };
        if !got {
            return Err(Stray::Refused(
                "another script waits for what this one holds: declare all keys of a script".into(),
            ));
        }
        if self.ctx.locks.holds_all() {
            self.reach = Reach::All;
        }
        Ok(())
    }
}
