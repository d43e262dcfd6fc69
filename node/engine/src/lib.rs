//! What a Redis does to data: types, keyspace, expiry, eviction, the data commands and their effects. No sockets, no
//! threads of its own, no wall clock: the time is an argument.
//!
//! In reading order: [`table`] and [`thin`] hold things, [`entry`], [`value`] and [`types`] are the things, [`db`],
//! [`shard`] and [`keyspace`] arrange them, [`ctx`] and [`effect`] are what a command works with, [`commands`] are the
//! commands, [`stored`], [`snapshot`] and [`load`] bring data to files and back.

pub mod access;
pub mod active;
mod ahead;
mod apply;
pub mod command;
pub mod commands;
pub mod ctx;
pub mod db;
pub mod digest;
pub mod effect;
pub mod entry;
pub mod eviction;
pub mod expiry;
pub mod family;
pub mod geo;
pub mod interest;
pub mod jobs;
pub mod journal;
pub mod keyspace;
pub mod load;
mod room;
pub mod shard;
pub mod snapshot;
pub mod stored;
pub mod stored9;
pub mod table;
pub mod thin;
pub mod tuning;
pub mod types;
pub mod value;
pub mod waiting;
