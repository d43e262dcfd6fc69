//! Reads append-only files as a server would, and cuts off what it could not.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use engine::command::{Lookup, absent};
use protocol::Args;
use protocol::number::parse_u64;
use protocol::rdb::{self, Reader, Record as RdbRecord};

use crate::aof::manifest::{Manifest, Names, Part};
use crate::aof::records::{LOOSE, NO_COMMAND, Record, Records, Stop};
use crate::mesh::disk::files::Role;
use crate::mesh::disk::records::MAGIC;
use crate::process;

/// What is done about a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Look,
    /// What is wrong at the end is cut off.
    Fix,
    /// What was done after this time, unix seconds, is cut off.
    CutAfter(u64),
}

/// What was found of a file.
struct Found {
    size: u64,
    /// It begins with a snapshot, which is sound.
    preamble: bool,
    /// The end of the last command outside of a transaction, and the lines up to there.
    valid: u64,
    lines: u64,
    /// Why nothing follows it, if something is there.
    stop: Option<String>,
    /// Where the first annotation is that is later than what was asked for.
    late: Option<u64>,
}

/// Checks a file, or all that a manifest names; whether they are sound, or have been made so.
pub fn check(path: &Path, mode: Mode) -> bool {
    if is_of_member(path) {
        return told(super::member::check(path, mode));
    }
    let is_manifest = path.extension().is_some_and(|extension| extension == "manifest");
    told(if is_manifest { check_all(path, mode) } else { check_old(path, mode) })
}

fn told(result: Result<bool, String>) -> bool {
    result.unwrap_or_else(|reason| {
        println!("{reason}");
        false
    })
}

/// Whether a file, or all that counts in a directory, is of the log of a member of a mesh.
fn is_of_member(path: &Path) -> bool {
    Role::of(path).is_some() || path.is_dir() || begins_with(path, MAGIC)
}

fn check_old(path: &Path, mode: Mode) -> Result<bool, String> {
    println!("Start checking Old-Style AOF");
    let sound = check_one(path, true, mode)?;
    if sound {
        println!("AOF {} is valid", path.display());
    }
    Ok(sound)
}

