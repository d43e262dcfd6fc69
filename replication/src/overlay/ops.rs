//! Effects on one cell that build on what was there, in order: many of them where many count.
//!
//! They are kept in blocks, so that one which comes late is put among a few hundred, and each block remembers what its
//! additions come to as one (see [`grid`](super::grid)): of a counter with a hundred thousand young additions, a late one
//! takes microseconds. Where they are no moves on a grid, they are carried out one by one, and what they come to is kept for the
//! next that comes late behind them.

use super::grid::{Delta, Grid, Number, Spot, Sum, decimal, decimal_text};
use super::plain::{Cell, Plain};
use super::text;
use crate::effect::{Bytes, Effect};
use crate::stamp::Place;

/// Effects of a block at most: the square root of what a hot counter has.
const BLOCK: usize = 256;
/// So many are not worth reckoning with.
const FEW: usize = 8;

/// See the [module's page](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Ops {
    /// In order, none of them empty.
    before: Vec<Block>,
    /// Where most are added; empty only if all is.
    last: Block,
}

#[derive(Clone, Debug, Default)]
struct Block {
    ops: Vec<(Place, Effect)>,
    /// What is known of them as additions, once it was asked for.
    reckoned: Option<Box<Reckoned>>,
    /// What all up to their end have made of the cell, where it took long to find out.
    end: Option<Box<State>>,
}

#[derive(Clone, Debug)]
struct Reckoned {
    deltas: Vec<Delta>,
    /// By class of grids.
    sums: [Option<Sum>; 3],
}

impl Ops {
    /// Effects that are in order already.
    pub fn of(all: Vec<(Place, Effect)>) -> Ops {
        let mut ops = Ops::default();
        let mut all = all.into_iter().peekable();
        while all.peek().is_some() {
            let block = Block { ops: all.by_ref().take(BLOCK).collect(), reckoned: None, end: None };
            let before = std::mem::replace(&mut ops.last, block);
            ops.before.extend((!before.ops.is_empty()).then_some(before));
        }
        ops
    }

    pub fn is_empty(&self) -> bool {
        self.last.ops.is_empty()
    }

    pub fn len(&self) -> usize {
        self.blocks().map(|block| block.ops.len()).sum()
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.before.iter().chain([&self.last])
    }

    pub fn iter(&self) -> impl Iterator<Item = &(Place, Effect)> {
        self.blocks().flat_map(|block| &block.ops)
    }

    /// Whether there is none behind a place.
    pub fn is_behind(&self, place: Place) -> bool {
        self.last.ops.last().is_none_or(|(at, _)| *at <= place)
    }

    pub fn has(&self, place: Place) -> bool {
        let number = self.before.partition_point(|block| block.last() < Some(place));
        let block = self.before.get(number).unwrap_or(&self.last);
        block.ops.binary_search_by_key(&place, |(at, _)| *at).is_ok()
    }

    /// Adds one where it belongs.
    pub fn insert<P: Plain>(&mut self, place: Place, effect: Effect) {
        let number = self.before.partition_point(|block| block.last() <= Some(place));
        if number == self.before.len() && self.last.ops.len() == BLOCK && self.is_behind(place) {
            self.before.push(std::mem::take(&mut self.last));
            return self.last.insert::<P>(place, effect);
        }
        self.lose_ends(number);
        let block = self.before.get_mut(number).unwrap_or(&mut self.last);
        block.insert::<P>(place, effect);
        if block.ops.len() > BLOCK {
            let first = block.split();
            self.before.insert(number, first);
        }
    }

    /// What follows from the blocks from this one on has to be found out again.
    fn lose_ends(&mut self, number: usize) {
        self.before[number..].iter_mut().chain([&mut self.last]).for_each(|block| block.end = None);
    }

    /// What they make of the cell as it was before them.
    pub fn carry_out<P: Plain>(&mut self, cell: Option<Cell>) -> Option<Cell> {
        let mut blocks: Vec<&mut Block> = self.before.iter_mut().chain([&mut self.last]).collect();
        let known = blocks.iter().rposition(|block| block.end.is_some());
        let end = known.and_then(|at| blocks[at].end.as_deref().cloned());
        let mut state = end.unwrap_or(State { cell, spot: None });
        blocks[known.map_or(0, |at| at + 1)..].iter_mut().for_each(|block| block.carry_out::<P>(&mut state));
        state.into_cell::<P>()
    }

    /// Forgets those up to a place, at which the cell was overwritten.
    pub fn forget(&mut self, place: Place) {
        self.take_while(|at| at <= place);
        self.lose_ends(0);
    }

    /// Forgets what is settled, which is carried out on a cell. The place of the last of it.
    pub fn settle<P: Plain>(&mut self, settled: u64, cell: &mut Option<Cell>) -> Option<Place> {
        let mut taken = self.take_while(|at| at.version <= settled);
        let last = taken.last()?.last();
        let mut state = State { cell: cell.take(), spot: None };
        taken.iter_mut().for_each(|block| block.carry_out::<P>(&mut state));
        *cell = state.into_cell::<P>();
        last
    }

    /// Takes the first away, as long as a condition holds.
    fn take_while(&mut self, is_old: impl Fn(Place) -> bool) -> Vec<Block> {
        let whole = self.before.partition_point(|block| block.last().is_none_or(&is_old));
        let mut taken: Vec<Block> = self.before.drain(..whole).collect();
        let block = self.before.first_mut().unwrap_or(&mut self.last);
        let old = block.ops.partition_point(|(at, _)| is_old(*at));
        if old > 0 {
            block.reckoned = None;
            taken.push(Block { ops: block.ops.drain(..old).collect(), reckoned: None, end: None });
        }
        taken
    }
}

