//! `maxmemory`: how well the victims are chosen, and how exactly the limit is held.

use crate::memory::used_memory;
use crate::options::Options;
use crate::report::{Bar, Report};
use harness::random::Rng;
use harness::{Client, Kind, Server};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Keys of the trace, and how many of them there is room for.
const TRACED: usize = 200_000;
const ROOM: usize = 20_000;
/// Requests: the first half only warms up.
const REQUESTS: usize = 1_000_000;
/// How skewed the trace is.
const EXPONENT: f64 = 0.9;
const BATCH: usize = 50;
/// The pace.
const EACH: Duration = Duration::from_micros(20);
const VALUE: &str = "0123456789012345678901234567890123456789012345678901234567890123456789";

const POLICIES: [&str; 7] = [
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
];

/// The limit that a flood of writes runs into, bytes, and how long it goes on.
const LIMIT: u64 = 100 << 20;
const FLOOD: Duration = Duration::from_secs(6);
const WRITERS: u64 = 4;

/// Measures what was asked for.
pub fn run(options: &Options, report: &mut Report) {
    if options.wants("eviction") {
        for policy in POLICIES {
            let [theirs, ours] = [Kind::Redis, Kind::Everwrite].map(|kind| hit_rate(options, kind, policy));
            let name = format!("{policy}: hits of a Zipf trace, room for the same number of keys, %");
            report.add_response(&name, [theirs.0, ours.0], Some(Bar::RatioMin(1.0)));
            report.add_response(&format!("{policy}: keys held at the end"), [theirs.1, ours.1], None);
        }
    }
    if options.wants("maxmemory") {
        let [theirs, ours] = [Kind::Redis, Kind::Everwrite].map(|kind| flood(options, kind));
        report.add_response(
            "farthest above maxmemory under a flood of writes, %",
            [theirs.0, ours.0],
            Some(Bar::Ours(2.0)),
        );
        report.add_response("farthest below, %", [theirs.1, ours.1], Some(Bar::Ours(2.0)));
    }
}

/// Percent of GETs that hit, and how many keys there are at the end. A miss is followed by a SET, as caches are used. Both
/// servers get room for the same number of keys, so that a smaller entry is no advantage: what is compared is the
/// choice of victims.
fn hit_rate(options: &Options, kind: Kind, policy: &str) -> (f64, f64) {
    let volatile = policy.starts_with("volatile");
    let limit = memory_for(options, kind, volatile).to_string();
    let server = options.start_with(kind, &["--maxmemory-policy", policy, "--maxmemory", &limit]);
    let mut client = server.client();
    let mut rng = Rng::new(20);
    let zipf = Zipf::new(TRACED);
    let requests = options.scaled(REQUESTS);
    let mut hits = 0;
    let began = Instant::now();
    for done in (0..requests).step_by(BATCH) {
        // The clock of LRU has steps of a second: both servers are to live through as many.
        std::thread::sleep((began + EACH * done as u32).saturating_duration_since(Instant::now()));
        let keys: Vec<usize> = (0..BATCH).map(|_| zipf.draw(&mut rng)).collect();
        let gets: Vec<Vec<String>> = keys.iter().map(|key| vec!["GET".into(), name(*key)]).collect();
        let replies = client.pipeline(&gets).expect("replies");
        let missed: Vec<Vec<String>> = keys
            .iter()
            .zip(&replies)
            .filter(|(_, reply)| reply.text() != VALUE)
            .map(|(key, _)| set(*key, volatile))
            .collect();
        if done >= requests / 2 {
            hits += BATCH - missed.len();
        }
        client.pipeline(&missed).expect("replies");
    }
    let held = client.cmd("DBSIZE").expect("DBSIZE").int().expect("a number");
    (hits as f64 / (requests / 2) as f64 * 100.0, held as f64)
}

