//! Older snapshots, kept beside the newest: under its key with the time behind it, `dump.rdb.20261126T163000.250Z`.

use std::fmt;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::{Error, Store};

/// One that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    pub key: String,
    /// As in the key.
    pub time: String,
    pub bytes: u64,
}

/// The key of a copy made at a time, unix ms. Keys are in the order of times.
pub fn key_at(key: &str, unix_ms: u64) -> String {
    format!("{key}.{}", Time(unix_ms))
}

impl Store {
    /// The copies of an object, oldest first.
    pub fn copies(&self, key: &str) -> Result<Vec<Copy>, Error> {
        let path = Path::parse(key)?;
        let folder = key.rsplit_once('/').map(|(folder, _)| Path::parse(folder)).transpose()?;
        let listed = self.run(self.inner.list_with_delimiter(folder.as_ref()))?;
        let begin = format!("{path}.");
        let mut found: Vec<_> = listed
            .objects
            .into_iter()
            .filter_map(|object| {
                let key = object.location.to_string();
                let time = key.strip_prefix(&begin).filter(|text| is_time(text))?.to_owned();
                Some(Copy { key, time, bytes: object.size })
            })
            .collect();
        found.sort_unstable_by(|a, b| a.time.cmp(&b.time));
        Ok(found)
    }

    /// Removes the oldest copies until there are `keep`; how many those were.
    pub fn prune(&self, key: &str, keep: usize) -> Result<usize, Error> {
        let copies = self.copies(key)?;
        let gone = &copies[..copies.len().saturating_sub(keep)];
        for copy in gone {
            let path = Path::parse(&copy.key)?;
            self.run(self.inner.delete(&path))?;
        }
        Ok(gone.len())
    }
}

/// `20261126T163000.250Z`
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = date(days);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(f, "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{:03}Z", ms % 1000)
    }
}

/// The date of a day, counted from 1970-01-01.
fn date(mut days: u64) -> (u64, u64, u64) {
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    loop {
        let len = if is_leap(year) { 366 } else { 365 };
        if days < len {
            break;
        }
        days -= len;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    for (month, len) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
        if days < len {
            return (year, month, days + 1);
        }
        days -= len;
    }
    unreachable!("a year has twelve months")
}

fn is_time(text: &str) -> bool {
    text.len() == "20261126T163000.250Z".len()
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'.',
            19 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use object_store::memory::InMemory;

    use super::*;

    fn file(bytes: &[u8]) -> std::fs::File {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Relaxed);
        let path = std::env::temp_dir().join(format!("everwrite-backup-{}-{number}", std::process::id()));
        let mut file =
            std::fs::File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn times_are_in_order() {
        for (ms, text) in [
            (0, "19700101T000000.000Z"),
            (951_782_400_000, "20000229T000000.000Z"),
            (1_795_710_600_250, "20261126T163000.250Z"),
            (4_102_444_799_999, "20991231T235959.999Z"),
        ] {
            assert_eq!(Time(ms).to_string(), text);
            assert!(is_time(text));
        }
        assert!(!is_time("20261126T163000.25Z") && !is_time("rdb"));
    }

    #[test]
    fn what_went_up_comes_down() {
        let store = Store::of(Arc::new(InMemory::new())).unwrap();
        for len in [0, 1, 100, 101, 1000] {
            let bytes: Vec<u8> = (0..len).map(|n| (n * 7) as u8).collect();
            let put = store.put_parts("a/dump.rdb", &file(&bytes), 100, &mut |_| true).unwrap();
            let (mut back, mut most) = (Vec::new(), 0);
            let got = store.get_parts("a/dump.rdb", &mut back, 33, &mut |n, _| most = n).unwrap();
            assert_eq!((put, got, most), (len, len, len));
            assert_eq!(back, bytes);
        }
        let missing = store.get("a/other.rdb", &mut Vec::new(), &mut |_, _| {});
        assert!(matches!(missing, Err(Error::NotFound(_))));
        let unwanted = store.put_parts("b", &file(&[1; 1000]), 100, &mut |_| false);
        assert!(unwanted.is_err());
        assert!(matches!(store.get("b", &mut Vec::new(), &mut |_, _| {}), Err(Error::NotFound(_))));
    }

    #[test]
    fn the_oldest_copies_go() {
        let store = Store::of(Arc::new(InMemory::new())).unwrap();
        for key in [
            "a/dump.rdb",
            "a/dump.rdb.old",
            "dump.rdb.20261126T163000.250Z",
            "a/dump.rdb2.20261126T163000.250Z",
        ] {
            store.put(key, &file(b"x"), &mut |_| true).unwrap();
        }
        let times: Vec<u64> = (1..6).map(|n| n * 1_000_000_000_000).collect();
        for ms in &times {
            store.put(&key_at("a/dump.rdb", *ms), &file(b"x"), &mut |_| true).unwrap();
        }
        assert_eq!(store.prune("a/dump.rdb", 2).unwrap(), 3);
        let left: Vec<_> = store.copies("a/dump.rdb").unwrap().into_iter().map(|copy| copy.key).collect();
        assert_eq!(left, times[3..].iter().map(|ms| key_at("a/dump.rdb", *ms)).collect::<Vec<_>>());
    }
}
