//! Reads an RDB file as a server would, and tells what there is.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use engine::tuning::Tuning;
use protocol::rdb::{self, Error, Kind, Reader, Record};

/// What was found.
#[derive(Default)]
struct Counts {
    keys: u64,
    expires: u64,
    expired: u64,
    /// What is being read just now.
    under_way: Option<Piece>,
}

/// A record, from its first byte on.
struct Piece {
    at: u64,
    /// The key that it is about, and what that holds.
    key: Option<(Vec<u8>, Kind)>,
}

/// Checks a file; whether it is sound. Tells it on standard output.
pub fn check(path: &Path) -> bool {
    println!("[offset 0] Checking RDB file {}", path.display());
    let mut counts = Counts::default();
    match read(path, &mut counts) {
        Ok(end) => {
            println!("[offset {end}] Checksum OK");
            println!("[offset {end}] \\o/ RDB looks OK! \\o/");
            tell(&counts);
            true
        }
        Err((offset, reason)) => {
            println!("--- RDB ERROR DETECTED ---");
            println!("[offset {offset}] {reason}");
            if let Some(piece) = &counts.under_way {
                println!("[additional info] Reading what begins at offset {}", piece.at);
                if let Some((key, kind)) = &piece.key {
                    println!("[additional info] Reading key '{}'", String::from_utf8_lossy(key));
                    println!("[additional info] Reading type {} ({})", kind.byte(), kind.called());
                }
            }
            tell(&counts);
            false
        }
    }
}

/// [`check`] without a word about what is sound; why a file is not.
pub fn verify(path: &Path) -> Result<(), String> {
    let read = read(path, &mut Counts::default());
    read.map(|_| ())
        .map_err(|(offset, reason)| format!("what came is no sound snapshot: [offset {offset}] {reason}"))
}

fn tell(counts: &Counts) {
    println!("[info] {} keys read", counts.keys);
    println!("[info] {} expires", counts.expires);
    println!("[info] {} already expired", counts.expired);
}

/// Reads to the end: where that is, or where and why it is not.
fn read(path: &Path, counts: &mut Counts) -> Result<u64, (u64, String)> {
    let at_start = |e: io::Error| (0, format!("Cannot open file: {}", crate::process::reason(&e)));
    let mut file = File::open(path).map_err(at_start)?;
    let len = file.metadata().map_err(at_start)?.len();
    let reader = Reader::from_source(&mut file, Some(len)).sanitizing(true);
    let mut file = rdb::File::open(reader, true).map_err(|e| (0, e.to_string()))?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let mut shown = 0;
    loop {
        let more = record(&mut file, counts, now_ms);
        let at = file.reader().position();
        if !more.map_err(|e| (at, e.to_string()))? {
            return Ok(at);
        }
        // A line for each tenth of a long file.
        let tenth = at * 10 / len.max(1);
        if len > 64 << 20 && tenth > shown {
            shown = tenth;
            println!("[offset {at}] {}% read", tenth * 10);
        }
    }
}

fn record(file: &mut rdb::File<'_>, counts: &mut Counts, now_ms: i64) -> Result<bool, Error> {
    let at = file.reader().position();
    counts.under_way = Some(Piece { at, key: None });
    match file.next_record()? {
        Record::Aux { name, value } => {
            // Those about a key come with each.
            if counts.keys == 0 {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                println!("[offset {at}] AUX FIELD {} = '{}'", text(&name), text(&value));
            }
        }
        Record::Select(db) => println!("[offset {at}] Selecting DB ID {db}"),
        Record::Key(head) => {
            counts.keys += 1;
            counts.expires += u64::from(head.expire_ms.is_some());
            counts.expired += u64::from(head.expire_ms.is_some_and(|at| at < now_ms));
            counts.under_way = Some(Piece { at, key: Some((head.key, head.kind)) });
            match engine::stored::read(file.reader(), head.kind, &Tuning::default()) {
                Ok(_) | Err(Error::Empty) => {}
                Err(e) => return Err(e),
            }
        }
        Record::ModuleAux { name } => println!("[offset {at}] MODULE AUX for: {name}"),
        Record::Function(_) | Record::Resize { .. } => {}
        Record::End => return Ok(false),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use protocol::rdb::{FileWriter, KeyRecord};

    use super::*;

    fn small(checksum: bool) -> Vec<u8> {
        let mut file = FileWriter::new(true, checksum);
        file.aux(b"redis-ver", b"7.0.15");
        file.select(0);
        file.resize(3, 1);
        let key = |kind, key: &[u8], expire_ms| KeyRecord {
            kind,
            key: key.to_vec(),
            expire_ms,
            idle_s: None,
            frequency: None,
        };
        file.key(&key(Kind::String, b"string", Some(4_000_000_000_000)));
        file.writer().text(&[b'x'; 100]);
        file.key(&key(Kind::List, b"list", None));
        file.writer().length(2);
        file.writer().text(b"a");
        file.writer().text(b"12");
        file.key(&key(Kind::Zset, b"zset", None));
        file.writer().length(1);
        file.writer().text(b"member");
        file.writer().double(1.5);
        let mut out = Vec::new();
        file.finish(&mut out);
        out
    }

    /// Where the reading of these bytes ended, and whether they are sound.
    fn reading(path: &Path, bytes: &[u8]) -> (u64, bool) {
        fs::write(path, bytes).unwrap();
        match read(path, &mut Counts::default()) {
            Ok(end) => (end, true),
            Err((at, _)) => (at, false),
        }
    }

    #[test]
    fn any_damage_is_found_and_nothing_in_front_of_it_is_called_damaged() {
        let path = std::env::temp_dir().join(format!("everwrite-check-rdb-{}", std::process::id()));
        let whole = small(true);
        assert_eq!(reading(&path, &whole), (whole.len() as u64, true));
        for at in 0..whole.len() {
            let (end, sound) = reading(&path, &whole[..at]);
            assert!(!sound && end <= at as u64, "cut at {at}: {end}");
            for flip in [1, 0x10, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                let (end, sound) = reading(&path, &bytes);
                // The header is looked at as a whole.
                assert!(!sound && (end >= at as u64 || at < 9), "{at} ^ {flip}: {end}");
            }
        }
        // Without a checksum not all is seen, and nothing breaks the reader.
        let whole = small(false);
        for at in 0..whole.len() {
            for flip in (0..8).map(|bit| 1 << bit) {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                let (end, _) = reading(&path, &bytes);
                assert!(end <= whole.len() as u64);
            }
        }
        fs::remove_file(&path).unwrap();
    }
}
