//! How a key's changes are written down, before they are made.

use replication::codec;
use replication::effect::Element;

use super::encode::{self, Names};
use crate::ctx::KeyMut;
use crate::effect::{Effect, NewValue};
use crate::family::Family;
use crate::value::ValueRef;

/// Names elements by their positions: who reads that does one effect after another.
struct Positions(usize);

impl Names for Positions {
    fn element(&mut self, at: usize) -> Element {
        Element::Settled { cut: u64::MAX, index: at as i64 }
    }

    fn count(&self) -> usize {
        self.0
    }
}

impl KeyMut<'_, '_> {
    /// Writes an effect down. Returns what [`Writer::retract`](super::Writer::retract) takes.
    pub(crate) fn tell(&mut self, effect: &Effect<'_>) -> usize {
        let mut names = Positions(match self.value() {
            Some(ValueRef::List(list)) => list.len(),
            _ => 0,
        });
        let told =
            self.stale_cell(effect).map(|(family, name)| self.tell_alone(&family.removal(name), &mut names));
        let at = self.tell_alone(effect, &mut names);
        self.tell_more(effect);
        told.unwrap_or(at)
    }

    /// Writes an effect on a stream down. `None`: it is none.
    fn tell_stream(&mut self, effect: &Effect<'_>) -> Option<usize> {
        let stream = match self.value() {
            Some(ValueRef::Stream(stream)) => Some(stream),
            None => None,
            Some(_) => return None,
        };
        let (db, key, create) = (self.db as u32, self.key, !self.exists());
        let (mut told, mut count) = (codec::Writer::default(), 0);
        let head = |w: &mut codec::Writer| {
            codec::put_head(w, db, create && count == 0, key);
            count += 1;
        };
        let is_stream = super::stream::parts(&mut told, effect, stream, head);
        is_stream.then(|| self.writer.add_several(count, &told.0))
    }

    /// Writes an effect down, and nothing that belongs to it.
    pub(crate) fn tell_alone(&mut self, effect: &Effect<'_>, names: &mut impl Names) -> usize {
        if let Some(told) = self.tell_stream(effect) {
            return told;
        }
        let (db, key) = (self.db as u32, self.key);
        let due = self.env.due();
        let create = !self.exists() && !matches!(effect, Effect::Put { .. });
        let deadline = match effect {
            Effect::Put { deadline, .. } => self.put_deadline(*deadline),
            _ => None,
        };
        self.writer.add(|w| {
            codec::put_head(w, db, create, key);
            encode::effect(w, effect, deadline, due, names);
        })
    }

    /// A field or member whose time has come, and that is about to be continued as if it were not there: it goes first.
    pub(crate) fn stale_cell<'a>(&self, effect: &Effect<'a>) -> Option<(Family, &'a [u8])> {
        let name = match effect {
            Effect::AddField { field, .. }
            | Effect::AddFieldFloat { field, .. }
            | Effect::SetField { field, absent: true, .. } => *field,
            Effect::AddScore { member, .. } => *member,
            Effect::SetScore { member, only, .. } if *only != Default::default() => *member,
            _ => return None,
        };
        let value = self.value()?;
        let family = Family::of(value)?;
        (value.deadlines()?.get(name)? <= self.env.due()).then_some((family, name))
    }

    /// What belongs to an effect and has to be told apart: deadlines of members.
    fn tell_more(&mut self, effect: &Effect<'_>) {
        let (db, key) = (self.db as u32, self.key);
        match effect {
            Effect::Put { value: NewValue::Built(value), .. } => {
                let writer = &mut *self.writer;
                let mut extra = codec::Writer::default();
                let due = self.env.due();
                encode::member_deadlines(&mut extra, value.as_ref(), due, |w| {
                    codec::put_head(w, db, false, key)
                });
                if !extra.0.is_empty() {
                    writer.add(|w| w.0.extend_from_slice(&extra.0));
                }
            }
            Effect::AddMember(member) | Effect::SetScore { member, .. } => {
                // Elsewhere the effect clears the deadline; here it does not.
                let Some(value) = self.value() else { return };
                let is_set = matches!(value, ValueRef::Set(_));
                let at = value.deadlines().and_then(|deadlines| deadlines.get(member));
                if let Some(at) = at.filter(|at| *at > self.env.due()) {
                    self.writer.add(|w| {
                        codec::put_head(w, db, false, key);
                        match is_set {
                            true => codec::member_expire(w, member, Some(at)),
                            false => codec::scored_expire(w, member, Some(at)),
                        }
                    });
                }
            }
            _ => {}
        }
    }

    /// The key goes because its time has come.
    pub(crate) fn tell_reclaim_at(&mut self, deadline: u64) {
        let (db, key) = (self.db as u32, self.key);
        self.writer.add(|w| {
            codec::put_head(w, db, false, key);
            codec::reclaim(w, deadline);
        });
    }

    /// The members whose time has come, at most so many.
    pub(crate) fn due_members(&self, now: u64, max: usize) -> Vec<Vec<u8>> {
        let deadlines = self.value().and_then(ValueRef::deadlines);
        let mut int = itoa::Buffer::new();
        let due = deadlines.into_iter().flat_map(|all| all.iter()).take_while(|(_, at)| *at <= now);
        due.take(max).map(|(member, _)| member.text(&mut int).to_vec()).collect()
    }

    /// At most so many members go because their time has come.
    pub(crate) fn tell_due_members(&mut self, now: u64, max: usize) {
        if !self.writer.is_on() && !self.writer.feeds() {
            return;
        }
        let Some(family) = self.value().and_then(Family::of) else { return };
        let names = self.due_members(now, max);
        if let Some(feed) = self.writer.feed() {
            for name in &names {
                feed.command(self.db, [family.removal_word(), self.key, name].into_iter());
            }
        }
        if !self.writer.is_on() {
            return;
        }
        for name in names {
            self.tell(&family.removal(&name));
        }
    }
}
