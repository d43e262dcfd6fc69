//! Filling a server, and putting load on it with `redis-benchmark`.

use harness::client::encode;
use harness::{Client, Server, process};
use std::process::Command;

/// Requests per write while filling.
const BATCH: usize = 1000;
/// Connections of a run.
const CONNECTIONS: &str = "50";

/// Sends `count` requests, pipelined; `request(i)` makes them.
pub fn fill(client: &mut Client, count: usize, request: impl Fn(usize) -> Vec<String>) {
    let mut wire = Vec::new();
    for first in (0..count).step_by(BATCH) {
        let batch = first..(first + BATCH).min(count);
        wire.clear();
        for i in batch.clone() {
            encode(&mut wire, &request(i));
        }
        client.send_raw(&wire).expect("the server takes the load");
        for i in batch {
            let reply = client.receive().expect("a reply to each request");
            assert!(!reply.is_error(), "{:?}: {reply}", request(i));
        }
    }
}

/// What one run showed.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Server CPU per operation, in nanoseconds.
    pub cpu_ns: f64,
    /// Operations per second.
    pub rate: f64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile of latency in milliseconds.
    pub p99_ms: f64,
}

/// Runs `command` (with `__rand_int__` replaced by numbers below `keys`) `count` times.
pub fn run(server: &Server, command: &[String], pipeline: usize, keys: usize, count: usize) -> Run {
    run_at(server, server.address().port(), &[], command, pipeline, keys, count)
}

/// [`run`] on another port of the server, with more options of redis-benchmark.
pub fn run_at(
    server: &Server,
    port: u16,
    more: &[&str],
    command: &[String],
    pipeline: usize,
    keys: usize,
    count: usize,
) -> Run {
    let before = process::cpu_nanos(server.pid()).expect("the server's CPU time");
    let output = Command::new("redis-benchmark")
        .args(["-p", &port.to_string(), "-c", CONNECTIONS, "-P", &pipeline.to_string()])
        .args(more)
        .args(["-r", &keys.to_string(), "-n", &count.to_string(), "--csv"])
        .args(command)
        .output()
        .expect("redis-benchmark runs");
    let after = process::cpu_nanos(server.pid()).expect("the server's CPU time");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let [rate, p50_ms, p99_ms] = figures(&text)
        .unwrap_or_else(|| panic!("redis-benchmark said: {text}{}", String::from_utf8_lossy(&output.stderr)));
    Run { cpu_ns: (after - before) as f64 / count as f64, rate, p50_ms, p99_ms }
}

/// From the CSV row "test","rps","avg","min","p50","p95","p99","max": rps, p50 and p99. Commands may contain commas, so
/// fields count from the right.
fn figures(csv: &str) -> Option<[f64; 3]> {
    let row = csv.lines().last()?;
    let fields: Vec<f64> = row.rsplit(',').take(7).map_while(|f| f.trim_matches('"').parse().ok()).collect();
    (fields.len() == 7).then(|| [fields[6], fields[3], fields[1]])
}
