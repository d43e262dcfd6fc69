//! The data types: one module each, in the order a reader meets them.

pub mod bits;
pub mod deadlines;
mod either;
pub mod hash;
pub mod hyperloglog;
pub mod job;
pub mod list;
pub mod member_hash;
pub mod quicklist;
pub mod rank_tree;
mod sample;
pub mod set;
pub mod stream;
pub mod string;
pub mod tagged;
pub mod zset;

pub use deadlines::Deadlines;
pub(crate) use either::Either;
pub use hash::{Hash, LiveHash};
pub use job::Job;
pub use list::List;
pub use member_hash::member_hash;
pub use set::{LiveSet, Set};
pub use stream::Stream;
pub use tagged::Tagged;
pub use zset::{LiveZset, Zset};
