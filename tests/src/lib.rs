//! Starts servers and speaks to them from outside.
//!
//! Everything here treats a server as a black box behind a TCP port: ours and the real `redis-server` are driven by
//! the same code, so a difference between two transcripts is a difference between two servers. For the same reason
//! this crate depends on no other crate of the workspace: a codec tested by itself proves nothing.
//!
//! In reading order:
//! - [`value`]: a reply, as a tree, and its one canonical text
//! - [`decode`]: bytes to replies, RESP2 and RESP3
//! - [`client`]: a blocking connection
//! - [`wait`]: wait for a condition, with a deadline
//! - [`server`]: a server process in a directory of its own
//! - [`proxy`]: a network between servers that can be cut
//! - [`clock`]: the time that a server believes it is
//! - [`mesh`]: several servers that replicate to each other
//! - [`process`]: what the kernel says a process has used
//! - [`golden`]: scripts of requests and the replies they must get
//! - [`random`]: random requests

pub mod client;
pub mod clock;
pub mod decode;
pub mod golden;
pub mod mesh;
pub mod process;
pub mod proxy;
pub mod random;
pub mod server;
pub mod value;
pub mod wait;

pub use client::Client;
pub use server::{Kind, Server};
pub use value::Value;
