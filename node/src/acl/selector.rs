//! A selector: commands, keys and channels that go together.

use std::collections::BTreeMap;

use engine::command::keys::key_ranges;
use engine::command::{CommandId, Facts, Flags, KeyFlags, id};
use protocol::{Args, glob};

use super::command_set::CommandSet;
use super::denial::Denial;
use super::key_pattern::{KeyAccess, KeyPattern};

/// See the [module's page](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    pub commands: CommandSet,
    /// Allowed: what later versions add. So is a selector that began with all commands and lost some told from one that
    /// began with none.
    pub future: bool,
    /// Commands that are not allowed as such, but with one of these first arguments.
    pub first_args: BTreeMap<CommandId, Vec<Vec<u8>>>,
    pub all_keys: bool,
    pub keys: Vec<KeyPattern>,
    pub all_channels: bool,
    pub channels: Vec<Vec<u8>>,
}

impl Selector {
    /// Nothing is allowed but, perhaps, all channels.
    pub fn new(all_channels: bool) -> Selector {
        Selector {
            commands: CommandSet::NONE,
            future: false,
            first_args: BTreeMap::new(),
            all_keys: false,
            keys: Vec::new(),
            all_channels,
            channels: Vec::new(),
        }
    }

    /// Everything is allowed.
    pub fn everything() -> Selector {
        Selector { commands: CommandSet::all(), future: true, all_keys: true, ..Selector::new(true) }
    }

    pub fn allows_everything(&self) -> bool {
        self.all_keys && self.all_channels && self.commands.is_full()
    }

    /// Allows a command or forbids it. With the command itself settled, its first arguments do not matter.
    pub fn put_command(&mut self, id: CommandId, allowed: bool) {
        self.commands.put(id, allowed);
        self.first_args.remove(&id);
    }

    /// Whether the command line is allowed.
    pub fn check(&self, facts: &'static Facts, args: Args<'_>) -> Result<(), Denial> {
        self.check_command(facts, args)?;
        self.check_keys(facts, args)?;
        self.check_channels(facts, args)
    }

    fn check_command(&self, facts: &'static Facts, args: Args<'_>) -> Result<(), Denial> {
        // Whoever may not log in or go away could do nothing at all.
        if self.commands.has(facts.id) || facts.flags.has(Flags::NO_AUTH) {
            return Ok(());
        }
        let first = args.get(1).unwrap_or_default();
        let firsts = self.first_args.get(&facts.id);
        match firsts.is_some_and(|firsts| firsts.iter().any(|f| f.eq_ignore_ascii_case(first))) {
            true => Ok(()),
            false => Err(Denial::Command),
        }
    }

    fn check_keys(&self, facts: &'static Facts, args: Args<'_>) -> Result<(), Denial> {
        if self.all_keys {
            return Ok(());
        }
        // Where the keys can't be told, the command will refuse the line.
        let Ok(keys) = key_ranges(facts, args) else { return Ok(()) };
        for (at, flags) in keys.iter().filter(|(_, flags)| !flags.has(KeyFlags::NOT_KEY)) {
            if !self.allows_key(&args[at], KeyAccess::needed(flags)) {
                return Err(Denial::Key(at));
            }
        }
        Ok(())
    }

    pub fn allows_key(&self, key: &[u8], needed: KeyAccess) -> bool {
        self.all_keys || self.keys.iter().any(|pattern| pattern.allows(key, needed))
    }

    /// Whether every key there may ever be can be read.
    pub fn reads_all_keys(&self) -> bool {
        self.all_keys || self.keys.iter().any(|p| p.access.read && p.pattern == b"*")
    }

    fn check_channels(&self, facts: &'static Facts, args: Args<'_>) -> Result<(), Denial> {
        if self.all_channels {
            return Ok(());
        }
        let (count, pattern) = match facts.id {
            id::PUBLISH | id::SPUBLISH => (1, false),
            id::SUBSCRIBE | id::SSUBSCRIBE => (args.len() - 1, false),
            id::PSUBSCRIBE => (args.len() - 1, true),
            _ => return Ok(()),
        };
        for at in 1..=count {
            if !self.allows_channel(args.at(at), pattern) {
                return Err(Denial::Channel(at));
            }
        }
        Ok(())
    }

    /// Whether a channel may be used. A pattern must be allowed literally: what it covers can't be compared.
    pub fn allows_channel(&self, name: &[u8], pattern: bool) -> bool {
        let fits = |allowed: &Vec<u8>| match pattern {
            true => allowed == name,
            false => glob::matches(allowed, name, glob::Case::Matters),
        };
        self.all_channels || self.channels.iter().any(fits)
    }
}
