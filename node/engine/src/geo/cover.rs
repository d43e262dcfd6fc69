//! Which cells have to be looked through to find all places within a shape.

use smallvec::SmallVec;

use super::cell::{Cell, LAT_MAX, STEP_MAX};
use super::earth::{Extent, Point, Shape};

/// Half of the equator's length in the Mercator projection, metres.
const MERCATOR_MAX: f64 = 20_037_726.37;

/// The cell of the centre and its neighbours, in the order in which they are searched.
const BLOCK: [(i32, i32); 9] = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

/// Cells that together hold every place within the shape: out of the three by three around the centre, of the finest grid
/// in which these suffice, those that touch the shape. Each once.
pub fn cover(centre: Point, shape: Shape) -> SmallVec<[Cell; 9]> {
    let extent = shape.extent(centre);
    let mut step = step_for(shape.reach(), centre.lat);
    while step > 1 && !block_holds(Cell::of(centre, step), centre, extent) {
        step -= 1;
    }
    let middle = Cell::of(centre, step);
    let spared = spared_sides(middle, centre, extent);
    let mut cells = SmallVec::new();
    for (east, north) in BLOCK {
        let cell = middle.moved(east, north);
        // In a grid of two columns both neighbours are the same cell.
        if !spared(east, north) && !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    cells
}

/// The finest grid whose cells are about as large as the shape reaches; towards the poles, where cells are narrower, a
/// coarser one.
fn step_for(reach: f64, lat: f64) -> u32 {
    if reach == 0.0 {
        return STEP_MAX;
    }
    let mut step = 1;
    let mut size = reach;
    while size < MERCATOR_MAX {
        size *= 2.0;
        step += 1;
    }
    // Two coarser than that: at the equator a cell is then two to four times as large as the reach.
    step -= 2;
    step -= if lat.abs() > 66.0 { 1 } else { 0 };
    step -= if lat.abs() > 80.0 { 1 } else { 0 };
    step.clamp(1, STEP_MAX as i32) as u32
}

/// Whether the block of cells around `middle` reaches far enough to each side. It may go on beyond the date line, and
/// need not go on beyond the highest latitude. In the coarsest grid the block is everything.
fn block_holds(middle: Cell, centre: Point, extent: Extent) -> bool {
    let ((west, east), (south, north)) = (middle.longitudes(), middle.latitudes());
    let (width, height) = (east - west, north - south);
    east + width >= centre.lon + extent.lon
        && west - width <= centre.lon - extent.lon
        && north + height >= (centre.lat + extent.lat).min(LAT_MAX)
        && south - height <= (centre.lat - extent.lat).max(-LAT_MAX)
}

/// Tells of each neighbour whether it lies wholly beyond the shape, because the middle cell goes beyond it on that side.
fn spared_sides(middle: Cell, centre: Point, extent: Extent) -> impl Fn(i32, i32) -> bool {
    let ((west, east), (south, north)) = (middle.longitudes(), middle.latitudes());
    // In the coarsest grid what lies to the north lies to the south too.
    let fine = middle.step >= 2;
    let spare_north = fine && north > centre.lat + extent.lat;
    let spare_south = fine && south < centre.lat - extent.lat;
    let spare_east = fine && east > centre.lon + extent.lon;
    let spare_west = fine && west < centre.lon - extent.lon;
    move |to_east, to_north| {
        (to_north == 1 && spare_north)
            || (to_north == -1 && spare_south)
            || (to_east == 1 && spare_east)
            || (to_east == -1 && spare_west)
    }
}

#[cfg(test)]
mod tests {
    use super::super::earth::RADIUS;
    use super::*;
    use proptest::prelude::*;

    fn shape() -> impl Strategy<Value = Shape> {
        let size = || (0.0..7.4f64).prop_map(|exponent| 10f64.powf(exponent));
        prop_oneof![
            size().prop_map(|radius| Shape::Circle { radius }),
            (size(), size()).prop_map(|(width, height)| Shape::Box { width, height }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn nothing_inside_is_missed(
            lon in longitude(),
            lat in latitude(),
            shape in shape(),
            (away_x, away_y) in (-1.0..1.0f64, -1.0..1.0f64),
            over_the_pole: bool,
        ) {
            let centre = Point { lon, lat };
            // A place somewhere around, at the scale of the shape; not on the northern edge, which is in no cell.
            let degrees = (shape.reach() / RADIUS).to_degrees();
            let lat = (lat + away_y * degrees).clamp(-LAT_MAX, LAT_MAX - 1e-5);
            let far = if over_the_pole { 180.0 } else { degrees / lat.to_radians().cos() };
            let lon = (lon + away_x * far + 540.0).rem_euclid(360.0) - 180.0;
            let score = Cell::score_of(Point { lon, lat });
            let place = Cell::place_of(score);
            if shape.distance_to(centre, place).is_some() {
                let cells = cover(centre, shape);
                let found = cells.iter().filter(|cell| cell.scores().begins_by(score) && cell.scores().reaches(score));
                prop_assert_eq!(found.count(), 1, "{:?} {:?}", place, cells);
            }
        }
    }

    fn longitude() -> impl Strategy<Value = f64> {
        prop_oneof![-180.0..180.0f64, 179.0..180.0f64, -180.0..-179.0f64]
    }

    fn latitude() -> impl Strategy<Value = f64> {
        prop_oneof![2 => -85.0..85.0f64, 1 => 60.0..85.05f64, 1 => -85.05..-60.0f64]
    }

    #[test]
    fn corners_and_what_lies_beyond_a_pole_are_reached() {
        for ((lon, lat), radius, (other_lon, other_lat)) in [
            ((-0.153_079_032_897_949_22, 85.0), 4891.94, (0.351_562_5, 85.000_192_604_869_17)),
            ((-4.952_119_588_851_929, 85.0), 156_544.0, (11.25, 85.0511)),
            ((-45.0, 65.509_000_221_118_11), 5_009_431.0, (90.0, 85.0511)),
            ((45.0, 65.0), 5_009_431.0, (-135.0, 85.05)),
        ] {
            let score = Cell::score_of(Point { lon: other_lon, lat: other_lat });
            let cells = cover(Point { lon, lat }, Shape::Circle { radius });
            assert!(
                cells.iter().any(|cell| cell.scores().begins_by(score) && cell.scores().reaches(score)),
                "{lat}"
            );
        }
    }

    #[test]
    fn shapes_touch_few_cells() {
        let centre = Point { lon: 15.0, lat: 37.0 };
        for radius in [0.0, 1.0, 100.0, 10_000.0, 1_000_000.0] {
            let cells = cover(centre, Shape::Circle { radius });
            assert!((1..=6).contains(&cells.len()), "{radius}: {cells:?}");
        }
        assert_eq!(cover(centre, Shape::Circle { radius: f64::INFINITY }).len(), 4);
    }
}
