//! What members' logs say: all effects, by stream.

use std::collections::BTreeMap;
use std::path::Path;

use replication::codec;
use replication::effect::Write;
use replication::message::Message;
use replication::origin::Stream;
use replication::stamp::Place;

/// Bytes at the front of a log, and of a record before its kind, as the server writes them.
const MAGIC: &[u8] = b"EWMEMBR1";
const HEAD: usize = 12;
/// The kind of a record that holds groups of a stream.
const GROUPS: u8 = 5;

/// Groups by their place in a stream: version and writes.
pub type Groups = BTreeMap<Stream, BTreeMap<u64, (u64, Vec<Write>)>>;

/// Reads all logs of a directory.
pub fn read_logs(dir: &Path, groups: &mut Groups) -> Result<(), String> {
    let entries = std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_none_or(|end| end != "log") {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let records = bytes.strip_prefix(MAGIC).ok_or_else(|| format!("{} is no log", path.display()))?;
        read_log(records, groups)
            .ok_or_else(|| format!("{} has a record that cannot be read", path.display()))?;
    }
    Ok(())
}

fn read_log(mut rest: &[u8], groups: &mut Groups) -> Option<()> {
    while !rest.is_empty() {
        let (head, after) = rest.split_at_checked(HEAD)?;
        let len = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
        let (record, after) = after.split_at_checked(len)?;
        rest = after;
        let (kind, body) = record.split_first()?;
        if *kind != GROUPS {
            continue;
        }
        let Ok(Message::Part(part)) = Message::decode(body) else { return None };
        for (group, seq) in codec::groups(&part.bytes).zip(part.seq..) {
            let (version, writes) = group.ok()?;
            let writes = codec::decode_writes(writes).ok()?;
            groups.entry(part.stream).or_default().insert(seq, (version, writes));
        }
    }
    Some(())
}

/// Everything in the one order there is.
pub fn sorted(groups: &Groups) -> Vec<(Place, &Write)> {
    let mut all: Vec<(Place, &Write)> = Vec::new();
    for (stream, of) in groups {
        for (version, writes) in of.values() {
            let place = |sub| Place { version: *version, origin: stream.author.label(), sub };
            all.extend(writes.iter().zip(0..).map(|(write, sub)| (place(sub), write)));
        }
    }
    all.sort_by_key(|(place, _)| *place);
    all
}
