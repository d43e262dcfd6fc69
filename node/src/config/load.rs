//! Starting from a file, standard input and the command line, in this order: later lines win.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::choice::EvictionPolicy;
use super::include::included_files;
use super::lines::{Line, LoadError, lines_of};
use super::rename::Renames;
use super::row::Origin;
use super::table::find_loosely;
use super::{Config, os_reason};

/// Includes within includes, before it is taken for a circle.
const INCLUDE_DEPTH_MAX: usize = 16;

/// What is to be read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    /// The contents of standard input, if asked for.
    pub stdin: Option<Vec<u8>>,
    /// The command line's options as text: see [`argv`](super::argv).
    pub options: Vec<u8>,
}

/// What was read.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// The file that CONFIG REWRITE writes, as an absolute path.
    pub path: Option<PathBuf>,
    /// Lines `user name rule...`. Their rules are not checked: what is wrong with one is told by [`Line::error`].
    pub users: Vec<Line>,
    /// Lines `loadmodule path argument...`.
    pub modules: Vec<Line>,
    /// Commands under new names.
    pub renames: Renames,
}

/// Directives of former versions: read and forgotten.
pub const RETIRED: &[&str] =
    &["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

const BAD_DIRECTIVE: &str = "Bad directive or wrong number of arguments";

/// Reads it all. `cwd` is the working directory and `command_exists` tells the names that may be renamed, in lower case.
pub fn load(
    sources: &Sources,
    cwd: &Path,
    command_exists: &dyn Fn(&[u8]) -> bool,
) -> Result<Loaded, LoadError> {
    let path = sources.file.as_ref().map(|file| cwd.join(file));
    let text = whole_text(sources, path.as_deref())?;
    let loaded = Loaded {
        config: Config::new(cwd),
        path,
        users: Vec::new(),
        modules: Vec::new(),
        renames: Renames::default(),
    };
    let mut loader = Loader { loaded, command_exists, given: HashSet::new() };
    loader.read_text(&text, None, 0)?;
    loader.finish()
}

/// File, standard input and options as one text: so their lines are numbered as in Redis.
fn whole_text(sources: &Sources, path: Option<&Path>) -> Result<Vec<u8>, LoadError> {
    let mut text = path.map_or(Ok(Vec::new()), read_file)?;
    if let Some(stdin) = &sources.stdin {
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        text.extend(stdin);
    }
    if !sources.options.is_empty() {
        text.push(b'\n');
        text.extend(&sources.options);
    }
    Ok(text)
}

fn read_file(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|e| LoadError::Unreadable { path: path.to_owned(), reason: os_reason(&e) })
}

struct Loader<'a> {
    loaded: Loaded,
    command_exists: &'a dyn Fn(&[u8]) -> bool,
    /// Directives that occurred, by canonical name.
    given: HashSet<&'static str>,
}

impl Loader<'_> {
    fn read_text(&mut self, text: &[u8], included: Option<Arc<Path>>, depth: usize) -> Result<(), LoadError> {
        for line in lines_of(text, included) {
            self.read_line(line?, depth)?;
        }
        Ok(())
    }

    fn read_line(&mut self, line: Line, depth: usize) -> Result<(), LoadError> {
        if let Some((row, _)) = find_loosely(line.name()) {
            self.given.insert(row.name);
            let read = row.read(&mut self.loaded.config, &line.values(), Origin::Boot);
            return read.map_err(|reason| line.error(reason));
        }
        let name = String::from_utf8_lossy(line.name()).to_ascii_lowercase();
        match (name.as_str(), line.words.len() - 1) {
            ("include", 1) => self.include(&line, depth)?,
            ("rename-command", 2) => {
                let renamed = self.loaded.renames.add(&line.words[1], &line.words[2], self.command_exists);
                renamed.map_err(|reason| line.error(reason))?;
            }
            ("user", 1..) => self.loaded.users.push(line),
            ("loadmodule", 1..) => self.loaded.modules.push(line),
            ("sentinel", _) => return Err(line.error("sentinel directive while not in sentinel mode")),
            (name, 1) if RETIRED.contains(&name) => {}
            _ => return Err(line.error(BAD_DIRECTIVE)),
        }
        Ok(())
    }

    fn include(&mut self, line: &Line, depth: usize) -> Result<(), LoadError> {
        if depth == INCLUDE_DEPTH_MAX {
            return Err(line.error("includes are nested too deeply"));
        }
        for path in included_files(self.loaded.config.dir.path(), &line.words[1]) {
            let text = read_file(&path)?;
            self.read_text(&text, Some(path.into()), depth + 1)?;
        }
        Ok(())
    }

    /// Settles what depends on several lines.
    fn finish(mut self) -> Result<Loaded, LoadError> {
        let config = &mut self.loaded.config;
        if config.multi_master && !config.active_replica {
            return Err(LoadError::Whole("multi-master requires active-replica yes".into()));
        }
        if config.cluster_enabled && !config.replicaof.0.is_empty() {
            return Err(LoadError::Whole("replicaof directive not allowed in cluster mode".into()));
        }
        if !config.multi_master {
            let masters = &mut config.replicaof.0;
            masters.drain(..masters.len().saturating_sub(1));
        }
        if config.active_replica {
            config.replica_read_only = false;
        }
        if config.cache_mode && !self.given.contains("maxmemory-policy") {
            config.maxmemory_policy = EvictionPolicy::AllKeysLfu;
        }
        check_log_file(config)?;
        Ok(self.loaded)
    }
}

/// Opens the log file for a moment, creating it: a node that can't log must not start.
fn check_log_file(config: &Config) -> Result<(), LoadError> {
    if config.logfile.is_empty() {
        return Ok(());
    }
    let path = config.dir.path().join(&config.logfile);
    match std::fs::OpenOptions::new().append(true).create(true).open(path) {
        Ok(_) => Ok(()),
        Err(e) => Err(LoadError::Whole(format!("Can't open the log file: {}", os_reason(&e)))),
    }
}
