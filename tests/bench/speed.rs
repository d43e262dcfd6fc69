//! CPU per operation, throughput and latency of single commands.

use crate::load::{self, Run, fill};
use crate::options::Options;
use crate::report::{Report, Row, SpeedBar, median};
use harness::{Client, Kind, Server};

/// Keys, members and fields are drawn from this many.
const KEYS: usize = 1_000_000;
const VALUE_BYTES: usize = 64;

/// A command, what must be there before it, and how cheap it must be.
struct Workload {
    name: &'static str,
    /// The request; `__rand_int__` is a random number, `__value__` 64 bytes.
    command: &'static str,
    depths: &'static [usize],
    /// What one of the [`KEYS`] elements needs beforehand; `__i__` is its number.
    before: &'static str,
    /// A key that must not grow from run to run.
    dropped: &'static str,
}

const STRING: &str = "SET key:__i__ __value__";

const WORKLOADS: [Workload; 9] = [
    Workload {
        name: "get",
        command: "GET key:__rand_int__",
        depths: &[1, 16, 64],
        before: STRING,
        dropped: "",
    },
    Workload {
        name: "set",
        command: "SET key:__rand_int__ __value__",
        depths: &[1, 16, 64],
        before: STRING,
        dropped: "",
    },
    Workload { name: "incr", command: "INCR counter:__rand_int__", depths: &[16], before: "", dropped: "" },
    Workload {
        name: "lpush",
        command: "LPUSH mylist __value__",
        depths: &[16],
        before: "",
        dropped: "mylist",
    },
    Workload {
        name: "hset",
        command: "HSET myhash element:__rand_int__ __value__",
        depths: &[16],
        before: "",
        dropped: "",
    },
    Workload {
        name: "sadd",
        command: "SADD myset element:__rand_int__",
        depths: &[16],
        before: "",
        dropped: "",
    },
    Workload {
        name: "zadd",
        command: "ZADD myzset __rand_int__ element:__rand_int__",
        depths: &[16],
        before: "ZADD myzset __i__ element:__i__",
        dropped: "",
    },
    Workload { name: "mget", command: "MGET{ key:__rand_int__}", depths: &[16], before: STRING, dropped: "" },
    Workload {
        name: "mset",
        command: "MSET{ key:__rand_int__ __value__}",
        depths: &[16],
        before: STRING,
        dropped: "",
    },
];

/// The most that ours may use, as a ratio of Redis's CPU per operation.
fn cpu_bar(name: &str, depth: usize) -> f64 {
    match (name, depth) {
        ("get" | "set", 1) => 0.8,
        ("get" | "set", 16) => 0.45,
        ("get" | "set", _) => 0.35,
        _ => 0.6,
    }
}

/// With several workers: the depths that are looked at.
const THREADED_DEPTHS: [usize; 2] = [1, 16];

/// Measures what was asked for.
pub fn run(options: &Options, report: &mut Report) {
    for workload in WORKLOADS.iter().filter(|w| options.wants(w.name)) {
        for depth in options.depths(workload.depths) {
            if options.server_threads == 1 || THREADED_DEPTHS.contains(&depth) {
                let pairs = measure(options, workload, depth);
                let bar = match (options.server_threads, depth) {
                    (1, _) => SpeedBar::Cpu(cpu_bar(workload.name, depth)),
                    (_, 1) => SpeedBar::Rate(1.0),
                    _ => SpeedBar::Rate(1.5),
                };
                report.add_speed(row(workload.name, depth, &pairs, Some(bar)));
            }
        }
    }
}

fn measure(options: &Options, workload: &Workload, depth: usize) -> Vec<(Run, Run)> {
    let keys = options.scaled(KEYS);
    let (redis, ours) = (options.start(Kind::Redis), options.start(Kind::Everwrite));
    for server in [&redis, &ours] {
        prepare(&mut server.client(), workload, keys);
    }
    let command = words(workload.command);
    let probe = load::run(&redis, &command, depth, keys, 50_000);
    let count = ((probe.rate * options.run.as_secs_f64()) as usize).max(50_000) / depth * depth;
    let once = |server: &Server| {
        if !workload.dropped.is_empty() {
            server.client().cmd(&format!("UNLINK {}", workload.dropped)).expect("UNLINK");
        }
        load::run(server, &command, depth, keys, count)
    };
    pairs(options.rounds, [&redis, &ours], once)
}

/// Runs on both servers, in turns.
pub fn pairs(rounds: usize, [redis, ours]: [&Server; 2], once: impl Fn(&Server) -> Run) -> Vec<(Run, Run)> {
    // Redis first, then ours first, and so on: a drift of the machine hits both alike.
    let pair = |round| {
        if round % 2 == 0 {
            (once(redis), once(ours))
        } else {
            let ours = once(ours);
            (once(redis), ours)
        }
    };
    (0..rounds).map(pair).collect()
}

fn prepare(client: &mut Client, workload: &Workload, keys: usize) {
    if workload.before.is_empty() {
        return;
    }
    fill(client, keys, |i| {
        let request = workload.before.replace("__i__", &format!("{i:012}"));
        words(&request)
    });
}

/// The words of a request; `{...}` stands for itself ten times, `__value__` for 64 bytes.
pub fn words(request: &str) -> Vec<String> {
    let request = match request.split_once('{') {
        Some((head, tail)) => format!("{head}{}", tail.trim_end_matches('}').repeat(10)),
        None => request.to_owned(),
    };
    request.replace("__value__", &"x".repeat(VALUE_BYTES)).split(' ').map(str::to_owned).collect()
}

/// Medians of pairs of runs.
pub fn row(name: &str, depth: usize, pairs: &[(Run, Run)], bar: Option<SpeedBar>) -> Row {
    let both = |figure: fn(&Run) -> f64| {
        let (theirs, ours): (Vec<f64>, Vec<f64>) = pairs.iter().map(|(r, o)| (figure(r), figure(o))).unzip();
        let ratios = theirs.iter().zip(&ours).map(|(r, o)| o / r).collect();
        [median(theirs), median(ours), median(ratios)]
    };
    Row {
        name: name.to_uppercase(),
        depth,
        cpu_ns: both(|r| r.cpu_ns),
        rate: both(|r| r.rate),
        p50_ms: both(|r| r.p50_ms),
        p99_ms: both(|r| r.p99_ms),
        bar,
    }
}
