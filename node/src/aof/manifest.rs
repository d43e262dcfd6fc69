//! The manifest: which files the append-only log consists of, in which order.
//!
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b      one base: the data at the last rewrite
//! file appendonly.aof.4.incr.aof seq 4 type i      what was done since, oldest first
//! file appendonly.aof.1.incr.aof seq 1 type h      no longer needed, to be deleted
//! ```
//!
//! It has no checksum, for Redis reads it, too. A damaged one shows all the same: names and numbers say the same twice, and
//! what is written last is always in the newest increment. A start refuses what does not fit ([`Manifest::check`]), before
//! it would load less than there is, delete what is needed, or write over it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::persist::rdb_file;

/// Longest line that is taken for one.
const LINE_MAX: usize = 1024;
/// A base without data is not longer, bytes.
const EMPTY_BASE_MAX: u64 = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Base,
    Increment,
    History,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub seq: u64,
    pub part: Part,
}

/// See the [module's page](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    pub entries: Vec<Entry>,
}

/// What is wrong with a manifest, and in which line.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid {
    pub line: Option<(usize, String)>,
    pub reason: &'static str,
}

/// Names of the log's files.
#[derive(Clone, Debug)]
pub struct Names {
    pub dir: PathBuf,
    pub stem: String,
}

impl Names {
    pub fn of(config: &Config) -> Names {
        Names { dir: PathBuf::from(&config.appenddirname), stem: config.appendfilename.clone() }
    }

    pub fn manifest(&self) -> PathBuf {
        self.dir.join(format!("{}.manifest", self.stem))
    }

    pub fn path(&self, entry: &Entry) -> PathBuf {
        self.dir.join(&entry.name)
    }

    fn base(&self, seq: u64, rdb: bool) -> Entry {
        let name = format!("{}.{seq}.base.{}", self.stem, if rdb { "rdb" } else { "aof" });
        Entry { name, seq, part: Part::Base }
    }

    fn increment(&self, seq: u64) -> Entry {
        Entry { name: format!("{}.{seq}.incr.aof", self.stem), seq, part: Part::Increment }
    }

    /// Where the first increment is kept until there is a base that it follows: a start knows nothing of it.
    pub fn first_increment(&self) -> PathBuf {
        self.dir.join(format!("temp-{}.incr", self.stem))
    }

    /// Increments and bases in the directory, by their names, with their sizes in bytes.
    fn found(&self) -> Vec<(Entry, u64)> {
        let files = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        files
            .filter_map(|file| {
                let name = file.file_name().into_string().ok()?;
                let numbered = name.strip_prefix(&self.stem)?.starts_with('.');
                let (seq, part) = numbered.then(|| told_by(&name)).flatten()?;
                Some((Entry { name, seq, part }, file.metadata().ok()?.len()))
            })
            .collect()
    }
}

/// Number and kind in the name of a file of a log; `None`: it says neither.
fn told_by(name: &str) -> Option<(u64, Part)> {
    let (rest, form) = name.rsplit_once('.')?;
    let (rest, kind) = rest.rsplit_once('.')?;
    let seq = rest.rsplit_once('.')?.1.parse().ok()?;
    match (kind, form) {
        ("base", "rdb" | "aof") => Some((seq, Part::Base)),
        ("incr", "aof") => Some((seq, Part::Increment)),
        _ => None,
    }
}

impl Manifest {
    /// Removes all files, the manifest last.
    pub fn remove(&self, names: &Names) {
        let all = self.entries.iter().map(|entry| names.path(entry)).chain([names.manifest()]);
        for path in all {
            if let Err(e) = fs::remove_file(&path) {
                tracing::warn!("Can't remove {}: {e}", path.display());
            }
        }
    }

