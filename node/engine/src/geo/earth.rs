//! Distances on a sphere.

use std::f64::consts::FRAC_PI_2;

use super::cell::LAT_MAX;

/// Radius of the earth, metres: what other servers take it to be.
pub const RADIUS: f64 = 6_372_797.560_856;

/// A place, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub lon: f64,
    pub lat: f64,
}

/// The distance of two places, metres, by the haversine formula.
pub fn distance(a: Point, b: Point) -> f64 {
    let (lat_a, lat_b) = (a.lat.to_radians(), b.lat.to_radians());
    let half_lon = ((b.lon.to_radians() - a.lon.to_radians()) / 2.0).sin();
    if half_lon == 0.0 {
        return along_meridian(a.lat, b.lat);
    }
    let half_lat = ((lat_b - lat_a) / 2.0).sin();
    let haversine = half_lat * half_lat + lat_a.cos() * lat_b.cos() * half_lon * half_lon;
    2.0 * RADIUS * haversine.sqrt().asin()
}

/// The distance of two latitudes, metres.
fn along_meridian(a: f64, b: f64) -> f64 {
    RADIUS * (b.to_radians() - a.to_radians()).abs()
}

/// What is searched in, around a point. Metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    Circle {
        radius: f64,
    },
    /// Measured along the meridian and along the parallel of the place that is looked at.
    Box {
        width: f64,
        height: f64,
    },
}

/// How far something goes to each side, degrees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub lon: f64,
    pub lat: f64,
}

/// The angle with this sine, or 90 degrees if there is none.
fn degrees_of_sine(sine: f64) -> f64 {
    if sine >= 1.0 { 90.0 } else { sine.asin().to_degrees() }
}

impl Shape {
    /// How far the farthest place inside can be away.
    pub fn reach(self) -> f64 {
        match self {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => (width / 2.0).hypot(height / 2.0),
        }
    }

    /// How far the shape goes to each side.
    pub(super) fn extent(self, centre: Point) -> Extent {
        match self {
            Shape::Circle { radius } => {
                let angle = radius / RADIUS;
                let lat = angle.to_degrees();
                // The circle's easternmost point is where a meridian touches it, unless a pole lies inside.
                let beyond_pole = centre.lat.abs() + lat >= 90.0;
                let lon = if beyond_pole {
                    180.0
                } else {
                    degrees_of_sine(angle.sin() / centre.lat.to_radians().cos())
                };
                Extent { lon, lat }
            }
            Shape::Box { width, height } => {
                let lat = (height / 2.0 / RADIUS).to_degrees();
                // Parallels are shortest at the end nearer to a pole; no place lies beyond the highest latitude.
                let shortest = (centre.lat.abs() + lat).min(LAT_MAX).to_radians().cos();
                let half_angle = (width / 4.0 / RADIUS).min(FRAC_PI_2);
                Extent { lon: 2.0 * degrees_of_sine(half_angle.sin() / shortest), lat }
            }
        }
    }

    /// How far a place is away from the centre, if it is inside.
    pub fn distance_to(self, centre: Point, place: Point) -> Option<f64> {
        match self {
            Shape::Circle { radius } => Some(distance(centre, place)).filter(|far| *far <= radius),
            Shape::Box { width, height } => {
                let beside = Point { lon: centre.lon, lat: place.lat };
                let inside = along_meridian(centre.lat, place.lat) <= height / 2.0
                    && distance(place, beside) <= width / 2.0;
                inside.then(|| distance(centre, place))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PALERMO: Point = Point { lon: 13.361_389_338_970_184, lat: 38.115_556_395_496_3 };
    const CATANIA: Point = Point { lon: 15.087_267_458_438_873, lat: 37.502_668_423_331_62 };

    #[test]
    fn distances_are_those_of_redis() {
        assert_eq!(format!("{:.4}", distance(PALERMO, CATANIA)), "166274.1516");
        assert_eq!(distance(PALERMO, PALERMO), 0.0);
        let half_way_round = distance(Point { lon: 0.0, lat: 0.0 }, Point { lon: 180.0, lat: 0.0 });
        assert!((half_way_round - std::f64::consts::PI * RADIUS).abs() < 1e-6);
    }

    #[test]
    fn shapes_have_inside_and_outside() {
        let centre = Point { lon: 15.0, lat: 37.0 };
        for (shape, palermo, catania) in [
            (Shape::Circle { radius: 200_000.0 }, true, true),
            (Shape::Circle { radius: 100_000.0 }, false, true),
            (Shape::Box { width: 400_000.0, height: 400_000.0 }, true, true),
            (Shape::Box { width: 400_000.0, height: 200_000.0 }, false, true),
            (Shape::Box { width: 10_000.0, height: 400_000.0 }, false, false),
        ] {
            assert_eq!(shape.distance_to(centre, PALERMO).is_some(), palermo, "{shape:?}");
            assert_eq!(shape.distance_to(centre, CATANIA).is_some(), catania, "{shape:?}");
        }
    }
}
