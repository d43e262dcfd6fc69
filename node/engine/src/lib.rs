//! crate
pub mod types;