    pub fn parse(text: &str) -> Result<Manifest, Invalid> {
        if text.is_empty() {
            return Err(Invalid { line: None, reason: "Found an empty AOF manifest" });
        }
        let (mut manifest, mut highest) = (Manifest::default(), 0);
        for (number, raw) in text.split_inclusive('\n').enumerate() {
            if raw.starts_with('#') {
                continue;
            }
            let invalid = |reason| Invalid { line: Some((number + 1, raw.trim().to_string())), reason };
            if !raw.ends_with('\n') || raw.len() > LINE_MAX {
                return Err(Invalid { line: None, reason: "The AOF manifest file contains too long line" });
            }
            let entry = parse_line(raw.trim()).map_err(invalid)?;
            match entry.part {
                Part::Base if manifest.base().is_some() => {
                    return Err(invalid("Found duplicate base file information"));
                }
                Part::Increment if entry.seq <= highest => {
                    return Err(invalid("Found a non-monotonic sequence number"));
                }
                Part::Increment => highest = entry.seq,
                _ => {}
            }
            manifest.entries.push(entry);
        }
        Ok(manifest)
    }

    pub fn text(&self) -> String {
        let letter = |part| match part {
            Part::Base => 'b',
            Part::History => 'h',
            Part::Increment => 'i',
        };
        let line = |part: Part| {
            let of_part = self.entries.iter().filter(move |entry| entry.part == part);
            of_part.map(move |e| format!("file {} seq {} type {}\n", quoted(&e.name), e.seq, letter(part)))
        };
        line(Part::Base).chain(line(Part::History)).chain(line(Part::Increment)).collect()
    }

    /// Writes the manifest in the old one's place.
    pub fn save(&self, names: &Names) -> io::Result<()> {
        let path = names.manifest();
        let temporary = names.dir.join(format!("temp-{}.manifest", names.stem));
        let mut file = File::create(&temporary)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        rdb_file::replace(&temporary, &path)
    }

    /// The manifest on the disk; `None`: there is none.
    pub fn load(names: &Names) -> Result<Option<Manifest>, String> {
        let text = match fs::read_to_string(names.manifest()) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => {
                let (path, reason) = (names.manifest(), crate::process::reason(&e));
                return Err(format!(
                    "Fatal error: can't open the AOF manifest file {} for reading: {reason}",
                    path.display()
                ));
            }
        };
        Manifest::parse(&text).map(Some).map_err(|invalid| {
            let place = invalid.line.map_or_else(String::new, |(number, line)| {
                format!("Reading the manifest file, at line {number}\n>>> '{line}'\n")
            });
            format!("\n*** FATAL AOF MANIFEST FILE ERROR ***\n{place}{}", invalid.reason)
        })
    }

    /// Whether all files are there that a start needs, and none that it would have to know of. What is wrong.
    pub fn check(&self, names: &Names) -> Result<(), String> {
        for entry in self.entries.iter().filter(|entry| entry.part != Part::History) {
            if !names.path(entry).exists() {
                let reason = "No such file or directory";
                return Err(format!("The append log file {} doesn't exist: {reason}", entry.name));
            }
        }
        let newest = self.next_seq(Part::Increment) - 1;
        // Only a new base makes history, and of the one before, too.
        let past = |part| self.entries.iter().filter(move |e| e.part == Part::History && is_a(e, part));
        if let Some(entry) = past(Part::Increment).find(|e| names.path(e).exists())
            && past(Part::Base).next().is_none()
        {
            return Err(format!(
                "The AOF manifest says that {} is no longer needed, but names no base that another has replaced: the manifest \
                 is damaged. Call the file's type i there; or remove its line, if the base has what is in the file.",
                entry.name
            ));
        }
        let is_listed = |name: &str| self.entries.iter().any(|entry| entry.name == name);
        for (entry, len) in names.found().iter().filter(|(entry, _)| !is_listed(&entry.name)) {
            // What is begun is empty until the manifest lists it; a base may come before its manifest, the first of a log
            // without data.
            let stray = match entry.part {
                Part::Increment => entry.seq > newest && *len > 0,
                _ => self.entries.is_empty() && (entry.seq > 1 || *len > EMPTY_BASE_MAX),
            };
            if stray {
                return Err(format!(
                    "The append log file {} is in {}, but the AOF manifest does not list it: the manifest is damaged or of an \
                     earlier time. Put the right one there, or move the file away to begin without it.",
                    entry.name,
                    names.dir.display()
                ));
            }
        }
        Ok(())
    }

    pub fn base(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.part == Part::Base)
    }

    pub fn increments(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.part == Part::Increment)
    }

    fn next_seq(&self, part: Part) -> u64 {
        self.entries.iter().filter(|entry| is_a(entry, part)).map(|entry| entry.seq).max().unwrap_or(0) + 1
    }

    /// Adds another increment.
    pub fn add_increment(&mut self, names: &Names) -> Entry {
        let entry = names.increment(self.next_seq(Part::Increment));
        self.entries.push(entry.clone());
        entry
    }

    /// The base that would come next.
    pub fn next_base(&self, names: &Names, rdb: bool) -> Entry {
        names.base(self.next_seq(Part::Base), rdb)
    }

    /// A new base: what came before the increment `first` is history, the latest first, and increments before their base.
    pub fn rebase(&mut self, base: Entry, first: u64) {
        let entries = std::mem::take(&mut self.entries);
        let (history, alive): (Vec<_>, Vec<_>) = entries.into_iter().partition(|e| e.part == Part::History);
        let past = |entry: &Entry| entry.part == Part::Base || entry.seq < first;
        let (mut past, alive): (Vec<_>, Vec<_>) = alive.into_iter().partition(past);
        past.sort_by_key(|entry| entry.part == Part::Base);
        past.iter_mut().for_each(|entry| entry.part = Part::History);
        self.entries.push(base);
        self.entries.extend(past.into_iter().chain(history).chain(alive));
    }

    /// Deletes what is history.
    pub fn delete_history(&mut self, names: &Names) {
        for entry in self.entries.iter().filter(|entry| entry.part == Part::History) {
            tracing::info!("Removing the history file {} in the background", entry.name);
            let _ = fs::remove_file(names.path(entry));
        }
        self.entries.retain(|entry| entry.part != Part::History);
    }
}

