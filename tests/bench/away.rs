//! Nodes that cannot talk, and a node that comes with nothing.
//!
//! `partition`: two nodes are cut off from each other for a minute while one takes 100,000 writes a second and the other a tenth of
//! that; then the cut is healed. `fullsync`: a node joins another one that has five million keys, beside a replica of Redis with
//! the same data.

use crate::load::fill;
use crate::options::Options;
use crate::report::{Bar, Report, median};
use harness::mesh::{ACTIVE, Mesh, SOON, digest, info};
use harness::wait::wait_until;
use harness::{Client, Kind, Server, process};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const SECONDS: u64 = 60;
const RATE: u64 = 100_000;
/// Of the other node, so that both have something to give.
const OTHER_RATE: u64 = 10_000;
/// Writes that are sent at once.
const BURST: u64 = 200;
const KEYS: u64 = 200_000;
const MEMORY: &str = "256mb";
const MEMORY_BYTES: f64 = 256.0 * 1024.0 * 1024.0;
/// Nobody waits longer, whatever is under way.
const WRITE_BAR_MS: f64 = 10.0;
const SYNCED_KEYS: usize = 5_000_000;
const SYNC_BAR: f64 = 0.8;
const ASK_EVERY: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(600);

/// Measures what was asked for.
pub fn run(options: &Options, report: &mut Report) {
    if options.wants("partition") {
        partition(options, report);
    }
    if options.wants("fullsync") {
        full_sync(options, report);
    }
}

fn number(client: &mut Client, field: &str) -> f64 {
    info(client, field).parse().unwrap_or(f64::NAN)
}

/// The time that so many of a hundred were below, ms.
fn percentile(mut times: Vec<Duration>, of: f64) -> f64 {
    times.sort_unstable();
    times
        .get(((times.len().max(1) - 1) as f64 * of / 100.0) as usize)
        .map_or(f64::NAN, |t| t.as_secs_f64() * 1000.0)
}

