//! The server: sockets, threads, configuration, and the commands that are about them. What happens to data is in the
//! `engine` crate.

pub mod acceptor;
pub mod acl;
pub mod ahead;
pub mod aof;
pub mod balance;
pub mod blocking;
pub mod check;
pub mod client;
pub mod client_memory;
pub mod clients;
pub mod commands;
pub mod config;
pub mod connection;
pub mod control;
pub mod crash;
pub mod cron;
pub mod demo;
pub mod dispatch;
pub mod eviction;
pub mod expiry;
pub mod feed;
pub mod held;
pub mod hindrance;
pub mod hotkeys;
pub mod info;
pub mod jobs;
pub mod latency;
pub mod listener;
pub mod live;
pub mod log;
pub mod memcached;
pub mod memory;
pub mod mesh;
pub mod monitors;
#[cfg_attr(not(feature = "s3"), path = "offsite/none.rs")]
pub mod offsite;
pub mod overload;
pub mod pause;
pub mod persist;
pub mod process;
pub mod pubsub;
pub mod pulse;
pub mod reclaim;
pub mod replicas;
pub mod samples;
pub mod scripting;
pub mod server;
pub mod session;
pub mod settings;
pub mod shutdown;
pub mod slowlog;
pub mod sniff;
pub mod standby;
pub mod start;
pub mod stats;
pub mod strain;
pub mod switches;
pub mod system;
pub mod ticks;
pub mod tls;
pub mod tracking;
pub mod upkeep;
pub mod upstream;
pub mod worker;

/// The Redis that clients are told they speak to: what they may expect depends on it.
pub const REDIS_VERSION: &str = "7.0.15";

/// What INFO and HELLO say of it: `version-override`, if that is set.
pub fn shown_version(config: &config::Config) -> &str {
    if config.version_override.is_empty() { REDIS_VERSION } else { &config.version_override }
}

#[global_allocator]
static ALLOCATOR: memory::Counted = memory::Counted;
