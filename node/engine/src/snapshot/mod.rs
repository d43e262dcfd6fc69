//! Snapshots: all data as they were at one moment, written while they go on changing. No fork, no second copy.
//!
//! At the *cut* all shards are held for an instant, and every table gets a [`Walk`]. From then on a thread walks through
//! each shard, a segment at a time under the shard's lock, and writes the entries as RDB records. An entry that is
//! about to change before the walk has come by is written first, by whoever changes it ([`Walk::copy`]); what is new since the cut is
//! passed over. Nothing else is remembered: one bit of each entry, its *epoch*, tells the two kinds apart. A cut
//! turns the meaning of the bit around, and when its walks are over every entry has the new one again.
//!
//! ```text
//! cut            table  o o o o o o o o        o: as it was at the cut, not written    x: written, or new
//! walk, at ^     table  x x x o o o o o
//!                             ^
//! SET of an o:   written into the walk's own buffer, then changed and x
//! FLUSHALL:      the table leaves with its walk, and is walked to its end without any lock
//! SWAPDB:        walk and epoch go where their table goes; the walk knows under which number it began
//! ```
//!
//! What is written goes to a [`Sink`] in pieces, in no order but that each key is in one piece, once. A sink may make who
//! puts something into it wait, be it a client's worker that holds shards: what is copied aside never takes more memory
//! than the sink has room for, plus a piece for each walk.
//!
//! One value is written in one go, under its shard's lock: clients that want the same shard wait for it.

pub(crate) mod commands;
mod cut;
mod encoder;
#[cfg(test)]
mod tests;
mod walk;

pub use cut::{Cut, Options, Piece, Sink};
pub use encoder::{Encoder, VERSION};
pub use walk::Walk;
