//! Snapshots in S3-compatible storage.
//!
//! [`address`] names an object, [`store`] opens the storage, [`upload`] and [`download`] bring a file there and back in
//! parts, [`copies`] are the older ones that are kept beside the newest, [`error`] is what can go wrong.
//!
//! Everything here blocks the thread that calls it, which has an event loop of its own meanwhile. A file goes up and comes
//! down in parts of [`PART`] bytes, [`PARTS`] of them at a time: that is all the memory it takes. Each part carries a
//! SHA-256 that the storage checks, and is tried again, after ever longer pauses, for [`store::PATIENCE`].

pub mod address;
pub mod copies;
pub mod download;
pub mod error;
pub mod store;
pub mod upload;

pub use address::Address;
pub use error::Error;
pub use store::{Settings, Store};

/// Bytes of a part. Storages want 5 MiB at least, and take 10,000 parts: a larger file has larger ones.
pub const PART: u64 = 8 << 20;
/// Parts under way at the same time.
pub const PARTS: usize = 4;
