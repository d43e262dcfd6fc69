//! Replicas: servers that follow this one over PSYNC, as Redis's replicas do.
//!
//! In reading order: [`history`] is what the data's past is called and how far it has come, [`backlog`] keeps its end, [`envelopes`] is how KeyDB
//! servers get it,
//! [`handshake`] is what a replica says of itself, [`link`] is one replica, [`sender`] what its connection sends,
//! [`sync`] makes snapshots for those who cannot go on with the stream, [`transfer`] brings one to several as it is made,
//! [`bookmark`] finds the place of a file's snapshot, [`waits`] lets clients wait for replicas, [`watch`] looks after it all by the clock.
//!
//! All replicas get the same stream of bytes: the commands of the feed, in order. One that follows another server passes
//! that one's stream on instead, byte by byte ([`Replicas::relay`]). Replicas read from the backlog at their own pace; it
//! keeps what the slowest has yet to get, and who is further behind than `client-output-buffer-limit` allows is closed,
//! so it is bounded. A snapshot's cut has a version, and the stream goes on for its replicas behind the last group up to
//! that version: nothing is missing, nothing comes twice.
//!
//! While there is no replica and no backlog nothing is written down.

pub mod backlog;
pub mod bookmark;
pub mod envelopes;
pub mod handshake;
pub mod history;
pub mod link;
pub mod sender;
pub mod sync;
pub mod transfer;
pub mod waits;
pub mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use replication::codec;

use crate::config::Config;
use crate::feed::pump::{Consumer, Who};
use crate::persist::background;
use crate::server::Server;
use crate::worker::unix_ms;
use backlog::Block;
use history::{History, Position};
use link::Link;
use sync::Sync;
use waits::Waits;

/// How long one who wants to know how far the stream is waits for what has been done, and between two looks.
const PATIENCE: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_micros(50);

/// See the [module's page](self).
#[derive(Default)]
pub struct Replicas {
    state: Mutex<State>,
    /// A snapshot's place in the stream is known.
    placed: Condvar,
    waits: Waits,
    /// All up to this version is in the stream.
    promise: AtomicU64,
    /// A snapshot waits for its place.
    placing: AtomicBool,
    /// Somebody is about to begin a snapshot.
    beginning: AtomicBool,
    /// Replicas that have been heard of lately.
    good: AtomicUsize,
    pub counters: Counters,
}

/// What INFO counts.
#[derive(Default)]
pub struct Counters {
    pub full: AtomicU64,
    pub partial: AtomicU64,
    /// Asked to go on where they could not.
    pub partial_refused: AtomicU64,
    pub bytes: AtomicU64,
}

impl Counters {
    /// Starts those anew that count what has happened.
    pub fn reset(&self) {
        let Counters { full, partial, partial_refused, .. } = self;
        [full, partial, partial_refused].iter().for_each(|count| count.store(0, Relaxed));
    }
}

#[derive(Default)]
struct State {
    history: History,
    links: Vec<Arc<Link>>,
    /// Where the stream ended when replicas were last looked at.
    looked_to: u64,
    /// The snapshot under way.
    sync: Option<Sync>,
    /// The snapshot whose place is wanted for its file.
    bookmark: Option<bookmark::Bookmark>,
    clock: watch::Clock,
}

impl Replicas {
    /// Looks at the history of the data, or changes it.
    pub fn history<T>(&self, look: impl FnOnce(&mut History) -> T) -> T {
        look(&mut self.state.lock().history)
    }

    /// The name of the data's history.
    pub fn id(&self) -> String {
        self.history(|history| history.id().to_owned())
    }

    /// Has what comes from a master passed on from now on, and nothing that is done here.
    pub fn begin_relaying(&self, server: &Server) {
        self.history(|history| history.relay(true));
        server.pump.rest(server, Who::Replicas);
    }

    /// A replica becomes a master: what is done here from now on goes on with the history it had, under a new name. The
    /// caller must hold no shard.
    pub fn branch(&self, server: &'static Server) {
        if self.history(|history| history.backlog.is_some()) {
            server.pump.listen(server, Who::Replicas);
            let mut ctx = background::own_context(server);
            ctx.locks.hold_all();
            self.history(History::branch);
        } else {
            self.history(History::branch);
        }
        self.disconnect_all(server);
    }

    /// The data are another's now. Replicas of the history before must begin anew.
    pub fn adopt(&self, server: &Server, id: &str, offset: u64) {
        self.disconnect_all(server);
        self.history(|history| history.adopt(id, offset));
    }

    /// The master goes on under another name: replicas are to ask for it.
    pub fn rename(&self, server: &Server, id: &str) {
        self.history(|history| history.rename(id));
        self.disconnect_all(server);
    }

    /// The data are those of a file, which says where in a history they were: a master's replicas can go on from there, or
    /// this replica can with its own master.
    pub fn resume_from(&self, position: &Position, is_replica: bool) {
        self.history(|history| match is_replica {
            true => history.adopt(&position.id, position.offset),
            false => history.resume(position),
        });
    }

