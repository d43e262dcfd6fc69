//! Places on the earth as scores of a sorted set.
//!
//! A place is a [`Cell`] of a grid of 2^26 columns by 2^26 rows whose number, the bits of row and column interleaved, is the
//! score. Cells that lie together have numbers that begin alike, so a coarser cell is one stretch of scores, and the
//! surroundings of a point are at most nine of those: [`cover`] names them. What lies in them is then measured, one by
//! one, with [`Shape::distance_to`].

mod cell;
mod cover;
mod earth;
mod hash;

pub use cell::{Cell, LAT_MAX, LON_MAX};
pub use cover::cover;
pub use earth::{Point, Shape, distance};
pub use hash::geohash;
