//! Places: sorted sets whose scores are cells of a grid, see [`crate::geo`]. In reading order: what adds places and reads
//! them, what a search is asked, and the search.

use protocol::error::{GEO_UNIT, NOT_FLOAT};
use protocol::{ErrorReply, number};

use super::{Row, is};
use crate::geo::{LAT_MAX, LON_MAX, Point};

mod place;
mod request;
mod search;
#[cfg(test)]
mod tests;

/// The rows of all files of the family.
pub const ROWS: &[&[Row]] = &[place::ROWS, search::ROWS];

/// A longitude and a latitude argument.
fn point(lon: &[u8], lat: &[u8]) -> Result<Point, ErrorReply> {
    let degrees = |arg: &[u8]| number::parse_f64(arg).ok_or(NOT_FLOAT);
    let (lon, lat) = (degrees(lon)?, degrees(lat)?);
    if lon.abs() > LON_MAX || lat.abs() > LAT_MAX {
        return Err(ErrorReply::invalid_position(lon, lat));
    }
    Ok(Point { lon, lat })
}

/// A unit argument, in metres.
fn unit(arg: &[u8]) -> Result<f64, ErrorReply> {
    match arg {
        arg if is(arg, "M") => Ok(1.0),
        arg if is(arg, "KM") => Ok(1000.0),
        arg if is(arg, "FT") => Ok(0.3048),
        arg if is(arg, "MI") => Ok(1609.34),
        _ => Err(GEO_UNIT),
    }
}
