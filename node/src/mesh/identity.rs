//! Who this node is, in a file beside its data: what lets its peers tell a node that comes back from a new one.
//!
//! ```text
//! sum 4f3c2a9917b0d6e1
//! uuid 1b4e28ba2fa111d2883f0016d3cca427
//! incarnation 1795600000000
//! bound 1882818…
//! boot 0d51bd0c-…
//! member 6fa459eaee8a3ca4894edb77e160355e 1795600000001
//! gone 74738ff55367e9589aee98fffdcd1876 1795600000002
//! ```
//!
//! `sum`: the CRC-64 of all that follows its line; a file of an earlier time begins with `uuid`. A damaged file would make the
//! node another one, or have it hand out versions twice: it stops the start.
//!
//! `bound`: no version above it was ever handed out. The file is replaced as a whole, so a crash leaves the old one or the
//! new one.

use std::fmt::Write;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use replication::origin::{Author, Uuid};

/// The file's name in `dir`.
pub const FILE: &str = "everwrite.node";
/// How the first line begins.
const SUM: &str = "sum ";
/// Members that are read from the file at most.
const MEMBERS_MAX: usize = 65_536;

/// See the [module's page](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    path: PathBuf,
    pub me: Author,
    /// No version above it was handed out.
    pub bound: u64,
    pub members: Vec<Author>,
    /// Those that were forgotten.
    pub gone: Vec<Author>,
    /// The machine's start in which the file was written; empty if unknown.
    pub boot: String,
}

impl Identity {
    /// A node that nobody has heard of. `now_ms`: incarnations rise with time.
    pub fn new(dir: &Path, uuid: Uuid, now_ms: u64) -> Identity {
        let me = Author { uuid, incarnation: now_ms };
        Identity {
            path: dir.join(FILE),
            me,
            bound: 0,
            members: Vec::new(),
            gone: Vec::new(),
            boot: String::new(),
        }
    }

    /// The identity that is kept in a directory; `None` if there is none yet.
    pub fn load(dir: &Path) -> Result<Option<Identity>, String> {
        let path = dir.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(format!("Can't read {}: {e}", path.display())),
        };
        let found = Identity::parse(&path, &text);
        found.map(Some).ok_or_else(|| {
            format!(
                "{} does not hold an identity. If it was damaged, remove it: the node then begins as a new one.",
                path.display()
            )
        })
    }

    fn parse(path: &Path, text: &str) -> Option<Identity> {
        let text = match text.strip_prefix(SUM) {
            Some(rest) => {
                let (sum, rest) = rest.split_once('\n')?;
                (sum == sum_of(rest)).then_some(rest)?
            }
            None => text,
        };
        let mut uuid = None;
        let (mut incarnation, mut bound, mut members, mut gone) = (None, None, Vec::new(), Vec::new());
        let mut boot = String::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words[..] {
                ["uuid", id] => uuid = Some(parse_uuid(id)?),
                ["incarnation", n] => incarnation = Some(n.parse().ok()?),
                ["bound", n] => bound = Some(n.parse().ok()?),
                ["member", id, n] if members.len() < MEMBERS_MAX => {
                    members.push(Author { uuid: parse_uuid(id)?, incarnation: n.parse().ok()? });
                }
                ["gone", id, n] if gone.len() < MEMBERS_MAX => {
                    gone.push(Author { uuid: parse_uuid(id)?, incarnation: n.parse().ok()? });
                }
                ["boot", id] => boot = id.into(),
                [] => {}
                _ => return None,
            }
        }
        let me = Author { uuid: uuid?, incarnation: incarnation? };
        Some(Identity { path: path.into(), me, bound: bound?, members, gone, boot })
    }

    fn text(&self) -> String {
        let mut text = format!(
            "uuid {:032x}\nincarnation {}\nbound {}\n",
            self.me.uuid, self.me.incarnation, self.bound
        );
        if !self.boot.is_empty() {
            let _ = writeln!(text, "boot {}", self.boot);
        }
        for (word, authors) in [("member", &self.members), ("gone", &self.gone)] {
            for author in authors {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{word} {:032x} {}", author.uuid, author.incarnation);
            }
        }
        format!("{SUM}{}\n{text}", sum_of(&text))
    }

    /// Replaces the file. `durable`: waits until it would survive a power failure.
    pub fn save(&self, durable: bool) -> io::Result<()> {
        let new = self.path.with_extension("node.new");
        let mut file = std::fs::File::create(&new)?;
        file.write_all(self.text().as_bytes())?;
        if durable {
            file.sync_all()?;
        }
        std::fs::rename(&new, &self.path)?;
        match self.path.parent() {
            Some(dir) if durable => std::fs::File::open(dir)?.sync_all(),
            _ => Ok(()),
        }
    }
}

fn sum_of(text: &str) -> String {
    format!("{:016x}", protocol::crc64::checksum(text.as_bytes()))
}

/// Names the machine's start; empty if the system does not say.
pub fn this_boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().into()
}

/// An identity as operators write it, with or without hyphens.
pub fn parse_uuid(text: &str) -> Option<Uuid> {
    uuid::Uuid::try_parse(text).ok().map(|id| id.as_u128())
}

/// An identity as operators read it.
pub fn show_uuid(uuid: Uuid) -> String {
    uuid::Uuid::from_u128(uuid).hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("everwrite-identity-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let dir = scratch("saved");
        assert_eq!(Identity::load(&dir), Ok(None));
        let mut identity = Identity::new(&dir, 7, 1_000);
        identity.bound = u64::MAX;
        identity.members = vec![Author { uuid: u128::MAX, incarnation: 3 }];
        identity.gone = vec![Author { uuid: 9, incarnation: 4 }];
        identity.boot = "0d51".into();
        identity.save(true).unwrap();
        assert_eq!(Identity::load(&dir), Ok(Some(identity)));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_damaged_file_is_told_of() {
        let dir = scratch("damaged");
        for text in ["", "uuid 7", "uuid x\nincarnation 1\nbound 1\n", "incarnation 1\nbound 2\n", "what 1\n"]
        {
            std::fs::write(dir.join(FILE), text).unwrap();
            assert!(Identity::load(&dir).is_err(), "{text:?}");
        }
        let mut identity = Identity::new(&dir, 7, 1_000);
        identity.bound = 123_456;
        identity.members = vec![Author { uuid: 8, incarnation: 3 }];
        let sound = identity.text();
        let earlier = sound.split_once('\n').unwrap().1;
        for text in [&sound, earlier] {
            std::fs::write(dir.join(FILE), text).unwrap();
            assert_eq!(Identity::load(&dir).as_ref(), Ok(&Some(identity.clone())), "{text:?}");
        }
        for at in 0..sound.len() {
            std::fs::write(dir.join(FILE), &sound[..at]).unwrap();
            assert!(Identity::load(&dir).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut bytes = sound.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                std::fs::write(dir.join(FILE), &bytes).unwrap();
                assert!(Identity::load(&dir).is_err(), "byte {at}, bit {bit}");
            }
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