/// Writes that many times a second for so long; how long each burst took.
fn write(mut client: Client, node: usize, rate: u64, length: Duration) -> (u64, Vec<Duration>) {
    let every = Duration::from_nanos(1_000_000_000 * BURST / rate);
    let (began, mut times) = (Instant::now(), Vec::new());
    let mut n = 0;
    while began.elapsed() < length {
        let requests: Vec<Vec<String>> = (n * BURST..(n + 1) * BURST).map(|i| request(node, i)).collect();
        let sent = Instant::now();
        let replies = client.pipeline(&requests).expect("answers");
        times.push(sent.elapsed());
        assert!(replies.iter().all(|reply| !reply.is_error()), "{:?}", replies.iter().find(|r| r.is_error()));
        n += 1;
        let next = began + every * n as u32;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    (n * BURST, times)
}

/// One in sixteen adds something to what both nodes add to; the others set keys that both set.
fn request(node: usize, i: u64) -> Vec<String> {
    let key = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % KEYS;
    match i % 16 {
        0 => vec!["SADD".into(), format!("set:{}", key % 100), format!("{node}:{i}")],
        1 => vec!["INCR".into(), format!("counter:{}", key % 100)],
        _ => vec!["SET".into(), format!("key:{key}"), format!("{node}:{i:060}")],
    }
}

fn partition(options: &Options, report: &mut Report) {
    let length = Duration::from_secs(if options.quick { SECONDS / 10 } else { SECONDS });
    let threads = options.server_threads.to_string();
    let mesh = Mesh::start_with(2, &["--server-threads", &threads, "--repl-memory-limit", MEMORY]);
    let (mut a, mut b) = (mesh.client(0), mesh.client(1));
    a.cmd("SET first 1").expect("an answer");
    mesh.wait_equal();
    mesh.cut(0, 1);
    mesh.wait_links(0, 0);
    let (mut log, mut spilled, mut resident) = (0f64, 0f64, 0f64);
    let [(count, times), (other, _)] = std::thread::scope(|scope| {
        let writers = [(0, RATE), (1, OTHER_RATE)].map(|(node, rate)| {
            let client = mesh.client(node);
            scope.spawn(move || write(client, node, rate, length))
        });
        while writers.iter().any(|writer| !writer.is_finished()) {
            log = log.max(number(&mut a, "mesh_log_bytes"));
            spilled = spilled.max(number(&mut a, "mesh_spilled_bytes"));
            resident =
                resident.max(process::resident_bytes(mesh.nodes[0].pid()).map_or(f64::NAN, |n| n as f64));
            std::thread::sleep(Duration::from_millis(200));
        }
        writers.map(|writer| writer.join().expect("a writer"))
    });
    let (began, healing) = (Instant::now(), Instant::now());
    mesh.heal();
    mesh.wait_linked();
    let linked = healing.elapsed();
    for client in [&mut a, &mut b] {
        wait_until("all that was missed", PATIENCE, || {
            client.cmd("WAIT 1 100").is_ok_and(|n| n.int() == Some(1))
        });
    }
    let healed = began.elapsed();
    println!(
        "{count} and {other} writes in {length:?}; links were back after {linked:.1?}, all was there after {healed:.1?}; \
the log took {:.0} MB, {:.0} MB on disk, the node {:.0} MB",
        log / 1e6,
        spilled / 1e6,
        resident / 1e6
    );
    assert_eq!(digest(&mut a), digest(&mut b), "both have the same");
    let sets = |client: &mut Client| -> i64 {
        (0..100).filter_map(|n| client.cmd(&format!("SCARD set:{n}")).ok()?.int()).sum()
    };
    let sum = |client: &mut Client| -> i64 {
        (0..100)
            .filter_map(|n| client.cmd(&format!("GET counter:{n}")).ok()?.text().parse::<i64>().ok())
            .sum()
    };
    let added = (count.div_ceil(16) + other.div_ceil(16)) as i64;
    assert_eq!((sets(&mut a), sum(&mut a)), (added, added), "every SADD and every INCR of both nodes counts");
    let mut full = 0.0;
    for client in [&mut a, &mut b] {
        full += number(client, "mesh_full_syncs_sent");
    }
    let seconds = length.as_secs_f64();
    let rate = count as f64 / seconds;
    report.add_response(
        "partition: writes/s, wanted and taken",
        [RATE as f64, rate],
        Some(Bar::RatioMin(0.98)),
    );
    report.add_response(
        "partition: memory of the log, MB",
        [MEMORY_BYTES / 1e6, log / 1e6],
        Some(Bar::Ratio(1.0)),
    );
    report.add_response(
        &format!("partition: p99 of {BURST} writes, ms"),
        [WRITE_BAR_MS, percentile(times, 99.0)],
        Some(Bar::Ratio(1.0)),
    );
    report.add_response(
        "partition: its length, and until all was everywhere, s",
        [seconds, healed.as_secs_f64()],
        Some(Bar::Ratio(1.0)),
    );
    report.add_response("partition: full syncs", [0.0, full], Some(Bar::Ours(0.0)));
}

/// Asks a server the same now and then until it is told to stop.
fn ask(mut client: Client, stop: &AtomicBool) -> Vec<Duration> {
    let mut times = Vec::new();
    while !stop.load(Relaxed) {
        let sent = Instant::now();
        client.cmd("GET key:000000000007").expect("an answer");
        times.push(sent.elapsed());
        std::thread::sleep(ASK_EVERY);
    }
    times
}

/// Seconds until a server that has nothing has all that this one has, and how long the source's clients waited, ms.
fn synced(options: &Options, source: &Server, keys: usize) -> (f64, f64) {
    let stop = AtomicBool::new(false);
    let ours = source.kind() == Kind::Everwrite;
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(source.client(), &stop));
        let new = match ours {
            true => options.start_with(Kind::Everwrite, &ACTIVE),
            false => options.start_with(Kind::Redis, &["--repl-diskless-load", "swapdb"]),
        };
        let mut client = new.client();
        let began = Instant::now();
        client.cmd(&format!("REPLICAOF 127.0.0.1 {}", source.address().port())).expect("an answer");
        wait_until("all data", PATIENCE, || match ours {
            true => info(&mut client, "mesh_full_syncs_received") == "1",
            false => info(&mut client, "master_link_status") == "up",
        });
        let took = began.elapsed().as_secs_f64();
        stop.store(true, Relaxed);
        wait_until("all keys", SOON, || client.cmd("DBSIZE").is_ok_and(|n| n.int() == Some(keys as i64)));
        (took, percentile(asking.join().expect("the asking thread"), 99.0))
    })
}

fn full_sync(options: &Options, report: &mut Report) {
    let keys = options.keys.unwrap_or(options.scaled(SYNCED_KEYS));
    let start = |kind: Kind| {
        let words: &[&str] = if kind == Kind::Redis { &["--repl-diskless-sync-delay", "0"] } else { &ACTIVE };
        let server = options.start_with(kind, words);
        fill(&mut server.client(), keys, |i| {
            vec!["SET".into(), format!("key:{i:012}"), format!("value:{i:026}")]
        });
        server
    };
    let (mut theirs, mut ours, mut waited) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds.min(3) {
        // A source of its own each time: a member that is gone would be waited for.
        theirs.push(synced(options, &start(Kind::Redis), keys).0);
        let (took, p99) = synced(options, &start(Kind::Everwrite), keys);
        ours.push(took);
        waited.push(p99);
    }
    let name = format!("{keys} keys are with a node that had nothing after, s");
    report.add_response(&name, [median(theirs), median(ours)], Some(Bar::Ratio(SYNC_BAR)));
    report.add_response(
        "the source's p99 meanwhile, ms",
        [WRITE_BAR_MS, median(waited)],
        Some(Bar::Ratio(1.0)),
    );
}
