//! The words that change a user: `on`, `>password`, `~key:*`, `+@read`, `(+get ~x)` and their like.

use std::fmt;

use engine::command::{Categories, CommandId};
use protocol::quote;

use super::command_set::CommandSet;
use super::key_pattern::{KeyPattern, is_one_word};
use super::password::Password;
use super::rules::Rules;
use super::selector::Selector;

/// What is wrong with a modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModifierError {
    Syntax,
    UnknownCommand,
    KeyAfterAll,
    ChannelAfterAll,
    NoSuchPassword,
    BadHash,
    FirstArgOfSubcommand,
}

impl fmt::Display for ModifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ModifierError::Syntax => "Syntax error",
            ModifierError::UnknownCommand => "Unknown command or category name in ACL",
            ModifierError::KeyAfterAll => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try \
                 'resetkeys' to start with an empty list of patterns"
            }
            ModifierError::ChannelAfterAll => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. \
                 Try 'resetchannels' to start with an empty list of channels"
            }
            ModifierError::NoSuchPassword => {
                "The password you are trying to remove from the user does not exist"
            }
            ModifierError::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            ModifierError::FirstArgOfSubcommand => {
                "Allowing first-arg of a subcommand is not supported"
            }
        })
    }
}

impl Rules {
    /// Applies a modifier. `all_channels`: what a new selector begins with.
    pub fn apply(&mut self, word: &[u8], all_channels: bool) -> Result<(), ModifierError> {
        match word.to_ascii_lowercase().as_slice() {
            b"" => {}
            b"on" => self.on = true,
            b"off" => self.on = false,
            b"nopass" => {
                self.no_password = true;
                self.passwords.clear();
            }
            b"resetpass" => {
                self.no_password = false;
                self.passwords.clear();
            }
            b"sanitize-payload" => self.sanitize = Some(true),
            b"skip-sanitize-payload" => self.sanitize = Some(false),
            b"clearselectors" => self.selectors.clear(),
            b"reset" => *self = Rules { sanitize: Some(true), ..Rules::new(all_channels) },
            _ => return self.apply_sign(word, all_channels),
        }
        Ok(())
    }

    /// A modifier that begins with a sign.
    fn apply_sign(&mut self, word: &[u8], all_channels: bool) -> Result<(), ModifierError> {
        let rest = &word[1..];
        match word[0] {
            b'>' => self.add_password(Password::of(rest)),
            b'#' => self.add_password(Password::from_hex(rest).ok_or(ModifierError::BadHash)?),
            b'<' => self.remove_password(Password::of(rest))?,
            b'!' => self.remove_password(Password::from_hex(rest).ok_or(ModifierError::BadHash)?)?,
            b'(' if word.len() > 1 && word.ends_with(b")") => {
                let mut selector = Selector::new(all_channels);
                let words = quote::split(&word[1..word.len() - 1]).ok_or(ModifierError::Syntax)?;
                words.iter().try_for_each(|word| selector.apply(word))?;
                self.selectors.push(selector);
            }
            _ => self.root.apply(word)?,
        }
        Ok(())
    }

    fn add_password(&mut self, password: Password) {
        if !self.passwords.contains(&password) {
            self.passwords.push(password);
        }
        self.no_password = false;
    }

    fn remove_password(&mut self, password: Password) -> Result<(), ModifierError> {
        let at = self.passwords.iter().position(|known| *known == password);
        self.passwords.remove(at.ok_or(ModifierError::NoSuchPassword)?);
        Ok(())
    }
}

