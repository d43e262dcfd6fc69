//! What happens to replicas by the clock: pings, the end of those that are silent, and of a backlog that nobody needs.

use std::sync::Arc;

use super::history::History;
use super::link::{Link, Stage};
use super::sync;
use super::{Replicas, State};
use crate::feed::pump::Who;
use crate::server::Server;
use crate::worker::unix_ms;

const SECOND_MS: u64 = 1000;

/// When things were last done, unix ms.
#[derive(Default)]
pub struct Clock {
    looked_ms: u64,
    pinged_ms: u64,
    /// Since when there is no replica; 0: there is one.
    alone_since_ms: u64,
}

/// Called several times a second.
pub fn look(server: &'static Server) {
    if server.switches.is_asleep() {
        return;
    }
    let replicas = &server.replicas;
    sync::look(server);
    let now = unix_ms();
    {
        let mut state = replicas.state.lock();
        if now.saturating_sub(state.clock.looked_ms) < SECOND_MS {
            return;
        }
        state.clock.looked_ms = now;
        if state.links.is_empty() && state.history.backlog.is_none() {
            state.clock.pinged_ms = now;
            return;
        }
        state.keep_alive();
        state.ping(server, now);
        replicas.settle(server, &mut state);
        if state.is_backlog_stale(server, now) {
            state.forget_backlog();
            server.pump.rest(server, Who::Replicas);
        }
    }
    close_silent(server, replicas, now);
    replicas.refresh(server);
}

impl State {
    /// Tells those who wait for a snapshot that somebody is there.
    fn keep_alive(&self) {
        let by_file = self.sync.as_ref().is_none_or(|sync| sync.is_by_file());
        let waits = |link: &&Arc<Link>| match link.stage() {
            Stage::Waiting => true,
            Stage::Preparing => by_file && link.position().is_some(),
            _ => false,
        };
        self.links.iter().filter(waits).for_each(|link| sync::post(link, b"\n"));
    }

    fn ping(&mut self, server: &Server, now: u64) {
        let period = u64::from(server.config.get().repl_ping_replica_period) * SECOND_MS;
        if self.links.is_empty() || self.history.is_relayed() || self.clock.pinged_ms == 0 {
            // The first one is due a period after the first replica has come, however soon that was.
            self.clock.pinged_ms = now;
            return;
        }
        if now.saturating_sub(self.clock.pinged_ms) < period {
            return;
        }
        self.clock.pinged_ms = now;
        self.history.append_command(&[b"PING"]);
    }

    /// Whether the backlog has been kept for nobody for `repl-backlog-ttl`.
    fn is_backlog_stale(&mut self, server: &Server, now: u64) -> bool {
        let ttl_ms = server.config.get().repl_backlog_ttl.saturating_mul(SECOND_MS);
        if !self.links.is_empty() || self.history.is_relayed() {
            self.clock.alone_since_ms = 0;
            return false;
        }
        if self.clock.alone_since_ms == 0 {
            self.clock.alone_since_ms = now;
        }
        ttl_ms > 0 && now - self.clock.alone_since_ms > ttl_ms
    }

    /// What is done from now on is in no stream: who has followed the history so far cannot go on with it.
    fn forget_backlog(&mut self) {
        self.history.backlog = None;
        History::begin_anew(&mut self.history);
        self.clock.alone_since_ms = 0;
        tracing::info!("Replication backlog freed: no replica has needed it for repl-backlog-ttl.");
    }
}

/// Closes replicas that have said nothing, or taken nothing of their snapshot, for too long.
fn close_silent(server: &Server, replicas: &Replicas, now: u64) {
    let timeout_ms = u64::from(server.config.get().repl_timeout) * SECOND_MS;
    for link in replicas.links() {
        let how = match link.stage() {
            Stage::Online if !link.about.old && link.lag_s(now) * SECOND_MS > timeout_ms => "streaming sync",
            Stage::Preparing | Stage::Receiving if link.has_payload() && link.is_stuck(now, timeout_ms) => {
                "full sync"
            }
            _ => continue,
        };
        tracing::warn!("Disconnecting timedout replica ({how}): {}", link.name());
        server.disconnect(&link.client);
    }
}