impl Block {
    fn last(&self) -> Option<Place> {
        self.ops.last().map(|(at, _)| *at)
    }

    fn insert<P: Plain>(&mut self, place: Place, effect: Effect) {
        let at = self.ops.partition_point(|(at, _)| *at <= place);
        if let Some(reckoned) = &mut self.reckoned {
            reckoned.deltas.insert(at, delta_of::<P>(&effect));
            reckoned.sums = [None; 3];
        }
        self.ops.insert(at, (place, effect));
    }

    /// Gives the first half away.
    fn split(&mut self) -> Block {
        let rest = self.ops.split_off(BLOCK / 2);
        self.reckoned = None;
        Block { ops: std::mem::replace(&mut self.ops, rest), reckoned: None, end: None }
    }

    fn carry_out<P: Plain>(&mut self, state: &mut State) {
        let Block { ops, reckoned, end } = self;
        if ops.len() < FEW {
            return ops.iter().for_each(|(_, effect)| state.change::<P>(effect));
        }
        let reckoned = reckoned.get_or_insert_with(|| {
            let deltas = ops.iter().map(|(_, effect)| delta_of::<P>(effect)).collect();
            Box::new(Reckoned { deltas, sums: [None; 3] })
        });
        if reckoned.leap::<P>(state) {
            return;
        }
        for ((_, effect), delta) in ops.iter().zip(&reckoned.deltas) {
            state.step::<P>(effect, delta);
        }
        *end = Some(Box::new(state.clone()));
    }
}

impl Reckoned {
    /// All additions at once. False: they are not such.
    fn leap<P: Plain>(&mut self, state: &mut State) -> bool {
        if let Some(spot) = state.spot
            && let Some(end) = self.sum(spot)
        {
            state.spot = Some(end);
            return true;
        }
        let Some(first) = self.deltas.first() else { return true };
        let end = state.spots::<P>(first).into_iter().flatten().find_map(|spot| self.sum(spot));
        state.spot = end.or(state.spot);
        end.is_some()
    }

    fn sum(&mut self, spot: Spot) -> Option<Spot> {
        let known = &mut self.sums[spot.grid.class()];
        if !known.is_some_and(|sum| sum.fits(spot)) {
            *known = Some(Sum::of(spot, self.deltas.iter()));
        }
        known.and_then(|sum| sum.from(spot))
    }
}

/// A cell on the way.
#[derive(Clone, Debug)]
struct State {
    /// Out of date if there is a spot, but for a deadline.
    cell: Option<Cell>,
    spot: Option<Spot>,
}

impl State {
    /// One after the other.
    fn step<P: Plain>(&mut self, effect: &Effect, delta: &Delta) {
        let moved = self.spot.and_then(|spot| spot.after(delta));
        let moved = moved.or_else(|| {
            let spots = self.spots::<P>(delta);
            spots.into_iter().flatten().find_map(|spot| spot.after(delta))
        });
        match moved {
            Some(_) => self.spot = moved,
            None => self.change::<P>(effect),
        }
    }

    fn change<P: Plain>(&mut self, effect: &Effect) {
        self.materialize::<P>();
        self.cell = text::change::<P>(self.cell.take(), effect);
    }

    /// Where the number is on the grids on which an addition may be a move.
    fn spots<P: Plain>(&mut self, delta: &Delta) -> [Option<Spot>; 3] {
        self.materialize::<P>();
        match (delta, &self.cell) {
            (Delta::Whole(_), Some(Cell::Text(text, _))) => {
                [text::integer(text).and_then(Spot::whole), None, None]
            }
            (Delta::Text(..), Some(Cell::Text(text, _))) => {
                P::number(text).map_or([None; 3], |number| Spot::of_text(number, text))
            }
            (Delta::Score(_), Some(Cell::Score(score, _))) => {
                Number::of_score(*score).map_or([None; 3], Spot::of_score)
            }
            _ => [None; 3],
        }
    }

    /// Has the cell say what the spot says.
    fn materialize<P: Plain>(&mut self) {
        let Some(spot) = self.spot.take() else { return };
        match &mut self.cell {
            Some(Cell::Text(text, _)) => *text = spot_text::<P>(spot),
            Some(Cell::Score(score, _)) => *score = spot.score(),
            _ => {}
        }
    }

    fn into_cell<P: Plain>(mut self) -> Option<Cell> {
        self.materialize::<P>();
        self.cell
    }
}

fn spot_text<P: Plain>(spot: Spot) -> Bytes {
    match spot.grid {
        Grid::Whole => spot.at.to_string().into_bytes(),
        Grid::Decimal => decimal_text(spot.at),
        _ => P::number_text(spot.number()),
    }
}

/// What an effect adds, if it is an addition.
fn delta_of<P: Plain>(effect: &Effect) -> Delta {
    match effect {
        Effect::AddField { delta, .. } => Delta::Whole(*delta),
        Effect::AddFloat { delta, .. } | Effect::AddFieldFloat { delta, .. } => {
            P::number(delta).map_or(Delta::Other, |number| Delta::Text(number, decimal(delta)))
        }
        Effect::AddScore { delta, .. } => Number::of_score(*delta).map_or(Delta::Other, Delta::Score),
        _ => Delta::Other,
    }
}
