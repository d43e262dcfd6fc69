//! Reads the files of a member's log ([`crate::mesh::disk`]) as a start would, and cuts off what its writer did not finish.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use engine::active::inspect;
use replication::codec;
use replication::message::Message;

use super::aof::{Mode, confirm_and_cut};
use crate::mesh::disk::files::{Files, Role};
use crate::mesh::disk::records::{Record, Records, Stop};
use crate::process;
use crate::scripting::ledger;

const BUFFER: usize = 1 << 20;

/// What was found in a file.
#[derive(Debug, Default)]
struct Found {
    size: u64,
    /// The end of the last record that is sound.
    valid: u64,
    records: u64,
    keys: u64,
    groups: u64,
    stop: Option<Wrong>,
}

/// Why nothing behind the valid part can be read.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    /// The file ends within a record.
    Torn,
    Damaged(String),
}

/// Checks one file, or all that a start would read from a directory.
pub fn check(path: &Path, mode: Mode) -> Result<bool, String> {
    if matches!(mode, Mode::CutAfter(_)) {
        return Err("The log of a member of a mesh has no times to go back to".into());
    }
    println!("Start checking the log of a member of a mesh");
    if !path.is_dir() {
        let role = Role::of(path).unwrap_or(Role::Log(u64::MAX));
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let files = Files::within(dir.to_path_buf()).map_err(|e| unreadable(dir, &e))?;
        return check_one(path, role, files.is_last(role), mode);
    }
    let files = Files::within(path.to_path_buf()).map_err(|e| unreadable(path, &e))?;
    let Some(base) = files.base() else { return Err("There is no base: a start finds nothing".into()) };
    let logs = files.logs();
    let mut sound = check_one(&base, Role::Base, false, mode)?;
    for (i, log) in logs.iter().enumerate() {
        sound = sound && check_one(log, Role::of(log).unwrap_or(Role::Base), i + 1 == logs.len(), mode)?;
    }
    if sound {
        println!("The base and all logs are valid");
    }
    Ok(sound)
}

fn unreadable(path: &Path, e: &std::io::Error) -> String {
    format!("Cannot open {}: {}", path.display(), process::reason(e))
}

/// `last`: nothing follows it, so its end may be cut off.
fn check_one(path: &Path, role: Role, last: bool, mode: Mode) -> Result<bool, String> {
    let found = read(path, role)?;
    let (name, Found { size, valid, records, keys, groups, .. }) = (path.display(), &found);
    let diff = size - valid;
    let word = if role == Role::Base { "base" } else { "log" };
    println!(
        "Member's {word} analyzed: filename={name}, size={size}, ok_up_to={valid}, records={records}, keys={keys}, \
         groups={groups}, diff={diff}"
    );
    let (reason, torn) = match &found.stop {
        None => {
            println!("Member's {word} {name} is valid");
            return Ok(true);
        }
        Some(Wrong::Torn) => ("it ends within a record".to_owned(), true),
        Some(Wrong::Damaged(reason)) => (reason.clone(), false),
    };
    println!("0x{valid:x}: {reason}");
    match (mode, torn && last && role != Role::Base) {
        (Mode::Fix, true) => confirm_and_cut(path, size.to_owned(), *valid),
        (_, true) => {
            println!("{name} is not valid. Use the --fix option to cut off what was not finished.");
            Ok(false)
        }
        _ => {
            println!(
                "{name} is not valid, and cannot be mended by cutting: what follows byte {valid} may have been announced to \
                 the node's peers, who rely on it. They have what it had: move member.* away, and the node comes back with \
                 their data."
            );
            Ok(false)
        }
    }
}

fn read(path: &Path, role: Role) -> Result<Found, String> {
    let size = fs::metadata(path).map_err(|e| unreadable(path, &e))?.len();
    let file = File::open(path).map_err(|e| unreadable(path, &e))?;
    let mut found = Found { size, ..Found::default() };
    let result = Records::open(BufReader::with_capacity(BUFFER, file)).and_then(|mut records| {
        found.valid = records.at;
        let mut whole = false;
        while let Some(record) = records.read()? {
            if whole {
                return Err(Stop::Damaged("something follows the end".into()));
            }
            look(&record, role, &mut found).map_err(Stop::Damaged)?;
            (found.valid, found.records) = (records.at, found.records + 1);
            whole = role == Role::Base && matches!(record, Record::End(_));
        }
        let lacks_end = role == Role::Base && !whole;
        if lacks_end { Err(Stop::Damaged("it is not whole".into())) } else { Ok(()) }
    });
    found.stop = match result {
        Ok(()) => None,
        Err(Stop::Torn) => Some(Wrong::Torn),
        Err(Stop::Damaged(reason)) => Some(Wrong::Damaged(reason)),
        Err(Stop::Io(e)) => return Err(unreadable(path, &e)),
    };
    Ok(found)
}

