//! Multi-master replication without I/O: order, identity, streams, logs, sessions, and the fold.
//!
//! Everything here is a machine in the sense of ARCHITECTURE.md: it is given the time and an event and answers with
//! actions. Nothing opens a socket, reads a clock or draws a random number, so that the simulator runs the same code as
//! the server.
//!
//! Reading order: [`stamp`] and [`origin`] (the total order), [`effect`] (what travels), [`naive`] (what a node's data
//! is, by definition), [`overlay`] (the same, incrementally), [`vector`] (how far a node is), [`message`], [`codec`]
//! and [`borrowed`] (the wire), [`log`] (what peers may still need), [`horizon`] (what nobody needs any more), [`replica`] (the machine).

pub mod borrowed;
pub mod codec;
pub mod effect;
pub mod hashing;
pub mod horizon;
pub mod log;
pub mod message;
pub mod naive;
pub mod origin;
pub mod overlay;
pub mod replica;
pub mod shared;
pub mod stamp;
pub mod vector;

pub use stamp::{Clock, Place, Stamp};

pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, hashing::Secret>;
pub(crate) type HashSet<K> = std::collections::HashSet<K, hashing::Secret>;
