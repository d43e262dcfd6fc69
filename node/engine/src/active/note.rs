//! Local effects while the node is a member of a mesh: named so that others understand them, written down, noted in the
//! overlay, and then carried out.

use replication::effect::{Element, ElementId, Key, Kind};
use replication::overlay::{Jot, Overlay};
use replication::{Place, Stamp, borrowed};

use super::stage::{Stage, kind_of};
use crate::apply;
use crate::ctx::KeyMut;
use crate::effect::{Deadline, Effect, NewValue, Outcome};
use crate::family::Family;
use crate::journal::encode::Names;
use crate::value::{Value, ValueRef};

/// Names list elements by identity.
pub(crate) struct Identities<'a, 'b> {
    overlay: &'a Overlay,
    stage: &'a Stage<'b>,
    key: Key,
    count: usize,
}

impl Names for Identities<'_, '_> {
    fn element(&mut self, at: usize) -> Element {
        let unknown = ElementId { place: Place::ZERO, index: u32::MAX };
        self.overlay.element(self.stage, &self.key, at).unwrap_or(Element::Id(unknown))
    }

    fn count(&self) -> usize {
        self.count
    }
}

impl KeyMut<'_, '_> {
    /// What the overlay sees of the key's shard.
    pub(super) fn stage(&mut self) -> Stage<'_> {
        let KeyMut { shard, env, out, writer, stamp, .. } = self;
        Stage { shard, env, out, writer, stamp: *stamp, touched: false }
    }

    fn owned_key(&self) -> Key {
        Key { db: self.db as u32, name: self.key.to_vec() }
    }

    /// Whether other nodes hold the key too: what is kept of it here alone would make it differ.
    pub(crate) fn is_shared(&self) -> bool {
        self.shard.overlay.is_some()
    }

    /// The place of the next write of the group under way.
    pub(crate) fn next_place(&self) -> Place {
        Place::new(self.stamp, self.writer.subs())
    }

    /// [`KeyMut::apply`] on a node that is a member of a mesh.
    pub(crate) fn apply_as_member(&mut self, effect: Effect<'_>) -> Outcome {
        if let Effect::Put { value: NewValue::String(_), deadline, absent: false } = &effect
            && self.note_string(*deadline)
        {
            self.tell_alone(&effect, &mut Nameless);
            return apply::apply(self, effect);
        }
        let jotted = match self.jot_of(&effect) {
            Some(jot) => self.takes(&effect) && self.jot(self.next_place(), jot),
            None => self.jot_parts(&effect),
        };
        if jotted {
            let count = self.list_len();
            self.tell_alone(&effect, &mut Known { elements: Vec::new(), count });
            let outcome = apply::apply(self, effect);
            if outcome == Outcome::Unchanged {
                // It asserts what is there: the key is as young as that.
                self.restamp();
            }
            return outcome;
        }
        self.apply_noted(effect)
    }

    /// Notes that a string is put, of which the key's stamp tells all. False: there is more to it.
    #[inline]
    fn note_string(&mut self, deadline: Deadline) -> bool {
        let before = self.entry().map(|entry| entry.stamp().version);
        // What the same group did before counts; a deadline is not older than its write.
        if before == Some(self.stamp.version) || matches!(deadline, Deadline::At(at) if at < self.stamp.ms())
        {
            return false;
        }
        let (db, create) = (self.db as u32, before.is_none());
        self.shard.overlay.as_mut().is_some_and(|overlay| overlay.note_string(db, self.key, create))
    }

    /// What may be jotted down of an effect: one that needs nothing of what was there, and after which the key is there.
    #[inline]
    pub(super) fn jot_of<'e>(&self, effect: &Effect<'e>) -> Option<Jot<'e>> {
        let value = self.value();
        // What an effect does to deadlines of members is a matter of its own.
        let timeless = value.and_then(ValueRef::deadlines).is_none();
        let stays = || match &value {
            Some(ValueRef::Hash(hash)) => hash.len() > 1,
            Some(ValueRef::Set(set)) => set.len() > 1,
            Some(ValueRef::Zset(zset)) => zset.len() > 1,
            _ => false,
        };
        match effect {
            Effect::Add { delta, result } => Some(Jot::Add { delta: *delta, result: *result }),
            Effect::SetField { field, absent: false, .. } if timeless => Some(Jot::Cell(Kind::Hash, field)),
            Effect::AddField { field, delta, result } if timeless => {
                let there = matches!(&value, Some(ValueRef::Hash(hash)) if hash.live(0).contains(field));
                Some(Jot::AddField { field, delta: *delta, result: *result, there })
            }
            Effect::AddScore { member, delta, result } if timeless => {
                let before = match &value {
                    Some(ValueRef::Zset(zset)) => zset.score(member).map(f64::to_bits),
                    _ => None,
                };
                Some(Jot::AddScore { member, delta: delta.to_bits(), result: result.to_bits(), before })
            }
            Effect::AddMember(member) if timeless => Some(Jot::Cell(Kind::Set, member)),
            Effect::SetScore { member, only, .. } if timeless && *only == Default::default() => {
                Some(Jot::Cell(Kind::Zset, member))
            }
            Effect::DelField(field) if timeless && stays() => Some(Jot::Cell(Kind::Hash, field)),
            Effect::DelMember(member) if timeless && stays() => Some(Jot::Cell(Kind::Set, member)),
            Effect::DelScored(member) if timeless && stays() => Some(Jot::Cell(Kind::Zset, member)),
            Effect::ExpireAt(at) if at.is_none_or(|at| at >= self.stamp.ms()) => {
                let kind = kind_of(self.kind()?);
                Some(Jot::Expire { kind, at: *at, before: self.deadline() })
            }
            Effect::Insert { at: 0, .. } => Some(Jot::Push { head: true }),
            Effect::Insert { at, .. } if *at >= self.list_len() => Some(Jot::Push { head: false }),
            _ => None,
        }
    }

    pub(super) fn list_len(&self) -> usize {
        match self.value() {
            Some(ValueRef::List(list)) => list.len(),
            _ => 0,
        }
    }

    /// Jots an effect down. False: it has to be noted.
    #[inline]
    pub(super) fn jot(&mut self, place: Place, jot: Jot<'_>) -> bool {
        let before = self.entry().map_or(Stamp::default(), |entry| entry.stamp());
        self.jot_behind(place, before, !self.exists(), jot)
    }

    /// The same of an effect before which the key had this stamp. `create`: the effect makes the key.
    #[inline]
    pub(super) fn jot_behind(&mut self, place: Place, before: Stamp, create: bool, jot: Jot<'_>) -> bool {
        let label = self.writer.first_label();
        let before = if before.origin == 0 { Stamp { origin: label, ..before } } else { before };
        let key = (self.db as u32, self.key);
        let Some(overlay) = &mut self.shard.overlay else { return false };
        if create && overlay.any_reclaimed() {
            return false;
        }
        overlay.jot(place, before, key, create, jot)
    }

    /// Makes marks of what is jotted down of the key.
    fn spread(&mut self) {
        let version = self.entry().map_or(0, |entry| entry.stamp().version);
        if self.shard.overlay.as_ref().is_some_and(|overlay| overlay.has_jotted(version)) {
            let key = self.owned_key();
            let mut overlay = self.shard.overlay.take().unwrap_or_default();
            overlay.spread_key(&self.stage(), &key);
            self.shard.overlay = Some(overlay);
        }
    }

    /// The same with what must be remembered of it as marks.
    fn apply_noted(&mut self, effect: Effect<'_>) -> Outcome {
        // The stamp of a Put says that what was jotted down before does not count: not of one group.
        if !matches!(effect, Effect::Put { absent: false, .. })
            || self.entry().is_some_and(|entry| entry.stamp().version == self.stamp.version)
        {
            self.spread();
        }
        let effect = within_time(without_due(effect, self.env.due()), self.stamp.ms());
        if !self.takes(&effect) {
            return apply::apply(self, effect);
        }
        self.make_way(&effect);
        let place = self.next_place();
        let mut overlay = self.shard.overlay.take().unwrap_or_default();
        let told = self.tell_by_identity(&overlay, &effect);
        match &effect {
            Effect::Put { value, deadline, absent: false }
                if !overlay.is_cleared_by(self.stamp, self.db as u32) =>
            {
                let list = match value {
                    NewValue::Built(Value::List(list)) => Some(list.len()),
                    _ => None,
                };
                let deadline = self.put_deadline(*deadline);
                overlay.note_put(place, self.db as u32, self.key, list, deadline);
            }
            effect if self.note_quickly(&mut overlay, place, effect) => {}
            _ => self.note_told(&mut overlay, place, told),
        }
        self.shard.overlay = Some(overlay);
        let deadlines = deadlines_of(&effect, self.env.due());
        let outcome = apply::apply(self, effect);
        if let Some((member, at)) = self.kept_deadline(&deadlines) {
            self.expire_as_member(&member, at);
        }
        for (member, at) in deadlines.of_value {
            self.expire_as_member(&member, at);
        }
        outcome
    }

    /// Has others hear of a deadline that a member has here.
    fn expire_as_member(&mut self, name: &[u8], at: u64) {
        if let Some(family) = self.value().and_then(Family::of) {
            self.apply_as_member(family.expiry(name, Some(at)));
        }
    }

    fn tell_by_identity(&mut self, overlay: &Overlay, effect: &Effect<'_>) -> usize {
        let lists = matches!(
            effect,
            Effect::Insert { .. }
                | Effect::SetElement { .. }
                | Effect::DelElements { .. }
                | Effect::DelElementsAt(_)
        );
        if !lists {
            return self.tell_alone(effect, &mut Nameless);
        }
        let count = self.list_len();
        let mut named = Known { elements: Vec::new(), count };
        if matches!(effect, Effect::Insert { at, .. } if *at == 0 || *at >= count) {
            return self.tell_alone(effect, &mut named);
        }
        let mut unknown = false;
        let marked = (self.db as u32, self.key);
        each_position(effect, count, |at| match overlay.element_of_marked(marked, at) {
            Some(element) => named.elements.push((at, element)),
            None => unknown = true,
        });
        if unknown {
            named.elements.clear();
            let key = self.owned_key();
            let stage = self.stage();
            let mut names = Identities { overlay, stage: &stage, key, count };
            each_position(effect, count, |at| named.elements.push((at, names.element(at))));
        }
        self.tell_alone(effect, &mut named)
    }

    /// Notes what needs no more than a look-up. False: it needs more.
    fn note_quickly(&mut self, overlay: &mut Overlay, place: Place, effect: &Effect<'_>) -> bool {
        let (key, create) = ((self.db as u32, self.key), !self.exists());
        let (kind, cell) = match effect {
            Effect::Add { delta, result } => {
                return !create && overlay.note_add(place, key, *delta, *result);
            }
            Effect::Insert { at, .. } if *at == 0 || *at >= self.list_len() => {
                return !create && overlay.note_push(place, key, *at == 0);
            }
            Effect::DelElements { at, count } => {
                let len = self.list_len();
                let (head, count) = (*at == 0, (*count).min(len.saturating_sub(*at)));
                return (head || at + count == len) && overlay.note_pop(place, key, head, count);
            }
            Effect::SetField { field, absent: false, .. } | Effect::DelField(field) => (Kind::Hash, *field),
            Effect::AddMember(member) | Effect::DelMember(member) => (Kind::Set, *member),
            Effect::SetScore { member, only, .. } if *only == Default::default() => (Kind::Zset, *member),
            Effect::DelScored(member) => (Kind::Zset, *member),
            Effect::AddEntry { .. } | Effect::SetMarks { .. } | Effect::TrimEntries { .. } => {
                return self.note_parts(overlay, place, effect);
            }
            _ => return false,
        };
        overlay.note_cell(&self.stage(), place, key, create, kind, cell)
    }

    /// Notes in the overlay what was just written down.
    fn note_told(&mut self, overlay: &mut Overlay, mut place: Place, told: usize) {
        let bytes = self.writer.written(told).to_vec();
        let stage = self.stage();
        for write in borrowed::writes(&bytes).flatten() {
            overlay.note(&stage, place, &write.to_owned());
            place.sub += 1;
        }
    }

    /// Whether an effect does or asserts something. (A condition that is not met, a removal that finds nothing: no.)
    pub(super) fn takes(&self, effect: &Effect<'_>) -> bool {
        let due = self.env.due();
        let field = |name: &[u8]| match self.value() {
            Some(ValueRef::Hash(hash)) => hash.live(due).contains(name),
            Some(ValueRef::Set(set)) => set.live(due).contains(name),
            Some(ValueRef::Zset(zset)) => zset.live(due).contains(name),
            _ => false,
        };
        match effect {
            Effect::Put { absent, .. } => !(*absent && self.exists()),
            Effect::Clear | Effect::ExpireAt(_) | Effect::ExpireOnly { .. } => self.exists(),
            Effect::SetField { field: name, absent: true, .. } => !field(name),
            Effect::DelField(name) | Effect::DelMember(name) | Effect::DelScored(name) => field(name),
            Effect::FieldExpire { field: name, .. }
            | Effect::MemberExpire { member: name, .. }
            | Effect::ScoredExpire { member: name, .. } => field(name),
            Effect::SetScore { member, score, only } => match self.value() {
                Some(ValueRef::Zset(zset)) => {
                    zset.live(due).score(member).is_none_or(|old| only.permits(old, *score))
                }
                _ => true,
            },
            Effect::DelElements { count, .. } => self.exists() && *count > 0,
            Effect::DelElementsAt(all) => self.exists() && !all.is_empty(),
            Effect::SetElement { .. } => self.exists(),
            Effect::DelEntry(_)
            | Effect::TrimEntries { .. }
            | Effect::AddGroup { .. }
            | Effect::DelGroup(_)
            | Effect::SeeConsumer { .. }
            | Effect::DelConsumer { .. }
            | Effect::Acknowledge { .. } => self.takes_on_stream(effect),
            _ => true,
        }
    }

    /// [`KeyMut::takes`] of what removes or adds something to a stream.
    fn takes_on_stream(&self, effect: &Effect<'_>) -> bool {
        let Some(ValueRef::Stream(stream)) = self.value() else {
            return matches!(effect, Effect::AddGroup { .. });
        };
        let known = |group: &[u8], consumer: &[u8]| stream.group(group)?.consumers().get(consumer);
        match effect {
            Effect::DelEntry(id) => stream.get(*id).is_some(),
            Effect::TrimEntries { through } => {
                stream.range(protocol::StreamId::ZERO, *through).next().is_some()
            }
            Effect::AddGroup { group, .. } => stream.group(group).is_none(),
            Effect::DelGroup(group) => stream.group(group).is_some(),
            Effect::SeeConsumer { group, consumer, .. } => known(group, consumer).is_none_or(|it| it.leaving),
            Effect::DelConsumer { group, consumer } => known(group, consumer).is_some(),
            Effect::Acknowledge { group, id } => {
                stream.group(group).is_some_and(|group| group.pending(*id).is_some())
            }
            _ => true,
        }
    }

    /// What must be gone before the effect: the key's own former life, a field whose time has come.
    fn make_way(&mut self, effect: &Effect<'_>) {
        if !self.exists()
            && let Some(overlay) = self.shard.overlay.as_ref().filter(|overlay| overlay.any_reclaimed())
            && let Some(deadline) = overlay.reclaimed(&self.owned_key())
        {
            self.reclaim_as_member(deadline);
        }
        if let Some((_, name)) = self.stale_cell(effect) {
            self.drop_member(name);
        }
    }

    /// Removes a field or member whose time has come.
    pub(crate) fn drop_member(&mut self, name: &[u8]) {
        let Some(family) = self.value().and_then(Family::of) else { return };
        let effect = family.removal(name);
        let place = self.next_place();
        let told = self.tell_alone(&effect, &mut Nameless);
        self.note_all(place, told);
        self.feed_member_gone(name);
        apply::apply(self, effect);
    }

    /// Tells followers of a member that goes because its time has come.
    pub(super) fn feed_member_gone(&mut self, name: &[u8]) {
        let Some(family) = self.value().and_then(Family::of) else { return };
        if let Some(feed) = self.writer.feed() {
            feed.command(self.db, [family.removal_word(), self.key, name].into_iter());
        }
    }

    /// Notes what was just written down, from `told` on.
    pub(crate) fn note_all(&mut self, place: Place, told: usize) {
        self.spread();
        let mut overlay = self.shard.overlay.take().unwrap_or_default();
        self.note_told(&mut overlay, place, told);
        self.shard.overlay = Some(overlay);
    }

    /// Has the key's deadline take effect: what is younger than it survives.
    pub(crate) fn reclaim_as_member(&mut self, deadline: u64) {
        let place = self.next_place();
        self.tell_reclaim_at(deadline);
        self.spread();
        let key = self.owned_key();
        let write = replication::effect::Write {
            key,
            create: false,
            effect: replication::effect::Effect::Reclaim { deadline },
        };
        let mut overlay = self.shard.overlay.take().unwrap_or_default();
        overlay.apply(&mut self.stage(), place, &write);
        self.shard.overlay = Some(overlay);
        self.pos = self.shard.dbs[self.db].find(self.hash, self.key);
    }

    /// The deadline that a Put gives the key.
    pub(crate) fn put_deadline(&self, deadline: Deadline) -> Option<u64> {
        match deadline {
            Deadline::Clear => None,
            Deadline::Keep => self.deadline(),
            Deadline::At(at) => Some(at),
        }
    }

    /// The deadline of the member that was added, which the addition leaves here and clears elsewhere.
    fn kept_deadline(&self, deadlines: &Deadlines) -> Option<(Vec<u8>, u64)> {
        let member = deadlines.of_member.as_ref()?;
        let at = self.value()?.deadlines()?.get(member)?;
        Some((member.clone(), at))
    }
}

