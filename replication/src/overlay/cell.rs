//! The mark of one cell of a set, sorted set or hash.

use super::plain::{Cell, Plain};
use super::text;
use crate::effect::Effect;
use crate::stamp::Place;

/// What is remembered of a cell that was touched lately.
#[derive(Clone, Debug)]
pub(super) enum CellMark {
    /// The last effect overwrote or removed the cell: only its place matters.
    Last(Place),
    /// Effects that build on what was there, in order, since `base`.
    Window { base: Option<Cell>, since: Place, ops: Vec<(Place, Effect)> },
}

impl CellMark {
    /// Before this place nothing counts.
    pub fn since(&self) -> Place {
        match self {
            CellMark::Last(place) => *place,
            CellMark::Window { since, .. } => *since,
        }
    }

    /// Folds in an effect that may be late. `now`: what the cell is; the answer: what it becomes, if it changes.
    pub fn fold<P: Plain>(
        mark: Option<CellMark>,
        now: Option<Cell>,
        place: Place,
        effect: Effect,
        once: bool,
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
                CellMark::widen::<P>(base, since, ops, place, effect, once)
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
        mut base: Option<Cell>,
        mut since: Place,
        mut ops: Vec<(Place, Effect)>,
        place: Place,
        effect: Effect,
        once: bool,
    ) -> (CellMark, Option<Option<Cell>>) {
        let known = once && ops.binary_search_by_key(&place, |(at, _)| *at).is_ok();
        if place <= since || known {
            return (CellMark::Window { base, since, ops }, None);
        }
        let at = ops.partition_point(|(at, _)| *at <= place);
        if text::overwrites(&effect) {
            (base, since) = (text::change::<P>(None, &effect), place);
            ops.drain(..at);
        } else {
            ops.insert(at, (place, effect));
        }
        let new = ops.iter().fold(base.clone(), |cell, (_, op)| text::change::<P>(cell, op));
        if ops.is_empty() {
            return (CellMark::Last(since), Some(new));
        }
        (CellMark::Window { base, since, ops }, Some(new))
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
