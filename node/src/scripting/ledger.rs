//! What has become of each library of functions, and when: so that all nodes of a mesh end up with the same ones.
//!
//! Of each name the last writer wins, by the version of its FUNCTION command and then by its node; FUNCTION FLUSH takes all that
//! is older. Removed libraries are remembered by name. Nodes tell each other entries, not commands, so it does not matter in
//! which order they come, or whether they come twice. Two libraries of different names may come to offer one function: then
//! the younger one has it, and the other one waits in the shadow until its names are free again.

use std::collections::BTreeMap;
use std::sync::Arc;

use replication::codec::{Malformed, Reader, Writer};
use replication::origin::Uuid;

use super::libraries::{Library, Shelf};

/// Removed libraries that are remembered. Of more, the oldest are forgotten: a node that was away for all that time may bring
/// back what it has of them.
const REMOVED_MAX: usize = 1_000;
/// Bytes of entries that are told together, if one is not larger by itself.
const TOLD_BYTES: usize = 256 << 10;
/// Bytes of a library's text that the nodes of a mesh can send each other.
pub const TEXT_MAX: usize = 3 << 20;

/// When a library was changed, and by whom. The default is older than all: what a file has brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub version: u64,
    pub origin: Uuid,
}

/// A library as it is told: without a text it was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub name: String,
    pub mark: Mark,
    pub text: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct Entry {
    mark: Mark,
    library: Option<Arc<Library>>,
    /// Which change of the ledger it was.
    change: u64,
}

/// See the [module's page](self).
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<String, Entry>,
    /// The last FUNCTION FLUSH, and which change that was.
    flushed: Mark,
    flush: u64,
    changes: u64,
}

impl Ledger {
    /// Counts the changes: to be compared with what others have been told.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Nothing is known any more; but that is a change.
    pub fn cleared(self) -> Ledger {
        Ledger { changes: self.changes + 1, ..Ledger::default() }
    }

    /// A command, or a file, has made the shelf what it is now. `before`: what it was.
    pub fn note(&mut self, before: &Shelf, shelf: &mut Shelf, mark: Mark) {
        self.changes += 1;
        let mark = self.younger(mark);
        for library in shelf.libraries() {
            let known = self.entries.get(&library.name);
            let same = known.and_then(|entry| entry.library.as_ref()).filter(|own| own.text == library.text);
            if same.is_some_and(|own| Arc::ptr_eq(own, library)) {
                continue;
            }
            let mark = match known {
                // What a file brings is older than what is known, if it is not the same.
                Some(entry) if entry.mark > mark && same.is_none() => continue,
                Some(entry) => mark.max(entry.mark),
                None => mark,
            };
            let entry = Entry { mark, library: Some(library.clone()), change: self.changes };
            self.entries.insert(library.name.clone(), entry);
        }
        for library in before.libraries().filter(|library| !shelf.has(&library.name)) {
            let entry = Entry { mark, library: None, change: self.changes };
            self.entries.insert(library.name.clone(), entry);
        }
        self.arrange(shelf);
    }

    /// What a command does here is younger than all that is known here.
    fn younger(&self, mark: Mark) -> Mark {
        let known =
            self.entries.values().map(|entry| entry.mark).chain([self.flushed]).max().unwrap_or_default();
        match mark {
            Mark { version: 0, .. } => mark,
            _ => Mark { version: mark.version.max(known.version + 1), ..mark },
        }
    }

    /// All libraries were removed.
    pub fn note_flush(&mut self, mark: Mark) {
        self.flush_to(self.younger(mark));
    }

    fn flush_to(&mut self, mark: Mark) {
        self.changes += 1;
        self.flushed = self.flushed.max(mark);
        self.flush = self.changes;
        let flushed = self.flushed;
        self.entries.retain(|_, entry| entry.mark > flushed);
    }

    /// Whether something that was told is news.
    pub fn is_news(&self, name: &str, mark: Mark) -> bool {
        match self.entries.get(name) {
            Some(entry) => mark > entry.mark,
            None => mark > self.flushed || self.flushed == Mark::default(),
        }
    }

