//! The mark of one cell of a set, sorted set or hash.

use std::collections::HashSet;

use super::ops::Ops;
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
    Window { base: Option<Cell>, since: Place, ops: Ops },
}

/// What a cell was, since when only what follows counts, and what follows.
type Window = (Option<Cell>, Place, Ops);

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
        (CellMark::Window { base: now, since, ops: Ops::of(vec![(place, effect)]) }, Some(new))
    }

    /// Notes an effect that is newer than all the cell has seen, and builds on what it was: `now`.
    pub fn sum<P: Plain>(
        mark: Option<CellMark>,
        now: Option<Cell>,
        place: Place,
        effect: Effect,
    ) -> CellMark {
        let ops = |effect| Ops::of(vec![(place, effect)]);
        match mark {
            None => CellMark::Window { base: now, since: Place::ZERO, ops: ops(effect) },
            Some(CellMark::Last(since)) => CellMark::Window { base: now, since, ops: ops(effect) },
            Some(CellMark::Window { base, since, mut ops }) => {
                ops.insert::<P>(place, effect);
                CellMark::Window { base, since, ops }
            }
        }
    }

    fn widen<P: Plain>(
        (mut base, mut since, mut ops): Window,
        now: Option<Cell>,
        (place, effect): (Place, Effect),
        once: bool,
        stale: Option<&mut HashSet<Bytes>>,
    ) -> (CellMark, Option<Option<Cell>>) {
        if place <= since || once && ops.has(place) {
            return (CellMark::Window { base, since, ops }, None);
        }
        let name = text::cell_name(&effect);
        if text::overwrites(&effect) {
            (base, since) = (text::change::<P>(None, &effect), place);
            ops.forget(place);
            let new = ops.carry_out::<P>(base.clone());
            return match ops.is_empty() {
                true => (CellMark::Last(since), Some(new)),
                false => (CellMark::Window { base, since, ops }, Some(new)),
            };
        }
        let behind = ops.is_behind(place);
        let new = match (stale, name) {
            (Some(stale), Some(name)) if !behind || stale.contains(name) => {
                stale.insert(name.clone());
                None
            }
            _ if behind => Some(text::change::<P>(now, &effect)),
            _ => {
                ops.insert::<P>(place, effect);
                let new = ops.carry_out::<P>(base.clone());
                return (CellMark::Window { base, since, ops }, Some(new));
            }
        };
        ops.insert::<P>(place, effect);
        (CellMark::Window { base, since, ops }, new)
    }

    /// What the effects make of the cell, if they are remembered.
    pub fn now<P: Plain>(&mut self) -> Option<Option<Cell>> {
        match self {
            CellMark::Last(_) => None,
            CellMark::Window { base, ops, .. } => Some(ops.carry_out::<P>(base.clone())),
        }
    }

    /// How many effects are remembered.
    pub fn len(&self) -> usize {
        match self {
            CellMark::Last(_) => 1,
            CellMark::Window { ops, .. } => ops.len(),
        }
    }

    /// Forgets what is settled. False: nothing is left to remember.
    pub fn settle<P: Plain>(&mut self, settled: u64) -> bool {
        let last = match self {
            CellMark::Last(place) => return place.version > settled,
            CellMark::Window { base, since, ops } => {
                *since = ops.settle::<P>(settled, base).unwrap_or(*since);
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
