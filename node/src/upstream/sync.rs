//! A full synchronisation: all data as the master had them, and where in its stream that was.
//!
//! By `repl-diskless-load` the snapshot goes to the disk first, or is loaded as it comes: into what has been emptied, or
//! beside the data that are served until it is complete. A link that merges brings it in as it comes, key by key.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use engine::ctx::Ctx;
use engine::keyspace::Keyspace;

use super::apply::Applier;
use super::handshake::Handshake;
use super::link::{Broken, Link, Mode};
use super::merge;
use super::payload::{self, End, Payload};
use super::status::State;
use super::wire::Wire;
use crate::aof::rewrite;
use crate::blocking;
use crate::config::Config;
use crate::config::choice::DisklessLoad;
use crate::persist::load::{self, LoadError, Policy, Shards};
use crate::persist::{background, rdb_file};
use crate::server::Server;
use crate::tracking::Own;
use crate::worker::unix_ms;

/// How often a master hears that a snapshot is still being loaded.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// Bytes that go to the disk at once.
const PIECE: usize = 256 * 1024;

/// How a snapshot gets into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ByDisk,
    AsItComes,
    Beside,
}

/// Receives and loads it all.
pub fn full(
    handshake: &mut Handshake<'_>,
    applier: &mut Applier<'_>,
    replid: &str,
    offset: u64,
) -> Result<(), Broken> {
    let (link, config) = (handshake.link, handshake.config);
    link.status.begin_transfer(None);
    link.set(State::Sync);
    let end = payload::announced(handshake)?;
    let mut payload = Payload::new(handshake.wire, link, config, end);
    link.status.begin_transfer(payload.size());
    let way = way(link.server, config);
    let words = match end {
        End::After(n) => format!("receiving {n} bytes from master"),
        End::At(_) => "receiving streamed RDB from master with EOF".to_owned(),
    };
    let to = if way == Way::ByDisk && link.mode == Mode::Follow { "to disk" } else { "to parser" };
    tracing::info!("MASTER <-> REPLICA sync: {words} {to}");
    let same = applier.position().0 == replid;
    match (link.mode, way) {
        (Mode::Merge, _) => {
            applier.begin_anew();
            let len = payload.size();
            merge::load(applier, &mut payload, len)?;
            payload.finish()?;
            if link.server.aof.is_on() {
                // The log has none of it yet.
                link.server.aof.note(|books| books.scheduled = true);
            }
        }
        (Mode::Follow, Way::ByDisk) => by_disk(payload, applier)?,
        (Mode::Follow, Way::AsItComes) => {
            let len = payload.size();
            replace(applier, len, &mut payload)?;
            payload.finish()?;
        }
        (Mode::Follow, Way::Beside) => beside(&mut payload, applier, same)?,
    }
    let db = link.server.persistence.loading.stream_db.load(Relaxed);
    applier.begin_at(replid, offset, db);
    link.status.full_syncs.fetch_add(1, Relaxed);
    if link.mode == Mode::Follow {
        link.server.persistence.loading.end();
        link.server.config.touch();
    }
    tracing::info!("MASTER <-> REPLICA sync: Finished with success");
    Ok(())
}

fn way(server: &Server, config: &Config) -> Way {
    let is_empty = || (0..server.keyspace.databases()).all(|db| server.keyspace.sizes(db).0 == 0);
    match config.repl_diskless_load {
        DisklessLoad::SwapDb => Way::Beside,
        DisklessLoad::OnEmptyDb if is_empty() => Way::AsItComes,
        DisklessLoad::OnEmptyDb | DisklessLoad::Disabled => Way::ByDisk,
    }
}

/// Puts the snapshot where the node's own would be, then loads it from there.
fn by_disk(mut payload: Payload<'_>, applier: &mut Applier<'_>) -> Result<(), Broken> {
    let (server, link) = (applier.link.server, applier.link);
    let config = server.config.get();
    let temporary = PathBuf::from(format!("temp-{}.{}.rdb", unix_ms() / 1000, std::process::id()));
    let path = Path::new(&config.dbfilename);
    let len = match write(&mut payload, &temporary) {
        Ok(len) => len,
        Err(broken) => {
            let _ = fs::remove_file(&temporary);
            return Err(link.check(&config).err().unwrap_or(broken));
        }
    };
    // What is being saved is no longer wanted.
    background::abort(server);
    rdb_file::replace(&temporary, path).map_err(disk)?;
    let mut file = File::open(path).map_err(disk)?;
    let mut source = Alive { file: &mut file, wire: payload.into_wire(), link, told: Instant::now() };
    let loaded = replace(applier, Some(len), &mut source);
    if config.rdb_del_sync_files && !config.appendonly && config.save.rules().is_empty() {
        let _ = fs::remove_file(path);
    }
    loaded
}

fn disk(e: io::Error) -> Broken {
    Broken::Refused(format!("Can't write the snapshot to disk: {}", crate::process::reason(&e)))
}

fn write(payload: &mut Payload<'_>, path: &Path) -> Result<u64, Broken> {
    let (mut file, mut piece, mut len) = (File::create(path).map_err(disk)?, vec![0; PIECE], 0);
    loop {
        let n = payload.read(&mut piece)?;
        if n == 0 {
            break;
        }
        file.write_all(&piece[..n]).map_err(disk)?;
        len += n as u64;
    }
    file.sync_all().map_err(disk)?;
    Ok(len)
}

