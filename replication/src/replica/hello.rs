//! Who is at the other end, and who there is.

use super::{Action, Link, Replica, Session};
use crate::log::Spill;
use crate::message::{Hello, Message, PROTOCOL, Reason};
use crate::origin::{Author, Stream, Uuid};
use crate::vector::Vector;

impl<S: Spill> Replica<S> {
    pub(super) fn hello(&mut self, now_ms: u64, link: Link, hello: Hello, actions: &mut Vec<Action>) {
        if let Some(reason) = self.objection(&hello) {
            if reason == Reason::LabelTaken && self.has_to_be_renamed(&hello) {
                let was = self.me;
                self.reincarnate();
                if self.horizon.members().next().is_none() {
                    // Nobody knows it by that label, which is the other one's from now on.
                    self.origins.forget(was);
                }
                actions.push(Action::Reincarnated { was });
                return self.close(link, Reason::Reincarnated, actions);
            }
            return self.close(link, reason, actions);
        }
        let off = hello.clock_ms as i64 - now_ms as i64;
        if off.unsigned_abs() > self.options.max_clock_drift_ms / 10 {
            actions.push(Action::ClockOff { link, ms: off });
        }
        let detached = self.horizon.is_away(hello.author.uuid);
        let returns = detached && !self.is_vouched_for(&hello);
        if detached {
            self.attach(hello.author.uuid);
            self.back_ms.insert(hello.author.uuid, now_ms);
        }
        if returns && !self.lost && !self.vector.covers(&hello.vector) {
            return self.give_way(actions);
        }
        let mine = self.own_stream();
        if self.options.rules.identity && hello.vector.have(mine).seq > self.vector.have(mine).seq {
            // The peer has writes of this incarnation that this node has not: they were lost here.
            let was = self.me;
            self.reincarnate();
            actions.push(Action::Reincarnated { was });
            self.lost = true;
            let links: Vec<Link> = self.sessions.keys().copied().collect();
            for link in links {
                self.close(link, Reason::Reincarnated, actions);
            }
            return;
        }
        for author in hello.members.iter().copied().chain([hello.author]) {
            self.meet(author, link, actions);
        }
        let newcomer = self.is_newcomer();
        let lacks = if self.options.rules.vector { hello.vector.clone() } else { self.vector.clone() };
        if let Some(session) = self.sessions.get_mut(&link) {
            session.peer = Some((hello.author, hello.boot));
            session.held = hello.vector;
            session.sent = lacks;
            session.lost = hello.lost;
            (session.rooted, session.newcomer) = (hello.rooted, hello.newcomer);
            session.wants_all = newcomer && hello.rooted;
        }
        if hello.lost || returns || hello.newcomer && self.rooted() {
            self.full_sync(link, actions);
        }
        self.pump(link, actions);
    }

    /// Whether this node and the sender have one label, and it is this one that begins a new incarnation: the one that knows nobody, for
    /// others know the other one's writes by that label. Both see it alike, so it does not take a word from the other end, which hangs up.
    fn has_to_be_renamed(&self, hello: &Hello) -> bool {
        let alike = hello.author.uuid != self.me.uuid && hello.author.label() == self.label();
        let alone = self.horizon.members().next().is_none();
        let other_alone = hello.members.iter().all(|member| member.uuid == hello.author.uuid);
        alike && (alone, self.me.uuid) > (other_alone, hello.author.uuid)
    }

