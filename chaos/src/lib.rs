//! Simulation of a mesh: the production machines on a simulated network, disk and clock, everything from one seed.
//!
//! [`world`] is the mesh, [`storm`] a random run of it, [`workload`] its clients, [`store`] a node's data with the naive
//! fold beside it. A run fails on the first state that differs from the fold of what the node has received, and at the
//! end if nodes differ, marks remain, or a promise was not kept.

pub mod rng;
pub mod store;
pub mod storm;
pub mod workload;
pub mod world;
