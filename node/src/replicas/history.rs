//! The history of the data: what it is called, and how far it has come.
//!
//! A history is a stream of bytes, all that was done as commands, under a name of 40 hexadecimal digits. Two servers with
//! the same name and the same offset have the same data. A server that follows another has that one's name and goes on
//! with its bytes; when it begins to go its own way the old name stays valid up to where it did so.

use engine::journal::feed;

use super::backlog::Backlog;
use super::envelopes::Envelopes;

/// The second name while there is none.
pub const NO_ID: &str = "0000000000000000000000000000000000000000";

/// 40 random hexadecimal digits.
pub fn new_id() -> String {
    let random = || uuid::Uuid::new_v4().simple().to_string();
    format!("{}{}", random(), &random()[..8])
}

/// A place in a history: who has the data as they are there can go on from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The name of the history.
    pub id: String,
    /// Bytes so far.
    pub offset: u64,
    /// The database that a reader has selected there.
    pub db: usize,
}

/// See the [module's page](self).
#[derive(Debug)]
pub struct History {
    id: String,
    /// A name that the history had before, and the first byte that is no longer of it.
    second: Option<(String, u64)>,
    /// Bytes so far: the number of the last one.
    offset: u64,
    /// Its end; `None`: nobody has wanted it yet, and the offset stands still.
    pub backlog: Option<Backlog>,
    /// The database that a reader has selected at the end.
    selected: Option<u32>,
    /// It is another's: its bytes are passed on as they come, and nothing of our own is added.
    relayed: bool,
    /// It is for KeyDB servers: each command goes in an envelope.
    envelopes: Option<Envelopes>,
    /// The server is about to end, and has said where this history does.
    sealed: bool,
}

impl Default for History {
    fn default() -> History {
        History {
            id: new_id(),
            second: None,
            offset: 0,
            backlog: None,
            selected: None,
            relayed: false,
            envelopes: None,
            sealed: false,
        }
    }
}

impl History {
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name before, [`NO_ID`] if there was none, and the first byte that is no longer of it, or -1.
    pub fn second(&self) -> (&str, i64) {
        self.second.as_ref().map_or((NO_ID, -1), |(id, from)| (id, *from as i64))
    }

    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn is_relayed(&self) -> bool {
        self.relayed
    }

    /// Begins a history of its own, which has nothing to do with the one before: nobody can go on from that.
    pub fn begin_anew(&mut self) {
        (self.id, self.second) = (new_id(), None);
    }

    /// Goes on, under a new name, where a server was that had these data: its replicas can follow.
    pub fn resume(&mut self, from: &Position) {
        self.adopt(&new_id(), from.offset);
        self.second = Some((from.id.clone(), from.offset + 1));
    }

    /// Where it is; `None`: nobody has wanted to know yet.
    pub fn position(&self) -> Option<Position> {
        self.backlog.as_ref()?;
        let db = self.selected.unwrap_or(0) as usize;
        Some(Position { id: self.id.clone(), offset: self.offset, db })
    }

    /// The data are another's now, as they were at this offset. What was kept of the history before is worth nothing.
    pub fn adopt(&mut self, id: &str, offset: u64) {
        (self.id, self.second, self.offset) = (id.to_owned(), None, offset);
        self.selected = None;
        self.backlog = Some(Backlog::new(offset + 1));
    }

    /// Goes on under another name. Who has come up to here under the old one can go on, too.
    pub fn rename(&mut self, id: &str) {
        let before = std::mem::replace(&mut self.id, id.to_owned());
        self.second = Some((before, self.offset + 1));
    }

    /// Goes its own way from here on: what was a replica is a master.
    pub fn branch(&mut self) {
        self.rename(&new_id());
        self.selected = None;
        self.relayed = false;
    }

    /// Passes another's bytes on from now on, or no longer.
    pub fn relay(&mut self, on: bool) {
        self.relayed = on;
    }

    /// Whether one who has a history of this name and wants this byte next can go on here.
    pub fn continues(&self, id: &str, position: u64) -> bool {
        let same = |own: &str| own.eq_ignore_ascii_case(id);
        let known =
            same(&self.id) || self.second.as_ref().is_some_and(|(own, to)| same(own) && position <= *to);
        known && self.backlog.as_ref().is_some_and(|backlog| backlog.covers(position))
    }