/// Whether a file is of a kind, or was before it became history. One whose name does not say is a base of an earlier time.
fn is_a(entry: &Entry, part: Part) -> bool {
    entry.name.contains(".incr.") == (part == Part::Increment)
}

fn quoted(name: &str) -> String {
    if name.bytes().any(|b| b <= b' ' || b == b'"' || b == b'\\' || b == b'\'') {
        String::from_utf8_lossy(&protocol::quote::quoted(name.as_bytes())).into_owned()
    } else {
        name.to_string()
    }
}

fn parse_line(line: &str) -> Result<Entry, &'static str> {
    const FORMAT: &str = "Invalid AOF manifest file format";
    let words = protocol::quote::split(line.as_bytes()).ok_or(FORMAT)?;
    if words.len() < 6 || !words.len().is_multiple_of(2) {
        return Err(FORMAT);
    }
    let (mut name, mut seq, mut part) = (None, 0, None);
    for pair in words.chunks_exact(2) {
        let value = String::from_utf8_lossy(&pair[1]).into_owned();
        match pair[0].to_ascii_lowercase().as_slice() {
            b"file" if Path::new(&value).file_name().is_none_or(|base| base != value.as_str()) => {
                return Err("File can't be a path, just a filename");
            }
            b"file" if name.is_some() => return Err(FORMAT),
            b"file" => name = Some(value),
            b"seq" => seq = value.parse().unwrap_or(0),
            b"type" => part = value.chars().next(),
            _ => {}
        }
    }
    let part = match part {
        Some('b') => Part::Base,
        Some('i') => Part::Increment,
        Some('h') => Part::History,
        Some(_) => return Err("Unknown AOF file type"),
        None => return Err(FORMAT),
    };
    match name {
        Some(name) if told_by(&name).is_some_and(|(number, _)| number != seq && seq > 0) => {
            Err("The file's name has another sequence number")
        }
        Some(name) if seq > 0 => Ok(Entry { name, seq, part }),
        _ => Err(FORMAT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names { dir: PathBuf::from("d"), stem: "a.aof".into() }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut manifest = Manifest::default();
        manifest.add_increment(&names());
        let base = manifest.next_base(&names(), true);
        manifest.rebase(base, 1);
        let second = manifest.add_increment(&names());
        let base = manifest.next_base(&names(), false);
        manifest.rebase(base, second.seq);
        let text = manifest.text();
        assert_eq!(
            text,
            "file a.aof.2.base.aof seq 2 type b\nfile a.aof.1.incr.aof seq 1 type h\nfile a.aof.1.base.rdb seq 1 type h\n\
             file a.aof.2.incr.aof seq 2 type i\n"
        );
        assert_eq!(Manifest::parse(&text).unwrap().text(), text);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, reason) in [
            ("", "Found an empty AOF manifest"),
            ("\n", "Invalid AOF manifest file format"),
            ("file a seq 1 type b", "The AOF manifest file contains too long line"),
            ("file a seq 1 type x\n", "Unknown AOF file type"),
            ("file ../a seq 1 type b\n", "File can't be a path, just a filename"),
            ("file a seq 0 type b\n", "Invalid AOF manifest file format"),
            ("file a seq 1 type b\nfile b seq 2 type b\n", "Found duplicate base file information"),
            ("file a seq 2 type i\nfile b seq 1 type i\n", "Found a non-monotonic sequence number"),
            ("file a.2.incr.aof seq 1 type i\n", "The file's name has another sequence number"),
            ("file a seq 1 type b file b seq 1 type i\n", "Invalid AOF manifest file format"),
        ] {
            assert_eq!(Manifest::parse(text).unwrap_err().reason, reason, "{text}");
        }
        let strange =
            Manifest { entries: vec![Entry { name: " \n\"a\\'.aof".into(), seq: 1, part: Part::Base }] };
        assert_eq!(Manifest::parse(&strange.text()).unwrap(), strange);
        assert!(Manifest::parse("# comment\nfile \"a b\" seq 1 type i future x\n").is_ok());
    }

    /// A directory with the files of a log of two increments, and no manifest yet.
    fn log(name: &str) -> (Names, Manifest) {
        let dir = std::env::temp_dir().join(format!("everwrite-manifest-{}-{name}", std::process::id()));
        let names = Names { dir, stem: "a.aof".into() };
        fs::create_dir_all(&names.dir).unwrap();
        let mut manifest = Manifest { entries: vec![names.base(2, true)] };
        for seq in [4, 5] {
            manifest.entries.push(names.increment(seq));
        }
        manifest.entries.iter().for_each(|entry| fs::write(names.path(entry), &entry.name).unwrap());
        (names, manifest)
    }

    /// What a start would take a file's bytes for.
    fn read(names: &Names, bytes: &[u8]) -> Result<Manifest, String> {
        fs::write(names.manifest(), bytes).unwrap();
        let manifest = Manifest::load(names)?.unwrap();
        manifest.check(names).map(|()| manifest)
    }

    #[test]
    fn a_damaged_one_is_refused_or_says_the_same() {
        let (names, manifest) = log("damaged");
        let sound = manifest.text().into_bytes();
        assert_eq!(read(&names, &sound).as_ref(), Ok(&manifest));
        for at in 0..sound.len() {
            assert!(read(&names, &sound[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut bytes = sound.clone();
                bytes[at] ^= 1 << bit;
                if let Ok(read) = read(&names, &bytes) {
                    assert_eq!(read, manifest, "byte {at}, bit {bit}");
                }
            }
        }
        fs::remove_file(names.manifest()).unwrap();
        assert!(Manifest::default().check(&names).is_err(), "files, but no manifest");
        fs::remove_dir_all(&names.dir).unwrap();
    }

    /// Whatever a crash of ours or of Redis can leave behind.
    #[test]
    fn what_a_crash_leaves_is_no_damage() {
        let (names, mut manifest) = log("crash");
        fs::write(names.path(&names.increment(6)), "").unwrap();
        fs::write(names.path(&names.base(3, true)), "all data").unwrap();
        fs::write(names.first_increment(), "commands").unwrap();
        fs::write(names.path(&names.increment(3)), "what could not be removed").unwrap();
        assert_eq!(manifest.check(&names), Ok(()));
        // A base that was made while the log was off, and what came before has yet to be deleted.
        manifest.rebase(names.base(3, true), u64::MAX);
        assert!(manifest.increments().next().is_none());
        assert_eq!(manifest.check(&names), Ok(()));
        let empty = Names { stem: "other.aof".into(), ..names.clone() };
        fs::write(empty.path(&empty.base(1, true)), "no data").unwrap();
        fs::write(empty.path(&empty.increment(1)), "").unwrap();
        assert_eq!(Manifest::default().check(&empty), Ok(()));
        fs::remove_dir_all(&names.dir).unwrap();
    }
}
