//! Identities of list elements.
//!
//! The plain store has a list's elements in order and nothing else. While elements are young, the overlay keeps beside
//! it the same sequence as *marks*: runs of old elements, and one mark for each element that was inserted, overwritten
//! or removed lately. A removed element keeps its mark, as a place that others may refer to.
//!
//! Order is that of inserting one after another in version order, each next to its spot. That is an in-order walk of a
//! tree: an element's children are those inserted before it (oldest first, the newest adjacent to it) and after it
//! (newest first). So a late insert goes to its spot and then past the subtrees of its younger siblings; nothing else
//! needs to move. Removal is final: an element once handed out does not come back.

use crate::HashMap;

use super::cuts::{Count, Cuts, End};
use super::packed::{put_place, take_place};
use super::plain::Plain;
use super::sequence::Sequence;
use crate::borrowed::take_spot;
use crate::codec::{Malformed, Reader, Writer, put_spot};
use crate::effect::{Bytes, Effect, Element, ElementId, Key, Spot};
use crate::stamp::Place;

/// The spot of an element as a child in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anchor {
    Head,
    Tail,
    Before(ElementId),
    After(ElementId),
}

/// A stretch of the list.
#[derive(Clone, Debug)]
enum Mark {
    /// Elements that are all there and were put together: the settled ones have `Place::ZERO`.
    Run {
        place: Place,
        first: u32,
        len: u32,
    },
    One(One),
}

#[derive(Clone, Debug)]
struct One {
    id: ElementId,
    /// Where it was to go, if it was inserted on its own.
    spot: Option<Spot>,
    /// The spot's element was not known.
    astray: bool,
    /// When its content was set.
    set: Place,
    died: Option<Place>,
}

fn put_id(w: &mut Writer, id: ElementId) {
    put_place(w, id.place);
    w.int(u64::from(id.index));
}

fn take_id(r: &mut Reader<'_>) -> Result<ElementId, Malformed> {
    Ok(ElementId { place: take_place(r)?, index: r.small()? })
}

impl Mark {
    fn alive(&self) -> usize {
        match self {
            Mark::Run { len, .. } => *len as usize,
            Mark::One(one) => usize::from(one.died.is_none()),
        }
    }

    /// How many of its elements were there at a cut.
    fn at_cut(&self, cut: u64) -> usize {
        match self {
            Mark::Run { place, len, .. } => {
                if place.version <= cut {
                    *len as usize
                } else {
                    0
                }
            }
            Mark::One(one) => {
                let dead = one.died.is_some_and(|at| at.version <= cut);
                usize::from(one.id.place.version <= cut && !dead)
            }
        }
    }

    fn offset_of(&self, id: ElementId) -> Option<u32> {
        match self {
            Mark::Run { place, first, len } => {
                (*place == id.place && (*first..first + len).contains(&id.index)).then(|| id.index - first)
            }
            Mark::One(one) => (one.id == id).then_some(0),
        }
    }
}

/// What has become of an element that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removed {
    Now,
    Before(Place),
    /// It is not known (yet).
    Unknown,
}

/// The marks of one list.
#[derive(Clone, Debug)]
pub(super) struct ListMarks {
    marks: Sequence<Mark>,
    anchors: HashMap<ElementId, Anchor>,
    astray: usize,
    next_settled: u32,
    /// Elements that are there.
    alive: usize,
    /// So many marks at either end are of removed elements: a queue leaves many.
    dead_front: usize,
    dead_back: usize,
    cuts: Cuts,
}

impl ListMarks {
    /// Marks of a list whose elements were put at `place`.
    pub fn new(place: Place, len: usize) -> ListMarks {
        let len = len as u32;
        let mut marks = Sequence::default();
        if len > 0 {
            marks.push_back(Mark::Run { place, first: 0, len });
        }
        ListMarks {
            marks,
            anchors: HashMap::default(),
            astray: 0,
            next_settled: len,
            alive: len as usize,
            dead_front: 0,
            dead_back: 0,
            cuts: Cuts::default(),
        }
    }