    /// Nothing is added from now on; false: it goes on after all.
    pub fn seal(&mut self, on: bool) {
        self.sealed = on;
    }

    /// Readers are KeyDB servers from now on, who know this one by a UUID, or servers that are none. Nobody goes on with what was
    /// written for the others.
    pub fn put_into_envelopes(&mut self, uuid: Option<&str>) {
        if uuid.is_some() != self.envelopes.is_some() {
            self.envelopes = uuid.map(Envelopes::new);
            self.begin_anew();
            self.selected = None;
        }
    }

    /// Commands that were not put into envelopes: KeyDB does not know them.
    pub fn withheld(&self) -> u64 {
        self.envelopes.as_ref().map_or(0, |envelopes| envelopes.withheld)
    }

    /// Keeps the end of the stream from now on.
    pub fn keep(&mut self) {
        if self.backlog.is_none() {
            self.backlog = Some(Backlog::new(self.offset + 1));
        }
    }

    /// The next command names its database, whatever it is: a reader begins here who has selected none.
    pub fn forget_selected(&mut self) {
        self.selected = None;
    }

    /// Goes on with these bytes, as they are.
    pub fn append(&mut self, bytes: &[u8]) {
        self.write(|out| out.extend_from_slice(bytes));
    }

    /// Goes on with the removal of a key.
    pub fn append_removal(&mut self, db: usize, key: &[u8]) {
        let (number, chosen) = (db.to_string(), self.selected.replace(db as u32) == Some(db as u32));
        self.write(|out| {
            if !chosen {
                feed::encode(out, [&b"SELECT"[..], number.as_bytes()].into_iter());
            }
            feed::encode(out, [&b"DEL"[..], key].into_iter());
        });
    }

    /// Goes on with a command that concerns no database.
    pub fn append_command(&mut self, words: &[&[u8]]) {
        self.write(|out| feed::encode(out, words.iter().copied()));
    }

    /// Goes on with a group; more than one command are a transaction.
    pub fn append_group(&mut self, version: u64, group: &[u8]) {
        if let Some(mut envelopes) = self.envelopes.take() {
            self.write(|out| envelopes.pass_on(out, version, group));
            self.envelopes = Some(envelopes);
            return;
        }
        let mut selected = self.selected;
        self.write(|out| feed::pass_on(out, group, &mut selected, |op| !op.is_remark()));
        self.selected = selected;
    }

    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if let Some(backlog) = self.backlog.as_mut().filter(|_| !self.sealed) {
            backlog.append(write);
            self.offset = backlog.end() - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_go_on() {
        let mut history = History::default();
        let old = history.id().to_owned();
        assert!(!history.continues(&old, 1), "nothing is kept");
        history.keep();
        history.append(b"0123456789");
        assert_eq!(history.offset(), 10);
        assert!(history.continues(&old, 1) && history.continues(&old.to_uppercase(), 11));
        assert!(!history.continues(&old, 12) && !history.continues(NO_ID, 5));
        history.branch();
        history.append(b"abc");
        assert_eq!(history.second(), (old.as_str(), 11));
        assert!(history.continues(&old, 11) && !history.continues(&old, 12));
        let new = history.id().to_owned();
        assert!(history.continues(&new, 14));
        history.adopt(&"a".repeat(40), 500);
        assert!(history.continues(&"a".repeat(40), 501) && !history.continues(&new, 14));
        assert_eq!(history.second(), (NO_ID, -1));
    }

    #[test]
    fn a_history_outlives_its_process() {
        let mut history = History::default();
        assert_eq!(history.position(), None);
        history.keep();
        history.append(b"0123456789");
        let position = history.position().unwrap();
        let mut next = History::default();
        next.resume(&position);
        assert!(next.continues(&position.id, 11) && !next.continues(&position.id, 10));
        assert!(next.id() != position.id && next.offset() == 10);
        next.append(b"x");
        assert!(next.continues(&position.id, 11) && !next.continues(&position.id, 12));
    }
}
