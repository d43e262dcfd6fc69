//! Simulation of a mesh: the production machines on a simulated network, disk and clock, everything from one seed.

pub mod rng;
pub mod store;
pub mod workload;