    /// Elements that are there.
    pub fn alive(&self) -> usize {
        self.alive
    }

    /// Counts anew after a change of many marks.
    fn recount(&mut self) {
        self.alive = self.marks.iter().map(Mark::alive).sum();
        (self.dead_front, self.dead_back) = (0, 0);
        self.cuts = Cuts::default();
        self.skip_dead();
    }

    /// Elements among the `marks` marks at an end that were there at `cut`.
    fn at_cut_among(&self, end: End, marks: usize, cut: u64) -> usize {
        let mut count = self.cuts.get(end, cut);
        if count.marks.abs_diff(marks) > marks {
            count = Count::default();
        }
        let span = |from: usize, to: usize| match end {
            End::Front => self.marks.range(from..to),
            End::Back => self.marks.range(self.marks.len() - to..self.marks.len() - from),
        };
        let sum = |from, to| span(from, to).map(|mark| mark.at_cut(cut)).sum::<usize>();
        let elements = match count.marks <= marks {
            true => count.elements + sum(count.marks, marks),
            false => count.elements - sum(marks, count.marks),
        };
        self.cuts.put(end, cut, Count { marks, elements });
        elements
    }

    /// The mark that has the element with an index, counted from an end, among those that were there at `cut`; and how many of
    /// the mark's elements are nearer to the end.
    fn at_cut_index(&self, end: End, index: usize, cut: u64) -> Option<(usize, usize)> {
        let mut count = self.cuts.get(end, cut);
        if count.elements / 2 > index {
            count = Count::default();
        }
        let position = |marks: usize| match end {
            End::Front => marks,
            End::Back => self.marks.len() - 1 - marks,
        };
        let elements = |marks: usize| self.marks[position(marks)].at_cut(cut);
        while count.elements > index {
            count.marks -= 1;
            count.elements -= elements(count.marks);
        }
        while count.marks < self.marks.len() && count.elements + elements(count.marks) <= index {
            count.elements += elements(count.marks);
            count.marks += 1;
        }
        self.cuts.put(end, cut, count);
        (count.marks < self.marks.len()).then(|| (position(count.marks), index - count.elements))
    }

    fn skip_dead(&mut self) {
        let dead = |at: usize| self.marks.get(at).is_some_and(|mark| mark.alive() == 0);
        let mut front = self.dead_front;
        while dead(front) {
            front += 1;
        }
        let mut back = self.dead_back;
        while back < self.marks.len() && dead(self.marks.len() - 1 - back) {
            back += 1;
        }
        (self.dead_front, self.dead_back) = (front, back);
    }

    /// A mark of an element of this version has come to position `at`.
    fn came(&mut self, at: usize, version: u64, alive: bool) {
        self.cuts.forget_from(version);
        self.cuts.inserted(at, self.marks.len());
        self.alive += usize::from(alive);
        self.dead_front = self.dead_front.min(at);
        self.dead_back = self.dead_back.min(self.marks.len() - 1 - at);
        self.skip_dead();
    }

    pub fn pack(&self, w: &mut Writer) {
        w.int(self.marks.len() as u64);
        for mark in self.marks.iter() {
            match mark {
                Mark::Run { place, first, len } => {
                    w.int(0);
                    put_place(w, *place);
                    w.int(u64::from(*first));
                    w.int(u64::from(*len));
                }
                Mark::One(one) => self.pack_one(w, one),
            }
        }
        w.int(u64::from(self.next_settled));
    }

    fn pack_one(&self, w: &mut Writer, one: &One) {
        w.int(1);
        put_id(w, one.id);
        w.int(
            u64::from(one.spot.is_some()) | u64::from(one.astray) << 1 | u64::from(one.died.is_some()) << 2,
        );
        if let Some(spot) = one.spot {
            put_spot(w, spot);
        }
        put_place(w, one.set);
        if let Some(died) = one.died {
            put_place(w, died);
        }
        let (tag, id) = match self.anchors.get(&one.id) {
            None => (0, None),
            Some(Anchor::Head) => (1, None),
            Some(Anchor::Tail) => (2, None),
            Some(Anchor::Before(id)) => (3, Some(*id)),
            Some(Anchor::After(id)) => (4, Some(*id)),
        };
        w.int(tag);
        if let Some(id) = id {
            put_id(w, id);
        }
    }