    pub(super) fn objection(&mut self, hello: &Hello) -> Option<Reason> {
        if hello.protocol != PROTOCOL {
            return Some(Reason::Protocol);
        }
        if !self.options.rules.identity {
            return None;
        }
        let twin =
            |s: &Session| s.peer.is_some_and(|(a, boot)| a.uuid == hello.author.uuid && boot != hello.boot);
        if hello.author.uuid == self.me.uuid || self.sessions.values().any(twin) {
            return Some(Reason::SameIdentity);
        }
        if self.origins.meet(hello.author).is_err() {
            return Some(Reason::LabelTaken);
        }
        let newest = self.horizon.newest(hello.author.uuid);
        if newest.is_some_and(|newest| newest > hello.author.incarnation) {
            return Some(Reason::Reincarnated);
        }
        if self.horizon.has_gone(hello.author) {
            // Others may have forgotten it, and others not: it comes back as somebody whom nobody can mistake.
            return Some(Reason::LabelTaken);
        }
        let apart = self.horizon.is_away(hello.author.uuid)
            && !self.vector.covers(&hello.vector)
            && !hello.vector.covers(&self.vector)
            && !self.is_vouched_for(hello);
        if apart {
            return Some(Reason::Detached);
        }
        (hello.rooted && self.rooted() && self.is_stranger(hello)).then_some(Reason::TwoMeshes)
    }

    /// Whether the sender, for whom nobody waits here, has begun anew since, and a member that this node waits for has taken writes
    /// of it: it has come back by way of that one, and what it writes is relative to what the members have.
    fn is_vouched_for(&self, hello: &Hello) -> bool {
        let stream = Stream { author: hello.author, lane: 0 };
        let waited_for = |session: &Session| {
            let uuid = session.peer.map(|(author, _)| author.uuid);
            uuid.is_some_and(|uuid| uuid != hello.author.uuid && !self.horizon.is_detached(uuid))
        };
        let has = |session: &Session| waited_for(session) && session.held.have(stream).seq > 0;
        self.horizon.began_anew(hello.author)
            && (self.vector.have(stream).seq > 0 || self.sessions.values().any(has))
    }

    /// Whether neither end has ever heard of anybody the other one knows.
    fn is_stranger(&self, hello: &Hello) -> bool {
        let mine: Vec<Uuid> = self.members().iter().map(|author| author.uuid).collect();
        let theirs: Vec<Uuid> =
            hello.members.iter().chain([&hello.author]).map(|author| author.uuid).collect();
        let knows = |vector: &Vector, uuids: &[Uuid]| {
            vector.iter().any(|(stream, _)| uuids.contains(&stream.author.uuid))
        };
        !mine.iter().any(|uuid| theirs.contains(uuid))
            && !knows(&self.vector, &theirs)
            && !knows(&hello.vector, &mine)
    }

    /// The other end has gone on for long, and lacks nothing of what is here: this node takes all that the other has.
    fn give_way(&mut self, actions: &mut Vec<Action>) {
        self.lost = true;
        let links: Vec<Link> = self.sessions.keys().copied().collect();
        links.into_iter().for_each(|link| self.close(link, Reason::Reincarnated, actions));
    }

    /// Learns of a member; links to older incarnations of it are closed, so that nothing more comes from them.
    pub(super) fn meet(&mut self, author: Author, but: Link, actions: &mut Vec<Action>) {
        if author.uuid == self.me.uuid || self.origins.meet(author).is_err() {
            return;
        }
        if !self.horizon.meet(author) {
            return;
        }
        let old = |s: &Session| s.peer.is_some_and(|(a, _)| a.uuid == author.uuid && a != author);
        let links: Vec<Link> =
            self.sessions.iter().filter(|(l, s)| **l != but && old(s)).map(|(l, _)| *l).collect();
        for link in links {
            self.close(link, Reason::Reincarnated, actions);
        }
    }

    pub(super) fn reincarnate(&mut self) {
        let was = self.me;
        self.me = Author { uuid: was.uuid, incarnation: self.spare.max(was.incarnation + 1) };
        while self.origins.meet(self.me).is_err() {
            self.me.incarnation += 1;
        }
        self.spare = self.me.incarnation + 1;
        self.beats = 0;
        self.horizon.retire(was);
    }

    pub(super) fn close(&mut self, link: Link, reason: Reason, actions: &mut Vec<Action>) {
        self.sessions.remove(&link);
        actions.push(Action::Send(link, Message::Close(reason)));
        actions.push(Action::Close(link, reason));
    }
}
