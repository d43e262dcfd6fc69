//! The file of users: a line for each, `user name modifier...`, words separated by blanks. There are no quotes and no
//! comments in it. It is read as a whole or not at all, and replaced in one step when it is written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::ModifierError;
use super::modifier::join_selectors;
use super::rules::Rules;
use super::users::{Described, line};
use crate::config::replace_file;

/// Bytes of a line that Redis reads at once.
const PIECE: usize = 1023;

/// Reads the users of a file. The error tells of all lines that are wrong.
pub fn read(path: &str, all_channels: bool) -> Result<BTreeMap<Vec<u8>, Rules>, String> {
    let text = std::fs::read(path)
        .map_err(|e| format!("Error loading ACLs, opening file '{path}': {}", crate::process::reason(&e)))?;
    parse(path, &text, all_channels)
}

fn parse(path: &str, text: &[u8], all_channels: bool) -> Result<BTreeMap<Vec<u8>, Rules>, String> {
    let (mut users, mut errors, text) = (BTreeMap::new(), String::new(), without_nul(text));
    for (index, line) in text.split(|b| *b == b'\n').enumerate() {
        if let Err(error) = read_line(line, all_channels, &mut users) {
            errors += &error.text(path, index + 1);
        }
    }
    if errors.is_empty() {
        return Ok(users);
    }
    Err(errors + "WARNING: ACL errors detected, no change to the previously active ACL rules was performed")
}

/// What Redis makes of a file that has NUL bytes in it: of the pieces in which it reads (a line, or as much of one as there is room
/// for) what follows such a byte is lost, the end of the line as well.
fn without_nul(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&0) {
        return Cow::Borrowed(text);
    }
    let pieces = text.split_inclusive(|byte| *byte == b'\n').flat_map(|line| line.chunks(PIECE));
    let shown = pieces.map(|piece| piece.split(|byte| *byte == 0).next().unwrap_or_default());
    Cow::Owned(shown.collect::<Vec<_>>().concat())
}

/// What is wrong with a line.
enum LineError {
    NoUser,
    Duplicate(Vec<u8>),
    Unmatched,
    /// What is wrong with modifiers, and the modifier: of those that are no names of commands only the first is told, for it may
    /// have led to the others; and only names of commands are shown, for others may be secrets.
    Modifiers(Vec<(Vec<u8>, ModifierError)>),
}

impl LineError {
    fn text(&self, path: &str, number: usize) -> String {
        match self {
            LineError::NoUser => {
                format!("{path}:{number} should start with user keyword followed by the username. ")
            }
            LineError::Duplicate(name) => {
                let name = String::from_utf8_lossy(name);
                format!("WARNING: Duplicate user '{name}' found on line {number}. ")
            }
            LineError::Unmatched => format!("{path}:{number}: Unmatched parenthesis in selector definition."),
            LineError::Modifiers(wrong) => {
                let told = |(modifier, error): &(Vec<u8>, ModifierError)| match error {
                    ModifierError::UnknownCommand => {
                        let modifier = String::from_utf8_lossy(modifier);
                        format!("{path}:{number}: Error in applying operation '{modifier}': {error}. ")
                    }
                    error => format!("{path}:{number}: {error}. "),
                };
                wrong.iter().map(told).collect()
            }
        }
    }
}

fn read_line(line: &[u8], all_channels: bool, users: &mut BTreeMap<Vec<u8>, Rules>) -> Result<(), LineError> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(());
    }
    let mut words = line.split(|b| *b == b' ');
    let (Some(b"user"), Some(name)) = (words.next(), words.next()) else { return Err(LineError::NoUser) };
    if users.contains_key(name) {
        return Err(LineError::Duplicate(name.to_vec()));
    }
    // A user that is wrong is known all the same: its next line is another mistake.
    let rules = users.entry(name.to_vec()).or_insert_with(|| Rules::new(all_channels));
    let modifiers = join_selectors(words).map_err(|_| LineError::Unmatched)?;
    let (mut wrong, mut told) = (Vec::new(), false);
    for modifier in modifiers.iter().map(|modifier| modifier.trim_ascii()) {
        match rules.apply(modifier, all_channels) {
            Ok(()) => {}
            Err(error @ ModifierError::UnknownCommand) => wrong.push((modifier.to_vec(), error)),
            Err(error) if !std::mem::replace(&mut told, true) => wrong.push((modifier.to_vec(), error)),
            Err(_) => {}
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(LineError::Modifiers(wrong)) }
}

/// Writes the users into a file.
pub fn write(path: &str, users: &[Described]) -> io::Result<()> {
    let mut text = Vec::new();
    for (name, rules) in users {
        text.extend(line(name, rules));
        text.push(b'\n');
    }
    replace_file(Path::new(path), &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_with_a_file_is_told() {
        let text = b"user default on\nuser a on +nope ~x ~* ~y bad worse +@no\nuser a on\nfoo\nuser b (~x\n";
        let told = parse("f", text, false).err().unwrap();
        let after_all = ModifierError::KeyAfterAll;
        let unknown = "Unknown command or category name in ACL. ";
        assert_eq!(
            told,
            format!(
                "f:2: Error in applying operation '+nope': {unknown}f:2: {after_all}. f:2: Error in applying operation '+@no': \
                 {unknown}WARNING: Duplicate user 'a' found on line 3. f:4 should start with user keyword followed by the \
                 username. f:5: Unmatched parenthesis in selector definition.WARNING: ACL errors detected, no change to the \
                 previously active ACL rules was performed"
            )
        );
    }
}
