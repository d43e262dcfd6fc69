//! Reads an RDB file as a server would, and tells what there is.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use engine::tuning::Tuning;
use protocol::rdb::{self, Error, Reader, Record};

/// What was found.
#[derive(Default)]
struct Counts {
    keys: u64,
    expires: u64,
    expired: u64,
}

/// Checks a file; whether it is sound. Tells it on standard output.
pub fn check(path: &Path) -> bool {
    println!("[offset 0] Checking RDB file {}", path.display());
    let (mut counts, mut key) = (Counts::default(), None);
    match read(path, &mut counts, &mut key) {
        Ok(end) => {
            println!("[offset {end}] Checksum OK");
            println!("[offset {end}] \\o/ RDB looks OK! \\o/");
            tell(&counts);
            true
        }
        Err((offset, reason)) => {
            println!("--- RDB ERROR DETECTED ---");
            println!("[offset {offset}] {reason}");
            if let Some(key) = key {
                println!("[additional info] Reading key '{}'", String::from_utf8_lossy(&key));
            }
            tell(&counts);
            false
        }
    }
}

/// [`check`] without a word about what is sound; why a file is not.
pub fn verify(path: &Path) -> Result<(), String> {
    let read = read(path, &mut Counts::default(), &mut None);
    read.map(|_| ())
        .map_err(|(offset, reason)| format!("what came is no sound snapshot: [offset {offset}] {reason}"))
}

fn tell(counts: &Counts) {
    println!("[info] {} keys read", counts.keys);
    println!("[info] {} expires", counts.expires);
    println!("[info] {} already expired", counts.expired);
}

/// Reads to the end: where that is, or where and why it is not.
fn read(path: &Path, counts: &mut Counts, key: &mut Option<Vec<u8>>) -> Result<u64, (u64, String)> {
    let at_start = |e: io::Error| (0, format!("Cannot open file: {}", crate::process::reason(&e)));
    let mut file = File::open(path).map_err(at_start)?;
    let len = file.metadata().map_err(at_start)?.len();
    let reader = Reader::from_source(&mut file, Some(len)).sanitizing(true);
    let mut file = rdb::File::open(reader, true).map_err(|e| (0, e.to_string()))?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let mut shown = 0;
    loop {
        let more = record(&mut file, counts, key, now_ms);
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

fn record(
    file: &mut rdb::File<'_>,
    counts: &mut Counts,
    key: &mut Option<Vec<u8>>,
    now_ms: i64,
) -> Result<bool, Error> {
    let at = file.reader().position();
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
            *key = Some(head.key);
            match engine::stored::read(file.reader(), head.kind, &Tuning::default()) {
                Ok(_) | Err(Error::Empty) => {}
                Err(e) => return Err(e),
            }
            *key = None;
        }
        Record::ModuleAux { name } => println!("[offset {at}] MODULE AUX for: {name}"),
        Record::Function(_) | Record::Resize { .. } => {}
        Record::End => return Ok(false),
    }
    Ok(true)
}
