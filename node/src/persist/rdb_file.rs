//! RDB files: written beside the old one, made durable, then put in its place.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use engine::ctx::Ctx;
use engine::journal::feed;
use protocol::rdb::FileWriter;

use super::snapshot::{Job, Purpose};
use crate::aof;
use crate::config::Config;
use crate::replicas::history::Position;
use crate::server::Server;
use crate::worker::unix_ms;

/// Bytes after which what was written is sent on its way to the disk, with `rdb-save-incremental-fsync`: else the last
/// sync would have to do it all.
const SYNC_EVERY: u64 = 4 << 20;

/// The version that Redis 5 and 6 and KeyDB read.
const OLD: u16 = 9;

/// What a file tells about itself.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// It is the base of an append-only file.
    pub aof_base: bool,
    /// It is for a replica, which goes on with a master's stream that has selected this database.
    pub stream_db: Option<usize>,
    /// It is of version 9.
    pub old: bool,
    /// Where the data are in the history that replicas follow.
    pub position: Option<Position>,
}

/// The beginning of a file, with the libraries of functions that belong to it.
pub fn head(config: &Config, libraries: &[Vec<u8>], about: About) -> FileWriter {
    let mut file = match about.old {
        true => FileWriter::of_version(OLD, config.rdbcompression, config.rdbchecksum),
        false => FileWriter::new(config.rdbcompression, config.rdbchecksum),
    };
    file.aux(b"redis-ver", crate::REDIS_VERSION.as_bytes());
    file.aux(b"redis-bits", b"64");
    file.aux(b"ctime", (unix_ms() / 1000).to_string().as_bytes());
    file.aux(b"used-mem", crate::memory::used().to_string().as_bytes());
    let stream_db = about.position.as_ref().map(|position| position.db).or(about.stream_db);
    if let Some(db) = stream_db {
        file.aux(b"repl-stream-db", db.to_string().as_bytes());
    }
    if let Some(Position { id, offset, .. }) = &about.position {
        file.aux(b"repl-id", id.as_bytes());
        file.aux(b"repl-offset", offset.to_string().as_bytes());
    }
    file.aux(b"aof-base", if about.aof_base { b"1" } else { b"0" });
    libraries.iter().for_each(|library| file.function(library));
    file
}

/// The commands that load libraries of functions.
fn as_commands(libraries: &[Vec<u8>]) -> Vec<u8> {
    let mut commands = Vec::new();
    for library in libraries {
        feed::encode(&mut commands, [&b"FUNCTION"[..], b"LOAD", library].into_iter());
    }
    commands
}

/// A file that goes to the disk bit by bit.
pub struct Output {
    file: File,
    incremental: bool,
    pending: u64,
    written: u64,
}

impl Output {
    pub fn create(path: &Path, incremental: bool) -> io::Result<Output> {
        Ok(Output { file: File::create(path)?, incremental, pending: 0, written: 0 })
    }

    pub fn written(&self) -> u64 {
        self.written
    }

    /// Returns when all that was written is durable.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.written += n as u64;
        self.pending += n as u64;
        if self.incremental && self.pending >= SYNC_EVERY {
            crate::system::begin_sync(self.file.as_raw_fd(), self.written - self.pending, self.pending);
            self.pending = 0;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a save does with the shards.
pub enum Shards<'a, 'e> {
    /// They are held one after the other.
    Free,
    /// The caller holds them all.
    Held(&'a mut Ctx<'e>),
}

/// Writes the snapshot to `path`, which is there in full or as it was before.
pub fn write(
    server: &Server,
    job: &Job,
    path: &Path,
    about: About,
    shards: Shards<'_, '_>,
) -> io::Result<()> {
    let temporary = path.with_file_name(format!("temp-{}.rdb", std::process::id()));
    let result = fill(server, job, &temporary, about, shards).and_then(|()| replace(&temporary, path));
    match &result {
        Ok(()) => tracing::info!("DB saved on disk"),
        Err(e) => {
            job.abort();
            let _ = fs::remove_file(&temporary);
            tracing::warn!("Write error saving DB on disk: {}", crate::process::reason(e));
        }
    }
    result
}

fn fill(server: &Server, job: &Job, path: &Path, about: About, shards: Shards<'_, '_>) -> io::Result<()> {
    let config = server.config.get();
    let incremental = match job.purpose {
        Purpose::Rewrite => config.aof_rewrite_incremental_fsync,
        _ => config.rdb_save_incremental_fsync,
    };
    let created = Output::create(path, incremental);
    let file = head(&config, job.libraries(), about);
    // Without a file the walks have to come to their ends all the same.
    let mut out: Box<dyn Write + Send> = match created {
        Ok(out) => {
            let mut out = out;
            if job.in_commands() {
                if aof::tells_times(&config) {
                    writeln!(out, "#TS:{}\r", unix_ms() / 1000)?;
                }
                out.write_all(&as_commands(job.libraries()))?;
            }
            run(server, job, file, &mut out, shards)?;
            return out.sync();
        }
        Err(e) => Box::new(Refusing(e)),
    };
    run(server, job, file, &mut out, shards)
}

fn run(
    server: &Server,
    job: &Job,
    file: FileWriter,
    out: &mut (dyn Write + Send),
    shards: Shards<'_, '_>,
) -> io::Result<()> {
    match shards {
        Shards::Free => job.run(server, file, out),
        Shards::Held(ctx) => job.run_held(&mut ctx.locks, file, out),
    }
}

/// A place that could not be opened.
struct Refusing(io::Error);

impl Write for Refusing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::new(self.0.kind(), self.0.to_string()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Puts a complete file in another's place, durably.
pub fn replace(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_directory(to)
}

/// Makes the directory entry of `path` durable.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}
