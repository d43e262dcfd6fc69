//! Which cells have to be looked through to find all places within a shape.

use smallvec::SmallVec;

use super::cell::{Cell, STEP_MAX};
use super::earth::{Point, RADIUS, Shape, distance};

/// Half of the equator's length in the Mercator projection, metres.
const MERCATOR_MAX: f64 = 20_037_726.37;

/// The cell of the centre and its neighbours, in the order in which they are searched.
const BLOCK: [(i32, i32); 9] = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

/// Cells that together hold every place within the shape: out of the three by three around the centre, of the finest grid
/// for which these reach far enough, those that touch the shape. Each once.
pub fn cover(centre: Point, shape: Shape) -> SmallVec<[Cell; 9]> {
    let reach = shape.reach();
    let mut step = step_for(reach, centre.lat);
    if step > 1 && !block_holds(Cell::of(centre, step), centre, reach) {
        step -= 1;
    }
    let middle = Cell::of(centre, step);
    let spared = spared_sides(middle, centre, shape);
    let mut cells = SmallVec::new();
    for (east, north) in BLOCK {
        let cell = middle.moved(east, north);
        // In a grid of two or four columns neighbours are the same cell.
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

/// Whether the block of cells around `middle` reaches far enough to each side.
fn block_holds(middle: Cell, centre: Point, reach: f64) -> bool {
    let north = middle.moved(0, 1).latitudes().1;
    let south = middle.moved(0, -1).latitudes().0;
    let east = middle.moved(1, 0).longitudes().1;
    let west = middle.moved(-1, 0).longitudes().0;
    [
        Point { lat: north, ..centre },
        Point { lat: south, ..centre },
        Point { lon: east, ..centre },
        Point { lon: west, ..centre },
    ]
    .into_iter()
    .all(|edge| distance(centre, edge) >= reach)
}

/// Tells of each neighbour whether it lies wholly beyond the shape, because the middle cell goes beyond it on that side.
fn spared_sides(middle: Cell, centre: Point, shape: Shape) -> impl Fn(i32, i32) -> bool {
    let (half_width, half_height) = shape.half_box();
    let high = (half_height / RADIUS).to_degrees();
    // A degree of longitude is shortest at the end nearer to a pole.
    let narrow = (centre.lat.abs() + high).to_radians().cos();
    let wide = if narrow > 0.0 { (half_width / RADIUS / narrow).to_degrees() } else { f64::INFINITY };
    let ((west, east), (south, north)) = (middle.longitudes(), middle.latitudes());
    // In the coarsest grid what lies to the north lies to the south too.
    let fine = middle.step >= 2;
    let spare_north = fine && north > centre.lat + high;
    let spare_south = fine && south < centre.lat - high;
    let spare_east = fine && east > centre.lon + wide;
    let spare_west = fine && west < centre.lon - wide;
    move |to_east, to_north| {
        (to_north == 1 && spare_north)
            || (to_north == -1 && spare_south)
            || (to_east == 1 && spare_east)
            || (to_east == -1 && spare_west)
    }
}

#[cfg(test)]
mod tests {
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
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn nothing_inside_is_missed(
            lon in -180.0..180.0f64,
            lat in -85.0..85.0f64,
            shape in shape(),
            (away_x, away_y) in (-1.0..1.0f64, -1.0..1.0f64),
        ) {
            let centre = Point { lon, lat };
            // A place somewhere around, at the scale of the shape.
            let degrees = (shape.reach() / RADIUS).to_degrees();
            let lat = (lat + away_y * degrees).clamp(-85.0, 85.0);
            let lon = (lon + away_x * degrees / lat.to_radians().cos() + 540.0).rem_euclid(360.0) - 180.0;
            let place = Cell::place_of(Cell::score_of(Point { lon, lat }));
            if shape.distance_to(centre, place).is_some() {
                let score = Cell::score_of(place);
                let cells = cover(centre, shape);
                let found = cells.iter().filter(|cell| cell.scores().begins_by(score) && cell.scores().reaches(score));
                prop_assert_eq!(found.count(), 1, "{:?} {:?}", place, cells);
            }
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
