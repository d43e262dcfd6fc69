//! How a key's changes are written down, before they are made.

use replication::codec;
use replication::effect::Element;

use super::encode::{self, Names};
use crate::ctx::KeyMut;
use crate::effect::{Deadline, Effect, NewValue};
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
        let (db, key, create) = (self.db as u32, self.key, !self.exists());
        let deadline = match effect {
            Effect::Put { deadline: Deadline::At(at), .. } => Some(*at),
            Effect::Put { deadline: Deadline::Keep, .. } => self.deadline(),
            _ => None,
        };
        let told = self.tell_stale(effect);
        let at = self.writer.add(|w| {
            codec::put_head(w, db, create, key);
            encode::effect(w, effect, deadline, &mut names);
        });
        self.tell_more(effect);
        told.unwrap_or(at)
    }

    /// A field whose time has come, and that is about to be continued as if it were not there, goes first.
    fn tell_stale(&mut self, effect: &Effect<'_>) -> Option<usize> {
        let field = match effect {
            Effect::AddField { field, .. }
            | Effect::AddFieldFloat { field, .. }
            | Effect::SetField { field, absent: true, .. } => *field,
            _ => return None,
        };
        let Some(ValueRef::Hash(hash)) = self.value() else { return None };
        let due = hash.deadlines()?.get(field)? <= self.env.due();
        let (db, key) = (self.db as u32, self.key);
        due.then(|| {
            self.writer.add(|w| {
                codec::put_head(w, db, false, key);
                codec::del_field(w, field);
            })
        })
    }

    /// What belongs to an effect and has to be told apart: deadlines of members.
    fn tell_more(&mut self, effect: &Effect<'_>) {
        let (db, key) = (self.db as u32, self.key);
        match effect {
            Effect::Put { value: NewValue::Built(value), .. } => {
                let writer = &mut *self.writer;
                let mut extra = codec::Writer::default();
                encode::member_deadlines(&mut extra, value.as_ref(), 0, |w| {
                    codec::put_head(w, db, false, key)
                });
                if !extra.0.is_empty() {
                    writer.add(|w| w.0.extend_from_slice(&extra.0));
                }
            }
            Effect::AddMember(member) => {
                // Elsewhere the effect clears the deadline; here it does not.
                let Some(ValueRef::Set(set)) = self.value() else { return };
                let at = set.deadlines().and_then(|deadlines| deadlines.get(member));
                if let Some(at) = at.filter(|at| *at > self.env.due()) {
                    self.writer.add(|w| {
                        codec::put_head(w, db, false, key);
                        codec::member_expire(w, member, Some(at));
                    });
                }
            }
            _ => {}
        }
    }

    /// The key goes because its time has come.
    pub(crate) fn tell_reclaim(&mut self) {
        if let Some(deadline) = self.deadline().filter(|_| self.writer.is_on()) {
            let (db, key) = (self.db as u32, self.key);
            self.writer.add(|w| {
                codec::put_head(w, db, false, key);
                codec::reclaim(w, deadline);
            });
        }
    }

    /// At most so many members go because their time has come.
    pub(crate) fn tell_due_members(&mut self, now: u64, max: usize) {
        if !self.writer.is_on() {
            return;
        }
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut int = itoa::Buffer::new();
        let mut collect = |deadlines: Option<&crate::types::deadlines::Deadlines>| {
            let due = deadlines.into_iter().flat_map(|all| all.iter()).take_while(|(_, at)| *at <= now);
            names.extend(due.take(max).map(|(member, _)| member.text(&mut int).to_vec()));
        };
        let is_hash = match self.value() {
            Some(ValueRef::Hash(hash)) => {
                collect(hash.deadlines());
                true
            }
            Some(ValueRef::Set(set)) => {
                collect(set.deadlines());
                false
            }
            _ => return,
        };
        for name in names {
            let effect = if is_hash { Effect::DelField(&name) } else { Effect::DelMember(&name) };
            self.tell(&effect);
        }
    }
}
