//! A pattern of keys, and what may be done to keys that fit it.

use engine::command::KeyFlags;
use protocol::glob;

/// Reading, writing or both: of the user's data in a key. Whether a key exists, and how large it is, anyone may know who may
/// do one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAccess {
    pub read: bool,
    pub write: bool,
}

impl KeyAccess {
    pub const BOTH: KeyAccess = KeyAccess { read: true, write: true };
    pub const READ: KeyAccess = KeyAccess { read: true, write: false };

    /// What a command that has a key in this way needs.
    pub fn needed(flags: KeyFlags) -> KeyAccess {
        KeyAccess {
            read: flags.has(KeyFlags::ACCESS),
            write: flags.meets(KeyFlags::UPDATE.or(KeyFlags::INSERT).or(KeyFlags::DELETE)),
        }
    }

    fn covers(self, needed: KeyAccess) -> bool {
        self.read >= needed.read && self.write >= needed.write
    }
}

/// See the [module's page](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPattern {
    pub pattern: Vec<u8>,
    pub access: KeyAccess,
}

impl KeyPattern {
    /// `~pattern` or `%R~pattern`, `%W~`, `%RW~`; `None` if it is malformed.
    pub fn parse(word: &[u8]) -> Option<KeyPattern> {
        let (access, pattern) = match word.split_first()? {
            (b'~', pattern) => (KeyAccess::BOTH, pattern),
            (b'%', rest) => parse_access(rest)?,
            _ => return None,
        };
        is_one_word(pattern).then(|| KeyPattern { pattern: pattern.to_vec(), access })
    }

    pub fn allows(&self, key: &[u8], needed: KeyAccess) -> bool {
        self.access.covers(needed) && glob::matches(&self.pattern, key, glob::Case::Matters)
    }

    /// The word that makes it.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.access {
            KeyAccess { read: true, write: false } => b"%R~",
            KeyAccess { read: false, write: true } => b"%W~",
            _ => b"~",
        });
        out.extend_from_slice(&self.pattern);
    }
}

/// Letters up to the tilde, and what is behind it. Without a tilde the pattern is empty, as in Redis.
fn parse_access(rest: &[u8]) -> Option<(KeyAccess, &[u8])> {
    let mut access = KeyAccess { read: false, write: false };
    for (i, letter) in rest.iter().enumerate() {
        let allowed = match letter.to_ascii_uppercase() {
            b'R' => &mut access.read,
            b'W' => &mut access.write,
            b'~' if i > 0 => return Some((access, &rest[i + 1..])),
            _ => return None,
        };
        if std::mem::replace(allowed, true) {
            return None;
        }
    }
    (access.read || access.write).then_some((access, &[]))
}

/// Whether a name or pattern can stand in a line of words.
pub fn is_one_word(text: &[u8]) -> bool {
    !text.iter().any(|b| matches!(b, b' ' | b'\t'..=b'\r' | 0))
}
