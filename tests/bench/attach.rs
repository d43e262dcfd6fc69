//! A `redis-server` becomes a replica: how long until it has all there is, and what following costs its master.

use crate::load::{self, fill};
use crate::options::Options;
use crate::report::{Bar, Report, median};
use crate::speed::words;
use harness::wait::wait_until;
use harness::{Kind, Server};
use std::time::{Duration, Instant};

/// Keys of the data; several numbers with `--keys`.
const KEYS: usize = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(300);
const DEPTH: usize = 64;
/// What one SET costs Redis more with a replica, measured with this.
const SETS: usize = 2_000_000;

/// Measures what was asked for.
pub fn run(options: &Options, report: &mut Report) {
    if options.wants("attach") {
        let keys = options.keys.unwrap_or(options.scaled(KEYS));
        let [theirs, ours] = both(options, keys).map(|server| attached(&server, keys, options.rounds));
        let name = format!("{keys} keys are with a new replica after, s");
        report.add_response(&name, [theirs, ours], Some(Bar::Ratio(0.8)));
    }
    if options.wants("replicated") {
        let keys = options.scaled(KEYS);
        let [theirs, ours] = both(options, keys).map(|server| surcharge(&server, keys, options));
        let name = format!("CPU of a SET at depth {DEPTH} with a replica, as a multiple of that without");
        report.add_response(&name, [theirs[1] / theirs[0], ours[1] / ours[0]], None);
        report.add_response("the same in ns", [theirs[1], ours[1]], Some(Bar::Ratio(0.8)));
    }
}

fn both(options: &Options, keys: usize) -> [Server; 2] {
    [Kind::Redis, Kind::Everwrite].map(|kind| {
        let server = options.start_with(kind, &["--repl-diskless-sync-delay", "0"]);
        fill(&mut server.client(), keys, |i| {
            vec!["SET".into(), format!("key:{i:012}"), format!("value:{i:026}")]
        });
        server
    })
}

/// Seconds from REPLICAOF to a link that is up, the median of some.
fn attached(master: &Server, keys: usize, rounds: usize) -> f64 {
    let once = |_| {
        let replica = Server::start(Kind::Redis);
        let began = Instant::now();
        follow(&replica, master);
        let seconds = began.elapsed().as_secs_f64();
        assert_eq!(replica.client().cmd("DBSIZE").expect("DBSIZE").int(), Some(keys as i64));
        seconds
    };
    median((0..rounds).map(once).collect())
}

fn follow(replica: &Server, master: &Server) {
    let mut client = replica.client();
    let address = master.address();
    client.cmd(&format!("REPLICAOF {} {}", address.ip(), address.port())).expect("REPLICAOF");
    wait_until("the link is up", PATIENCE, || {
        client.cmd("INFO replication").is_ok_and(|text| text.text().contains("master_link_status:up"))
    });
}

/// The master's CPU for a SET, ns: without a replica, and with one.
fn surcharge(master: &Server, keys: usize, options: &Options) -> [f64; 2] {
    let command = words("SET key:__rand_int__ __value__");
    let count = options.scaled(SETS);
    let cost = || {
        let once = |_| load::run(master, &command, DEPTH, keys, count).cpu_ns;
        median((0..options.rounds).map(once).collect())
    };
    let alone = cost();
    let replica = Server::start(Kind::Redis);
    follow(&replica, master);
    [alone, cost()]
}
