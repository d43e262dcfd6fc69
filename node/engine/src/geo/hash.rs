//! Geohashes: places as eleven letters and digits that other programs understand.

use super::Point;
use super::cell::{Cell, STEP_MAX};

const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// The geohash of a place. Its grid ends at the poles, and its fifty-two bits make ten characters and a bit: the eleventh is
/// always `0`, as other servers have it.
pub fn geohash(place: Point) -> [u8; 11] {
    let number = Cell::within(place, STEP_MAX, 90.0).number();
    let mut text = [b'0'; 11];
    for (i, letter) in text[..10].iter_mut().enumerate() {
        *letter = ALPHABET[(number >> (52 - 5 * (i + 1)) & 31) as usize];
    }
    text
}

#[test]
fn hashes_are_those_of_redis() {
    for (lon, lat, hash) in [
        (13.361_389_338_970_184, 38.115_556_395_496_3, b"sqc8b49rny0"),
        (15.087_267_458_438_873, 37.502_668_423_331_62, b"sqdtr74hyu0"),
        (180.0, 85.051_128_78, b"bp05b5048p0"),
    ] {
        assert_eq!(geohash(Point { lon, lat }), *hash);
    }
}
