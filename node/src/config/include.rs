//! `include`: which files a path or pattern stands for.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use protocol::glob::{Case, is_pattern, matches};

/// The files, in the order of their names. A pattern may stand for none; a plain path always stands for itself.
pub fn included_files(dir: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let whole = dir.join(OsStr::from_bytes(pattern));
    if !is_pattern(pattern) {
        return vec![whole];
    }
    let mut found = vec![PathBuf::new()];
    for component in whole.components() {
        found = match component {
            Component::Normal(name) if is_pattern(name.as_bytes()) => {
                found.iter().flat_map(|dir| entries(dir, name.as_bytes())).collect()
            }
            other => found.into_iter().map(|path| path.join(other)).collect(),
        };
    }
    found.retain(|path| path.exists());
    found
}

/// The entries of a directory that a pattern covers. Names with a leading dot must be asked for.
fn entries(dir: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let Ok(listing) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<_> = listing.flatten().map(|entry| entry.file_name()).collect();
    names.retain(|name| {
        let name = name.as_bytes();
        (name[0] != b'.' || pattern[0] == b'.') && matches(pattern, name, Case::Matters)
    });
    names.sort();
    names.iter().map(|name| dir.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::TempDir;

    #[test]
    fn patterns_and_paths() {
        let dir = TempDir::new("include");
        for name in ["a/1.conf", "a/2.conf", "b/1.conf", "a/.hidden.conf", "a/1.txt"] {
            dir.write(name, "");
        }
        let found = |pattern: &str| {
            let files = included_files(dir.path(), pattern.as_bytes());
            let names =
                files.iter().map(|file| file.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found("a/*.conf"), "a/1.conf a/2.conf");
        assert_eq!(found("*/1.conf"), "a/1.conf b/1.conf");
        assert_eq!(found("[a]/?.txt"), "a/1.txt");
        assert_eq!(found("a/.*.conf"), "a/.hidden.conf");
        assert_eq!(found("*/none.conf"), "");
        assert_eq!(found("none.conf"), "none.conf");
    }
}