    /// Another node has told of a library, or that it was removed. It is news.
    pub fn take(&mut self, name: String, mark: Mark, library: Option<Arc<Library>>, shelf: &mut Shelf) {
        self.changes += 1;
        self.entries.insert(name, Entry { mark, library, change: self.changes });
        self.arrange(shelf);
    }

    /// Another node has told that all libraries were removed. True if that is news.
    pub fn take_flush(&mut self, mark: Mark, shelf: &mut Shelf) -> bool {
        let news = mark > self.flushed;
        if news {
            self.flush_to(mark);
            self.arrange(shelf);
        }
        news
    }

    /// Puts the libraries on the shelf, the youngest first: it has the names that it wants.
    fn arrange(&mut self, shelf: &mut Shelf) {
        let mut all: Vec<(Mark, &Arc<Library>)> =
            self.entries.values().filter_map(|entry| Some((entry.mark, entry.library.as_ref()?))).collect();
        all.sort_by(|a, b| (b.0, &b.1.name).cmp(&(a.0, &a.1.name)));
        *shelf = Shelf::default();
        for (_, library) in all {
            if let Err(reason) = shelf.add(library.clone(), false) {
                tracing::warn!(
                    "Library {} is not to be had here: a younger one has its names. {reason}",
                    library.name
                );
            }
        }
        self.forget();
    }

    fn forget(&mut self) {
        let mut removed: Vec<(Mark, String)> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.library.is_none())
            .map(|(name, entry)| (entry.mark, name.clone()))
            .collect();
        if removed.len() > REMOVED_MAX {
            removed.sort_unstable();
            let old = removed.len() - REMOVED_MAX;
            removed.drain(..old).for_each(|(_, name)| drop(self.entries.remove(&name)));
        }
    }

    /// All that has changed since, for others, in messages that fit into frames.
    pub fn tell(&self, since: u64) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        let news = self.entries.iter().filter(|(_, entry)| entry.change > since);
        let mut w = self.begin();
        let (mut entries, empty) = (0, w.0.len());
        for (name, entry) in news {
            if w.0.len() >= TOLD_BYTES {
                messages.push(std::mem::replace(&mut w, self.begin()).0);
            }
            put(&mut w, name, entry);
            entries += 1;
        }
        if w.0.len() > empty || entries == 0 && self.flush > since {
            messages.push(w.0);
        }
        messages
    }

    /// All that is known, for a file.
    pub fn record(&self) -> Vec<u8> {
        let mut w = self.begin();
        self.entries.iter().for_each(|(name, entry)| put(&mut w, name, entry));
        w.0
    }

    fn begin(&self) -> Writer {
        let mut w = Writer::default();
        put_mark(&mut w, self.flushed);
        w
    }
}

fn put_mark(w: &mut Writer, mark: Mark) {
    w.int(mark.version);
    w.fixed(mark.origin);
}

fn put(w: &mut Writer, name: &str, entry: &Entry) {
    w.bytes(name.as_bytes());
    put_mark(w, entry.mark);
    match &entry.library {
        None => w.int(0),
        Some(library) => {
            w.int(1);
            w.bytes(&library.text);
        }
    }
}

/// What a message or a file tells: the last flush, and libraries.
pub fn read(bytes: &[u8]) -> Result<(Mark, Vec<Told>), Malformed> {
    let mut r = Reader(bytes);
    let mark = |r: &mut Reader<'_>| Ok::<_, Malformed>(Mark { version: r.int()?, origin: r.fixed()? });
    let flushed = mark(&mut r)?;
    let mut told = Vec::new();
    while !r.0.is_empty() {
        let name = String::from_utf8(r.bytes()?.to_vec()).map_err(|_| Malformed::Number)?;
        let mark = mark(&mut r)?;
        let text = match r.int()? {
            0 => None,
            1 => Some(r.bytes()?.to_vec()),
            tag => return Err(Malformed::Tag(tag)),
        };
        told.push(Told { name, mark, text });
    }
    Ok((flushed, told))
}
