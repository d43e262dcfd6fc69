//! How far everybody is: the three versions below which nothing can happen any more.
//!
//! Members promise in their beats that nothing older will follow from them. The minimum of the promises is the
//! *horizon*: everything up to it has arrived here. The minimum of the members' horizons is `known`: everything up to it
//! has arrived everywhere. The minimum of the members' `known` is `settled`.
//!
//! A beat counts only once its author's stream has arrived as far as the beat says. An author that gave way to a newer
//! incarnation makes no promises any more: its last one stands until no member has more of its stream than this node. So does
//! that of a member that nobody waits for, detached or forgotten: what it gave to one of the others is still on its way. That of
//! one that was forgotten also stands as long as another member speaks of it: that one may know more, and who has come in its place.

use std::collections::{BTreeMap, BTreeSet};

use crate::message::Beat;
use crate::origin::{Author, Uuid};
use crate::vector::Vector;

/// So many that were forgotten are remembered.
const GONE_MAX: usize = 1024;

/// The members, what they said, and what follows from it.
#[derive(Clone, Debug, Default)]
pub struct Horizon {
    /// Newest incarnation of every member but this node.
    members: BTreeMap<Uuid, u64>,
    /// Incarnations that gave way and may still have effects on the way here.
    former: BTreeSet<Author>,
    /// The last beat of each author that counts.
    counted: BTreeMap<Author, Beat>,
    /// A beat of each author that does not count yet.
    ahead: BTreeMap<Author, Beat>,
    /// The newest beat of each author, whether it counts or not.
    heard: BTreeMap<Author, Beat>,
    /// Members that nobody waits for, and the incarnation each had when that began.
    detached: BTreeMap<Uuid, u64>,
    /// Those that will never come back, and the last incarnation of each. Others may speak of them still.
    gone: BTreeMap<Uuid, u64>,
    pub horizon: u64,
    pub known: u64,
    pub settled: u64,
    /// What every member has settled.
    pub agreed: u64,
}

