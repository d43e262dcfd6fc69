//! The memcached text protocol on `memcached_port`, over the same keys as everything else, in database 0.
//!
//! A value that was set here is a string to Redis's commands and the other way round. What memcached keeps beside a value
//! is in the string's [tag](engine::types::tagged): the client flags, and whether it is stale or somebody has been told to
//! make it anew. (A string with none of these is stored like any other.) The unique number is the version of the last
//! write to the key: it also changes with `touch` and with what Redis's commands do. Keys of other types are not there for
//! retrieval; `set` replaces them, `append` and `incr` refuse.
//!
//! The client flags do not travel to the other nodes of a mesh yet: there they are 0.
//!
//! Writes are effects like all others: replicated, logged, seen by watchers, caches and clients that wait for keys. A client
//! has the rights of the default user; if that one has a password, the first command must be a `set` whose data are
//! a user's name and password. What else may keep a command from running (no memory, a script that takes too long, a
//! pause) keeps these, too.
//!
//! [`serve`] reads and answers, [`admit`] decides, the rest are the commands.

mod admit;
mod call;
mod count;
pub mod flush;
mod get;
mod item;
mod limit;
mod meta;
mod serve;
mod stats;
mod store;
pub mod tally;

pub use serve::{End, Talk};
