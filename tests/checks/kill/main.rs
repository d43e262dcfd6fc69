//! kill -9 at random moments under load: after the next start everything is there that was acknowledged, and nothing that was
//! not asked for.
//!
//! Some writers send random requests on keys of all types, each in a database of its own, in pipelines, transactions and
//! scripts, while the log is rewritten again and again. A `redis-server` that is not killed then gets the same requests: as
//! far as they were acknowledged, and of those that were under way one after the other, until it has what ours has.
//!
//! A member of a mesh that is killed is compared twice ([`member`]).
//!
//! - `KILL_ROUNDS=n` kills n times for each policy of `appendfsync` (default 5).
//! - `KILL_SEED=n` begins with another seed (default 1).

mod member;
mod writer;

use harness::random::Rng;
use harness::wait::wait_until;
use harness::{Kind, Server};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use writer::Writer;

const WRITERS: usize = 4;
const LONGEST_MS: usize = 250;
/// No wait of these tests may take longer, however busy the machine.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn what_was_acknowledged_survives_with_always() {
    play("always");
}

/// Writing is enough to outlive the process.
#[test]
fn what_was_acknowledged_survives_with_everysec() {
    play("everysec");
}

#[test]
fn what_was_acknowledged_survives_with_no() {
    play("no");
}

fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn play(policy: &str) {
    let rounds = number_from("KILL_ROUNDS", 5);
    let mut rng = Rng::new(number_from("KILL_SEED", 1));
    let options = ["--appendonly", "yes", "--appendfsync", policy, "--auto-aof-rewrite-min-size", "30kb"];
    let mut ours = Server::start_with(Kind::Everwrite, &[&options[..], &["--server-threads", "2"]].concat());
    let oracle = Server::start(Kind::Redis);
    let mut writers: Vec<Writer> = (0..WRITERS).map(|db| Writer::new(db, rng.bits())).collect();
    let mut acknowledged = 0;
    for round in 0..rounds {
        acknowledged += round_of(&mut ours, &mut writers, &mut rng, round);
        start_again(&mut ours, &mut rng);
        for writer in &mut writers {
            if let Err(difference) = writer.compare(&ours, &oracle, Instant::now()) {
                let log = ours.log();
                panic!("appendfsync {policy}, round {round}, {writer:?}: {difference}\n{log}");
            }
            writer.forget();
        }
    }
    println!("appendfsync {policy}: {acknowledged} requests acknowledged, {rounds} kills, nothing lost");
}

/// Has the writers write until the server is killed; how many requests were acknowledged.
fn round_of(ours: &mut Server, writers: &mut [Writer], rng: &mut Rng, round: u64) -> usize {
    let (pid, pause) = (ours.pid().to_string(), Duration::from_millis(rng.below(LONGEST_MS) as u64 + 1));
    let (rewrite, wanted) = (round % 3 == 2, AtomicBool::new(true));
    let acknowledged = std::thread::scope(|scope| {
        let server = &*ours;
        let threads: Vec<_> =
            writers.iter_mut().map(|writer| scope.spawn(|| writer.write(server, &wanted))).collect();
        if rewrite {
            let _ = server.client().cmd("BGREWRITEAOF");
        }
        std::thread::sleep(pause);
        std::process::Command::new("kill").args(["-9", &pid]).status().expect("kill runs");
        threads.into_iter().map(|thread| thread.join().expect("a writer ends")).sum()
    });
    ours.kill();
    acknowledged
}

/// Sometimes it is killed again while it starts.
fn start_again(ours: &mut Server, rng: &mut Rng) {
    if rng.percent(15) {
        ours.launch_again();
        std::thread::sleep(Duration::from_millis(rng.below(60) as u64));
        ours.kill();
    }
    ours.start_again();
    wait_until("the data are loaded", SOON, || {
        !ours.client().cmd("DBSIZE").expect("a reply").to_string().contains("LOADING")
    });
}
