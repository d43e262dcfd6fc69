//! Cells of the grid: numbers, places and neighbours.
//!
//! ```text
//! column  c2 c1 c0      longitude, -180 to 180 in 2^step columns
//! row      r2 r1 r0     latitude,  -85.05 to 85.05 in 2^step rows: where the Mercator projection is square
//! number  c2 r2 c1 r1 c0 r0
//! ```
//!
//! The eastern and the northern edge themselves fall into column and row 2^step, one past the last: such a cell's number
//! has a bit more. It is kept, because that is how other servers store such places.

use super::Point;
use crate::types::zset::ScoreRange;

/// Highest longitude, degrees; the lowest is its negative.
pub const LON_MAX: f64 = 180.0;
/// Highest latitude, degrees; the lowest is its negative.
pub const LAT_MAX: f64 = 85.051_128_78;
/// The finest grid: its cells are half a metre wide.
pub const STEP_MAX: u32 = 26;

/// A cell of the grid with 2^step columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub(super) column: u32,
    pub(super) row: u32,
    pub(super) step: u32,
}

impl Cell {
    /// The cell of a place, whose coordinates are in range.
    pub fn of(place: Point, step: u32) -> Cell {
        Cell::within(place, step, LAT_MAX)
    }

    /// The cell in a grid that ends at another latitude.
    pub(super) fn within(place: Point, step: u32, lat_max: f64) -> Cell {
        let index = |degrees: f64, max: f64| ((degrees + max) / (max + max) * f64::from(1u32 << step)) as u32;
        Cell { column: index(place.lon, LON_MAX), row: index(place.lat, lat_max), step }
    }

    /// The number of the finest cell of a place, as a score.
    pub fn score_of(place: Point) -> f64 {
        Cell::of(place, STEP_MAX).number() as f64
    }

    /// The middle of the finest cell whose number a score is.
    pub fn place_of(score: f64) -> Point {
        let number = number_of(score);
        let cell = Cell { column: squeezed(number >> 1), row: squeezed(number), step: STEP_MAX };
        let (west, east) = cell.longitudes();
        let (south, north) = cell.latitudes();
        Point {
            lon: ((west + east) / 2.0).clamp(-LON_MAX, LON_MAX),
            lat: ((south + north) / 2.0).clamp(-LAT_MAX, LAT_MAX),
        }
    }

    /// The bits of column and row, interleaved.
    pub fn number(self) -> u64 {
        spread(self.column) << 1 | spread(self.row)
    }

    /// West and east end, degrees.
    pub fn longitudes(self) -> (f64, f64) {
        self.extent(self.column, LON_MAX)
    }

    /// South and north end, degrees.
    pub fn latitudes(self) -> (f64, f64) {
        self.extent(self.row, LAT_MAX)
    }

    fn extent(self, index: u32, max: f64) -> (f64, f64) {
        let cells = f64::from(1u32 << self.step);
        let edge = |index: f64| -max + index / cells * (max + max);
        (edge(f64::from(index)), edge(f64::from(index) + 1.0))
    }

    /// The cell some columns to the east and rows to the north; the grid has no ends.
    pub fn moved(self, east: i32, north: i32) -> Cell {
        let index = |index: u32, by: i32| match by {
            0 => index,
            by => index.wrapping_add_signed(by) & ((1 << self.step) - 1),
        };
        Cell { column: index(self.column, east), row: index(self.row, north), step: self.step }
    }

    /// The scores of the finest cells inside.
    pub fn scores(self) -> ScoreRange {
        let finer = 2 * (STEP_MAX - self.step);
        let edge = |number: u64| (number << finer) as f64;
        ScoreRange::half_open(edge(self.number()), edge(self.number() + 1))
    }
}

/// The number that a score stands for, also when no place was stored under it: reduced modulo 2^64 as far as doubles go.
fn number_of(score: f64) -> u64 {
    if score < 0.0 {
        score as i64 as u64
    } else if score < 2f64.powi(64) {
        score as u64
    } else {
        0
    }
}

/// Bit `i` moves to bit `2 * i`.
fn spread(bits: u32) -> u64 {
    let mut x = u64::from(bits);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        x = (x | x << shift) & mask;
    }
    x
}

/// Bit `2 * i` moves to bit `i`; the bits between are dropped.
fn squeezed(bits: u64) -> u32 {
    let mut x = bits & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        x = (x | x >> shift) & mask;
    }
    x as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scores_are_those_of_redis() {
        for (lon, lat, score) in [
            (13.361389, 38.115556, 3479099956230698.0),
            (15.087269, 37.502669, 3479447370796909.0),
            (-180.0, -LAT_MAX, 0.0),
            (180.0, LAT_MAX, 13510798882111488.0),
            (180.0, 0.0, 10133099161583616.0),
        ] {
            assert_eq!(Cell::score_of(Point { lon, lat }), score);
        }
    }

    #[test]
    fn scores_that_are_no_places_have_a_place() {
        for (score, lon, lat) in [
            (1e300, -179.999_997_317_790_99, -85.051_127_512_639_43),
            (f64::INFINITY, -179.999_997_317_790_99, -85.051_127_512_639_43),
            (-1.0, 180.0, LAT_MAX),
            (4503599627370496.0, -179.999_997_317_790_99, LAT_MAX),
        ] {
            assert_eq!(Cell::place_of(score), Point { lon, lat });
        }
    }

    proptest! {
        #[test]
        fn spreading_is_undone_by_squeezing(bits: u32, others: u32) {
            prop_assert_eq!(squeezed(spread(bits) | spread(others) << 1), bits);
        }

        #[test]
        fn a_cell_contains_its_place_and_finer_cells(lon in -180.0..180.0f64, lat in -85.0..85.0f64, step in 1u32..=26) {
            let place = Point { lon, lat };
            let cell = Cell::of(place, step);
            let ((west, east), (south, north)) = (cell.longitudes(), cell.latitudes());
            prop_assert!(west <= lon && lon <= east && south <= lat && lat <= north);
            let (range, score) = (cell.scores(), Cell::score_of(place));
            prop_assert!(range.begins_by(score) && range.reaches(score));
            let near = Cell::place_of(score);
            prop_assert!((near.lon - lon).abs() < 3e-6 && (near.lat - lat).abs() < 2e-6);
            prop_assert_eq!(cell.moved(1, -1).moved(-1, 1), cell);
        }
    }
}