impl Selector {
    /// Applies a modifier that is about commands, keys or channels.
    pub fn apply(&mut self, word: &[u8]) -> Result<(), ModifierError> {
        match word.to_ascii_lowercase().as_slice() {
            b"" => {}
            b"allkeys" | b"~*" => {
                self.all_keys = true;
                self.keys.clear();
            }
            b"resetkeys" => {
                self.all_keys = false;
                self.keys.clear();
            }
            b"allchannels" | b"&*" => {
                self.all_channels = true;
                self.channels.clear();
            }
            b"resetchannels" => {
                self.all_channels = false;
                self.channels.clear();
            }
            b"allcommands" | b"+@all" => self.put_all_commands(true),
            b"nocommands" | b"-@all" => self.put_all_commands(false),
            _ => match word[0] {
                b'~' | b'%' => self.add_keys(word)?,
                b'&' => self.add_channels(&word[1..])?,
                b'+' | b'-' if word.get(1) == Some(&b'@') => {
                    let category = Categories::named(&word[2..]).ok_or(ModifierError::UnknownCommand)?;
                    self.put_category(category, word[0] == b'+');
                }
                b'+' => self.allow(&word[1..])?,
                b'-' => self.put_command(command(&word[1..])?, false),
                _ => return Err(ModifierError::Syntax),
            },
        }
        Ok(())
    }

    fn put_all_commands(&mut self, allowed: bool) {
        self.commands = if allowed { CommandSet::all() } else { CommandSet::NONE };
        self.future = allowed;
        self.first_args.clear();
    }

    fn put_category(&mut self, category: Categories, allowed: bool) {
        self.commands.put_category(category, allowed);
        self.first_args.retain(|id, _| !id.facts().acl.has(category));
    }

    fn add_keys(&mut self, word: &[u8]) -> Result<(), ModifierError> {
        if self.all_keys {
            return Err(ModifierError::KeyAfterAll);
        }
        let new = KeyPattern::parse(word).ok_or(ModifierError::Syntax)?;
        match self.keys.iter_mut().find(|known| known.pattern == new.pattern) {
            Some(known) => {
                known.access.read |= new.access.read;
                known.access.write |= new.access.write;
            }
            None => self.keys.push(new),
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), ModifierError> {
        if self.all_channels {
            return Err(ModifierError::ChannelAfterAll);
        }
        if !is_one_word(pattern) {
            return Err(ModifierError::Syntax);
        }
        if !self.channels.iter().any(|known| known == pattern) {
            self.channels.push(pattern.to_vec());
        }
        Ok(())
    }

    /// `+command`, `+container|subcommand` or `+command|first-argument`
    fn allow(&mut self, name: &[u8]) -> Result<(), ModifierError> {
        let Some(bar) = name.iter().rposition(|b| *b == b'|') else {
            self.put_command(command(name)?, true);
            return Ok(());
        };
        let (first, id) = (&name[bar + 1..], command(&name[..bar])?);
        if id.facts().parent.is_some() {
            return Err(ModifierError::FirstArgOfSubcommand);
        }
        if first.is_empty() {
            return Err(ModifierError::Syntax);
        }
        if id.facts().is_container() {
            self.put_command(command(name)?, true);
            return Ok(());
        }
        let firsts = self.first_args.entry(id).or_default();
        if !firsts.iter().any(|known| known.eq_ignore_ascii_case(first)) {
            firsts.push(first.to_vec());
        }
        Ok(())
    }
}

/// A command by the name it was born with; `rename-command` does not matter here.
fn command(name: &[u8]) -> Result<CommandId, ModifierError> {
    if name.contains(&b' ') {
        return Err(ModifierError::UnknownCommand);
    }
    CommandId::named(name).ok_or(ModifierError::UnknownCommand)
}

/// The modifiers among the words of a command or line: a selector may be written in several words.
/// An error is the word that begins a selector that has no end; of several, the last.
pub fn join_selectors<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, Vec<u8>> {
    let mut joined: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(Vec<u8>, Vec<u8>)> = None;
    for word in words {
        if let Some((first, selector)) = &mut open {
            selector.push(b' ');
            selector.extend_from_slice(word);
            if word.starts_with(b"(") {
                *first = word.to_vec();
            }
            if word.ends_with(b")") {
                joined.extend(open.take().map(|(_, selector)| selector));
            }
        } else if word.starts_with(b"(") && !word.ends_with(b")") {
            open = Some((word.to_vec(), word.to_vec()));
        } else {
            joined.push(word.to_vec());
        }
    }
    match open {
        None => Ok(joined),
        Some((first, _)) => Err(first),
    }
}
