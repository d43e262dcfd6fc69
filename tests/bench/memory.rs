//! Bytes per element: what a million of something costs.

use crate::load::fill;
use crate::options::Options;
use crate::report::{MemoryRow, Report};
use harness::wait::wait_for;
use harness::{Client, Kind, Server, process};
use std::time::Duration;

const ELEMENTS: usize = 1_000_000;
const FIELDS: usize = 100;

/// A kind of data and the most that ours may need of it, as a ratio of Redis's bytes.
struct Shape {
    name: &'static str,
    bar: f64,
    /// The request that adds some of [`ELEMENTS`].
    request: fn(usize) -> Vec<String>,
    /// How many elements each request adds.
    per_request: usize,
}

const SHAPES: [Shape; 10] = [
    Shape { name: "string, 16-byte value", bar: 0.7, request: |i| set(i, 16), per_request: 1 },
    Shape { name: "string, 32-byte value", bar: 0.7, request: |i| set(i, 32), per_request: 1 },
    Shape { name: "string, 16-byte value, with TTL", bar: 0.6, request: set_with_ttl, per_request: 1 },
    Shape {
        name: "member of one set of integers",
        bar: 0.6,
        request: |i| words(format!("SADD s {i}")),
        per_request: 1,
    },
    Shape {
        name: "member of one sorted set",
        bar: 0.85,
        request: |i| words(format!("ZADD z {i} member:{i:09}")),
        per_request: 1,
    },
    Shape { name: "field of hashes of 100", bar: 1.0, request: small_hash, per_request: FIELDS },
    Shape {
        name: "field of one large hash",
        bar: 1.0,
        request: |i| words(format!("HSET h field:{i:010} value:{i:010}")),
        per_request: 1,
    },
    Shape { name: "element of lists of 100", bar: 1.0, request: small_list, per_request: FIELDS },
    Shape {
        name: "entry of one stream, two fields",
        bar: 1.0,
        request: |i| words(format!("XADD x {}-1 temperature {i:08} humidity {i:08}", i + 1)),
        per_request: 1,
    },
    Shape {
        name: "element of one list",
        bar: 1.0,
        request: |i| words(format!("RPUSH l element:{i:08}")),
        per_request: 1,
    },
];

fn words(line: String) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// Values differ and are no numbers, so that neither server can share or shorten them.
fn set(i: usize, bytes: usize) -> Vec<String> {
    words(format!("SET key:{i:012} v{i:0width$}", width = bytes - 1))
}

fn set_with_ttl(i: usize) -> Vec<String> {
    let mut request = set(i, 16);
    request.extend(["EX".to_owned(), (100_000 + i).to_string()]);
    request
}

fn small_hash(i: usize) -> Vec<String> {
    let fields = (0..FIELDS).flat_map(|f| [format!("field:{f:03}"), format!("value:{:08}", i * FIELDS + f)]);
    ["HSET".to_owned(), format!("hash:{i:08}")].into_iter().chain(fields).collect()
}

fn small_list(i: usize) -> Vec<String> {
    let elements = (0..FIELDS).map(|f| format!("element:{:08}", i * FIELDS + f));
    ["RPUSH".to_owned(), format!("list:{i:08}")].into_iter().chain(elements).collect()
}

/// Measures every shape on fresh servers.
pub fn run(options: &Options, report: &mut Report) {
    if !options.wants("memory") {
        return;
    }
    for shape in &SHAPES {
        let redis = measure(&options.start(Kind::Redis), shape, options.scaled(ELEMENTS));
        let ours = measure(&options.start(Kind::Everwrite), shape, options.scaled(ELEMENTS));
        report.add_memory(MemoryRow {
            name: shape.name,
            used: [redis.used, ours.used],
            resident: [redis.resident, ours.resident],
            bar: shape.bar,
        });
    }
}

/// Bytes per element, as the server counts them and as the kernel does.
struct Bytes {
    used: f64,
    resident: f64,
}

fn measure(server: &Server, shape: &Shape, elements: usize) -> Bytes {
    let mut client = server.client();
    let before = snapshot(server, &mut client);
    fill(&mut client, elements / shape.per_request, shape.request);
    let after = snapshot(server, &mut client);
    let each = |before: u64, after: u64| (after as f64 - before as f64) / elements as f64;
    Bytes { used: each(before.0, after.0), resident: each(before.1, after.1) }
}

/// used_memory and resident bytes, once the server has come to rest: Redis moves entries to a new table while it is idle.
fn snapshot(server: &Server, client: &mut Client) -> (u64, u64) {
    let mut last = (0, 0);
    wait_for(Duration::from_secs(10), || {
        let now = (used_memory(client), process::resident_bytes(server.pid()).expect("resident bytes"));
        let calm = now == last;
        last = now;
        std::thread::sleep(Duration::from_millis(250));
        calm.then_some(())
    });
    last
}

pub fn used_memory(client: &mut Client) -> u64 {
    let info = client.cmd("INFO memory").expect("INFO memory").text();
    let field = info.lines().find_map(|l| l.strip_prefix("used_memory:"));
    field.and_then(|f| f.trim().parse().ok()).unwrap_or(0)
}
