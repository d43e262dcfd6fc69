//! The memcached text protocol: requests from bytes, in place. Replies are lines that whoever answers writes.
//!
//! ```text
//! get k1 k2\r\n                          VALUE k1 flags bytes\r\n data\r\n ... END\r\n
//! set k flags exptime bytes\r\n data\r\n STORED\r\n
//! mg k v f t\r\n                         VA 5 f3 t60\r\n data\r\n        a meta command: one letter a flag, with its token behind it
//! ```
//!
//! [`parse`] is given what has arrived, and answers with a [`Step`]: a request, a refusal, or how much more it needs. It keeps
//! nothing and copies nothing (but a key that was sent in base64). Words are split at blanks; a line ends at `\n`, with or
//! without `\r` before it. Words, errors and oddities are memcached 1.6's.

mod base64;
mod classic;
mod meta;
mod parser;
mod request;
#[cfg(test)]
mod tests;
mod words;

pub use base64::encode as encode_base64;
pub use meta::{Flag, Meta, MetaVerb, Mode};
pub use parser::{Limits, Refusal, Step, parse};
pub use request::{Request, Retrieval, Storage, Verb};

/// Longest key, bytes.
pub const KEY_MAX: usize = 250;

/// What is no request at all, or one with too few or too many words.
pub const ERROR: &str = "ERROR";
pub const BAD_FORMAT: &str = "CLIENT_ERROR bad command line format";
pub const BAD_CHUNK: &str = "CLIENT_ERROR bad data chunk";
pub const BAD_EXPTIME: &str = "CLIENT_ERROR invalid exptime argument";
pub const BAD_DELTA: &str = "CLIENT_ERROR invalid numeric delta argument";
pub const NOT_A_NUMBER: &str = "CLIENT_ERROR cannot increment or decrement non-numeric value";
pub const TOO_LARGE: &str = "SERVER_ERROR object too large for cache";