impl Horizon {
    pub fn members(&self) -> impl Iterator<Item = Author> + '_ {
        self.members.iter().map(|(uuid, incarnation)| Author { uuid: *uuid, incarnation: *incarnation })
    }

    pub fn newest(&self, uuid: Uuid) -> Option<u64> {
        self.members.get(&uuid).copied()
    }

    /// Learns of an author. True if it replaces an older incarnation.
    pub fn meet(&mut self, author: Author) -> bool {
        if self.has_gone(author) {
            return false;
        }
        match self.members.insert(author.uuid, author.incarnation) {
            Some(old) if old > author.incarnation => {
                self.members.insert(author.uuid, old);
                false
            }
            Some(old) if old < author.incarnation => {
                self.former.insert(Author { uuid: author.uuid, incarnation: old });
                true
            }
            _ => false,
        }
    }

    /// An own incarnation gave way.
    pub fn retire(&mut self, author: Author) {
        self.former.insert(author);
    }

    pub fn detach(&mut self, uuid: Uuid) {
        let incarnation = self.newest(uuid).unwrap_or(0);
        self.detached.entry(uuid).or_insert(incarnation);
    }

    pub fn attach(&mut self, uuid: Uuid) {
        self.detached.remove(&uuid);
        self.gone.remove(&uuid);
    }

    pub fn is_detached(&self, uuid: Uuid) -> bool {
        self.detached.contains_key(&uuid)
    }

    /// Whether nobody waits for a node: it was detached, or forgotten.
    pub fn is_away(&self, uuid: Uuid) -> bool {
        self.is_detached(uuid) || self.gone.contains_key(&uuid)
    }

    /// Whether an author was forgotten, in this incarnation or a later one.
    pub fn has_gone(&self, author: Author) -> bool {
        self.gone.get(&author.uuid).is_some_and(|last| author.incarnation <= *last)
    }

    /// Those that were forgotten.
    pub fn gone(&self) -> impl Iterator<Item = Author> + '_ {
        self.gone.iter().map(|(uuid, incarnation)| Author { uuid: *uuid, incarnation: *incarnation })
    }

    /// Whether an author began anew after nobody waited for it any more.
    pub fn began_anew(&self, author: Author) -> bool {
        let last = self.detached.get(&author.uuid).or_else(|| self.gone.get(&author.uuid));
        last.is_some_and(|incarnation| author.incarnation > *incarnation)
    }

    /// A member will never come back. False if there is none.
    pub fn forget(&mut self, uuid: Uuid) -> bool {
        let Some(incarnation) = self.members.remove(&uuid) else { return false };
        self.remember_gone(Author { uuid, incarnation });
        true
    }

    /// An author was forgotten.
    pub fn remember_gone(&mut self, author: Author) {
        self.detached.remove(&author.uuid);
        self.former.retain(|former| former.uuid != author.uuid);
        self.gone.insert(author.uuid, author.incarnation);
        if self.gone.len() > GONE_MAX
            && let Some(oldest) = self.gone().min_by_key(|author| author.incarnation)
        {
            self.gone.remove(&oldest.uuid);
        }
    }

    /// The newest beat of a member, whether it counts or not.
    pub fn last_beat(&self, author: Author) -> Option<&Beat> {
        self.heard.get(&author)
    }

    /// The last beats that count, to be passed on.
    pub fn beats(&self) -> impl Iterator<Item = &Beat> {
        self.counted.values().filter(|beat| !self.has_gone(beat.author))
    }

    pub fn hear(&mut self, beat: &Beat, vector: &Vector) {
        let newer = |old: Option<&Beat>| old.is_none_or(|old| old.number < beat.number);
        if newer(self.heard.get(&beat.author)) {
            self.heard.insert(beat.author, beat.clone());
        }
        if !newer(self.counted.get(&beat.author)) {
            return;
        }
        if covers(vector, beat) {
            self.counted.insert(beat.author, beat.clone());
        } else {
            self.ahead.entry(beat.author).or_insert_with(|| beat.clone());
        }
    }

    /// Brings the three versions up to date. `own`: this node's promise. `durable`: the horizon and `known` that it would
    /// still have after a crash; `None`: it announces what it has. `heeded`: how much of `known` and `settled` the data have
    /// heeded.
    pub fn update(
        &mut self,
        vector: &Vector,
        own: u64,
        durable: Option<(u64, u64, u64)>,
        heeded: (u64, u64),
    ) {
        if self.members.is_empty() && self.horizon == 0 {
            // Who has never met anybody knows nothing of what others may have written.
            return;
        }
        let ready: Vec<Author> =
            self.ahead.iter().filter(|(_, beat)| covers(vector, beat)).map(|(author, _)| *author).collect();
        for author in ready {
            if let Some(beat) = self.ahead.remove(&author) {
                self.hear(&beat, vector);
            }
        }
        let closed: Vec<Author> =
            self.former.iter().copied().filter(|author| self.is_closed(*author, vector)).collect();
        for author in closed {
            self.former.remove(&author);
            self.counted.remove(&author);
        }
        let promised = |author: Author| self.counted.get(&author).map_or(0, |beat| beat.promise);
        let present = || self.members().filter(|m| !self.detached.contains_key(&m.uuid));
        let horizon = present().chain(self.former.iter().copied()).map(promised).fold(own, u64::min);
        let missed = self.missed(vector).chain(self.spoken_of()).map(promised).min().unwrap_or(u64::MAX);
        let horizon = horizon.min(missed);
        let said = |what: fn(&Beat) -> u64| move |beat: Option<&Beat>| beat.map_or(0, what);
        let of = |author: Author| self.counted.get(&author);
        let horizon = horizon.max(self.horizon);
        let mine = durable.map_or(horizon, |(horizon, ..)| horizon).min(missed);
        let known = present().map(of).map(said(|b| b.horizon)).fold(mine, u64::min).max(self.known);
        let mine = durable.map_or(known, |(_, known, _)| known).min(heeded.0);
        let settled = present().map(of).map(said(|b| b.known)).fold(mine, u64::min).max(self.settled);
        let mine = durable.map_or(settled, |(.., settled)| settled).min(heeded.1);
        let agreed = present().map(of).map(said(|b| b.settled)).fold(mine, u64::min).max(self.agreed);
        (self.horizon, self.known, self.settled, self.agreed) = (horizon, known, settled, agreed);
    }

    /// Authors that nobody waits for, of whose streams a member has more than this node. It passes that on.
    fn missed(&self, vector: &Vector) -> impl Iterator<Item = Author> {
        let nobody = self.detached.is_empty() && self.gone.is_empty();
        let present = self.members().filter(move |m| !nobody && !self.detached.contains_key(&m.uuid));
        let held = present.filter_map(|member| self.heard.get(&member)).flat_map(|beat| beat.held.iter());
        let more = held
            .filter(|(stream, have)| self.is_away(stream.author.uuid) && vector.have(*stream).seq < have.seq);
        more.map(|(stream, _)| stream.author)
    }

    /// Authors that were forgotten here, of whom another member speaks still: it has not been told yet.
    fn spoken_of(&self) -> impl Iterator<Item = Author> {
        let present = self.members().filter(|m| !self.gone.is_empty() && !self.is_detached(m.uuid));
        let spoken = present.filter_map(|member| self.heard.get(&member)).flat_map(|beat| &beat.members);
        spoken.copied().filter(|author| self.has_gone(*author))
    }

    /// Whether nobody has more of a former incarnation's stream than this node, and nobody can get more.
    fn is_closed(&self, former: Author, vector: &Vector) -> bool {
        self.members().filter(|m| !self.detached.contains_key(&m.uuid)).all(|member| {
            let Some(beat) = self.heard.get(&member) else { return false };
            let aware = member.uuid == former.uuid
                || beat.members.iter().any(|m| m.uuid == former.uuid && m.incarnation > former.incarnation);
            aware && beat.held.lanes(former).all(|(stream, have)| vector.have(stream).seq >= have.seq)
        })
    }

    /// What every member would still have of a stream after a crash.
    pub fn acknowledged(&self, stream: crate::origin::Stream) -> u64 {
        let present = self.members().filter(|m| !self.detached.contains_key(&m.uuid));
        present.map(|m| self.heard.get(&m).map_or(0, |beat| beat.durable.have(stream).seq)).min().unwrap_or(0)
    }
}

