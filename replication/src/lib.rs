//! Order among the writes of many nodes, without I/O.

pub mod stamp;

pub use stamp::{Clock, Stamp};