/// A file whose reader tells the master now and then that it is still there.
struct Alive<'a> {
    file: &'a mut File,
    wire: &'a mut Wire,
    link: &'a Link,
    told: Instant,
}

impl Read for Alive<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.link.is_unwanted() {
            return Err(io::Error::other(Broken::Unwanted.to_string()));
        }
        if self.told.elapsed() >= ALIVE_EVERY {
            self.told = Instant::now();
            self.link.heard();
            self.wire.send(b"\n")?;
        }
        self.file.read(out)
    }
}

/// Loads a snapshot instead of what is here. Nobody sees the data until the link goes on.
fn replace(applier: &mut Applier<'_>, len: Option<u64>, source: &mut dyn Read) -> Result<(), Broken> {
    let (server, link) = (applier.link.server, applier.link);
    let _applying = link.applying.lock();
    if link.is_unwanted() {
        return Err(Broken::Unwanted);
    }
    let logged = stop_log(server);
    applier.begin_anew();
    server.persistence.loading.begin();
    server.config.touch();
    tracing::info!("MASTER <-> REPLICA sync: Flushing old data");
    background::abort(server);
    empty(applier);
    drop(server.libraries.clear());
    tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory");
    server.persistence.loading.add_total(len.unwrap_or(0));
    let policy = Policy { keep_expired: true, replace: true, ..Policy::default() };
    let loaded = load::load(server, source, len, policy, Shards::Free, unix_ms());
    if let Err(e) = &loaded {
        tracing::error!("Failed trying to load the MASTER synchronization DB: {e}");
        empty(applier);
        server.persistence.loading.end();
        server.config.touch();
    }
    start_log(server, logged);
    loaded.map(|_| ()).map_err(|e| broken(&e))
}

/// A snapshot that ends too early is the network's fault, any other error is the master's.
pub fn broken(error: &LoadError) -> Broken {
    let text = format!("the snapshot can't be loaded: {error}");
    if error.is_reading() { Broken::Lost(text) } else { Broken::Refused(text) }
}

/// Loads a snapshot beside the data, which are served meanwhile if they are of the same history; then takes the one for
/// the other.
fn beside(payload: &mut Payload<'_>, applier: &mut Applier<'_>, same: bool) -> Result<(), Broken> {
    let (server, link) = (applier.link.server, applier.link);
    let _applying = link.applying.lock();
    if link.is_unwanted() {
        return Err(Broken::Unwanted);
    }
    let loading = &server.persistence.loading;
    loading.begin_beside(same);
    server.config.touch();
    tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory, beside the old data");
    let fresh = server.keyspace.sibling();
    let len = payload.size();
    loading.add_total(len.unwrap_or(0));
    let policy = Policy { keep_expired: true, replace: true, shelve_aside: true, ..Policy::default() };
    let loaded = load::load_into(server, &fresh, payload, len, policy, unix_ms())
        .map_err(|e| broken(&e))
        .and_then(|_| payload.finish().map_err(Broken::from));
    if let Err(broken) = loaded {
        loading.end();
        server.config.touch();
        tracing::error!("MASTER <-> REPLICA sync: the old data stay: {broken}");
        return Err(broken);
    }
    let logged = stop_log(server);
    background::abort(server);
    swap(applier, &fresh);
    drop(server.libraries.clear());
    for code in loading.take_functions() {
        if let Err(reason) = server.libraries.load(&code, true) {
            tracing::error!("A library of the master's can't be loaded: {reason}");
        }
    }
    start_log(server, logged);
    Ok(())
}

/// Empties all databases, and tells those who have a stake in what was there.
fn empty(applier: &Applier<'_>) {
    let mut ctx = applier.worker.ctx.borrow_mut();
    applier.worker.tick(&mut ctx);
    ctx.locks.hold_all();
    flush(&mut ctx);
    blocking::deliver(&applier.worker, &mut Own::nobody(), &mut ctx);
    ctx.locks.release();
}

fn flush(ctx: &mut Ctx<'static>) {
    ctx.begin();
    (0..ctx.keyspace.databases()).for_each(|db| ctx.flush(db));
}

/// The data become those of `fresh`, in one moment.
fn swap(applier: &Applier<'_>, fresh: &Keyspace) {
    let mut ctx = applier.worker.ctx.borrow_mut();
    applier.worker.tick(&mut ctx);
    ctx.locks.hold_all();
    flush(&mut ctx);
    for shard in 0..fresh.shard_count() {
        let (mut new, old) = (fresh.cell(shard).lock.lock(), ctx.locks.get_mut(shard));
        old.clock.observe(new.clock.last());
        old.dbs.iter_mut().zip(&mut new.dbs).for_each(|(old, new)| old.swap(new));
    }
    blocking::deliver(&applier.worker, &mut Own::nobody(), &mut ctx);
    ctx.locks.release();
}

/// What is logged would be of data that are gone.
fn stop_log(server: &'static Server) -> bool {
    let on = server.aof.is_on();
    if on {
        rewrite::turn_off(server);
    }
    on
}

fn start_log(server: &'static Server, was_on: bool) {
    if was_on {
        rewrite::turn_on(server);
    }
}
