//! What the driver does besides moving effects: begins to listen, shows how things are, does what operators ask for.

use std::time::Instant;

use proto::peer::Why;
use replication::origin::{Stream, Uuid};
use replication::overlay::Conflict;
use replication::replica::Link;
use replication::stamp::COUNTER_BITS;

use super::dial::Target;
use super::driver::Driver;
use super::identity::show_uuid;
use super::link::{End, LinkState};
use super::order::Wish;
use super::status::{self, LinkStatus, Member, Status};
use super::waits::Progress;
use crate::blocking;
use crate::replicas::waits::Mark;
use crate::worker::unix_ms;

impl Driver {
    /// From now on, what clients write is noted for peers. What is here already is sent as a whole to whoever lacks it.
    pub fn listen(&mut self) {
        let keyspace = &self.server.keyspace;
        if keyspace.journal.is_on() {
            return;
        }
        self.data.listen(self.replica.label());
        let keys: usize = (0..keyspace.databases()).map(|db| keyspace.sizes(db).0).sum();
        if keys > 0 {
            let seen = keyspace.latest_version().max(unix_ms() << COUNTER_BITS);
            keyspace.journal.raise_floor(seen);
            self.replica.begin_with_data(seen);
        }
    }

    /// These targets are not wanted any more.
    pub fn leave(&mut self, targets: &[usize]) {
        let of = |state: &LinkState| state.target.is_some_and(|id| targets.contains(&id));
        let links: Vec<Link> = self.links.iter().filter(|(_, l)| of(l)).map(|(link, _)| *link).collect();
        for link in links {
            self.hang_up(
                link,
                Why::Unspecified,
                "the other end does not follow this node any more",
                End::Unwanted,
            );
        }
    }

    /// A node that may have lost something serves all the same if nobody can give it back: its time is up, or all that are
    /// there have lost it too.
    pub fn trust_if_alone(&mut self) {
        if self.server.mesh.refuses_writes() {
            self.show_serves();
        }
        let Some(at) = self.trust_at else { return };
        if self.replica.serves() {
            self.trust_at = None;
            return self.show_serves();
        }
        let peers: Vec<_> = self.links.keys().filter_map(|link| self.replica.peer(*link)).collect();
        let members = self.replica.horizon().members().count();
        let all_lost = peers.len() >= members && peers.iter().all(|peer| peer.lost);
        if at > Instant::now() && !all_lost {
            return;
        }
        tracing::warn!("No peer has sent its data: this node takes writes with what it has");
        self.trust_at = None;
        let mut actions = Vec::new();
        self.replica.trust(&mut actions);
        self.act(actions);
        self.show_serves();
    }

    /// Answers the clients that need not wait any more.
    pub fn serve_waits(&mut self) {
        let mut waits = std::mem::take(&mut self.waits);
        for (ticket, reply) in waits.ended(self) {
            blocking::answer_from_outside(&self.worker, &ticket, reply);
        }
        self.waits = waits;
    }

    /// Does what the operator wants.
    pub fn grant(&mut self, wish: Wish) -> Result<(), String> {
        let known = |driver: &Driver, uuid: Uuid| {
            let found = driver.replica.horizon().members().any(|m| m.uuid == uuid);
            if found { Ok(()) } else { Err(format!("No member {}", show_uuid(uuid))) }
        };
        match wish {
            Wish::Detach(uuid) => {
                known(self, uuid)?;
                self.replica.detach(uuid);
            }
            Wish::Attach(uuid) => {
                known(self, uuid)?;
                self.replica.attach(uuid);
            }
            Wish::Forget(uuid) => {
                known(self, uuid)?;
                if !self.replica.forget(uuid) {
                    return Err("The member is connected: take it out of replicaof and stop it first".into());
                }
                self.save(true);
            }
            Wish::NewId => self.begin_anew()?,
        }
        Ok(())
    }

    /// Takes another identity, for a node whose directory was copied.
    fn begin_anew(&mut self) -> Result<(), String> {
        let links: Vec<Link> = self.links.keys().copied().collect();
        for link in links {
            let end = End::Broken("this node takes a new identity".into());
            self.hang_up(link, Why::Restart, "the node takes a new identity", end);
        }
        let uuid = uuid::Uuid::new_v4().as_u128();
        self.rename(uuid);
        tracing::warn!("This node is {} from now on", show_uuid(uuid));
        Ok(())
    }