    pub fn unpack(r: &mut Reader<'_>) -> Result<ListMarks, Malformed> {
        let mut list = ListMarks::new(Place::ZERO, 0);
        for _ in 0..r.count()? {
            let mark = match r.int()? {
                0 => Mark::Run { place: take_place(r)?, first: r.small()?, len: r.small()? },
                1 => list.unpack_one(r)?,
                tag => return Err(Malformed::Tag(tag)),
            };
            if matches!(mark, Mark::Run { first, len, .. } if first.checked_add(len).is_none()) {
                return Err(Malformed::Number);
            }
            list.marks.push_back(mark);
        }
        list.next_settled = r.small()?;
        list.recount();
        list.astray = list.marks.iter().filter(|m| matches!(m, Mark::One(one) if one.astray)).count();
        Ok(list)
    }

    fn unpack_one(&mut self, r: &mut Reader<'_>) -> Result<Mark, Malformed> {
        let (id, flags) = (take_id(r)?, r.int()?);
        let spot = if flags & 1 != 0 { Some(take_spot(r)?) } else { None };
        let set = take_place(r)?;
        let died = if flags & 4 != 0 { Some(take_place(r)?) } else { None };
        let anchor = match r.int()? {
            0 => None,
            1 => Some(Anchor::Head),
            2 => Some(Anchor::Tail),
            3 => Some(Anchor::Before(take_id(r)?)),
            4 => Some(Anchor::After(take_id(r)?)),
            tag => return Err(Malformed::Tag(tag)),
        };
        if let Some(anchor) = anchor {
            self.anchors.insert(id, anchor);
        }
        Ok(Mark::One(One { id, spot, astray: flags & 2 != 0, set, died }))
    }

    pub fn knows(&self, element: Element) -> bool {
        self.resolve(element).is_some()
    }

    /// Inserts an element. `by_age`: among its siblings by version, not by arrival.
    pub fn insert<P: Plain>(
        &mut self,
        plain: &mut P,
        key: &Key,
        place: Place,
        spot: Spot,
        element: Bytes,
        by_age: bool,
    ) {
        let id = ElementId { place, index: 0 };
        let (anchor, spot, astray) = self.anchor(spot);
        let at = self.position(anchor, if by_age { place } else { Place::end_of(u64::MAX) });
        plain.list_insert(key, self.alive_before(at), element);
        self.anchors.insert(id, anchor);
        self.astray += usize::from(astray);
        self.marks.insert(at, Mark::One(One { id, spot: Some(spot), astray, set: place, died: None }));
        self.came(at, place.version, true);
        if self.astray > 0 && self.marks.iter().any(|mark| self.found(mark)) {
            self.reinsert(plain, key);
        }
    }

    /// Notes that an element comes to an end of the list, which is newer than all that is here. False: that takes more.
    pub fn push(&mut self, place: Place, head: bool) -> bool {
        if self.astray > 0 {
            return false;
        }
        let id = ElementId { place, index: 0 };
        let (at, anchor, spot) = match head {
            true => (0, Anchor::Head, Spot::Head),
            false => (self.marks.len(), Anchor::Tail, Spot::Tail),
        };
        self.anchors.insert(id, anchor);
        let one = One { id, spot: Some(spot), astray: false, set: place, died: None };
        self.marks.insert(at, Mark::One(one));
        self.came(at, place.version, true);
        true
    }

    /// Notes that the elements nearest to an end are taken, by what is newer than all that is here.
    pub fn pop(&mut self, place: Place, head: bool, count: usize) {
        for _ in 0..count {
            let index = if head { 0 } else { self.alive.wrapping_sub(1) };
            let Some(at) = self.id_at(index).and_then(|id| self.isolate(id)) else { return };
            if let Mark::One(one) = &mut self.marks[at] {
                one.died = Some(place);
                self.alive -= 1;
            }
            self.skip_dead();
        }
        self.cuts.forget_from(place.version);
    }

