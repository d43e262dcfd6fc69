//! Bytes to values and back, without I/O: requests, replies, and the packed formats that Redis keeps in memory and in files.

pub mod args;
pub mod crc64;
pub mod dump;
pub mod error;
pub mod glob;
pub mod intset;
pub mod listpack;
pub mod lzf;
pub mod malformed;
pub mod memcached;
pub mod number;
mod packed;
pub mod quote;
pub mod rdb;
pub mod reply;
pub mod resp;
pub mod stream_id;
pub mod ziplist;
pub mod zipmap;

pub use args::{Args, OwnedArgs, Span};
pub use error::ErrorReply;
pub use malformed::Malformed;
pub use reply::{Deferred, Reply};
pub use stream_id::{StreamId, WrittenId};