fn covers(vector: &Vector, beat: &Beat) -> bool {
    let stream = |lane| crate::origin::Stream { author: beat.author, lane };
    beat.upto.iter().all(|(lane, seq)| vector.have(stream(*lane)).seq >= *seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat_of(author: Author, version: u64, members: &[Author]) -> Beat {
        Beat {
            author,
            number: version,
            upto: Vec::new(),
            promise: version,
            horizon: version,
            known: version,
            settled: version,
            durable: Vector::default(),
            held: Vector::default(),
            members: members.into(),
        }
    }

    /// Who was forgotten here may have given another member something, or somebody else may have come in its place whom only that
    /// one has met: until that one has been told, too, nothing goes on.
    #[test]
    fn a_member_that_was_forgotten_counts_until_all_have_been_told() {
        let [gone, other, late] = [1, 2, 3].map(|uuid| Author { uuid, incarnation: 1 });
        let vector = Vector::default();
        let mut horizon = Horizon::default();
        for author in [gone, other] {
            horizon.meet(author);
        }
        let now = |horizon: &mut Horizon| {
            horizon.update(&vector, 1_000, None, (u64::MAX, u64::MAX));
            (horizon.horizon, horizon.known)
        };
        horizon.hear(&beat_of(gone, 10, &[]), &vector);
        horizon.hear(&beat_of(other, 20, &[gone]), &vector);
        assert_eq!(now(&mut horizon), (10, 10));
        assert!(horizon.forget(gone.uuid));
        assert_eq!(now(&mut horizon), (10, 10));
        horizon.hear(&beat_of(other, 30, &[late]), &vector);
        assert_eq!(now(&mut horizon), (30, 30));
        // Whoever it speaks of now, this node has met by then.
        horizon.meet(late);
        horizon.hear(&beat_of(other, 40, &[late]), &vector);
        assert_eq!(now(&mut horizon), (30, 30));
    }

    /// While the data of a node cannot heed what is known, it counts as not knowing that: nobody may forget what its effects may
    /// still name.
    #[test]
    fn what_the_data_have_not_heeded_is_not_settled() {
        let peer = Author { uuid: 2, incarnation: 1 };
        let beat = beat_of(peer, 100, &[]);
        let vector = Vector::default();
        let mut horizon = Horizon::default();
        horizon.meet(peer);
        horizon.hear(&beat, &vector);
        horizon.update(&vector, 100, None, (50, 20));
        assert_eq!((horizon.horizon, horizon.known, horizon.settled, horizon.agreed), (100, 100, 50, 20));
        horizon.update(&vector, 100, None, (u64::MAX, u64::MAX));
        assert_eq!((horizon.settled, horizon.agreed), (100, 100));
    }
}