/// Names for effects that name nothing.
struct Nameless;

impl Names for Nameless {
    fn element(&mut self, _: usize) -> Element {
        unreachable!("only effects on lists name elements")
    }

    fn count(&self) -> usize {
        0
    }
}

/// Names that were looked up before.
struct Known {
    elements: Vec<(usize, Element)>,
    count: usize,
}

impl Names for Known {
    fn element(&mut self, at: usize) -> Element {
        let found = self.elements.binary_search_by_key(&at, |(at, _)| *at);
        found.map_or(Element::Settled { cut: 0, index: i64::MAX }, |i| self.elements[i].1)
    }

    fn count(&self) -> usize {
        self.count
    }
}

/// The positions of a list that an effect names, ascending.
fn each_position(effect: &Effect<'_>, count: usize, mut each: impl FnMut(usize)) {
    match effect {
        Effect::Insert { at, .. } if *at > 0 && *at < count => each(at - 1),
        Effect::SetElement { at, .. } => each(*at),
        Effect::DelElements { at, count: n } => (*at..(at + n).min(count)).for_each(each),
        Effect::DelElementsAt(all) => all.iter().for_each(|at| each(*at)),
        _ => {}
    }
}

/// An effect whose deadlines are not older than itself: a deadline that has passed takes effect right behind the write that
/// sets it, at all nodes, and not before.
fn within_time(mut effect: Effect<'_>, ms: u64) -> Effect<'_> {
    match &mut effect {
        Effect::Put { deadline: Deadline::At(at), .. }
        | Effect::ExpireAt(Some(at))
        | Effect::ExpireOnly { at, .. }
        | Effect::FieldExpire { deadline: Some(at), .. }
        | Effect::MemberExpire { deadline: Some(at), .. }
        | Effect::ScoredExpire { deadline: Some(at), .. } => *at = ms.max(*at),
        _ => {}
    }
    effect
}

/// A value that is put, without members whose time has come: others do not get them either.
fn without_due(mut effect: Effect<'_>, due: u64) -> Effect<'_> {
    let left = match &mut effect {
        Effect::Put { value: NewValue::Built(Value::Hash(hash)), .. } => {
            hash.reclaim(due, usize::MAX);
            hash.len()
        }
        Effect::Put { value: NewValue::Built(Value::Set(set)), .. } => {
            set.reclaim(due, usize::MAX);
            set.len()
        }
        Effect::Put { value: NewValue::Built(Value::Zset(zset)), .. } => {
            zset.reclaim(due, usize::MAX);
            zset.len()
        }
        _ => return effect,
    };
    if left == 0 { Effect::Clear } else { effect }
}

/// Deadlines of members that belong to an effect.
#[derive(Default)]
struct Deadlines {
    of_member: Option<Vec<u8>>,
    of_value: Vec<(Vec<u8>, u64)>,
}

fn deadlines_of(effect: &Effect<'_>, due: u64) -> Deadlines {
    let mut found = Deadlines::default();
    let mut int = itoa::Buffer::new();
    let deadlines = match effect {
        Effect::AddMember(member) | Effect::SetScore { member, .. } => {
            found.of_member = Some(member.to_vec());
            return found;
        }
        Effect::Put { value: NewValue::Built(value), .. } => value.as_ref().deadlines(),
        _ => return found,
    };
    let all = deadlines.into_iter().flat_map(|all| all.iter()).filter(|(_, at)| *at > due);
    found.of_value = all.map(|(name, at)| (name.text(&mut int).to_vec(), at)).collect();
    found
}