    /// At which end an element is, if it is at one: whether at the head.
    pub fn end_of(&self, element: Element) -> Option<bool> {
        let id = match element {
            Element::Id(id) => id,
            Element::Settled { cut, index } => self.settled_at(cut, index)?,
        };
        let is = |index: usize| self.id_at(index) == Some(id);
        if is(0) { Some(true) } else { is(self.alive.wrapping_sub(1)).then_some(false) }
    }

    /// Overwrites an element. False if it is not known (yet).
    pub fn set<P: Plain>(
        &mut self,
        plain: &mut P,
        key: &Key,
        at: Place,
        element: Element,
        new: Bytes,
    ) -> bool {
        let Some(i) = self.resolve(element).and_then(|id| self.isolate(id)) else { return false };
        let index = self.alive_before(i);
        if let Mark::One(one) = &mut self.marks[i]
            && at > one.set
        {
            one.set = at;
            if one.died.is_none() {
                plain.list_set(key, index, new);
            }
        }
        true
    }

    /// Removes an element.
    pub fn remove<P: Plain>(&mut self, plain: &mut P, key: &Key, at: Place, element: Element) -> Removed {
        let Some(i) = self.resolve(element).and_then(|id| self.isolate(id)) else { return Removed::Unknown };
        let mut removed = Removed::Now;
        let index = self.alive_before(i);
        if let Mark::One(one) = &mut self.marks[i] {
            if one.died.is_none() {
                plain.list_remove(key, index);
                self.alive -= 1;
            }
            removed = one.died.map_or(Removed::Now, Removed::Before);
            one.died = Some(one.died.map_or(at, |old| old.min(at)));
        }
        self.cuts.forget_from(at.version);
        self.skip_dead();
        removed
    }

    /// Removes whatever is first: what a list without identities would do.
    pub fn remove_first<P: Plain>(&mut self, plain: &mut P, key: &Key, at: Place) {
        if let Some(id) = self.id_at(0) {
            let _ = self.remove(plain, key, at, Element::Id(id));
        }
    }

    /// The name of the element at an index, for others.
    pub fn name(&self, index: usize, known: u64) -> Option<Element> {
        self.describe(self.id_at(index)?, known)
    }

