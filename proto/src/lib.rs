//! What nodes say to each other, as gRPC has it: code generated from the `.proto` files, and nothing else.
//!
//! A change of a `.proto` file is followed by `UPDATE=1 cargo test -p everwrite-proto`; a test fails until that is done.

/// A peer's side of the mesh.
pub mod peer {
    #![allow(clippy::all, clippy::pedantic, missing_docs, unused_qualifications)]
    include!("generated/everwrite.peer.v1.rs");
}
