//! How soon a server answers: pauses while it grows, its start, and what it burns when idle.

use crate::load::fill;
use crate::options::Options;
use crate::report::{Bar, Report, median};
use harness::{Kind, Server, process};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const INSERTED: usize = 20_000_000;
const STARTS: usize = 11;
const IDLE_CLIENTS: usize = 50;
const PING_EVERY: Duration = Duration::from_micros(500);

/// Measures what was asked for.
pub fn run(options: &Options, report: &mut Report) {
    if options.wants("pause") {
        let count = options.scaled(INSERTED);
        let name = format!("longest PING while {count} keys are inserted, ms");
        report.add_response(&name, pair(options, |s| pause_ms(&s, count)), Some(Bar::Ratio(0.2)));
    }
    if options.wants("start") {
        report.add_response("start to first PONG, ms", starts(options), Some(Bar::Ours(50.0)));
    }
    if options.wants("idle") {
        let window = Duration::from_secs(if options.quick { 2 } else { 10 });
        let name = format!("CPU with {IDLE_CLIENTS} idle clients, % of a core");
        report.add_response(&name, pair(options, |s| idle_percent(&s, window)), Some(Bar::Ours(0.5)));
    }
}

/// Medians over the rounds, Redis and ours in turns.
fn pair(options: &Options, figure: impl Fn(Server) -> f64) -> [f64; 2] {
    let rounds = options.rounds.min(3);
    let (theirs, ours): (Vec<f64>, Vec<f64>) = (0..rounds)
        .map(|_| (figure(options.start(Kind::Redis)), figure(options.start(Kind::Everwrite))))
        .unzip();
    [median(theirs), median(ours)]
}

/// The slowest of the pings that one client sends all the while another one inserts.
fn pause_ms(server: &Server, count: usize) -> f64 {
    let done = AtomicBool::new(false);
    let (mut writer, mut pinger) = (server.client(), server.client());
    let slowest = std::thread::scope(|scope| {
        let pings = scope.spawn(|| {
            let mut slowest = Duration::ZERO;
            while !done.load(Ordering::Relaxed) {
                let sent = Instant::now();
                pinger.cmd("PING").expect("PONG");
                slowest = slowest.max(sent.elapsed());
                std::thread::sleep(PING_EVERY);
            }
            slowest
        });
        fill(&mut writer, count, |i| vec!["SET".into(), format!("key:{i:012}"), format!("value:{i}")]);
        done.store(true, Ordering::Relaxed);
        pings.join().expect("the pinging thread")
    });
    slowest.as_secs_f64() * 1000.0
}

fn starts(options: &Options) -> [f64; 2] {
    let once = |kind| options.start(kind).ready_after().as_secs_f64() * 1000.0;
    let (theirs, ours): (Vec<f64>, Vec<f64>) =
        (0..STARTS).map(|_| (once(Kind::Redis), once(Kind::Everwrite))).unzip();
    [median(theirs), median(ours)]
}

fn idle_percent(server: &Server, window: Duration) -> f64 {
    let _clients: Vec<_> = (0..IDLE_CLIENTS).map(|_| server.client()).collect();
    std::thread::sleep(Duration::from_millis(500));
    let cpu = || process::cpu_nanos(server.pid()).expect("CPU time");
    let (began, before) = (Instant::now(), cpu());
    std::thread::sleep(window);
    (cpu() - before) as f64 / began.elapsed().as_nanos() as f64 * 100.0
}
