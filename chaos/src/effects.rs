//! `effects`: what members' logs say of one key, in the one order there is, and what that comes to. For whoever has found nodes with
//! different data, and their directories.

use std::path::PathBuf;

use replication::effect::{Effect, Key};
use replication::naive::Naive;
use replication::overlay::Memory;

use crate::logs::{Groups, read_logs, sorted};

/// Bytes of an effect that are shown.
const SHOWN: usize = 300;

/// Prints the effects on a key in the logs of members, sorted, and the fold of them.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    #[arg(long)]
    pub key: String,
    #[arg(long, default_value_t = 0)]
    pub db: u32,
    /// Members' directories, those in which `appendonlydir` is.
    #[arg(required = true)]
    pub dirs: Vec<PathBuf>,
}

/// False if there are none.
pub fn run(options: &Options) -> Result<bool, String> {
    let mut groups = Groups::new();
    for dir in &options.dirs {
        // What can be read is shown: a node that was killed may have left half a record.
        if let Err(reason) = read_logs(&dir.join("appendonlydir"), &mut groups) {
            eprintln!("{reason}");
        }
    }
    let key = Key { db: options.db, name: options.key.clone().into_bytes() };
    for stream in groups.keys() {
        println!(
            "{} is {:x}, incarnation {:x}",
            stream.author.label(),
            stream.author.uuid,
            stream.author.incarnation
        );
    }
    let mut naive = Naive::default();
    let mut found = 0;
    for (place, write) in sorted(&groups) {
        if write.key.db != key.db || write.key.name != key.name && write.effect != Effect::ClearDb {
            continue;
        }
        naive.add::<Memory>(place, write);
        found += 1;
        let effect: String = format!("{:?}", write.effect).chars().take(SHOWN).collect();
        let (ms, counter) = (place.version >> 20, place.version & 0xf_ffff);
        let creates = if write.create { " creates" } else { "" };
        println!("{ms}.{counter} of {}, {}:{creates} {effect}", place.origin, place.sub);
    }
    println!("{found} effects come to {:?}", naive.value::<Memory>(&key));
    Ok(found > 0)
}