    /// Writes the stream down from the start on, if a file has said where it goes on.
    pub fn go_on(&self, server: &'static Server) {
        let found = self.history(|history| history.backlog.is_some().then(|| history.second().0.to_owned()));
        if let Some(id) = found {
            tracing::info!("Replicas, or this one, can go on with the history of the file ({id})");
            server.pump.listen(server, Who::Replicas);
        }
    }

    /// A key was found to have expired while a file was loaded that is gone on from: replicas still have it.
    pub fn expired_in_file(&self, server: &Server, db: usize, key: &[u8]) {
        let mut state = self.state.lock();
        state.history.append_removal(db, key);
        state.trim(&server.config.get());
    }

    /// Passes on what came from this server's own master, while [`still`](crate::upstream::Upstream::still) would wait.
    pub fn relay(&self, server: &Server, bytes: &[u8]) {
        let mut state = self.state.lock();
        state.history.append(bytes);
        self.settle(server, &mut state);
    }

    /// Returns when what has been done so far is in the stream, or after a while. The caller's shards must have been let go.
    pub fn catch_up(&self, server: &Server) {
        let (target, began) = (server.keyspace.feed.last(), Instant::now());
        while server.pump.serves(Who::Replicas)
            && self.promise.load(Acquire) < target
            && began.elapsed() < PATIENCE
        {
            server.pump.wake();
            std::thread::sleep(LOOK);
        }
    }

    /// Sends replicas a command that nobody has run: for tests.
    pub fn mislead(&self, server: &Server, words: &[&[u8]]) {
        let mut state = self.state.lock();
        if !state.history.is_relayed() {
            state.history.append_command(words);
            self.settle(server, &mut state);
        }
    }

    /// Asks replicas how far they are, and returns how far they can be.
    pub fn ask(&self, server: &Server) -> u64 {
        let mut state = self.state.lock();
        if !state.history.is_relayed() {
            state.history.append_command(&[b"REPLCONF", b"GETACK", b"*"]);
            self.settle(server, &mut state);
        }
        state.history.offset()
    }

    /// The block of the stream that a byte is in.
    pub fn block(&self, position: u64) -> Option<Arc<Block>> {
        self.state.lock().history.backlog.as_ref()?.at(position)
    }

    /// Bytes of the stream that are kept.
    pub fn bytes(&self) -> u64 {
        self.history(|history| history.backlog.as_ref().map_or(0, |backlog| backlog.len()))
    }

    /// All replicas, in the order in which they came.
    pub fn links(&self) -> Vec<Arc<Link>> {
        self.state.lock().links.clone()
    }

    /// Whether there is any.
    pub fn any(&self) -> bool {
        !self.state.lock().links.is_empty()
    }

    /// Closes the connections of all replicas: the history they follow is no longer this server's, or has another name.
    fn disconnect_all(&self, server: &Server) {
        let links = std::mem::take(&mut self.state.lock().links);
        links.iter().for_each(|link| server.disconnect(&link.client));
    }

    pub fn count_sent(&self, bytes: u64) {
        self.counters.bytes.fetch_add(bytes, Relaxed);
    }

    /// Adds a replica that goes on with the stream from `position`, if it still can; how many bytes that are.
    pub fn resume(&self, server: &Server, link: &Arc<Link>, id: &str, position: u64) -> Option<u64> {
        let mut state = self.state.lock();
        if !state.history.continues(id, position) {
            return None;
        }
        link.resume(position, unix_ms());
        state.links.push(link.clone());
        let bytes = link.behind(state.history.offset() + 1);
        drop(state);
        self.refresh(server);
        Some(bytes)
    }

    /// Whether others follow who understand another stream than this one: KeyDB servers, or all that are none.
    pub fn speaks_otherwise(&self, keydb: bool) -> bool {
        let state = self.state.lock();
        state.links.iter().any(|link| !link.about.rdb_only && link.about.keydb != keydb)
    }

    /// Adds a replica that needs a snapshot. With the first one a history begins that can be followed.
    pub fn admit(&self, server: &'static Server, link: &Arc<Link>) {
        let mut state = self.state.lock();
        if state.history.backlog.is_none() {
            state.history.begin_anew();
            state.history.keep();
            tracing::info!(
                "Replication backlog created, my new replication IDs are '{}' and '{}'",
                state.history.id(),
                history::NO_ID
            );
        }
        if !link.about.rdb_only {
            let uuid = link.about.keydb.then(|| server.upstream.uuid());
            state.history.put_into_envelopes(uuid);
        }
        state.links.push(link.clone());
        sync::join(&mut state, link);
        drop(state);
        server.pump.listen(server, Who::Replicas);
        sync::look(server);
    }

    /// A replica's connection has ended.
    pub fn leave(&self, server: &Server, link: &Arc<Link>) {
        let mut state = self.state.lock();
        let known = state.links.len();
        state.links.retain(|other| !Arc::ptr_eq(other, link));
        if state.links.len() < known {
            tracing::info!("Connection with replica {} lost.", link.name());
        }
        let abandoned = sync::leave(server, &mut state, link);
        drop(state);
        drop(link.take_payload());
        if let Some(job) = abandoned {
            job.abort();
        }
        self.refresh(server);
    }

