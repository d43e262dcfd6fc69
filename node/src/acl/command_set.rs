//! A set of commands, one bit each.

use engine::command::{ALL, Categories, CommandId, Facts};

const WORDS: usize = ALL.len().div_ceil(64);

/// See the [module's page](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandSet([u64; WORDS]);

impl CommandSet {
    pub const NONE: CommandSet = CommandSet([0; WORDS]);

    pub fn all() -> CommandSet {
        let mut set = CommandSet::NONE;
        CommandId::all().for_each(|id| set.put_one(id, true));
        set
    }

    #[inline]
    pub fn has(&self, id: CommandId) -> bool {
        self.0[id.index() / 64] & (1 << (id.index() % 64)) != 0
    }

    /// Puts in or takes out a command, and with a container its subcommands.
    pub fn put(&mut self, id: CommandId, present: bool) {
        self.put_one(id, present);
        for sub in id.facts().subcommands {
            self.put_one(*sub, present);
        }
    }

    fn put_one(&mut self, id: CommandId, present: bool) {
        let bit = 1 << (id.index() % 64);
        let word = &mut self.0[id.index() / 64];
        *word = if present { *word | bit } else { *word & !bit };
    }

    /// Puts in or takes out the commands of a category.
    pub fn put_category(&mut self, category: Categories, present: bool) {
        for facts in members(category) {
            self.put(facts.id, present);
        }
    }

    /// How many commands of a category are in the set, and how many are not.
    pub fn count(&self, category: Categories) -> (usize, usize) {
        let (mut inside, mut outside) = (0, 0);
        for facts in members(category) {
            *if self.has(facts.id) { &mut inside } else { &mut outside } += 1;
        }
        (inside, outside)
    }

    pub fn is_full(&self) -> bool {
        *self == CommandSet::all()
    }
}

fn members(category: Categories) -> impl Iterator<Item = &'static Facts> {
    ALL.iter().filter(move |facts| facts.acl.has(category))
}
