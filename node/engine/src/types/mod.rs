//! The data types: one module each, in the order a reader meets them.

pub mod bits;
mod either;
pub mod hash;
pub mod hyperloglog;
pub mod list;
pub mod member_hash;
pub mod quicklist;
pub mod rank_tree;
mod sample;
pub mod set;
pub mod stream;
pub mod string;
pub mod zset;

pub(crate) use either::Either;
pub use hash::Hash;
pub use list::List;
pub use member_hash::member_hash;
pub use set::Set;
pub use stream::Stream;
pub use zset::Zset;
