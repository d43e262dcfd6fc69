//! The mark of one cell of a set, sorted set or hash.

use std::collections::HashSet;

use super::adds::Adds;
use super::plain::{Cell, Plain};
use super::text;
use crate::effect::{Bytes, Effect};
use crate::stamp::Place;

/// What is remembered of a cell that was touched lately.
#[derive(Clone, Debug)]
pub(super) enum CellMark {
    /// The last effect overwrote or removed the cell: only its place matters.
    Last(Place),
    /// Effects that build on what was there, in order, since `base`.
    Window { base: Option<Cell>, since: Place, ops: Vec<(Place, Effect)> },
}

/// What a cell was, since when only what follows counts, and what follows.
type Window = (Option<Cell>, Place, Vec<(Place, Effect)>);

/// A cell after effects on it.
fn all<P: Plain>(base: &Option<Cell>, ops: &[(Place, Effect)]) -> Option<Cell> {
    ops.iter().fold(base.clone(), |cell, (_, op)| text::change::<P>(cell, op))
}

/// A field after an addition that comes late, where the order does not matter: all is additions from the one before it on.
fn add_late(
    now: Option<Cell>,
    effect: &Effect,
    before: &[(Place, Effect)],
    later: &[(Place, Effect)],
) -> Option<Cell> {
    let Effect::AddField { delta, .. } = effect else { return None };
    let adds = |(_, effect): &(Place, Effect)| match effect {
        Effect::AddField { delta, result, .. } => Adds::fits(*delta, *result),
        _ => false,
    };
    if !before.last().is_some_and(adds) || !later.iter().all(adds) {
        return None;
    }
    let Some(Cell::Text(text, deadline)) = now else { return None };
    let sum = text::integer(&text)?.checked_add(*delta).filter(|sum| Adds::fits(*delta, *sum))?;
    Some(Cell::Text(sum.to_string().into_bytes(), deadline))
}

impl CellMark {
    /// Before this place nothing counts.
    pub fn since(&self) -> Place {
        match self {
            CellMark::Last(place) => *place,
            CellMark::Window { since, .. } => *since,
        }
    }

    /// Folds in an effect that may be late. `now`: what the cell is; the answer: what it becomes, if it changes. `stale`: the
    /// cells that are not computed yet, if that can be left for later.
    pub fn fold<P: Plain>(
        mark: Option<CellMark>,
        now: Option<Cell>,
        (place, effect): (Place, Effect),
        once: bool,
        stale: Option<&mut HashSet<Bytes>>,
    ) -> (CellMark, Option<Option<Cell>>) {
        match mark {
            None if text::overwrites(&effect) => {
                (CellMark::Last(place), Some(text::change::<P>(now, &effect)))
            }
            None => CellMark::open::<P>(Place::ZERO, now, place, effect),
            // At the same place stands only the deadline of a content that is folded in again.
            Some(CellMark::Last(last)) if place < last || place == last && text::overwrites(&effect) => {
                (CellMark::Last(last), None)
            }
            Some(CellMark::Last(_)) if text::overwrites(&effect) => {
                (CellMark::Last(place), Some(text::change::<P>(now, &effect)))
            }
            Some(CellMark::Last(last)) => CellMark::open::<P>(last, now, place, effect),
            Some(CellMark::Window { base, since, ops }) => {
                CellMark::widen::<P>((base, since, ops), now, (place, effect), once, stale)
            }
        }
    }

    fn open<P: Plain>(
        since: Place,
        now: Option<Cell>,
        place: Place,
        effect: Effect,
    ) -> (CellMark, Option<Option<Cell>>) {
        let new = text::change::<P>(now.clone(), &effect);
        (CellMark::Window { base: now, since, ops: vec![(place, effect)] }, Some(new))
    }

    fn widen<P: Plain>(
        (mut base, mut since, mut ops): Window,
        now: Option<Cell>,
        (place, effect): (Place, Effect),
        once: bool,
        stale: Option<&mut HashSet<Bytes>>,
    ) -> (CellMark, Option<Option<Cell>>) {
        let known = once && ops.binary_search_by_key(&place, |(at, _)| *at).is_ok();
        if place <= since || known {
            return (CellMark::Window { base, since, ops }, None);
        }
        let at = ops.partition_point(|(at, _)| *at <= place);
        let name = text::cell_name(&effect);
        if text::overwrites(&effect) {
            (base, since) = (text::change::<P>(None, &effect), place);
            ops.drain(..at);
            let new = all::<P>(&base, &ops);
            return match ops.is_empty() {
                true => (CellMark::Last(since), Some(new)),
                false => (CellMark::Window { base, since, ops }, Some(new)),
            };
        }
        let new = match (stale, name) {
            (Some(stale), Some(name)) if at < ops.len() || stale.contains(name) => {
                stale.insert(name.clone());
                ops.insert(at, (place, effect));
                None
            }
            _ if at == ops.len() => {
                let new = text::change::<P>(now, &effect);
                ops.push((place, effect));
                Some(new)
            }
            _ => {
                let sum = add_late(now, &effect, &ops[..at], &ops[at..]);
                ops.insert(at, (place, effect));
                Some(sum.or_else(|| all::<P>(&base, &ops)))
            }
        };
        (CellMark::Window { base, since, ops }, new)
    }

    /// What the effects make of the cell, if they are remembered.
    pub fn now<P: Plain>(&self) -> Option<Option<Cell>> {
        match self {
            CellMark::Last(_) => None,
            CellMark::Window { base, ops, .. } => Some(all::<P>(base, ops)),
        }
    }

    /// Forgets what is settled. False: nothing is left to remember.
    pub fn settle<P: Plain>(&mut self, settled: u64) -> bool {
        let last = match self {
            CellMark::Last(place) => return place.version > settled,
            CellMark::Window { base, since, ops } => {
                let old = ops.partition_point(|(at, _)| at.version <= settled);
                for (at, op) in ops.drain(..old) {
                    (*base, *since) = (text::change::<P>(base.take(), &op), at);
                }
                if !ops.is_empty() {
                    return true;
                }
                *since
            }
        };
        *self = CellMark::Last(last);
        last.version > settled
    }
}
