//! Files: what the append-only file costs, how long saving and loading takes, and what clients and memory notice of it.

use crate::load::{self, Run, fill};
use crate::options::Options;
use crate::report::{Bar, Report, median};
use crate::speed::words;
use harness::wait::{wait_for, wait_until};
use harness::{Client, Kind, Server, process};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Keys that are saved and loaded; another number with `--keys`.
const KEYS: usize = 5_000_000;
const RANDOM_KEYS: usize = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(600);
const PING_EVERY: Duration = Duration::from_micros(500);
/// Microseconds per key: a save takes longer then than to overwrite everything.
const SAVE_DELAY: u32 = 12;

const NO_LOG: &[&str] = &["--appendonly", "no"];
const EVERYSEC: &[&str] =
    &["--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"];
const ALWAYS: &[&str] =
    &["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"];
const COMMANDS: &[&str] =
    &["--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--auto-aof-rewrite-percentage", "0"];

/// Measures what was asked for.
pub fn run(options: &Options, report: &mut Report) {
    if options.wants("aof") {
        for depth in options.depths(&[1, 16]) {
            everysec(options, report, depth);
        }
        always(options, report);
        let took = both(|kind| loading(options, kind, COMMANDS, "log"));
        report.add_response(
            &named(options, "of an append-only file are loaded after, s"),
            took,
            Some(Bar::Ratio(0.5)),
        );
    }
    if options.wants("rdb") {
        saving(options, report);
        let took = both(|kind| loading(options, kind, NO_LOG, "rdb"));
        report.add_response(
            &named(options, "of an RDB file are loaded after, s"),
            took,
            Some(Bar::Ratio(0.5)),
        );
        let grown = both(|kind| grown(options, kind));
        let name = "memory taken more while all is overwritten during BGSAVE, as a part";
        report.add_response(name, grown, Some(Bar::Ours(0.1)));
    }
}

fn both(of: impl Fn(Kind) -> f64) -> [f64; 2] {
    [Kind::Redis, Kind::Everwrite].map(of)
}

fn keys(options: &Options) -> usize {
    options.keys.unwrap_or(options.scaled(KEYS))
}

fn named(options: &Options, what: &str) -> String {
    format!("{} keys {what}", keys(options))
}

/// What SET takes with a log that is synchronised every second, over what it takes without.
fn everysec(options: &Options, report: &mut Report, depth: usize) {
    let command = words("SET key:__rand_int__ __value__");
    let count = if depth == 1 { options.scaled(200_000) } else { options.scaled(2_000_000) };
    let surcharge = |kind| {
        let servers = [NO_LOG, EVERYSEC].map(|log| options.start_with(kind, log));
        let pair = |_| [0, 1].map(|at| load::run(&servers[at], &command, depth, RANDOM_KEYS, count));
        let pairs: Vec<[Run; 2]> = (0..options.rounds).map(pair).collect();
        let ratio = |of: fn(&Run) -> f64| median(pairs.iter().map(|[off, on]| of(on) / of(off)).collect());
        [ratio(|run| run.cpu_ns), ratio(|run| run.rate)]
    };
    let [theirs, ours] = [Kind::Redis, Kind::Everwrite].map(surcharge);
    let name = format!("CPU of a SET at depth {depth} with everysec, as a multiple of that without a log");
    report.add_response(&name, [theirs[0], ours[0]], None);
    let name = format!("the same for its throughput, depth {depth}");
    report.add_response(&name, [theirs[1], ours[1]], Some(Bar::OursMin(0.9)));
}

fn always(options: &Options, report: &mut Report) {
    let command = words("SET key:__rand_int__ __value__");
    let servers = [Kind::Redis, Kind::Everwrite].map(|kind| options.start_with(kind, ALWAYS));
    let once = |server: &Server| load::run(server, &command, 1, RANDOM_KEYS, options.scaled(20_000)).rate;
    let rounds: Vec<[f64; 2]> = (0..options.rounds).map(|_| [once(&servers[0]), once(&servers[1])]).collect();
    let of = |at: usize| median(rounds.iter().map(|round| round[at]).collect());
    report.add_response("SETs per second with always, 50 clients", [of(0), of(1)], Some(Bar::RatioMin(1.5)));
}

fn populate(server: &Server, keys: usize) {
    fill(&mut server.client(), keys, |i| {
        vec!["SET".into(), format!("key:{i:012}"), format!("value:{i:026}")]
    });
}

/// Seconds from the execution of a server to its first answer with all data.
fn loading(options: &Options, kind: Kind, log: &[&str], what: &str) -> f64 {
    let keys = keys(options);
    let mut server = options.start_with(kind, log);
    populate(&server, keys);
    if what == "rdb" {
        save(&mut server.client(), "SAVE");
    }
    let once = |_| {
        server.terminate();
        let began = Instant::now();
        server.launch_again();
        let size =
            || Client::connect(server.address()).and_then(|mut client| client.cmd("DBSIZE")).ok()?.int();
        let size = wait_for(PATIENCE, size).expect("the data are loaded");
        assert_eq!(size, keys as i64);
        began.elapsed().as_secs_f64()
    };
    median((0..options.rounds.min(3)).map(once).collect())
}

