//! Full syncs: a snapshot, and the place in the stream where its replicas go on.
//!
//! All who wait when a snapshot begins get the same one. From a file (written like any other, and read by each replica at
//! its own pace) others can join while it is being made, as the backlog keeps what follows the cut; without a file only
//! until it is placed in the stream.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use std::time::{Duration, Instant};

use engine::ctx::Ctx;
use parking_lot::{Condvar, MutexGuard};
use protocol::rdb::FileWriter;

use super::handshake::Parts;
use super::history::{Position, new_id};
use super::link::{Link, Payload, Stage};
use super::transfer::Transfer;
use super::{Replicas, State};
use crate::client::Mail;
use crate::persist::background;
use crate::persist::rdb_file::{self, About, Shards};
use crate::persist::snapshot::{Job, Purpose};
use crate::persist::stand_in;
use crate::process;
use crate::server::Server;
use crate::worker::unix_ms;

/// How long one who waits for a snapshot's place goes without looking whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);
/// How long the beginning of a file waits for it: entries that are about to change wait meanwhile.
const PATIENCE: Duration = Duration::from_millis(200);

/// A snapshot for replicas, under way.
pub struct Sync {
    /// `None`: it has no data.
    job: Option<Arc<Job>>,
    /// The version of its cut.
    version: u64,
    /// Bytes of the stream that are in it; `None`: not known yet.
    offset: Option<u64>,
    links: Vec<Arc<Link>>,
    parts: Parts,
    /// How it gets to its replicas; `None`: as a file.
    transfer: Option<Arc<Transfer>>,
}

impl Sync {
    pub fn is_unplaced(&self) -> bool {
        self.offset.is_none()
    }

    /// Its replicas get a file when it is complete, and nothing before.
    pub fn is_by_file(&self) -> bool {
        self.transfer.is_none()
    }
}

/// Whether the stream's groups have come to the snapshot's cut: the next one has this version.
pub(super) fn is_due(state: &State, version: u64) -> bool {
    state.sync.as_ref().is_some_and(|sync| sync.offset.is_none() && sync.version < version)
}

/// The snapshot shows the data as they are at this place of the stream.
pub(super) fn place(state: &mut State, placed: &Condvar) {
    let Some(sync) = &mut state.sync else { return };
    let offset = state.history.offset();
    sync.offset = Some(offset);
    state.history.forget_selected();
    sync.links.iter().for_each(|link| greet(link, state.history.id(), offset));
    if let Some(transfer) = &sync.transfer {
        // All read from the beginning: nobody may begin before all are there.
        let payloads: Vec<_> = sync.links.iter().map(|link| Payload::of(transfer, link)).collect();
        transfer.open();
        sync.links.iter().zip(payloads).for_each(|(link, payload)| link.give(payload, unix_ms()));
    }
    placed.notify_all();
}

/// Tells a replica what it is going to get.
fn greet(link: &Link, id: &str, offset: u64) {
    link.prepare(offset + 1);
    if !link.about.old {
        post(link, format!("+FULLRESYNC {id} {offset}\r\n").as_bytes());
    }
}

/// Sends something to a replica that gets nothing else yet.
pub fn post(link: &Link, bytes: &[u8]) {
    link.client.post(Mail::Send(bytes.into()), 0);
}

/// A replica that needs a snapshot joins the one under way, if that will do.
pub(super) fn join(state: &mut State, link: &Arc<Link>) {
    let Some(sync) = &mut state.sync else { return };
    if sync.parts != link.about.parts || sync.links.is_empty() {
        return;
    }
    match sync.offset {
        None if sync.transfer.is_none() || link.about.eof => {}
        Some(offset) if sync.transfer.is_none() => {
            let kept = state.history.backlog.as_ref().is_some_and(|backlog| backlog.covers(offset + 1));
            if !kept {
                return;
            }
            greet(link, state.history.id(), offset);
        }
        _ => {
            tracing::info!("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC");
            return;
        }
    }
    tracing::info!("Waiting for end of BGSAVE for SYNC");
    link.turn(Stage::Preparing);
    sync.links.push(link.clone());
}

/// A replica has gone. The snapshot to end, if nobody wants it any more.
pub(super) fn leave(server: &Server, state: &mut State, link: &Arc<Link>) -> Option<Arc<Job>> {
    let sync = state.sync.as_mut()?;
    let known = sync.links.len();
    sync.links.retain(|other| !Arc::ptr_eq(other, link));
    if sync.links.len() == known || !sync.links.is_empty() {
        return None;
    }
    if sync.transfer.is_some() {
        tracing::info!("Diskless rdb transfer, last replica dropped, killing fork child.");
    } else if !server.config.get().save.rules().is_empty() {
        // The file is worth something by itself.
        return None;
    }
    sync.job.clone()
}

