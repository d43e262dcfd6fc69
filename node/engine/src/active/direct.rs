//! Effects of other nodes that come in time: a key that has seen nothing newer, and of which nothing is remembered that could
//! still matter, is written to as if a client here had done it. That is jotted down like what clients do.

use replication::Place;
use replication::borrowed::{self, EffectRef, WriteRef};
use replication::effect::{Kind, Spot};

use super::stage::kind_of;
use crate::apply;
use crate::ctx::KeyMut;
use crate::effect::{Deadline, Effect, NewValue, Outcome};
use crate::value::ValueRef;

impl KeyMut<'_, '_> {
    /// Carries out an effect whose stamp this writer of the key has. Whether it changed something; `None`: it has to be folded.
    pub(super) fn apply_directly(&mut self, place: Place, write: &WriteRef<'_>) -> Option<bool> {
        let overlay = self.shard.overlay.as_ref()?;
        if !overlay.is_fresh(place, self.db as u32, self.key) {
            return self.apply_at_end(place, write);
        }
        if !self.is_older_than(place, write) {
            return None;
        }
        if self.overwrite_directly(place, write) {
            return Some(true);
        }
        let effect = self.direct(write)?;
        if !matches!(effect, Effect::Put { .. }) {
            let jot = self.jot_of(&effect)?;
            if !self.jot(place, jot) {
                return None;
            }
        }
        let outcome = apply::apply(self, effect);
        if outcome == Outcome::Unchanged {
            self.restamp();
        }
        Some(outcome != Outcome::Unchanged)
    }

    /// The same of an element that comes to an end of a list with marks, or is taken from there.
    fn apply_at_end(&mut self, place: Place, write: &WriteRef<'_>) -> Option<bool> {
        let in_time = self.entry()?.deadline().is_none_or(|at| at > place.stamp().ms());
        let (key, len) = ((self.db as u32, self.key), self.list_len());
        let overlay = self.shard.overlay.as_mut()?;
        if write.create || len == 0 || !in_time || !overlay.is_first(place) {
            return None;
        }
        let effect = match &write.effect {
            EffectRef::Insert { spot: Spot::Head, element } => {
                overlay.note_push(place, key, true).then_some(Effect::Insert { at: 0, element })?
            }
            EffectRef::Insert { spot: Spot::Tail, element } => {
                overlay.note_push(place, key, false).then_some(Effect::Insert { at: len, element })?
            }
            EffectRef::DelElements(elements) => {
                let mut elements = elements.elements();
                let (element, None) = (elements.next()?, elements.next()) else { return None };
                let head = overlay.note_taken(place, key, element)?;
                self.feed_taken(head);
                Effect::DelElements { at: if head { 0 } else { len - 1 }, count: 1 }
            }
            _ => return None,
        };
        Some(apply::apply(self, effect) != Outcome::Unchanged)
    }

    /// Tells followers of an element that is taken from an end of a list.
    fn feed_taken(&mut self, head: bool) {
        let (db, key) = (self.db, self.key);
        if let Some(feed) = self.writer.feed() {
            feed.echo(db, [if head { &b"LPOP"[..] } else { b"RPOP" }, key].into_iter());
        }
    }

    /// Whether the key is what the effect's author saw, or an older state of it.
    fn is_older_than(&self, place: Place, write: &WriteRef<'_>) -> bool {
        let put = matches!(write.effect, EffectRef::Put { .. });
        match self.entry() {
            None => put || write.create,
            Some(entry) => {
                let before = entry.stamp();
                // What was written before the node had a label is its own.
                let origin = if before.origin == 0 { self.writer.first_label() } else { before.origin };
                let newer = (place.version, place.origin) > (before.version, origin);
                let same_group = (place.version, place.origin) == (before.version, origin);
                // A deadline that is older than the effect comes first.
                let in_time = entry.deadline().is_none_or(|at| at > place.stamp().ms());
                !write.create && in_time && (newer || same_group && !put)
            }
        }
    }

    /// The number in a hash's field, 0 if there is none; `None`: it is something else.
    fn number_in(&self, field: &[u8]) -> Option<i64> {
        let Some(ValueRef::Hash(hash)) = self.value() else { return Some(0) };
        let Some(found) = hash.live(0).get(field) else { return Some(0) };
        protocol::number::parse_i64(found.text(&mut itoa::Buffer::new()))
    }

    /// The effect as one of the engine's own, if the key's type is right and nothing needs a second look.
    fn direct<'e>(&self, write: &WriteRef<'e>) -> Option<Effect<'e>> {
        let kind = self.kind().map(kind_of);
        let fits = |wanted: Kind| kind.is_none_or(|kind| kind == wanted);
        match write.effect {
            EffectRef::Put { value: borrowed::ValueRef::String(bytes), deadline, absent: false } => {
                let deadline = deadline.map_or(Deadline::Clear, Deadline::At);
                Some(Effect::Put { value: NewValue::String(bytes), deadline, absent: false })
            }
            EffectRef::ExpireAt { at, only } if only.is_none() && kind.is_some() => {
                Some(Effect::ExpireAt(at))
            }
            EffectRef::Add { delta, result } => {
                let old = match self.value() {
                    None => 0,
                    Some(ValueRef::Int(old)) => old,
                    _ => return None,
                };
                (old.checked_add(delta) == Some(result)).then_some(Effect::Add { delta, result })
            }
            EffectRef::SetField { field, value, absent: false } if fits(Kind::Hash) => {
                Some(Effect::SetField { field, value, absent: false })
            }
            EffectRef::AddField { field, delta, result } if fits(Kind::Hash) => {
                let old = self.number_in(field)?;
                (old.checked_add(delta) == Some(result)).then_some(Effect::AddField { field, delta, result })
            }
            EffectRef::AddScore { member, delta, result } if fits(Kind::Zset) => {
                let old = match self.value() {
                    Some(ValueRef::Zset(zset)) => zset.score(member).unwrap_or(0.0),
                    _ => 0.0,
                };
                let same = (old + delta).to_bits() == result.to_bits();
                same.then_some(Effect::AddScore { member, delta, result })
            }
            EffectRef::DelField(field) if fits(Kind::Hash) => Some(Effect::DelField(field)),
            EffectRef::AddMember(member) if fits(Kind::Set) => Some(Effect::AddMember(member)),
            EffectRef::DelMember(member) if fits(Kind::Set) => Some(Effect::DelMember(member)),
            EffectRef::SetScore { member, score, only } if fits(Kind::Zset) && only.is_none() => {
                Some(Effect::SetScore { member, score, only: Default::default() })
            }
            EffectRef::DelScored(member) if fits(Kind::Zset) => Some(Effect::DelScored(member)),
            EffectRef::Insert { spot: Spot::Head, element } if fits(Kind::List) => {
                Some(Effect::Insert { at: 0, element })
            }
            EffectRef::Insert { spot: Spot::Tail, element } if fits(Kind::List) => {
                Some(Effect::Insert { at: self.list_len().max(1), element })
            }
            _ => None,
        }
    }
}
