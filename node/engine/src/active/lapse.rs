//! What goes by itself in a mesh: what has expired, and what is evicted.
//!
//! Where a command wants to write to a key whose deadline has passed, the deadline takes effect there and then, and
//! others are told. Where nobody wants anything, nobody is told: the key stays, hidden, until all members know the same
//! about it, and each removes it by itself. So an extension that was made in time, and is still on its way, is never
//! lost.

use replication::overlay::Levels;
use replication::stamp::COUNTER_BITS;

use crate::ctx::{KeyMut, RECLAIM_MAX};
use crate::effect::Effect;
use crate::family::Family;
use crate::tuning::notify;

/// When to look again at a key that could not be removed yet, ms.
const RETRY_MS: u64 = 100;

impl KeyMut<'_, '_> {
    /// What time it is for a write: that of its version.
    fn due_for_write(&self) -> u64 {
        match self.env.due() {
            0 => 0,
            now => now.max(self.stamp.ms()),
        }
    }

    /// Has passed deadlines of the key and of its members take effect, before it is written to.
    pub(crate) fn reclaim_in_mesh(&mut self) {
        let now = self.due_for_write();
        let Some(entry) = self.entry() else { return };
        if let Some(deadline) = entry.deadline().filter(|at| *at <= now) {
            self.reclaim_as_member(deadline);
            self.changed(false);
            if !self.exists() {
                self.shard.stats.expired += 1;
                self.notify(notify::EXPIRED, "expired");
            }
        } else if entry.next_member_deadline().is_some_and(|at| at <= now) {
            self.drop_due_members(now);
        }
    }

    #[cold]
    fn drop_due_members(&mut self, now: u64) {
        let Some(value) = self.value() else { return };
        let (Some(family), all) = (Family::of(value), value.is_spent(now)) else { return };
        let due = self.due_members(now, if all { usize::MAX } else { RECLAIM_MAX });
        due.iter().for_each(|name| self.drop_member(name));
        self.after_members(due.len(), family);
    }

    fn after_members(&mut self, removed: usize, family: Family) {
        self.shard.stats.expired_members += removed as u64;
        self.changed(false);
        self.notify(family.class(), family.expired_event());
        if !self.exists() {
            self.notify(notify::GENERIC, "del");
        } else if let Some(next) = self.entry().and_then(|entry| entry.next_due()) {
            self.note_member_deadline(next);
        }
    }

    /// Removes what has expired because nobody wants it.
    pub(crate) fn reclaim_unasked(&mut self) {
        let Some(levels) = self.shard.overlay.as_ref().map(|overlay| overlay.levels()) else {
            return self.reclaim();
        };
        let (now, Some(entry)) = (self.env.due(), self.entry()) else { return };
        // What all members have settled: deadlines up to this.
        let agreed = now.min((levels.agreed + 1) >> COUNTER_BITS);
        let (deadline, members) = (entry.deadline(), entry.next_member_deadline());
        if !self.is_marked() && deadline.is_some_and(|at| at <= agreed) {
            self.feed_removal(self.env.tuning.lazyfree_expire);
            self.remove(true);
            self.shard.stats.expired += 1;
            self.changed(false);
            self.notify(notify::EXPIRED, "expired");
        } else if !self.is_marked() && members.is_some_and(|at| at <= agreed) {
            self.remove_members_unasked(agreed);
        } else if deadline.into_iter().chain(members).any(|at| at <= now) {
            let (hash, db) = (self.hash, self.db);
            self.shard.dbs[db].note_deadline(hash, now + RETRY_MS);
        }
    }

    fn remove_members_unasked(&mut self, agreed: u64) {
        self.feed_members_gone(agreed);
        let Some(family) = self.value().and_then(Family::of) else { return };
        let reclaimed = self.value_mut().and_then(|mut value| value.reclaim(agreed, RECLAIM_MAX));
        let Some((removed, left)) = reclaimed else { return };
        self.remove_if_empty(left == 0);
        self.after_members(removed, family);
    }

    /// Tells followers of members that go by themselves.
    fn feed_members_gone(&mut self, now: u64) {
        if self.writer.feeds() {
            let due = self.due_members(now, RECLAIM_MAX);
            due.iter().for_each(|name| self.feed_member_gone(name));
        }
    }

    /// Whether something of the key is not settled yet that its stamp does not tell.
    fn is_marked(&self) -> bool {
        let version = self.entry().map_or(0, |entry| entry.stamp().version);
        let overlay = self.shard.overlay.as_ref();
        overlay.is_some_and(|overlay| overlay.marked(self.db as u32, self.key) || overlay.has_jotted(version))
    }

    /// Whether the key may go to make room: everybody has all that was written to it.
    pub(crate) fn may_evict(&self) -> bool {
        let Some(overlay) = &self.shard.overlay else { return true };
        let Levels { horizon, .. } = overlay.levels();
        !self.is_marked() && self.entry().is_some_and(|entry| entry.stamp().version <= horizon)
    }

    /// Writes down that the key is evicted: of what this node has seen, and nothing newer.
    pub(crate) fn tell_evict(&mut self) {
        // Not below what anybody can have settled by now: there the eviction would be forgotten before it arrives.
        let known_here = self.shard.overlay.as_ref().map_or(0, |overlay| overlay.levels().horizon);
        let cut = known_here.max(self.writer.horizon());
        let (db, key, place) = (self.db as u32, self.key, self.next_place());
        let told = self.writer.add(|w| {
            replication::codec::put_head(w, db, false, key);
            replication::codec::evict(w, cut);
        });
        self.note_all(place, told);
    }

    /// Writes down that the value is taken away.
    pub(crate) fn tell_clear(&mut self) {
        if !self.exists() || !self.writer.is_on() {
            return;
        }
        let place = self.next_place();
        let told = self.tell(&Effect::Clear);
        if self.shard.overlay.is_some() {
            self.note_all(place, told);
        }
    }
}