/// The limit within which a server holds [`ROOM`] keys, bytes: what it needs for as many, corrected by how many it
/// keeps of more.
fn memory_for(options: &Options, kind: Kind, volatile: bool) -> u64 {
    let server = options.start_with(kind, &["--maxmemory-policy", "allkeys-random"]);
    let mut client = server.client();
    let write = |client: &mut Client, keys: std::ops::Range<usize>| {
        let requests: Vec<Vec<String>> = keys.map(|i| set(1_000_000 + i, volatile)).collect();
        requests.chunks(1000).for_each(|batch| drop(client.pipeline(batch).expect("replies")));
        used_memory(client)
    };
    let empty = used_memory(&mut client);
    let limit = write(&mut client, 0..ROOM);
    client.cmd(&format!("CONFIG SET maxmemory {limit}")).expect("CONFIG SET");
    write(&mut client, ROOM..ROOM * 4);
    let held = client.cmd("DBSIZE").expect("DBSIZE").int().expect("a number");
    limit.saturating_add_signed((ROOM as i64 - held) * (limit - empty) as i64 / ROOM as i64)
}

fn name(key: usize) -> String {
    format!("key:{key:012}")
}

/// With a time to live if only such keys may go: the longer, the more often the key is asked for.
fn set(key: usize, volatile: bool) -> Vec<String> {
    let mut request = vec!["SET".into(), name(key), VALUE.into()];
    if volatile {
        request.extend(["EX".into(), (10_000_000 - key).to_string()]);
    }
    request
}

/// Numbers whose frequency falls with their rank.
struct Zipf {
    /// Sums of the weights up to each rank.
    sums: Vec<f64>,
}

impl Zipf {
    fn new(count: usize) -> Zipf {
        let mut sum = 0.0;
        let weights = (1..=count).map(|rank| (rank as f64).powf(-EXPONENT));
        Zipf {
            sums: weights
                .map(|weight| {
                    sum += weight;
                    sum
                })
                .collect(),
        }
    }

    fn draw(&self, rng: &mut Rng) -> usize {
        let total = self.sums.last().copied().unwrap_or(0.0);
        let at = rng.bits() as f64 / u64::MAX as f64 * total;
        self.sums.partition_point(|sum| *sum < at).min(self.sums.len() - 1)
    }
}

/// How far used_memory gets from the limit while clients write as fast as they can, percent: above, and below once the
/// limit has been reached.
fn flood(options: &Options, kind: Kind) -> (f64, f64) {
    let limit = LIMIT.to_string();
    let server = options.start_with(kind, &["--maxmemory", &limit, "--maxmemory-policy", "allkeys-lru"]);
    let mut watcher = server.client();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (server, done) = (&server, &done);
            scope.spawn(move || write(server, writer, done));
        }
        let (mut most, mut least, mut full) = (0, u64::MAX, false);
        let began = Instant::now();
        while began.elapsed() < FLOOD {
            let used = used_memory(&mut watcher);
            full |= used >= LIMIT / 1000 * 999;
            most = most.max(used);
            least = if full { least.min(used) } else { least };
            std::thread::sleep(Duration::from_millis(2));
        }
        done.store(true, Ordering::Relaxed);
        assert!(full, "the limit was never reached");
        let percent = |bytes: u64, of: u64| bytes.saturating_sub(of) as f64 / LIMIT as f64 * 100.0;
        (percent(most, LIMIT), percent(LIMIT, least))
    })
}

/// Values of 10 to 2000 bytes under random keys, 100 at a time.
fn write(server: &Server, seed: u64, done: &AtomicBool) {
    let (mut client, mut rng): (Client, Rng) = (server.client(), Rng::new(seed));
    let text = "v".repeat(2_000);
    while !done.load(Ordering::Relaxed) {
        let requests: Vec<Vec<String>> = (0..100)
            .map(|_| {
                let length = 10 + rng.below(1990);
                vec!["SET".into(), name(rng.below(10_000_000)), text[..length].into()]
            })
            .collect();
        client.pipeline(&requests).expect("replies");
    }
}