    /// Forgets what is settled. True if nothing is left to remember.
    pub fn settle(&mut self, settled: u64) -> bool {
        let keep: crate::HashSet<ElementId> = self
            .marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::One(one) if one.id.place.version > settled => self.anchors.get(&one.id),
                _ => None,
            })
            .filter_map(|anchor| match anchor {
                Anchor::Before(id) | Anchor::After(id) => Some(*id),
                _ => None,
            })
            .collect();
        let mut young = false;
        for mut mark in std::mem::take(&mut self.marks) {
            if let Mark::One(one) = &mut mark
                && one.id.place.version <= settled
            {
                // Its position is final: no older sibling can come.
                (one.spot, one.astray) = (None, false);
                self.anchors.remove(&one.id);
            }
            match mark {
                Mark::Run { place, len, .. } if place.version <= settled => self.push_settled(len),
                Mark::One(one) if one.set.version <= settled && !keep.contains(&one.id) => match one.died {
                    None => self.push_settled(1),
                    Some(died) if died.version <= settled => {}
                    Some(_) => {
                        young = true;
                        self.marks.push_back(Mark::One(one));
                    }
                },
                other => {
                    young = true;
                    self.marks.push_back(other);
                }
            }
        }
        self.astray = self.marks.iter().filter(|m| matches!(m, Mark::One(one) if one.astray)).count();
        self.recount();
        !young
    }

    /// The effects that made the marks what they are, for replay on another state. With `known`, elements that every
    /// member has are named by position; without, effects on elements older than `after` are left out, for they died.
    pub fn export<P: Plain>(
        &self,
        plain: &P,
        key: &Key,
        after: Place,
        known: Option<u64>,
    ) -> Vec<(Place, Effect)> {
        let mut effects = Vec::new();
        let mut index = 0;
        for mark in self.marks.iter() {
            let alive = mark.alive();
            if let Mark::One(one) = mark {
                let value =
                    if alive > 0 { plain.list_get(key, index).unwrap_or_default() } else { Bytes::new() };
                self.export_one(one, value, after, known, &mut effects);
            }
            index += alive;
        }
        effects
    }

    fn export_one(
        &self,
        one: &One,
        value: Bytes,
        after: Place,
        known: Option<u64>,
        effects: &mut Vec<(Place, Effect)>,
    ) {
        let name = match known {
            Some(known) => self.describe(one.id, known),
            None => Some(Element::Id(one.id)),
        };
        if name.is_none() {
            // Everybody has its insertion and its removal.
            return;
        }
        if let Some(spot) = one.spot
            && one.id.place > after
        {
            let spot = self.describe_spot(spot, known);
            effects.push((one.id.place, Effect::Insert { spot, element: value.clone() }));
        } else if one.id.place <= after && known.is_none() {
            return;
        }
        let Some(name) = name else { return };
        if one.set > one.id.place && one.set > after {
            effects.push((one.set, Effect::SetElement { id: name, element: value }));
        }
        if let Some(died) = one.died
            && died > after
        {
            effects.push((died, Effect::DelElements(vec![name])));
        }
    }

    /// The elements that were put together at `place`; those removed since are empty.
    pub fn content<P: Plain>(&self, plain: &P, key: &Key, place: Place) -> Vec<Bytes> {
        let mut elements: Vec<Bytes> = Vec::new();
        let mut index = 0;
        for mark in self.marks.iter() {
            let (first, len) = match mark {
                Mark::Run { place: at, first, len } if *at == place => (*first, *len),
                Mark::One(one) if one.id.place == place => (one.id.index, 1),
                _ => (0, 0),
            };
            let end = (first + len) as usize;
            elements.resize(elements.len().max(end), Bytes::new());
            for (i, slot) in elements[first as usize..end].iter_mut().enumerate() {
                if mark.alive() > 0 {
                    *slot = plain.list_get(key, index + i).unwrap_or_default();
                }
            }
            index += mark.alive();
        }
        elements
    }

    fn describe_spot(&self, spot: Spot, known: Option<u64>) -> Spot {
        let name = |element: Element| match (element, known) {
            (Element::Id(id), Some(known)) => self.describe(id, known).unwrap_or(element),
            _ => element,
        };
        match spot {
            Spot::Before(element) => Spot::Before(name(element)),
            Spot::After(element) => Spot::After(name(element)),
            end => end,
        }
    }

    fn push_settled(&mut self, n: u32) {
        if let Some(Mark::Run { place: Place::ZERO, first, len }) = self.marks.back_mut()
            && *first + *len == self.next_settled
        {
            *len += n;
        } else {
            self.marks.push_back(Mark::Run { place: Place::ZERO, first: self.next_settled, len: n });
        }
        self.next_settled += n;
    }

    fn resolve(&self, element: Element) -> Option<ElementId> {
        match element {
            Element::Id(id) => self.find(id).map(|_| id),
            Element::Settled { cut, index } => self.settled_at(cut, index),
        }
    }

    /// The element that had an index at a cut; from the tail, if it is negative.
    fn settled_at(&self, cut: u64, index: i64) -> Option<ElementId> {
        let end = if index < 0 { End::Back } else { End::Front };
        let from_end = if index < 0 { index.unsigned_abs() - 1 } else { index as u64 };
        let (at, within) = self.at_cut_index(end, usize::try_from(from_end).ok()?, cut)?;
        Some(match &self.marks[at] {
            Mark::Run { place, first, len } => {
                let within = within as u32;
                let offset = if end == End::Front { within } else { len - 1 - within };
                ElementId { place: *place, index: first + offset }
            }
            Mark::One(one) => one.id,
        })
    }

    /// What others call an element: by its position, counted from the end that is nearer, if all have it.
    fn describe(&self, id: ElementId, known: u64) -> Option<Element> {
        if id.place.version > known {
            return Some(Element::Id(id));
        }
        let at = self.find(id)?;
        let (offset, there) = (self.marks[at].offset_of(id)? as usize, self.marks[at].at_cut(known));
        let behind = self.marks.len() - 1 - at;
        let index = match at <= behind {
            true => (self.at_cut_among(End::Front, at, known) + offset) as i64,
            false => -((self.at_cut_among(End::Back, behind, known) + there.saturating_sub(offset)) as i64),
        };
        (there > 0).then_some(Element::Settled { cut: known, index })
    }

    fn find(&self, id: ElementId) -> Option<usize> {
        // At either end, where queues work, or anywhere.
        let is = |at: usize| self.marks.get(at).is_some_and(|mark| mark.offset_of(id).is_some());
        let ends = [self.dead_front, self.marks.len().wrapping_sub(self.dead_back + 1)];
        let end = ends.into_iter().find(|at| is(*at));
        end.or_else(|| self.marks.iter().position(|mark| mark.offset_of(id).is_some()))
    }

    /// The position of an element's own mark, cut out of its run if need be.
    fn isolate(&mut self, id: ElementId) -> Option<usize> {
        let at = self.find(id)?;
        let offset = self.marks[at].offset_of(id)?;
        let Mark::Run { place, first, len } = self.marks[at] else { return Some(at) };
        let before = self.marks.len();
        let run = |first, len| Mark::Run { place, first, len };
        self.marks[at] = Mark::One(One { id, spot: None, astray: false, set: place, died: None });
        if offset + 1 < len {
            self.marks.insert(at + 1, run(id.index + 1, len - offset - 1));
        }
        if offset > 0 {
            self.marks.insert(at, run(first, offset));
        }
        self.cuts.split(at, 1 + self.marks.len() - before, self.marks.len());
        (self.dead_front, self.dead_back) =
            (self.dead_front.min(at), self.dead_back.min(self.marks.len() - 1 - at));
        self.skip_dead();
        Some(at + usize::from(offset > 0))
    }

    fn id_at(&self, index: usize) -> Option<ElementId> {
        let id = |mark: &Mark, offset: usize| match mark {
            Mark::Run { place, first, .. } => ElementId { place: *place, index: first + offset as u32 },
            Mark::One(one) => one.id,
        };
        if index >= self.alive {
            return None;
        }
        if index < self.alive / 2 {
            let mut left = index;
            for mark in self.marks.range(self.dead_front..self.marks.len()) {
                if left < mark.alive() {
                    return Some(id(mark, left));
                }
                left -= mark.alive();
            }
            return None;
        }
        let mut left = self.alive - 1 - index;
        for mark in self.marks.range(0..self.marks.len() - self.dead_back).rev() {
            if left < mark.alive() {
                return Some(id(mark, mark.alive() - 1 - left));
            }
            left -= mark.alive();
        }
        None
    }

    fn alive_before(&self, at: usize) -> usize {
        if at <= self.dead_front {
            return 0;
        }
        let end = self.marks.len() - self.dead_back;
        if at - self.dead_front <= end.saturating_sub(at) {
            return self.marks.range(self.dead_front..at).map(Mark::alive).sum();
        }
        self.alive - self.marks.range(at.min(end)..end).map(Mark::alive).sum::<usize>()
    }

    /// Where a spot is in the tree; the spot with its element's identity; whether its element is unknown.
    fn anchor(&mut self, spot: Spot) -> (Anchor, Spot, bool) {
        let mut at = |element: Element| {
            let id = self.resolve(element)?;
            self.isolate(id).map(|_| id)
        };
        match spot {
            Spot::Head => (Anchor::Head, spot, false),
            Spot::Tail => (Anchor::Tail, spot, false),
            // What was named by position and is not there was wiped: it will not come.
            Spot::Before(element) => match at(element) {
                Some(id) => (Anchor::Before(id), Spot::Before(Element::Id(id)), false),
                None if element.is_settled() => (Anchor::Head, Spot::Head, false),
                None => (Anchor::Head, spot, true),
            },
            Spot::After(element) => match at(element) {
                Some(id) => (Anchor::After(id), Spot::After(Element::Id(id)), false),
                None if element.is_settled() => (Anchor::Tail, Spot::Tail, false),
                None => (Anchor::Tail, spot, true),
            },
        }
    }

    /// Where a child of `anchor` of this age goes.
    fn position(&self, anchor: Anchor, place: Place) -> usize {
        let younger = |at: usize| match &self.marks[at] {
            Mark::One(one) => self.ancestor(one.id, anchor).is_some_and(|sibling| sibling > place),
            Mark::Run { .. } => false,
        };
        let known = |id: ElementId| self.find(id).unwrap_or(self.marks.len());
        let (at, forward) = match anchor {
            Anchor::Head => (0, true),
            Anchor::Tail => (self.marks.len(), false),
            Anchor::After(id) => ((known(id) + 1).min(self.marks.len()), true),
            Anchor::Before(id) => (known(id), false),
        };
        // Away from the anchor its children get older, each with its subtree; behind them all is anything else.
        if forward {
            at + first_not(self.marks.len() - at, |i| younger(at + i))
        } else {
            at - first_not(at, |i| younger(at - 1 - i))
        }
    }

    /// The age of the child of `anchor` in whose subtree the element is.
    fn ancestor(&self, mut id: ElementId, anchor: Anchor) -> Option<Place> {
        loop {
            match *self.anchors.get(&id)? {
                up if up == anchor => return Some(id.place),
                Anchor::Before(up) | Anchor::After(up) => id = up,
                _ => return None,
            }
        }
    }

    fn found(&self, mark: &Mark) -> bool {
        let Mark::One(One { astray: true, spot: Some(Spot::Before(e) | Spot::After(e)), .. }) = mark else {
            return false;
        };
        self.knows(*e)
    }

    /// Takes out all elements that were inserted on their own and inserts them again, oldest first.
    fn reinsert<P: Plain>(&mut self, plain: &mut P, key: &Key) {
        let mut young: Vec<(One, Bytes)> = Vec::new();
        let mut index = 0;
        (self.dead_front, self.dead_back) = (0, 0);
        for mark in std::mem::take(&mut self.marks) {
            match mark {
                Mark::One(one) if one.spot.is_some() => {
                    let value = if one.died.is_none() { plain.list_get(key, index) } else { None };
                    if value.is_some() {
                        plain.list_remove(key, index);
                    }
                    young.push((one, value.unwrap_or_default()));
                }
                other => {
                    index += other.alive();
                    self.marks.push_back(other);
                }
            }
        }
        self.anchors.clear();
        self.astray = 0;
        self.recount();
        young.sort_by_key(|(one, _)| one.id);
        for (mut one, value) in young {
            let (anchor, spot, astray) = self.anchor(one.spot.unwrap_or(Spot::Tail));
            let at = self.position(anchor, one.id.place);
            if one.died.is_none() {
                plain.list_insert(key, self.alive_before(at), value);
            }
            (one.spot, one.astray) = (Some(spot), astray);
            self.astray += usize::from(astray);
            self.anchors.insert(one.id, anchor);
            let (version, alive) = (one.id.place.version, one.died.is_none());
            self.marks.insert(at, Mark::One(one));
            self.came(at, version, alive);
        }
    }
}

/// The first of `0..len` that is not `so`, where none behind it is: looks near the front first, in ever larger steps.
fn first_not(len: usize, so: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut step) = (0, 1);
    while low < len && so((low + step - 1).min(len - 1)) {
        low = (low + step).min(len);
        step *= 2;
    }
    // All below `low` are so, and the last of the step is not.
    let mut high = (low + step - 1).min(len);
    while low < high {
        let middle = low.midpoint(high);
        match so(middle) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::first_not;

    #[test]
    fn the_first_that_is_not_so_is_found_wherever_it_is() {
        for len in 0..70 {
            for border in 0..=len {
                assert_eq!(first_not(len, |i| i < border), border, "{border} of {len}");
            }
        }
    }
}
