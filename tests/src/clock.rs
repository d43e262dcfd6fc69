//! A node's clock, as libfaketime shows it: some way off the true time, and it can be set while the node runs.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const PLACES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
];

/// See the [module's page](self).
#[derive(Debug)]
pub struct Clock {
    library: &'static str,
    /// What the library reads the offset from.
    file: PathBuf,
}

impl Clock {
    /// A clock that is off by so much. An error if the library is not there.
    pub fn off_by(ms: i64) -> Result<Clock, String> {
        let found = PLACES.into_iter().find(|path| std::path::Path::new(path).exists());
        let library = found.ok_or(
            "A node's clock is set by libfaketime, which is not installed (Debian: apt-get install faketime).",
        )?;
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("everwrite-clock-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let file = std::env::temp_dir().join(name);
        let clock = Clock { library, file };
        clock.set(ms).map_err(|e| format!("{}: {e}", clock.file.display()))?;
        Ok(clock)
    }

    /// Sets it; the node sees it within a second.
    pub fn set(&self, ms: i64) -> std::io::Result<()> {
        let new = self.file.with_extension("new");
        std::fs::write(&new, offset(ms))?;
        std::fs::rename(new, &self.file)
    }

    /// What a process has to find in its environment to live by this clock. Time spans stay true.
    pub fn env(&self) -> Vec<(String, String)> {
        let file = self.file.to_string_lossy().into_owned();
        [
            ("LD_PRELOAD", self.library.to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", file),
            ("FAKETIME_CACHE_DURATION", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// As libfaketime reads it, seconds.
fn offset(ms: i64) -> String {
    let sign = if ms < 0 { '-' } else { '+' };
    format!("{sign}{}.{:03}\n", ms.abs() / 1000, ms.abs() % 1000)
}

#[cfg(test)]
mod tests {
    use super::offset;

    #[test]
    fn less_than_a_second_behind_is_not_ahead() {
        assert_eq!(
            [-1_500, -800, 0, 800, 2_005].map(offset),
            ["-1.500\n", "-0.800\n", "+0.000\n", "+0.800\n", "+2.005\n"]
        );
    }
}
