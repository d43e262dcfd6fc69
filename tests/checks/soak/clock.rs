//! A node's clock as libfaketime shows it, which can be set while the node runs.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const PLACES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
];

/// See the [module's page](self).
pub struct Clock {
    library: &'static str,
    /// What the library reads the offset from.
    file: PathBuf,
}

impl Clock {
    /// A clock that is off by so much. `None`, which is said, if the library is not there.
    pub fn off_by(ms: i64) -> Option<Clock> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Some(library) = PLACES.into_iter().find(|path| Path::new(path).exists()) else {
            eprintln!("libfaketime is not installed (Debian: apt-get install faketime): the clock is right");
            return None;
        };
        let name = format!("everwrite-soak-clock-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let clock = Clock { library, file: std::env::temp_dir().join(name) };
        clock.set(ms);
        Some(clock)
    }

    /// Sets it; the node sees it within a second.
    pub fn set(&self, ms: i64) {
        let new = self.file.with_extension("new");
        let sign = if ms < 0 { '-' } else { '+' };
        std::fs::write(&new, format!("{sign}{}.{:03}\n", ms.abs() / 1000, ms.abs() % 1000))
            .and_then(|()| std::fs::rename(new, &self.file))
            .expect("a file can be written below the temporary directory");
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
