//! Reads append-only files as a server would, and cuts off what it could not.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use protocol::rdb::{self, Reader, Record as RdbRecord};

use crate::aof::manifest::{Manifest, Names, Part};
use crate::aof::records::{Record, Records, Stop};
use crate::process;

/// What was found of a file.
struct Found {
    size: u64,
    /// The end of the last command outside of a transaction.
    valid: u64,
    /// Why nothing follows it, if something is there.
    stop: Option<String>,
}

/// Checks a file, or all that a manifest names; whether they are sound, or have been made so.
pub fn check(path: &Path, fix: bool) -> bool {
    let is_manifest = path.extension().is_some_and(|extension| extension == "manifest");
    let result = if is_manifest { check_all(path, fix) } else { check_one(path, true, fix) };
    result.unwrap_or_else(|reason| {
        println!("{reason}");
        false
    })
}

fn check_all(path: &Path, fix: bool) -> Result<bool, String> {
    println!("Start checking Multi Part AOF");
    let names = Names {
        dir: path.parent().unwrap_or(Path::new("")).to_path_buf(),
        stem: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let manifest = Manifest::load(&names)?
        .ok_or_else(|| format!("Cannot open file {}: No such file or directory", path.display()))?;
    let parts: Vec<_> = manifest.entries.iter().filter(|entry| entry.part != Part::History).collect();
    for (i, entry) in parts.iter().enumerate() {
        let word = if entry.part == Part::Base { "BASE" } else { "INCR" };
        println!(
            "Start to check {word} AOF ({} format).",
            if entry.name.ends_with(".rdb") { "RDB" } else { "RESP" }
        );
        if !check_one(&names.path(entry), i + 1 == parts.len(), fix)? {
            return Ok(false);
        }
        println!("{word} AOF {} is valid", entry.name);
    }
    println!("All AOF files and manifest are valid");
    Ok(true)
}

/// `last`: only of the last file the end may be cut off.
fn check_one(path: &Path, last: bool, fix: bool) -> Result<bool, String> {
    let found = read(path)?;
    let diff = found.size - found.valid;
    let name = path.display();
    println!("AOF analyzed: filename={name}, size={}, ok_up_to={}, diff={diff}", found.size, found.valid);
    let Some(reason) = found.stop else { return Ok(true) };
    println!("0x{:x}: {reason}", found.valid);
    if !fix {
        println!("AOF {name} is not valid. Use the --fix option to try fixing it.");
        return Ok(false);
    }
    if !last {
        println!("Failed to truncate AOF {name} because it is not the last file");
        return Ok(false);
    }
    print!(
        "This will shrink the AOF {name} from {} bytes, with {diff} bytes, to {} bytes\nContinue? [y/N]: ",
        found.size, found.valid
    );
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    if std::io::stdin().read_line(&mut answer).is_err() || !answer.trim().eq_ignore_ascii_case("y") {
        println!("Aborting...");
        return Ok(false);
    }
    let cut = OpenOptions::new().write(true).open(path).and_then(|file| {
        file.set_len(found.valid)?;
        file.sync_all()
    });
    cut.map_err(|e| format!("Failed to truncate AOF {name}: {}", process::reason(&e)))?;
    println!("Successfully truncated AOF {name}");
    Ok(true)
}

fn read(path: &Path) -> Result<Found, String> {
    let io = |e: std::io::Error| format!("Cannot open file {}: {}", path.display(), process::reason(&e));
    let size = fs::metadata(path).map_err(io)?.len();
    let mut file = File::open(path).map_err(io)?;
    let mut magic = Vec::new();
    (&mut file).take(5).read_to_end(&mut magic).map_err(io)?;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let mut valid = 0;
    if magic == b"REDIS" {
        valid = match snapshot(&mut file, size) {
            Ok(end) => end,
            Err((at, reason)) => {
                return Ok(Found { size, valid: 0, stop: Some(format!("at {at}: {reason}")) });
            }
        };
        file.seek(SeekFrom::Start(valid)).map_err(io)?;
    }
    let mut records = Records::new(BufReader::with_capacity(1 << 18, file), valid);
    let mut in_multi = false;
    let stop = loop {
        match records.read() {
            Ok(Record::Annotation(_)) => {}
            Ok(Record::Command(args)) => {
                let name = args.view().at(0).to_ascii_lowercase();
                in_multi = if name == b"multi" { true } else { in_multi && name != b"exec" };
            }
            Err(Stop::End) if !in_multi => break None,
            Err(Stop::End) => break Some("Reached EOF before reading EXEC for MULTI".to_string()),
            Err(Stop::Short) => break Some("Unexpected end of the file".to_string()),
            Err(Stop::Format(reason)) => break Some(format!("about 0x{:x}: {reason}", records.position())),
            Err(Stop::Io(e)) => return Err(io(e)),
        }
        if !in_multi {
            valid = records.position();
        }
    };
    Ok(Found { size, valid, stop })
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
        ] {
            fs::write(&path, [whole, tail].concat()).unwrap();
            let found = read(&path).unwrap();
            assert_eq!(found.valid, whole.len() as u64);
            assert!(found.stop.unwrap().contains(reason));
        }
        fs::write(&path, whole).unwrap();
        assert!(read(&path).unwrap().stop.is_none());
        fs::remove_dir_all(&dir).unwrap();
    }
}
