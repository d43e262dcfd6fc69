//! A snapshot comes back from S3: beside its name first, then, when it is whole and sound, in its place.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use backup::{Address, Error, Store};

use crate::check::rdb;
use crate::config::Config;
use crate::persist::rdb_file;

/// Whether what came is read to its end before it takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It is.
    Whole,
    /// Somebody is about to load it.
    Later,
}

/// Brings an object to `path`, which is there in full, or as it was before. False: there is no such object.
pub fn fetch(
    store: &Store,
    key: &str,
    path: &Path,
    check: Check,
    told: &mut dyn FnMut(u64, u64),
) -> Result<bool, String> {
    let temporary = path.with_extension(format!("s3-{}.tmp", std::process::id()));
    let result = write(store, key, &temporary, told);
    let done = match result {
        Ok(()) => {
            let sound = if check == Check::Whole { rdb::verify(&temporary) } else { Ok(()) };
            sound.and_then(|()| rdb_file::replace(&temporary, path).map_err(|e| crate::process::reason(&e)))
        }
        Err(Error::NotFound(_)) => {
            let _ = fs::remove_file(&temporary);
            return Ok(false);
        }
        Err(e) => Err(e.to_string()),
    };
    if done.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    done.map(|()| true)
}

fn write(store: &Store, key: &str, path: &Path, told: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
    let mut out = BufWriter::new(File::create(path)?);
    store.get(key, &mut out, told)?;
    out.flush()?;
    out.get_ref().sync_all()?;
    Ok(())
}

/// Brings the newest snapshot to where a start without one looks for it.
pub fn bring(config: &Config) -> Result<(), String> {
    let Some(address) = super::address(config).map_err(|e| e.to_string())? else { return Ok(()) };
    let path = Path::new(&config.dbfilename);
    if path.exists() {
        return Ok(());
    }
    let fatal = |e: String| format!("Fatal error loading the DB from {address}: {e}");
    let Address { key, .. } = &address;
    let store = super::open(config, &address).map_err(|e| fatal(e.to_string()))?;
    tracing::info!("There is no {}: looking for {address}", path.display());
    match fetch(&store, key, path, Check::Later, &mut |_, _| {}).map_err(fatal)? {
        true => tracing::info!("{address} has been fetched"),
        false => tracing::info!("There is no {address} either: starting empty"),
    }
    Ok(())
}
