//! `drill`: a mesh of real processes, and everything that may happen to it, while clients count what they were told.
//!
//! Nodes link each to each through [`proxy`]s of ours. On every node [`writer`]s change the same few keys in all the ways
//! Redis has, and note what was acknowledged ([`history`]). Meanwhile the [`schedule`] cuts a node off, kills another one,
//! sets a clock, slows the network down, and silences the way between two nodes so that a third must pass everything on;
//! [`watch`]ers look whether anybody ever sees half of a transaction. In the end all is healed, the nodes must become equal, and
//! the [`verdict`] compares what they have with what was acknowledged.
//!
//! What a killed node had acknowledged but sent nobody is counted apart, and only if it is the end of what each of its
//! clients did: a hole is a loss. With `--aof` nothing may be missing at all, and what the nodes' logs say is folded once more by
//! the naive definition, and replayed into a `redis-server`, which must come to the same data ([`folded`], [`replayed`]).

mod fleet;
mod folded;
mod history;
mod noise;
mod place;
mod proxy;
mod read;
mod replayed;
mod report;
mod schedule;
mod verdict;
mod watch;
mod writer;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use fleet::Fleet;
use history::Shared;
use report::Report;

/// Kills, partitions and skews a mesh of real processes under load, and compares what is left with what was acknowledged.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How long clients write.
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Nodes, at least three.
    #[arg(long, default_value_t = 3)]
    pub nodes: usize,
    /// Clients that write to each node.
    #[arg(long, default_value_t = 3)]
    pub writers: usize,
    /// Commands a second of each client at most.
    #[arg(long, default_value_t = 500)]
    pub rate: u32,
    /// What clients do, and delays, follow from it; when things happen to nodes does not.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Nodes run with appendonly yes.
    #[arg(long)]
    pub aof: bool,
    /// And with this policy: a process that is killed loses nothing with any.
    #[arg(long, default_value = "always", value_parser = ["always", "everysec", "no"])]
    pub appendfsync: String,
    /// How far the last node's clock is ahead at first, and behind later. 0: it is right.
    #[arg(long, default_value_t = 1_500)]
    pub skew_ms: i64,
    /// No node is killed.
    #[arg(long)]
    pub no_kill: bool,
    /// How long the nodes may take to become equal.
    #[arg(long, default_value_t = 30)]
    pub equal_within: u64,
    /// Keep the nodes' directories.
    #[arg(long)]
    pub keep: bool,
}

/// Runs the drill. True: nothing is missing, and nothing differs.
pub fn run(options: &Options) -> Result<bool, String> {
    if options.nodes < 3 {
        return Err("A drill needs three nodes: one has to pass on what two others write.".into());
    }
    let fleet = Fleet::start(options)?;
    fleet.prepare()?;
    let shared = Arc::new(Shared::new());
    let addresses = fleet.addresses();
    let writers = writer::start(options, &addresses, &shared);
    let watchers = watch::start(&addresses, &shared);
    let crash = schedule::play(options, &fleet, &shared);
    shared.stop.store(true, SeqCst);
    let histories: Vec<_> = writers.into_iter().map(|w| w.join().expect("a writer ends")).collect();
    fleet.heal();
    let converged = fleet.converge(Duration::from_secs(options.equal_within));
    let torn: Vec<_> = watchers.into_iter().map(|w| w.join().expect("a watcher ends")).collect();
    let folded = options.aof.then(|| folded::compare(&fleet));
    let verdict = verdict::judge(&fleet, &histories, crash.as_ref());
    let report = Report { options, histories: &histories, crash, converged, torn, verdict, folded };
    report.show(&fleet);
    if options.keep || !report.is_clean() {
        fleet.keep();
    }
    Ok(report.is_clean())
}
