//! The server: the only place with sockets, files, threads, wall clock and entropy.

pub mod config;