/// Looks into a record as far as a start would.
fn look(record: &Record, role: Role, found: &mut Found) -> Result<(), String> {
    let first = found.records == 0;
    let belongs = match record {
        Record::Head(_) => role != Role::Base || first,
        Record::Piece(_) | Record::End(_) => role == Role::Base && !first,
        Record::Groups(_) | Record::Levels(_) | Record::Merged => role != Role::Base,
        Record::Functions(_) | Record::Libraries(_) => role != Role::Base || !first,
    };
    if !belongs {
        return Err("it holds a record that does not belong there".into());
    }
    let wrong = |e: codec::Malformed| format!("the record makes no sense: {e:?}");
    match record {
        Record::Head(Message::Snapshot(_)) => {}
        Record::Groups(Message::Part(part)) => {
            for group in codec::groups(&part.bytes) {
                let (_, writes) = group.map_err(wrong)?;
                codec::check_writes(writes).map_err(wrong)?;
                found.groups += 1;
            }
        }
        Record::Head(_) | Record::Groups(_) => {
            return Err("it holds a message that does not belong there".into());
        }
        Record::Piece(piece) => found.keys += inspect::piece(piece).map_err(wrong)?,
        Record::Libraries(told) => drop(ledger::read(told).map_err(wrong)?),
        Record::Functions(_) | Record::End(_) | Record::Levels(_) | Record::Merged => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use replication::message::{Head, Part};
    use replication::origin::{Author, Stream};
    use replication::overlay::Levels;

    use super::*;

    fn groups(seq: u64) -> Record {
        let stream = Stream { author: Author { uuid: 1, incarnation: 1 }, lane: 0 };
        let mut w = codec::Writer::default();
        codec::begin_group(&mut w, seq);
        codec::end_group(&mut w, 0);
        let part = Part { stream, seq, offset: 0, last: true, bytes: w.0.into() };
        Record::Groups(Message::Part(part))
    }

    fn head() -> Record {
        let head = Head { vector: Default::default(), horizon: 0, newcomer: false, beats: Vec::new() };
        Record::Head(Message::Snapshot(head))
    }

    fn file(name: &str, records: &[Record]) -> (std::path::PathBuf, Vec<u8>) {
        let dir = std::env::temp_dir().join(format!("everwrite-check-member-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let mut bytes = crate::mesh::disk::records::MAGIC.to_vec();
        records.iter().for_each(|record| record.put(&mut bytes, false));
        (dir.join(name), bytes)
    }

    #[test]
    fn every_flipped_byte_is_found_and_where() {
        let records = [groups(1), Record::Levels(Levels::default()), groups(2), Record::Merged, groups(3)];
        let (path, bytes) = file("member.1.log", &records);
        let begins: Vec<u64> =
            (0..=records.len()).map(|n| file("member.1.log", &records[..n]).1.len() as u64).collect();
        for at in 8..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x20;
            fs::write(&path, &bytes).unwrap();
            let found = read(&path, Role::Log(1)).unwrap();
            let before = begins.iter().rev().find(|begin| **begin <= at as u64).unwrap();
            assert!(found.stop.is_some() && found.valid == *before, "{at}: {found:?}");
        }
        fs::write(&path, &bytes).unwrap();
        let found = read(&path, Role::Log(1)).unwrap();
        assert_eq!((found.stop, found.groups, found.valid), (None, 3, bytes.len() as u64));
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_log_may_be_cut_anywhere_and_a_base_nowhere() {
        let (path, bytes) = file("member.2.log", &[groups(1), groups(2)]);
        for end in 0..bytes.len() {
            fs::write(&path, &bytes[..end]).unwrap();
            let found = read(&path, Role::Log(2)).unwrap();
            assert!(found.valid <= end as u64);
            assert_eq!(found.stop.is_some(), found.valid != end as u64 || end < 8, "{end}: {found:?}");
        }
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        let whole =
            [head(), Record::Libraries(ledger::Ledger::default().record()), Record::End(Levels::default())];
        let (path, bytes) = file("member.2.base", &whole);
        for end in 0..bytes.len() {
            fs::write(&path, &bytes[..end]).unwrap();
            assert!(read(&path, Role::Base).unwrap().stop.is_some(), "{end}");
        }
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path, Role::Base).unwrap().stop, None);
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_does_not_belong_there_is_told_of() {
        for (name, role, records) in [
            ("member.3.log", Role::Log(3), vec![Record::Piece(Vec::new())]),
            ("member.3.base", Role::Base, vec![head(), groups(1)]),
            (
                "member.4.base",
                Role::Base,
                vec![head(), Record::Piece(vec![99]), Record::End(Levels::default())],
            ),
            ("member.5.base", Role::Base, vec![head(), Record::End(Levels::default()), Record::Merged]),
        ] {
            let (path, bytes) = file(name, &records);
            fs::write(&path, bytes).unwrap();
            assert!(matches!(read(&path, role).unwrap().stop, Some(Wrong::Damaged(_))), "{name}");
            fs::remove_dir_all(path.parent().unwrap()).unwrap();
        }
    }
}