    /// A replica has got all of its snapshot.
    pub fn came_online(&self, server: &Server, link: &Link) {
        tracing::info!("Synchronization with replica {} succeeded", link.name());
        self.refresh(server);
    }

    /// A replica says how far it is.
    pub fn acknowledged(&self, link: &Link, offset: u64) {
        if link.acknowledge(offset, unix_ms()) {
            link.wake();
        }
    }

    /// Replicas that have been heard of within `min-replicas-max-lag`.
    pub fn good(&self) -> usize {
        self.good.load(Relaxed)
    }

    /// Counts them again. Workers look at whether they may write when that matters.
    fn refresh(&self, server: &Server) {
        let config = server.config.get();
        if self.count_good(&config) && config.min_replicas_to_write > 0 {
            server.config.touch();
        }
    }

    /// Counts the replicas that are good by a configuration; true if their number has changed.
    pub fn count_good(&self, config: &Config) -> bool {
        let now = unix_ms();
        let is_good =
            |link: &&Arc<Link>| link.is_online() && link.lag_s(now) <= u64::from(config.min_replicas_max_lag);
        let good = self.state.lock().links.iter().filter(is_good).count();
        self.good.swap(good, AcqRel) != good
    }

    /// What has been added is to be sent; what nobody needs any more goes.
    fn settle(&self, server: &Server, state: &mut State) {
        let config = server.config.get();
        state.close_those_behind(server, &config);
        state.trim(&config);
        let kept = state.history.backlog.as_ref().map_or(0, |backlog| backlog.memory());
        server.memory.set_uncounted(kept.saturating_sub(config.repl_backlog_size));
        let end = state.history.offset() + 1;
        state.links.iter().filter(|link| link.flows() && link.behind(end) > 0).for_each(|link| link.wake());
    }
}

impl State {
    /// Closes replicas that more waits for than their class may have. As the backlog keeps that anyway, the limits are
    /// never below its size. What has come since the last look does not count: nobody could take it yet.
    fn close_those_behind(&mut self, server: &Server, config: &Config) {
        let end = std::mem::replace(&mut self.looked_to, self.history.offset() + 1);
        let limit = config.client_output_buffer_limit.of(crate::client::Class::Replica);
        let at_least = |bytes: u64| if bytes == 0 { u64::MAX } else { bytes.max(config.repl_backlog_size) };
        let (hard, soft) = (at_least(limit.hard), at_least(limit.soft));
        self.links.retain(|link| {
            let behind = link.behind(end);
            link.client.output_bytes.store(behind, Relaxed);
            let soft_for_ms = match link.soft_since_ms.load(Relaxed) {
                _ if behind <= soft => {
                    link.soft_since_ms.store(0, Relaxed);
                    0
                }
                0 => {
                    link.soft_since_ms.store(unix_ms(), Relaxed);
                    0
                }
                since => unix_ms().saturating_sub(since),
            };
            let over = behind > hard || soft_for_ms > limit.soft_seconds * 1000;
            if over {
                server.log_output_limit(&link.client, behind);
                server.disconnect(&link.client);
            }
            !over
        });
    }

    fn trim(&mut self, config: &Config) {
        let end = self.history.offset() + 1;
        let Some(backlog) = &mut self.history.backlog else { return };
        let needed = self.links.iter().filter_map(|link| link.position()).min().unwrap_or(u64::MAX);
        backlog.set_size(config.repl_backlog_size);
        backlog.trim(needed.min(end.saturating_sub(config.repl_backlog_size)));
    }
}

impl Consumer for Replicas {
    fn take(&self, server: &'static Server, groups: &[u8]) {
        if !server.pump.serves(Who::Replicas) {
            return;
        }
        let mut state = self.state.lock();
        if state.history.is_relayed() {
            return;
        }
        for (version, group) in codec::groups(groups).flatten() {
            if sync::is_due(&state, version) {
                sync::place(&mut state, &self.placed);
            }
            bookmark::look(&mut state, version);
            state.history.append_group(version, group);
        }
    }

    fn done(&self, server: &'static Server, promise: u64) {
        if !server.pump.serves(Who::Replicas) {
            return;
        }
        let mut state = self.state.lock();
        if state.history.is_relayed() {
            return;
        }
        if sync::is_due(&state, promise.saturating_add(1)) {
            sync::place(&mut state, &self.placed);
        }
        if bookmark::is_wanted(&state) {
            bookmark::look(&mut state, promise.saturating_add(1));
            self.placed.notify_all();
        }
        if self.waits.place(promise, state.history.offset()) {
            state.history.append_command(&[b"REPLCONF", b"GETACK", b"*"]);
        }
        self.settle(server, &mut state);
        self.promise.store(promise, Release);
        let unplaced = state.sync.as_ref().is_some_and(Sync::is_unplaced) || bookmark::is_wanted(&state);
        self.placing.store(unplaced, Relaxed);
    }

    fn hurries(&self) -> bool {
        self.placing.load(Relaxed) || self.waits.hurry()
    }
}
