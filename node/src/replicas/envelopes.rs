//! The stream as KeyDB servers with `active-replica yes` want it: each command in an envelope that names this server and a
//! time. `upstream/rreplay.rs` opens such, and shows what they look like.
//!
//! A member of a mesh sends a KeyDB server what its own clients write, and nothing else: what other members wrote they
//! send it themselves, if it is attached to them, too; what a KeyDB server has sent is not sent to KeyDB servers again. A
//! KeyDB server carries out what comes in the order in which it comes, so of two writes to one key on both sides at the same
//! time each side may keep the other's.

use engine::command::{Facts, Lookup, Origin};
use engine::journal::feed::{self, Op};

/// What is logged of commands that are withheld, of all.
const LOGGED: u64 = 100;

/// See the [module's page](self).
pub struct Envelopes {
    uuid: String,
    /// What KeyDB knows.
    known: Box<Lookup>,
    /// The time on the last one. KeyDB takes none that is not above it.
    last: u64,
    pub withheld: u64,
}

impl Envelopes {
    pub fn new(uuid: &str) -> Envelopes {
        Envelopes { uuid: uuid.to_owned(), known: Box::new(Lookup::new(is_known)), last: 0, withheld: 0 }
    }

    /// Appends a group's commands; more than one are a transaction.
    pub fn pass_on(&mut self, out: &mut Vec<u8>, version: u64, group: &[u8]) {
        let own = feed::ops(group).filter(|op| !op.is_remark() && !op.foreign && !is_job(op.command));
        let wanted: Vec<Op<'_>> = own.filter(|op| self.is_understood(op.command)).collect();
        let Some(first) = wanted.first() else { return };
        let (db, many) = (first.db, wanted.len() > 1);
        if many {
            self.envelope(out, version, db, b"*1\r\n$5\r\nMULTI\r\n");
        }
        for op in &wanted {
            self.envelope(out, version, op.db, op.command);
        }
        if many {
            self.envelope(out, version, db, b"*1\r\n$4\r\nEXEC\r\n");
        }
    }

    fn envelope(&mut self, out: &mut Vec<u8>, version: u64, db: u32, command: &[u8]) {
        let older = without_entries_read(command);
        let command = older.as_deref().unwrap_or(command);
        self.last = version.max(self.last + 1);
        let (mut number, mut time) = (itoa::Buffer::new(), itoa::Buffer::new());
        let words = [
            &b"RREPLAY"[..],
            self.uuid.as_bytes(),
            command,
            number.format(db).as_bytes(),
            time.format(self.last).as_bytes(),
        ];
        feed::encode(out, words.into_iter());
    }

    /// Whether KeyDB can carry a command out.
    fn is_understood(&mut self, command: &[u8]) -> bool {
        let name = name(command);
        let known = self.known.command(name).is_some_and(|id| self.known.has(id));
        if !known {
            self.withheld += 1;
            if self.withheld <= LOGGED {
                let name = String::from_utf8_lossy(name).escape_debug().to_string();
                tracing::warn!(
                    "'{name}' is not sent to KeyDB servers, which do not know it: their data differ now"
                );
            }
        }
        known
    }
}

impl std::fmt::Debug for Envelopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Envelopes({}, {})", self.uuid, self.last)
    }
}

/// KeyDB knows what Redis 6.2 does. A dump of ours is of a later version.
fn is_known(facts: &Facts) -> bool {
    match facts.origin {
        Origin::Redis70 => !facts.since.starts_with('7') && facts.name != "RESTORE",
        Origin::KeyDb => true,
        _ => false,
    }
}

/// Jobs stay here: what they do is sent, and a KeyDB server that had them would do it again.
fn is_job(command: &[u8]) -> bool {
    name(command).eq_ignore_ascii_case(b"keydb.cron")
}

/// XGROUP SETID without the number of entries that a group has read, which KeyDB does not know.
fn without_entries_read(command: &[u8]) -> Option<Vec<u8>> {
    let head = command.strip_prefix(b"*7\r\n$6\r\nXGROUP\r\n$5\r\nSETID\r\n")?;
    let at = memchr::memmem::rfind(head, b"$11\r\nENTRIESREAD\r\n")?;
    Some([b"*5\r\n$6\r\nXGROUP\r\n$5\r\nSETID\r\n", &head[..at]].concat())
}

/// The name in a command: the first of its bulk strings.
fn name(command: &[u8]) -> &[u8] {
    let line = |bytes: &[u8]| memchr::memchr(b'\n', bytes).map(|at| at + 1);
    let Some(head) = line(command) else { return b"" };
    let Some(size) = line(&command[head..]) else { return b"" };
    let rest = &command[head + size..];
    &rest[..memchr::memchr(b'\r', rest).unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "11111111-2222-3333-4444-555555555555";
    const FOREIGN: u32 = 1 << 30;

    fn op(group: &mut Vec<u8>, db: u32, words: &[&[u8]]) {
        let mut command = Vec::new();
        feed::encode(&mut command, words.iter().copied());
        group.extend_from_slice(&db.to_le_bytes());
        group.extend_from_slice(&(command.len() as u32).to_le_bytes());
        group.extend_from_slice(&command);
    }

    fn words(out: &[u8]) -> Vec<String> {
        let text = String::from_utf8(out.to_vec()).unwrap();
        text.lines()
            .filter(|line| !line.starts_with(['*', '$']) && !line.is_empty())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn times_only_rise() {
        let (mut envelopes, mut out, mut group) = (Envelopes::new(UUID), Vec::new(), Vec::new());
        op(&mut group, 3, &[b"SET", b"k", b"v"]);
        envelopes.pass_on(&mut out, 100, &group);
        assert_eq!(words(&out), ["RREPLAY", UUID, "SET", "k", "v", "3", "100"]);
        out.clear();
        envelopes.pass_on(&mut out, 100, &group);
        assert_eq!(words(&out).last().unwrap(), "101");
    }

    #[test]
    fn how_far_a_group_has_read_is_told_as_keydb_knows_it() {
        let (mut envelopes, mut out, mut group) = (Envelopes::new(UUID), Vec::new(), Vec::new());
        op(&mut group, 0, &[b"XGROUP", b"SETID", b"s", b"g", b"1-1", b"ENTRIESREAD", b"3"]);
        envelopes.pass_on(&mut out, 5, &group);
        assert_eq!(words(&out), ["RREPLAY", UUID, "XGROUP", "SETID", "s", "g", "1-1", "0", "5"]);
    }

    #[test]
    fn transactions_and_what_is_not_sent() {
        let (mut envelopes, mut out, mut group) = (Envelopes::new(UUID), Vec::new(), Vec::new());
        op(&mut group, 0, &[b"INCR", b"a"]);
        op(&mut group, 0, &[b"FUNCTION", b"LOAD", b"x"]);
        op(&mut group, FOREIGN, &[b"INCR", b"f"]);
        op(&mut group, 0, &[b"incr", b"b"]);
        envelopes.pass_on(&mut out, 7, &group);
        let found = words(&out);
        let commands: Vec<_> =
            found.iter().filter(|word| !["RREPLAY", UUID, "0"].contains(&&word[..])).collect();
        assert_eq!(commands, ["MULTI", "7", "INCR", "a", "8", "incr", "b", "9", "EXEC", "10"]);
        assert_eq!(envelopes.withheld, 1);
        out.clear();
        let mut foreign = Vec::new();
        op(&mut foreign, FOREIGN, &[b"INCR", b"f"]);
        envelopes.pass_on(&mut out, 11, &foreign);
        assert!(out.is_empty());
    }
}
