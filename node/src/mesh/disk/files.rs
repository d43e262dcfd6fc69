//! The files of a member's log, in `appenddirname`.
//!
//! ```text
//! member.3.base   all data as of a moment, with what is remembered of them
//! member.3.log    what followed; member.4.log follows that
//! ```
//!
//! A base gets its name when it is complete. What counts is the newest base and the logs from its number on; what is older
//! is removed once there is something newer.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::records::MAGIC;
use crate::config::Config;
use crate::persist::rdb_file;

/// See the [module's page](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    dir: PathBuf,
    bases: Vec<u64>,
    logs: Vec<u64>,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Base,
    /// The log with this number.
    Log(u64),
}

impl Role {
    /// As its name says. `None`: it is not of a member's log.
    pub fn of(path: &Path) -> Option<Role> {
        let (number, role) = parse(path.file_name()?.to_str()?)?;
        Some(if role == "base" { Role::Base } else { Role::Log(number) })
    }
}

/// Number and kind that a file's name tells.
fn parse(name: &str) -> Option<(u64, &str)> {
    let (number, role) = name.strip_prefix("member.")?.split_once('.')?;
    ["base", "log"].contains(&role).then_some((number.parse().ok()?, role))
}

impl Files {
    /// What is there.
    pub fn find(config: &Config) -> io::Result<Files> {
        Files::within(PathBuf::from(&config.appenddirname))
    }

    /// What is in a directory.
    pub fn within(dir: PathBuf) -> io::Result<Files> {
        let mut files = Files { dir, ..Files::default() };
        let entries = match fs::read_dir(&files.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(files),
            Err(e) => return Err(e),
        };
        for entry in entries {
            let name = entry?.file_name();
            match name.to_str().and_then(parse) {
                Some((number, "base")) => files.bases.push(number),
                Some((number, _)) => files.logs.push(number),
                None => {}
            }
        }
        files.bases.sort_unstable();
        files.logs.sort_unstable();
        Ok(files)
    }

    /// Whether no log follows this one.
    pub fn is_last(&self, role: Role) -> bool {
        matches!(role, Role::Log(number) if self.logs.iter().all(|other| *other <= number))
    }

    /// The base that counts.
    pub fn base(&self) -> Option<PathBuf> {
        self.bases.last().map(|number| self.base_path(*number))
    }

    /// The logs that follow it, oldest first.
    pub fn logs(&self) -> Vec<PathBuf> {
        let from = self.bases.last().copied().unwrap_or(0);
        self.logs.iter().filter(|number| **number >= from).map(|number| self.log_path(*number)).collect()
    }

    pub fn base_path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("member.{number}.base"))
    }

    fn log_path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("member.{number}.log"))
    }

    /// Where a base is written until it is complete.
    pub fn temporary(&self, number: u64) -> PathBuf {
        self.dir.join(format!("temp-member-{}-{number}.base", std::process::id()))
    }

    /// Begins the log with the next number.
    pub fn next_log(&mut self) -> io::Result<(u64, File)> {
        fs::create_dir_all(&self.dir)?;
        let number = self.bases.last().max(self.logs.last()).map_or(1, |last| last + 1);
        let path = self.log_path(number);
        let mut file = File::options().append(true).create_new(true).open(&path)?;
        file.write_all(MAGIC)?;
        rdb_file::sync_directory(&path)?;
        self.logs.push(number);
        Ok((number, file))
    }

    /// A base is complete: it gets its name, and what is older goes.
    pub fn complete(&mut self, number: u64) -> io::Result<()> {
        rdb_file::replace(&self.temporary(number), &self.base_path(number))?;
        self.bases.push(number);
        self.remove_below(number);
        Ok(())
    }

    /// Removes everything.
    pub fn remove_all(&mut self) {
        self.remove_below(u64::MAX);
    }

    fn remove_below(&mut self, number: u64) {
        let Files { dir, bases, logs } = &*self;
        let path = |n: &u64, kind| dir.join(format!("member.{n}.{kind}"));
        let old = |all: &[u64], kind| {
            all.iter().filter(|n| **n < number).map(|n| path(n, kind)).collect::<Vec<_>>()
        };
        for path in old(bases, "base").into_iter().chain(old(logs, "log")) {
            remove(&path);
        }
        self.bases.retain(|n| *n >= number);
        self.logs.retain(|n| *n >= number);
    }

    /// Bytes of all that a start would read.
    pub fn size(&self) -> u64 {
        let bytes = |path: PathBuf| fs::metadata(path).map_or(0, |data| data.len());
        self.base().into_iter().chain(self.logs()).map(bytes).sum()
    }
}

fn remove(path: &Path) {
    if let Err(e) = fs::remove_file(path) {
        tracing::warn!("Can't remove {}: {e}", path.display());
    }
}