fn check_all(path: &Path, mode: Mode) -> Result<bool, String> {
    println!("Start checking Multi Part AOF");
    let names = Names {
        dir: path.parent().unwrap_or(Path::new("")).to_path_buf(),
        stem: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let manifest = Manifest::load(&names)?
        .ok_or_else(|| format!("Cannot open file {}: No such file or directory", path.display()))?;
    let parts: Vec<_> = manifest.entries.iter().filter(|entry| entry.part != Part::History).collect();
    let mut increments = false;
    for (i, entry) in parts.iter().enumerate() {
        let path = names.path(entry);
        let word = if entry.part == Part::Base {
            let format = if begins_with_rdb(&path) { "RDB" } else { "RESP" };
            println!("Start to check BASE AOF ({format} format).");
            "BASE"
        } else {
            if !std::mem::replace(&mut increments, true) {
                println!("Start to check INCR files.");
            }
            "INCR"
        };
        if !check_one(&path, i + 1 == parts.len(), mode)? {
            return Ok(false);
        }
        println!("{word} AOF {} is valid", entry.name);
    }
    println!("All AOF files and manifest are valid");
    Ok(true)
}

fn begins_with_rdb(path: &Path) -> bool {
    begins_with(path, b"REDIS")
}

fn begins_with(path: &Path, magic: &[u8]) -> bool {
    let mut found = Vec::new();
    let read = File::open(path).and_then(|file| file.take(magic.len() as u64).read_to_end(&mut found));
    read.is_ok() && found == magic
}

/// `last`: only of the last file the end may be cut off.
fn check_one(path: &Path, last: bool, mode: Mode) -> Result<bool, String> {
    let found = read(path, mode)?;
    let name = path.display();
    if found.preamble {
        println!("RDB preamble is OK, proceeding with AOF tail...");
    }
    let (size, valid, diff) = (found.size, found.valid, found.size - found.valid);
    if let (Mode::CutAfter(until_s), Some(at)) = (mode, found.late) {
        return cut_after(path, last, until_s, at);
    }
    println!(
        "AOF analyzed: filename={name}, size={size}, ok_up_to={valid}, ok_up_to_line={}, diff={diff}",
        found.lines + 1
    );
    let Some(reason) = found.stop else { return Ok(true) };
    println!("0x{valid:x}: {reason}");
    if mode != Mode::Fix {
        println!("AOF {name} is not valid. Use the --fix option to try fixing it.");
        return Ok(false);
    }
    if !last {
        println!("Failed to truncate AOF {name} because it is not the last file");
        return Ok(false);
    }
    confirm_and_cut(path, size, valid)
}

/// Cuts a file off behind what is valid, if whoever is asked agrees.
pub fn confirm_and_cut(path: &Path, size: u64, valid: u64) -> Result<bool, String> {
    let (name, diff) = (path.display(), size - valid);
    print!(
        "This will shrink the AOF {name} from {size} bytes, with {diff} bytes, to {valid} bytes\nContinue? [y/N]: "
    );
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    if std::io::stdin().read_line(&mut answer).is_err() || !answer.trim().eq_ignore_ascii_case("y") {
        println!("Aborting...");
        return Ok(false);
    }
    cut(path, valid)?;
    println!("Successfully truncated AOF {name}");
    Ok(true)
}

/// Point-in-time recovery: what came after a moment goes, which begins at `at`.
fn cut_after(path: &Path, last: bool, until_s: u64, at: u64) -> Result<bool, String> {
    let name = path.display();
    if !last {
        return Err(format!(
            "Failed to truncate AOF {name} to timestamp {until_s} because it is not the last file"
        ));
    }
    if at == 0 {
        return Err(format!("AOF {name} has nothing before timestamp {until_s}, aborting..."));
    }
    cut(path, at)?;
    println!("Successfully truncated AOF {name} to timestamp {until_s}");
    Ok(true)
}

fn cut(path: &Path, at: u64) -> Result<(), String> {
    let cut = OpenOptions::new().write(true).open(path).and_then(|file| {
        file.set_len(at)?;
        file.sync_all()
    });
    cut.map_err(|e| format!("Failed to truncate AOF {}: {}", path.display(), process::reason(&e)))
}

fn read(path: &Path, mode: Mode) -> Result<Found, String> {
    let io = |e: std::io::Error| format!("Cannot open file {}: {}", path.display(), process::reason(&e));
    let size = fs::metadata(path).map_err(io)?.len();
    let mut file = File::open(path).map_err(io)?;
    let (mut valid, preamble) = (0, begins_with_rdb(path));
    if preamble {
        valid = match snapshot(&mut file, size) {
            Ok(end) => end,
            Err((at, reason)) => {
                let stop = Some(format!("at {at}: {reason}"));
                return Ok(Found { size, preamble: false, valid: 0, lines: 0, stop, late: None });
            }
        };
        file.seek(SeekFrom::Start(valid)).map_err(io)?;
    }
    let mut records = Records::new(BufReader::with_capacity(1 << 18, file), valid);
    let lookup = Lookup::new(|facts| absent::reason(facts.id).is_none());
    let (mut in_multi, mut lines, mut before, mut late) = (false, 0, (valid, 0), None);
    let mut swallows = false;
    let stop = loop {
        match records.read() {
            Ok(Record::Annotation(line)) => {
                let time_s = line.strip_prefix(b"#TS:").and_then(parse_u64);
                if matches!((mode, time_s), (Mode::CutAfter(until_s), Some(time_s)) if time_s > until_s) {
                    late = late.or(Some(valid));
                }
            }
            Ok(Record::Command(args)) => {
                let name = args.view().at(0).to_ascii_lowercase();
                if !is_known(&lookup, args.view()) {
                    break Some(format!("Unknown command '{}'", String::from_utf8_lossy(&name)));
                }
                swallows = args.view().iter().any(|word| word.windows(2).any(|bytes| bytes == b"\r\n"));
                in_multi = if name == b"multi" { true } else { in_multi && name != b"exec" };
            }
            Err(Stop::End) if !in_multi => break None,
            Err(Stop::End) => break Some("Reached EOF before reading EXEC for MULTI".to_string()),
            Err(Stop::Short) => break Some("Unexpected end of the file".to_string()),
            Err(Stop::Format(reason)) => {
                // The one before says too few words, or too long ones: a part of what follows looks like its own.
                if !in_multi && (reason == LOOSE || reason == NO_COMMAND && swallows) {
                    (valid, lines) = before;
                }
                break Some(format!("about 0x{:x}: {reason}", records.position()));
            }
            Err(Stop::Io(e)) => return Err(io(e)),
        }
        if !in_multi {
            before = (valid, lines);
            (valid, lines) = (records.position(), records.lines());
        }
    };
    Ok(Found { size, preamble, valid, lines, stop, late })
}

/// Whether a start would know the command, and that it may have so many words.
fn is_known(lookup: &Lookup, args: Args<'_>) -> bool {
    lookup.resolve(args).is_ok_and(|id| id.facts().admits(args))
}

/// The end of the snapshot that a file begins with.
fn snapshot(file: &mut File, size: u64) -> Result<u64, (u64, String)> {
    let reader = Reader::from_source(file, Some(size)).sanitizing(true);
    let mut file = rdb::File::open(reader, true).map_err(|e| (0, e.to_string()))?;
    loop {
        let result = file.next_record().and_then(|record| match record {
            RdbRecord::Key(head) => {
                match engine::stored::read(file.reader(), head.kind, &engine::tuning::Tuning::default()) {
                    Ok(_) | Err(rdb::Error::Empty) => Ok(true),
                    Err(e) => Err(e),
                }
            }
            RdbRecord::End => Ok(false),
            _ => Ok(true),
        });
        let at = file.reader().position();
        if !result.map_err(|e| (at, e.to_string()))? {
            return Ok(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_log_is_cut_where_its_last_command_ends() {
        let dir = std::env::temp_dir().join(format!("everwrite-check-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("log.aof");
        let whole = b"*1\r\n$4\r\nPING\r\n";
        for (tail, reason) in [
            (&b"*2\r\n$3\r\nGET\r\n$"[..], "Unexpected end"),
            (b"*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nPING\r\n", "before reading EXEC"),
            (b"garbage", "Expected a command"),
            (b"*1\r\n$4\r\nPONG\r\n", "Unknown command 'pong'"),
            (b"*2\r\n$3\r\nSET\r\n$1\r\nk\r\n", "Unknown command 'set'"),
            (b"*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n$1\r\nl\r\n", "belongs to no command"),
        ] {
            fs::write(&path, [whole, tail].concat()).unwrap();
            let found = read(&path, Mode::Look).unwrap();
            assert_eq!(found.valid, whole.len() as u64);
            assert!(found.stop.unwrap().contains(reason));
        }
        fs::write(&path, whole).unwrap();
        assert!(read(&path, Mode::Look).unwrap().stop.is_none());
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_log_goes_back_to_a_moment() {
        let dir = std::env::temp_dir().join(format!("everwrite-check-time-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("log.aof");
        let ping = "*1\r\n$4\r\nPING\r\n";
        fs::write(&path, format!("#TS:10\r\n{ping}#TS:11\r\n{ping}#TS:12\r\n{ping}")).unwrap();
        assert!(!check(&path, Mode::CutAfter(9)), "nothing would be left");
        assert!(check(&path, Mode::CutAfter(11)));
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("#TS:10\r\n{ping}#TS:11\r\n{ping}"));
        assert!(check(&path, Mode::Look) && check(&path, Mode::CutAfter(20)));
        fs::write(&path, format!("#TS:10\r\n{ping}#TS:11\r\n*1\r\n$4\r\nPI")).unwrap();
        assert!(!check(&path, Mode::CutAfter(20)), "it is broken, and nothing was cut off");
        assert!(check(&path, Mode::CutAfter(10)), "what is broken was cut off");
        fs::remove_dir_all(&dir).unwrap();
    }

    /// Whatever is wrong with one command, all in front of it is kept, and nothing behind it.
    #[test]
    fn any_damage_is_where_it_is_said_to_be() {
        let path = std::env::temp_dir().join(format!("everwrite-check-flips-{}", std::process::id()));
        let commands = [
            &b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"[..],
            b"#TS:1700000000\r\n",
            b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\n123456789abc\r\n",
            b"*4\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n$1\r\na\r\n$0\r\n\r\n",
            b"*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*1\r\n$4\r\nEXEC\r\n",
            b"*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n",
        ];
        let whole = commands.concat();
        let ends: Vec<usize> = commands
            .iter()
            .scan(0, |end, command| {
                *end += command.len();
                Some(*end)
            })
            .collect();
        let begin = |at: usize| ends.iter().rfind(|end| **end <= at).map_or(0, |end| *end as u64);
        let look = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read(&path, Mode::Look).unwrap()
        };
        for at in 0..=whole.len() {
            let found = look(&whole[..at]);
            assert_eq!(
                (found.valid, found.stop.is_none()),
                (begin(at), begin(at) == at as u64),
                "cut at {at}"
            );
        }
        let mut seen = 0;
        for at in 0..whole.len() {
            for flip in (1..16).chain([0x10, 0x20, 0x40, 0x5e, 0x80, 0xff]) {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                let found = look(&bytes);
                if found.stop.is_some() {
                    seen += 1;
                    // An annotation may end where it is damaged: what it says is of no interest.
                    let ends = bytes[at] == b'\n' && found.valid == at as u64 + 1;
                    assert!(
                        found.valid == begin(at) || ends,
                        "{at} ^ {flip}: {} {:?}",
                        found.valid,
                        found.stop
                    );
                }
            }
        }
        assert!(seen > whole.len() * 10, "{seen}");
        fs::remove_file(&path).unwrap();
    }
}
