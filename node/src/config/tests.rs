//! Tests of the module as a whole.

mod page;
mod properties;
mod recorded;
mod rewriting;
mod samples;
mod storing;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::load::{Loaded, Sources, load};
use super::{Config, Effect, Flags, Origin, ROWS, Source, find};

/// A directory of its own for one test, removed at its end.
pub(super) struct TempDir(PathBuf);

impl TempDir {
    pub fn new(name: &str) -> TempDir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique =
            format!("everwrite-{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        fs::create_dir_all(&path).unwrap();
        TempDir(path.canonicalize().unwrap())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Some commands that may be renamed.
fn some_commands(name: &[u8]) -> bool {
    [&b"get"[..], b"set", b"config", b"debug", b"flushdb", b"flushall"].contains(&name)
}

/// Loads `text` as the file `t.conf` of a directory.
fn load_text(dir: &TempDir, text: &str) -> Result<Loaded, String> {
    dir.write("t.conf", text);
    let sources = Sources { file: Some("t.conf".into()), ..Sources::default() };
    load(&sources, dir.path(), &some_commands).map_err(|e| e.to_string())
}

/// The value of one directive as CONFIG GET shows it.
fn shown(config: &Config, name: &str) -> String {
    let found = config.get(&[name.as_bytes()]);
    assert_eq!(found.len(), 1, "{name}");
    String::from_utf8_lossy(&found[0].1).into_owned()
}

#[test]
fn names_are_unique_and_lower_case() {
    let mut names: Vec<_> = ROWS.iter().flat_map(|row| row.names()).collect();
    assert!(names.iter().all(|name| **name == name.to_ascii_lowercase()));
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn counts_of_redis() {
    let redis = || ROWS.iter().filter(|row| row.source == Source::Redis);
    // 178, and lua-enable-deprecated-api, which is hidden.
    assert_eq!(redis().count(), 179);
    assert_eq!(redis().filter(|row| row.flags.has(Flags::HIDDEN)).count(), 6);
    assert!(redis().filter(|row| row.flags.has(Flags::SENSITIVE)).count() == 3);
}

#[test]
fn a_row_says_something() {
    for row in ROWS {
        assert!(row.doc.trim().ends_with('.'), "{}", row.name);
        assert!(!row.syntax().is_empty(), "{}", row.name);
        assert!(row.effect != Effect::Later || row.source != Source::Redis || !row.doc.is_empty());
    }
}

/// What a file says in the words of [`Row::lines`] is read back as the same value.
#[test]
fn lines_are_read_back() {
    let dir = TempDir::new("lines");
    let loaded = load_text(&dir, include_str!("testdata/redis.conf")).unwrap();
    for config in [loaded.config, Config::new(dir.path())] {
        for row in ROWS {
            let mut read = Config::new(dir.path());
            for line in (row.lines)(&config, row) {
                let words = protocol::quote::split(&line).unwrap();
                let words: Vec<_> = words.iter().map(Vec::as_slice).collect();
                row.read(&mut read, &words, Origin::Boot)
                    .unwrap_or_else(|reason| panic!("{}: {reason}", row.name));
            }
            assert!(
                row.same(&config, &read),
                "{}: {:?}",
                row.name,
                String::from_utf8_lossy(&row.show(&read))
            );
        }
    }
}

#[test]
fn dragonfly_spelling_is_for_the_start_only() {
    assert!(find(b"maxmemory_policy").is_none());
    let dir = TempDir::new("flags");
    let loaded = load_text(&dir, "slowlog_max_len 5\ndbnum 4\ncache_mode true\n").unwrap();
    assert_eq!((loaded.config.slowlog_max_len, loaded.config.databases), (5, 4));
    assert_eq!(shown(&loaded.config, "maxmemory-policy"), "allkeys-lfu");
    let loaded = load_text(&dir, "cache_mode true\nmaxmemory-policy volatile-ttl\n").unwrap();
    assert_eq!(shown(&loaded.config, "maxmemory-policy"), "volatile-ttl");
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let dir = TempDir::new("secret");
    let config = load_text(&dir, "requirepass hunter2\n").unwrap().config;
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(&*config.requirepass, b"hunter2");
}
