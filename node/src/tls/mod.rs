//! TLS, by rustls with ring's cryptography: for clients that connect, and for the connections that this node opens.
//!
//! rustls does no I/O. A connection's [`session`] is the machine that turns bytes from the wire into plain ones and back;
//! the connection itself lives on its worker's event loop like any other, and shares the worker's buffers: between two
//! requests it has no buffer of its own. What clients need is put together from the directives by [`server`], what peers need
//! by [`client`]; both begin with the PEM files that [`material`] reads and the names that [`suites`] knows.
//!
//! A change of a directive, or of a file where `tls-rotation` is on, makes another configuration: who connects from then on
//! meets it, and who is connected already goes on as it is.

pub mod client;
mod material;
mod names;
pub mod server;
pub mod session;
mod sessions;
mod suites;

pub use server::TlsServer;
pub use session::Session;
