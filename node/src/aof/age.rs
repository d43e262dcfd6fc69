//! How old the commands of a file are: what a start can know of it, so that a node that has loaded an old log does not take its
//! data for younger than those of the mesh that it joins.
//!
//! `#TS:` lines tell the second in which the commands behind them were done; a node with `active-replica yes` writes them
//! whether `aof-timestamp-enabled` says so or not. Commands before the first such line are no younger than the file, which is all
//! that is known of them. Versions never go back: where files tell of times out of order, the later one counts.

use std::fs::File;
use std::time::UNIX_EPOCH;

use protocol::number::parse_u64;

const SECOND: &[u8] = b"#TS:";

/// See the [module's page](self).
#[derive(Clone, Copy, Debug)]
pub struct Age {
    now_ms: u64,
}

impl Age {
    /// Nothing is older than what the files say, or younger than `now_ms`.
    pub fn at(now_ms: u64) -> Age {
        Age { now_ms }
    }

    /// The time when the file was written last: that of commands of which nothing else is known. Unix ms.
    pub fn of_file(self, file: &File) -> u64 {
        let written = file.metadata().and_then(|data| data.modified()).ok();
        let since = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        since.map_or(self.now_ms, |since| self.now_ms.min(since.as_millis() as u64))
    }

    /// The time that a line without its end tells, if it tells one. Unix ms.
    pub fn of_line(self, line: &[u8]) -> Option<u64> {
        let second = parse_u64(line.strip_prefix(SECOND)?)?;
        Some(self.now_ms.min(second.saturating_mul(1000)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_younger_than_now_is_of_now() {
        let age = Age::at(5_000);
        for (line, expected) in [
            (&b"#TS:3"[..], Some(3_000)),
            (b"#TS:5", Some(5_000)),
            (b"#TS:6", Some(5_000)),
            (b"#TS:18446744073709551615", Some(5_000)),
            (b"#TS:", None),
            (b"#TS:-1", None),
            (b"#everwrite-tag:3", None),
        ] {
            assert_eq!(age.of_line(line), expected, "{line:?}");
        }
        let path = std::env::temp_dir().join(format!("everwrite-age-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        let at = |ms| file.set_modified(UNIX_EPOCH + Duration::from_millis(ms)).unwrap();
        at(4_321);
        assert_eq!(age.of_file(&file), 4_321);
        at(9_000);
        assert_eq!(age.of_file(&file), 5_000);
        std::fs::remove_file(&path).unwrap();
    }
}