/// Those who wait for a snapshot of the same kind as the first of them.
fn waiting(state: &State) -> Option<(Parts, Vec<Arc<Link>>)> {
    let waits = |link: &&Arc<Link>| link.stage() == Stage::Waiting;
    let parts = state.links.iter().find(waits)?.about.parts;
    let same = state.links.iter().filter(waits).filter(|link| link.about.parts == parts).cloned();
    Some((parts, same.collect()))
}

/// Begins a snapshot for those who wait, if it is time.
pub fn look(server: &'static Server) {
    let replicas = &server.replicas;
    let found = {
        let state = replicas.state.lock();
        if state.sync.is_some() { None } else { waiting(&state) }
    };
    let Some((parts, links)) = found else { return };
    let config = server.config.get();
    let diskless =
        (config.repl_diskless_sync || parts != Parts::ALL) && links.iter().all(|link| link.about.eof);
    let longest = links.iter().map(|link| unix_ms().saturating_sub(link.since_ms)).max().unwrap_or(0);
    let enough = config.repl_diskless_sync_max_replicas;
    let gathered = longest >= u64::from(config.repl_diskless_sync_delay) * 1000
        || enough > 0 && links.len() >= enough as usize;
    if diskless && !gathered || server.persistence.job().is_some() || replicas.beginning.swap(true, AcqRel) {
        return;
    }
    let run = move || run(server, parts, diskless);
    std::thread::Builder::new().name("sync".into()).spawn(run).expect("a thread can be started");
}

/// What a snapshot is made from.
struct Begun {
    job: Option<Arc<Job>>,
    transfer: Option<Arc<Transfer>>,
    /// All changes up to it.
    changes: u64,
    /// The database that the stream has selected, if it is another's.
    stream_db: Option<usize>,
}

fn run(server: &'static Server, parts: Parts, diskless: bool) {
    let begun = begin(server, parts, diskless);
    server.replicas.beginning.store(false, Release);
    let Some(begun) = begun else { return };
    server.pump.wake();
    let stand_in = begun.job.as_ref().and_then(|job| stand_in::start(server, job));
    match &begun.transfer {
        Some(transfer) => through_sockets(server, &begun, transfer, parts),
        None => through_file(server, &begun),
    }
    drop(stand_in);
    if let Some(job) = &begun.job {
        background::end(server, job);
    }
    // Who came meanwhile needs another.
    look(server);
}

/// Fixes the moment that the snapshot shows. `None`: it cannot begin now, or nobody wants it any more.
fn begin(server: &'static Server, parts: Parts, diskless: bool) -> Option<Begun> {
    // A replica's data are where its history is between two commands of its master.
    server.upstream.still(|| cut(server, parts, diskless))
}

fn cut(server: &'static Server, parts: Parts, diskless: bool) -> Option<Begun> {
    let mut ctx = background::own_context(server);
    ctx.locks.hold_all();
    let purpose = if parts.old { Purpose::OldReplica } else { Purpose::Replica };
    let (job, changes) = if parts.data {
        let (job, changes) = background::begin(server, &mut ctx, purpose).ok()?;
        (Some(job), changes)
    } else {
        (None, 0)
    };
    let target = if diskless { "replicas sockets" } else { "disk" };
    tracing::info!("Starting BGSAVE for SYNC with target: {target}");
    let transfer = diskless.then(Transfer::new);
    register(&server.replicas, &mut ctx, parts, &job, &transfer);
    ctx.locks.release();
    Some(Begun { job, transfer, changes, stream_db: server.upstream.stream_db() })
}

/// Makes the snapshot known to the stream. All shards are held: what has been done is in the stream's groups up to a
/// version that is minted now, and what will be done comes after it.
fn register(
    replicas: &Replicas,
    ctx: &mut Ctx<'_>,
    parts: Parts,
    job: &Option<Arc<Job>>,
    transfer: &Option<Arc<Transfer>>,
) {
    ctx.begin();
    ctx.ensure_group();
    let version = ctx.locks.last_version();
    let mut state = replicas.state.lock();
    let able = |link: &Arc<Link>| transfer.is_none() || link.about.eof;
    let links: Vec<_> = waiting(&state)
        .filter(|(found, _)| *found == parts)
        .map_or_else(Vec::new, |(_, links)| links.into_iter().filter(able).collect());
    links.iter().for_each(|link| link.turn(Stage::Preparing));
    let (job, transfer) = (job.clone(), transfer.clone());
    state.sync = Some(Sync { job, version, offset: None, links, parts, transfer });
    if state.history.is_relayed() {
        // All that came from the master has been carried out.
        place(&mut state, &replicas.placed);
    }
}

