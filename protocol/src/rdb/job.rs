//! KeyDB's jobs: scripts that run at set times. Files of Redis have none, and none are written here.
//!
//! ```text
//! job    script:string start:millis interval:millis  length string*  length string*       the keys, then the arguments
//! ```
//!
//! When it runs next stands behind it, as the deadline of a member that is called like the key. That it is to run only once
//! is not in the file.

use super::{Error, Reader};

/// See the [module's page](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub script: Vec<u8>,
    /// Unix time in milliseconds.
    pub start_ms: u64,
    /// Above 0.
    pub interval_ms: u64,
    pub keys: Vec<Vec<u8>>,
    pub arguments: Vec<Vec<u8>>,
}

impl Job {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Job, Error> {
        let script = reader.bytes()?;
        let start_ms = reader.millis()?.max(0) as u64;
        let interval_ms = u64::try_from(reader.millis()?).unwrap_or(0);
        if interval_ms == 0 {
            return Err(reader.malformed("job without an interval").into());
        }
        Ok(Job { script, start_ms, interval_ms, keys: words(reader)?, arguments: words(reader)? })
    }
}

fn words(reader: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, Error> {
    let count = reader.count(1)?;
    // The number is believed as the words come.
    let mut words = Vec::new();
    for _ in 0..count {
        words.push(reader.bytes()?);
    }
    Ok(words)
}
