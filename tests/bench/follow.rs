//! How long a replica takes from REPLICAOF to having all data of a `redis-server`: ours beside Redis's, in turns.
//!
//! `cargo run --release -p everwrite-tests --bin follow -- [keys] [rounds]`

use harness::process::cpu_time;
use harness::wait::wait_until;
use harness::{Kind, Server};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(600);

/// Seconds until the data are there, and of CPU.
fn attach(master: &Server, kind: Kind, keys: &str, load: &str) -> (f64, f64) {
    let replica = Server::start_with(kind, &["--repl-diskless-load", load]);
    let (mut client, before) = (replica.client(), cpu_time(replica.pid()).expect("its CPU time"));
    let began = Instant::now();
    let line = format!("REPLICAOF 127.0.0.1 {}", master.address().port());
    assert_eq!(client.cmd(&line).expect("a reply").to_string(), "+OK");
    wait_until("all data are there", LONG, || {
        let up = client.cmd("INFO replication").expect("a reply").text().contains("master_link_status:up");
        up && client.cmd("DBSIZE").expect("a reply").to_string() == keys
    });
    let cpu = cpu_time(replica.pid()).expect("its CPU time") - before;
    (began.elapsed().as_secs_f64(), cpu.as_secs_f64())
}

fn main() {
    let mut words = std::env::args().skip(1).filter_map(|word| word.parse::<u64>().ok());
    let (keys, rounds) = (words.next().unwrap_or(1_000_000).to_string(), words.next().unwrap_or(3));
    let master = Server::start_with(Kind::Redis, &["--repl-diskless-sync-delay", "0"]);
    let mut client = master.client();
    for from in (0..keys.parse().unwrap_or(0)).step_by(100_000) {
        client
            .cmd(&format!(
                "DEBUG POPULATE {} key:{from} 32",
                100_000.min(keys.parse::<u64>().unwrap_or(0) - from)
            ))
            .expect("a reply");
    }
    for load in ["disabled", "on-empty-db"] {
        let mut best = [(f64::MAX, f64::MAX); 2];
        for _ in 0..rounds {
            for (kind, best) in [Kind::Redis, Kind::Everwrite].into_iter().zip(&mut best) {
                let (wall, cpu) = attach(&master, kind, &keys, load);
                *best = (best.0.min(wall), best.1.min(cpu));
            }
        }
        let [redis, ours] = best;
        println!(
            "attach {keys} keys, repl-diskless-load {load}: redis {:.2} s ({:.2} s CPU), everwrite {:.2} s ({:.2} s CPU), ratio {:.2} ({:.2})",
            redis.0,
            redis.1,
            ours.0,
            ours.1,
            ours.0 / redis.0,
            ours.1 / redis.1
        );
    }
}
