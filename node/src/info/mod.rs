//! INFO: what the server knows about itself, as lines of `field:value` under headings.
//!
//! A section is a function that writes its lines, and a row of [`SECTIONS`], whose order is the order of the reply. Counters
//! belong to workers and shards; they are added up here, when somebody asks.

mod clients;
mod commands;
mod keyspace;
mod memory;
mod persistence;
pub mod replication;
mod server;
mod stats;

use std::fmt::{Display, Write};
use std::sync::Arc;

use engine::ctx::Ctx;

use crate::client::Client;
use crate::config::Config;
use crate::server::Server;
use crate::stats::WorkerStats;
use crate::worker::unix_ms;

pub use memory::Overview as MemoryOverview;

/// What the sections are written from.
pub struct Info<'a> {
    pub server: &'static Server,
    pub config: Arc<Config>,
    pub clients: Vec<Arc<Client>>,
    pub ctx: &'a mut Ctx<'static>,
    pub now_ms: u64,
    /// The worker that writes.
    pub worker: usize,
}

/// The text of a section, growing.
#[derive(Default)]
pub struct Lines(String);

impl Lines {
    pub fn put(&mut self, field: impl Display, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{field}:{value}\r\n");
    }

    /// A number of bytes, and once more for people.
    pub fn put_bytes(&mut self, field: &str, bytes: u64) {
        self.put(field, bytes);
        self.put(format_args!("{field}_human"), human(bytes));
    }

    /// A number of bytes for people only.
    pub fn put_human(&mut self, field: &str, bytes: u64) {
        self.put(field, human(bytes));
    }
}

/// When a section is shown without being named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Always.
    Default,
    /// With `all` and `everything`.
    All,
}

struct Section {
    name: &'static str,
    heading: &'static str,
    shown: Shown,
    write: fn(&mut Info<'_>, &mut Lines),
}

const fn section(
    name: &'static str,
    heading: &'static str,
    shown: Shown,
    write: fn(&mut Info<'_>, &mut Lines),
) -> Section {
    Section { name, heading, shown, write }
}

const SECTIONS: &[Section] = &[
    section("server", "Server", Shown::Default, server::write),
    section("clients", "Clients", Shown::Default, clients::write),
    section("memory", "Memory", Shown::Default, memory::write),
    section("persistence", "Persistence", Shown::Default, persistence::write),
    section("stats", "Stats", Shown::Default, stats::write),
    section("replication", "Replication", Shown::Default, replication::write),
    section("cpu", "CPU", Shown::Default, server::write_cpu),
    section("modules", "Modules", Shown::Default, |_, _| {}),
    section("commandstats", "Commandstats", Shown::All, commands::write_calls),
    section("errorstats", "Errorstats", Shown::Default, commands::write_errors),
    section("latencystats", "Latencystats", Shown::All, commands::write_latencies),
    section("cluster", "Cluster", Shown::Default, |_, lines| lines.put("cluster_enabled", 0)),
    section("keyspace", "Keyspace", Shown::Default, keyspace::write),
];

impl Info<'_> {
    /// What INFO writes from, seen from worker number `worker`.
    pub fn new<'a>(server: &'static Server, ctx: &'a mut Ctx<'static>, worker: usize) -> Info<'a> {
        Info {
            server,
            config: server.config.get(),
            clients: server.clients.all(),
            ctx,
            now_ms: unix_ms(),
            worker,
        }
    }

    /// The sections of these names; without any name, the default ones. Names of no section are passed over.
    pub fn text(&mut self, names: &[&[u8]]) -> String {
        let mut lines = Lines::default();
        for section in SECTIONS.iter().filter(|section| section.is_wanted(names)) {
            if !lines.0.is_empty() {
                lines.0.push_str("\r\n");
            }
            let _ = write!(lines.0, "# {}\r\n", section.heading);
            (section.write)(self, &mut lines);
        }
        lines.0
    }

    /// A counter's sum over all that run commands.
    fn sum(&self, of: impl Fn(&WorkerStats) -> u64) -> u64 {
        self.server.stats().map(of).sum()
    }
}

impl Section {
    fn is_wanted(&self, names: &[&[u8]]) -> bool {
        let by_name = |name: &&[u8]| match name.to_ascii_lowercase().as_slice() {
            b"all" | b"everything" => true,
            b"default" => self.shown == Shown::Default,
            name => name == self.name.as_bytes(),
        };
        if names.is_empty() { self.shown == Shown::Default } else { names.iter().any(by_name) }
    }
}

/// Bytes as people read them: `1.50K`.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["K", "M", "G", "T", "P"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let step = ((63 - bytes.leading_zeros()) / 10).min(UNITS.len() as u32);
    format!("{:.2}{}", bytes as f64 / (1u64 << (10 * step)) as f64, UNITS[step as usize - 1])
}

/// A part of a whole as a number, 0 of nothing.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people() {
        let texts = [0, 1023, 1024, 1536, 1 << 20, 23 << 30, (23 << 30) + (1 << 29)].map(human);
        assert_eq!(texts, ["0B", "1023B", "1.00K", "1.50K", "1.00M", "23.00G", "23.50G"]);
    }

    #[test]
    fn sections_are_wanted_by_name_and_by_default() {
        let wanted = |names: &[&[u8]]| -> Vec<&str> {
            SECTIONS.iter().filter(|s| s.is_wanted(names)).map(|s| s.name).collect()
        };
        assert_eq!(wanted(&[b"CPU", b"nonesuch", b"server"]), ["server", "cpu"]);
        assert_eq!(wanted(&[]), wanted(&[b"default"]));
        assert_eq!(wanted(&[b"all"]).len(), SECTIONS.len());
        assert!(!wanted(&[]).contains(&"commandstats"));
    }
}
