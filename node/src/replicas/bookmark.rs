//! Where in the stream a file's snapshot is: what the file says of that lets replicas go on when the server is started
//! anew with it.
//!
//! A snapshot's cut has a version; the stream has come to it when the last group up to that version is there. That takes
//! a moment, during which the snapshot does not begin: entries that are about to change wait in a bounded queue. So nobody
//! waits longer than [`PATIENCE`], and a file without that place is only a file whose replicas need a snapshot again.

use std::time::{Duration, Instant};

use engine::ctx::Ctx;

use super::history::Position;
use super::{Replicas, State};
use crate::feed::pump::Who;
use crate::server::Server;

/// How long a snapshot's beginning waits for its place.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often one who waits looks whether it is still to be had.
const LOOK: Duration = Duration::from_millis(20);
/// How often the stream is tried to be ended behind the last write.
const TRIES: usize = 50;

/// A cut whose place in the stream somebody wants to know: one at a time, as there is one snapshot at a time.
pub struct Bookmark {
    version: u64,
    position: Option<Position>,
}

/// The next group has this version: if that is above a cut's, the cut is here.
pub(super) fn look(state: &mut State, version: u64) {
    let State { bookmark: Some(mark), history, .. } = state else { return };
    if mark.position.is_none() && mark.version < version {
        mark.position = history.position();
    }
}

/// Whether somebody waits for a cut's place.
pub(super) fn is_wanted(state: &State) -> bool {
    state.bookmark.as_ref().is_some_and(|mark| mark.position.is_none())
}

impl Replicas {
    /// Marks the cut that is being made: all shards must be held, and be let go before anybody waits for its place. `calm`:
    /// nothing of a master's is going into the data.
    pub fn mark_cut(&self, server: &Server, ctx: &mut Ctx<'_>, calm: bool) {
        let db = server.upstream.stream_db().unwrap_or(0);
        let mut state = self.state.lock();
        state.bookmark = None;
        if state.history.is_relayed() {
            let position =
                state.history.position().filter(|_| calm).map(|position| Position { db, ..position });
            state.bookmark = position.map(|position| Bookmark { version: 0, position: Some(position) });
        } else if server.pump.serves(Who::Replicas) && state.history.backlog.is_some() {
            ctx.begin();
            ctx.ensure_group();
            state.bookmark = Some(Bookmark { version: ctx.locks.last_version(), position: None });
        }
    }

    /// Ends the stream where the data are now, and holds all shards then. The caller holds none, and has writes wait.
    pub fn seal(&self, server: &Server, ctx: &mut Ctx<'_>) -> Option<Position> {
        for _ in 0..TRIES {
            let relayed = server.upstream.calm(|calm| {
                ctx.locks.hold_all();
                self.mark_cut(server, ctx, calm);
                self.history(|history| history.is_relayed())
            });
            if relayed {
                return self.place_of_cut(server);
            }
            let version = ctx.locks.last_version();
            ctx.locks.release();
            let known = self.place_of_cut(server).is_some();
            ctx.locks.hold_all();
            if !known {
                return None;
            }
            // Whoever was about to write when writes were told to wait may have done so only now.
            if ctx.locks.iter_mut().all(|shard| shard.clock.last() <= version) {
                return self.history(|history| {
                    history.seal(true);
                    history.position()
                });
            }
            ctx.locks.release();
        }
        ctx.locks.hold_all();
        None
    }

    /// The place of the cut that was marked last, once it is known.
    pub fn place_of_cut(&self, server: &Server) -> Option<Position> {
        let (began, mut state) = (Instant::now(), self.state.lock());
        while is_wanted(&state) && began.elapsed() < PATIENCE {
            server.pump.wake();
            self.placed.wait_for(&mut state, LOOK);
        }
        state.bookmark.take()?.position
    }
}