/// Sends the snapshot while it is being made.
fn through_sockets(server: &'static Server, begun: &Begun, transfer: &Arc<Transfer>, parts: Parts) {
    tracing::info!("Background RDB transfer started by pid {}", std::process::id());
    let mark = new_id();
    let mut out = transfer.writer(begun.job.clone());
    let mut write = || {
        out.write_all(format!("$EOF:{mark}\r\n").as_bytes())?;
        let head = head(server, begun, parts);
        match &begun.job {
            Some(job) => job.run(server, head, &mut out)?,
            None => finish(head, &mut out)?,
        }
        out.write_all(mark.as_bytes())?;
        out.flush()
    };
    let result = write();
    // Replicas may still be reading what is left: they have it until they let go.
    let _ = placed(server).sync.take();
    transfer.end(result.is_ok());
    match result {
        Ok(()) => {
            let up = transfer.readers();
            tracing::info!("Diskless rdb transfer, done reading from pipe, {up} replicas still up.");
            tracing::info!("Background RDB transfer terminated with success");
        }
        Err(e) => tracing::warn!("Background RDB transfer error: {}", process::reason(&e)),
    }
}

fn head(server: &Server, begun: &Begun, parts: Parts) -> FileWriter {
    let libraries = match &begun.job {
        _ if !parts.functions => Vec::new(),
        Some(job) => job.libraries().to_vec(),
        None => server.libraries.texts(),
    };
    let about = About { stream_db: begun.stream_db, old: parts.old, ..About::default() };
    rdb_file::head(&server.config.get(), &libraries, about)
}

fn finish(file: FileWriter, out: &mut dyn Write) -> io::Result<()> {
    let mut tail = Vec::new();
    file.finish(&mut tail);
    out.write_all(&tail)
}

/// Writes the snapshot to the file that BGSAVE writes, then has it sent.
fn through_file(server: &'static Server, begun: &Begun) {
    let Some(job) = &begun.job else { return };
    background::note_begin(server);
    tracing::info!("Background saving started by pid {}", std::process::id());
    let config = server.config.get();
    let path = Path::new(&config.dbfilename);
    let about = About { position: position(server, begun), ..About::default() };
    let result = rdb_file::write(server, job, path, about, Shards::Free);
    match &result {
        Ok(()) => tracing::info!("Background saving terminated with success"),
        Err(e) if e.kind() == ErrorKind::Interrupted => {
            tracing::warn!("Background saving terminated: it was no longer wanted");
        }
        Err(_) => tracing::warn!("Background saving error"),
    }
    if !result.as_ref().is_err_and(|e| e.kind() == ErrorKind::Interrupted) {
        background::note_end(server, result.is_ok(), begun.changes, Some(job.started));
    }
    hand_out(server, result.is_ok(), path);
}

/// Where the snapshot is in the stream, if that is soon known: who has its file can go on from there.
fn position(server: &Server, begun: &Begun) -> Option<Position> {
    let (replicas, began) = (&server.replicas, Instant::now());
    let mut state = replicas.state.lock();
    while state.sync.as_ref().is_some_and(Sync::is_unplaced) && began.elapsed() < PATIENCE {
        replicas.placed.wait_for(&mut state, LOOK);
    }
    let (offset, id) = (state.sync.as_ref()?.offset?, state.history.id().to_owned());
    Some(Position { id, offset, db: begun.stream_db.unwrap_or(0) })
}

/// Gives the file to those who wait for it, or closes them if there is none.
fn hand_out(server: &Server, ok: bool, path: &Path) {
    let mut state = placed(server);
    let links = state.sync.take().map_or_else(Vec::new, |sync| sync.links);
    for link in links {
        let opened = if ok { open(path) } else { Err(io::Error::other("there is no file")) };
        match opened {
            Ok((file, len)) => link.give(Payload::File(file, len), unix_ms()),
            Err(e) => {
                tracing::warn!("SYNC failed. BGSAVE child returned an error: {}", process::reason(&e));
                server.disconnect(&link.client);
            }
        }
    }
    drop(state);
    let config = server.config.get();
    if config.rdb_del_sync_files && config.save.rules().is_empty() && !server.aof.is_on() {
        // Who has opened it can read it all the same.
        let _ = std::fs::remove_file(path);
    }
}

/// Waits until it is known where the snapshot is in the stream, or nobody wants to know.
fn placed(server: &Server) -> MutexGuard<'_, State> {
    let replicas = &server.replicas;
    let mut state = replicas.state.lock();
    while state.sync.as_ref().is_some_and(|sync| sync.is_unplaced() && !sync.links.is_empty()) {
        replicas.placed.wait_for(&mut state, LOOK);
    }
    state
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    Ok((file, len))
}
