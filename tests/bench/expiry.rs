//! A million keys that expire in the same instant: how soon they are gone, and what other clients notice of it.

use crate::load::fill;
use crate::options::Options;
use crate::report::{Bar, Report};
use harness::{Client, Kind, Server};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const KEYS: usize = 1_000_000;
/// The part that must be gone for the clock to stop, percent.
const GONE: usize = 99;
/// The longest that is waited for that.
const PATIENCE: Duration = Duration::from_secs(60);
const PING_EVERY: Duration = Duration::from_micros(300);
/// Pings between two looks at how many keys are left.
const PINGS_PER_LOOK: usize = 16;

/// Measures what was asked for.
pub fn run(options: &Options, report: &mut Report) {
    if !options.wants("expiry") {
        return;
    }
    let keys = options.scaled(KEYS);
    let [theirs, ours] =
        [Kind::Redis, Kind::Everwrite].map(|kind| measure(&options.start_with(kind, &["--hz", "10"]), keys));
    let name = format!("{GONE} % of {keys} keys that expire at once are gone after, s");
    report.add_response(&name, [theirs.seconds, ours.seconds], Some(Bar::Ours(2.0)));
    report.add_response("p99 of PING meanwhile, ms", [theirs.p99_ms, ours.p99_ms], Some(Bar::Ours(5.0)));
    report.add_response("longest PING meanwhile, ms", [theirs.max_ms, ours.max_ms], None);
}

struct Wave {
    seconds: f64,
    p99_ms: f64,
    max_ms: f64,
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

fn measure(server: &Server, keys: usize) -> Wave {
    let (mut client, mut pinger) = (server.client(), server.client());
    // Late enough for all to be there by then, whatever the machine is doing.
    let deadline = unix_ms() + 5_000 + keys as u64 / 50;
    fill(&mut client, keys, |i| {
        ["SET", &format!("key:{i:012}"), "a value", "PXAT", &deadline.to_string()].map(str::to_owned).to_vec()
    });
    let left = |client: &mut Client| client.cmd("DBSIZE").expect("DBSIZE").int().expect("a number") as usize;
    assert_eq!(left(&mut client), keys, "all keys are there before the deadline");
    std::thread::sleep(Duration::from_millis(deadline.saturating_sub(unix_ms())));
    let (began, mut pings) = (Instant::now(), Vec::new());
    while left(&mut client) > keys / 100 * (100 - GONE) && began.elapsed() < PATIENCE {
        for _ in 0..PINGS_PER_LOOK {
            let sent = Instant::now();
            pinger.cmd("PING").expect("PONG");
            pings.push(sent.elapsed().as_secs_f64() * 1000.0);
            std::thread::sleep(PING_EVERY);
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    pings.sort_by(f64::total_cmp);
    let at =
        |part: f64| pings.get((pings.len() as f64 * part) as usize).or(pings.last()).copied().unwrap_or(0.0);
    Wave { seconds, p99_ms: at(0.99), max_ms: at(1.0) }
}
