//! The data types: one module each, in the order a reader meets them.

pub mod rank_tree;
