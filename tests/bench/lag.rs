//! How long a write takes from one node to another: acknowledged here, visible there.
//!
//! `cargo run --release -p everwrite-tests --bin lag [ROUNDS]` prints percentiles, idle and under load, in milliseconds. A
//! second client asks the other node again and again until it sees the write, so a request's round trip is part of it.

use harness::mesh::{ACTIVE, SOON, info};
use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Writes a second of the load.
const LOAD: u64 = 50_000;
/// Writes that the load sends at once.
const BURST: u64 = 50;

fn main() {
    let rounds = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(3_000);
    let options = [&ACTIVE[..], &["--server-threads", "1"]].concat();
    let (a, b) =
        (Server::start_with(Kind::Everwrite, &options), Server::start_with(Kind::Everwrite, &options));
    let (mut here, mut there) = (a.client(), b.client());
    here.cmd(&format!("REPLICAOF 127.0.0.1 {}", b.address().port())).expect("an answer");
    wait_until("the link", SOON, || info(&mut here, "connected_slaves") == "1");
    report("idle", measure(&mut here, &mut there, rounds));
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU64::new(0));
    let load = {
        let (client, stop, sent) = (a.client(), stop.clone(), sent.clone());
        std::thread::spawn(move || flood(client, &stop, &sent))
    };
    let began = Instant::now();
    let times = measure(&mut here, &mut there, rounds);
    let rate = sent.load(Relaxed) as f64 / began.elapsed().as_secs_f64();
    report(&format!("{rate:.0} writes/s"), times);
    stop.store(true, Relaxed);
    load.join().expect("the load ends");
}

/// Writes that many times a second, in bursts.
fn flood(mut client: Client, stop: &AtomicBool, sent: &AtomicU64) {
    let every = Duration::from_secs(1) * BURST as u32 / LOAD as u32;
    let mut next = Instant::now();
    for n in 0.. {
        if stop.load(Relaxed) {
            return;
        }
        let requests: Vec<Vec<String>> = (0..BURST)
            .map(|i| vec!["SET".into(), format!("load:{}", (n * BURST + i) % 100_000), format!("{n:032}")])
            .collect();
        client.pipeline(&requests).expect("answers");
        sent.fetch_add(BURST, Relaxed);
        next += every;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn measure(here: &mut Client, there: &mut Client, rounds: u64) -> Vec<Duration> {
    let mut times = Vec::new();
    for n in 0..rounds {
        let value = format!("{n}");
        here.call(&["SET", "lag", &value]).expect("an answer");
        let acknowledged = Instant::now();
        let seen = Value::Bulk(value.into());
        while there.call(&["GET", "lag"]).expect("an answer") != seen {}
        times.push(acknowledged.elapsed());
        std::thread::sleep(Duration::from_millis(1));
    }
    times.sort_unstable();
    times
}

fn report(what: &str, times: Vec<Duration>) {
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
    println!(
        "{what:>18}: p50 {:.3}  p90 {:.3}  p99 {:.3}  max {:.3} ms",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}