    /// Puts conflicts on the log that operators read.
    pub fn keep_conflicts(&self, recent: Vec<Conflict>) {
        if !recent.is_empty() {
            let max = self.server.config.get().conflict_log_max_len as usize;
            let (me, origins) = (self.replica.me(), self.replica.origins());
            self.server.mesh.conflicts.lock().add(unix_ms(), recent, me, origins, max);
        }
    }

    /// How things are.
    pub fn status(&self, targets: &[Target]) -> Status {
        let now = unix_ms();
        let horizon = self.replica.horizon();
        let members = horizon.members().map(|author| Member {
            author,
            detached: horizon.is_detached(author.uuid),
            link: self.link_status(author.uuid, now),
            beat_ms: horizon.last_beat(author).map_or(0, |beat| beat.promise >> COUNTER_BITS),
        });
        Status {
            me: Some(self.replica.me()),
            targets: targets.iter().map(|target| self.target_status(target)).collect(),
            members: members.collect(),
            written: self.written(),
            horizon_age_ms: now.saturating_sub(horizon.horizon >> COUNTER_BITS),
            log_bytes: self.replica.log().bytes() as u64,
            spilled_bytes: self.replica.log().spill().bytes(),
            full_syncs_out: self.full_syncs.0,
            full_syncs_in: self.full_syncs.1,
            applied: self.data.applied,
            overlay_keys: self.overlay.keys as u64,
            conflicts: self.overlay.conflicts,
            links_refused: self.links_refused,
            last_error: self.last_error.clone(),
            serves: self.replica.serves(),
        }
    }

    fn target_status(&self, target: &Target) -> status::Target {
        let peer = target.uuid.and_then(|uuid| self.replica.horizon().members().find(|m| m.uuid == uuid));
        let syncing = |link: &Link| {
            self.replica.peer(*link).is_some_and(|p| Some(p.author) == peer)
                && self.links.get(link).is_some_and(|l| l.incoming.is_some())
        };
        let state = match target.state {
            status::State::Connected if self.links.keys().any(syncing) => status::State::Syncing,
            state => state,
        };
        status::Target {
            host: target.master.host.clone(),
            port: target.master.port,
            state,
            peer,
            error: target.error.clone(),
            down_since_ms: target.down_since_ms,
        }
    }

    fn link_status(&self, uuid: Uuid, now: u64) -> Option<LinkStatus> {
        let (link, peer) = self.links.keys().find_map(|link| {
            let peer = self.replica.peer(*link).filter(|p| p.author.uuid == uuid)?;
            Some((*link, peer))
        })?;
        let state = self.links.get(&link)?;
        let own = self.replica.own_stream();
        let next = self.replica.log().get(own, peer.held.seq + 1);
        let behind = self.replica.vector().have(own).seq > peer.held.seq;
        let oldest_ms = next.map_or(peer.held.version, |chunk| chunk.version) >> COUNTER_BITS;
        Some(LinkStatus {
            addr: state.addr.clone(),
            outbound: state.target.is_some(),
            since_ms: state.opened_ms,
            heard_ms: now.saturating_sub(state.heard.elapsed().as_millis() as u64),
            lag_ms: if behind { now.saturating_sub(oldest_ms) } else { 0 },
            lag_effects: self.replica.vector().have(own).seq.saturating_sub(peer.held.seq),
            bytes_in: state.bytes_in,
            bytes_out: state.outbox.sent_bytes(),
            clock_ms: state.clock_ms,
            sends_snapshot: state.sends_snapshot,
            takes_snapshot: state.incoming.is_some(),
        })
    }
}

impl Progress for Driver {
    fn holders(&self, stream: Stream, seq: u64, mark: &Mark) -> usize {
        let holder = |link: &Link| self.replica.holder(*link, stream).filter(|(_, have)| have.seq >= seq);
        let mut holders: Vec<Uuid> = self.links.keys().filter_map(holder).map(|(uuid, _)| uuid).collect();
        holders.sort_unstable();
        holders.dedup();
        holders.len() + self.server.replicas.holders(mark)
    }

    fn is_stable(&self, version: u64) -> bool {
        // Who has never met anybody has nobody to wait for.
        let horizon = self.replica.horizon();
        horizon.horizon >= version || horizon.members().next().is_none()
    }
}