/// Seconds until all is saved.
fn save(client: &mut Client, how: &str) -> f64 {
    let began = Instant::now();
    client.stream().set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    assert!(!client.cmd(how).expect("a reply").is_error());
    wait_until("the save ends", PATIENCE, || {
        client.cmd("INFO persistence").is_ok_and(|text| text.text().contains("rdb_bgsave_in_progress:0"))
    });
    began.elapsed().as_secs_f64()
}

fn saving(options: &Options, report: &mut Report) {
    let servers = [Kind::Redis, Kind::Everwrite].map(|kind| options.start(kind));
    servers.iter().for_each(|server| populate(server, keys(options)));
    for how in ["SAVE", "BGSAVE"] {
        let rounds: Vec<[f64; 2]> = (0..options.rounds.min(3))
            .map(|_| [0, 1].map(|at: usize| save(&mut servers[at].client(), how)))
            .collect();
        let of = |at: usize| median(rounds.iter().map(|round| round[at]).collect());
        let name = named(options, &format!("are saved by {how} after, s"));
        report.add_response(&name, [of(0), of(1)], Some(Bar::Ratio(0.5)));
    }
    let size = |server: &Server| {
        std::fs::metadata(server.dir().join("dump.rdb")).expect("a file").len() as f64 / 1e6
    };
    report.add_response("the file, MB", [size(&servers[0]), size(&servers[1])], Some(Bar::Ratio(1.02)));
    let [theirs, ours] = [&servers[0], &servers[1]].map(noticed);
    report.add_response("p99 of a SET, ms", [theirs[0], ours[0]], None);
    report.add_response("the same during BGSAVE", [theirs[1], ours[1]], Some(Bar::Ours(ours[0] + 2.0)));
}

/// The 99th percentile of SETs, one after the other: without a save, and during one. In ms.
fn noticed(server: &Server) -> [f64; 2] {
    let quiet = {
        let end = Instant::now() + Duration::from_secs(3);
        percentile(server, || Instant::now() < end)
    };
    let over = AtomicBool::new(false);
    let during = std::thread::scope(|scope| {
        let pings = scope.spawn(|| percentile(server, || !over.load(Relaxed)));
        save(&mut server.client(), "BGSAVE");
        over.store(true, Relaxed);
        pings.join().expect("the pinging thread")
    });
    [quiet, during]
}

fn percentile(server: &Server, goes_on: impl Fn() -> bool) -> f64 {
    let (mut client, mut all) = (server.client(), Vec::new());
    while goes_on() {
        let (sent, number) = (Instant::now(), all.len() * 7919);
        client.cmd(&format!("SET key:{number:012} value")).expect("OK");
        all.push(sent.elapsed().as_secs_f64() * 1000.0);
        std::thread::sleep(PING_EVERY);
    }
    all.sort_by(f64::total_cmp);
    all[all.len() * 99 / 100]
}

/// By how much a server's memory grows while all its keys are overwritten during BGSAVE, as a part of what it was. Of Redis:
/// what its child and it no longer share.
fn grown(options: &Options, kind: Kind) -> f64 {
    let keys = keys(options);
    let server = options.start(kind);
    let mut client = server.client();
    populate(&server, keys);
    let resident = || process::resident_bytes(server.pid()).expect("a size") as f64;
    let before = resident();
    client.cmd(&format!("CONFIG SET rdb-key-save-delay {SAVE_DELAY}")).expect("OK");
    client.cmd("BGSAVE").expect("OK");
    let over = AtomicBool::new(false);
    let peak = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = before;
            while !over.load(Relaxed) {
                peak = peak.max(resident());
                std::thread::sleep(Duration::from_millis(5));
            }
            peak
        });
        populate(&server, keys);
        over.store(true, Relaxed);
        watch.join().expect("the watching thread")
    });
    client.cmd("CONFIG SET rdb-key-save-delay 0").expect("OK");
    wait_until("the save ends", PATIENCE, || {
        client.cmd("INFO persistence").is_ok_and(|text| text.text().contains("rdb_bgsave_in_progress:0"))
    });
    let info = client.cmd("INFO persistence").expect("a reply").text();
    let copied =
        info.lines().find_map(|line| line.strip_prefix("rdb_last_cow_size:")?.trim().parse::<f64>().ok());
    match kind {
        Kind::Redis => copied.unwrap_or(f64::NAN) / before,
        Kind::Everwrite => (peak - before) / before,
    }
}
