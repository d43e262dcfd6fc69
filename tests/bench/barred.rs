//! What is measured with bars of its own: streams, a small script called by its digest, and TLS.

use crate::load::{self, run_at};
use crate::options::Options;
use crate::report::{Report, SpeedBar};
use crate::speed::{pairs, row, words};
use harness::{Kind, Server, server};
use std::path::Path;
use std::process::Command;

const KEYS: usize = 1000;
const DEPTHS: [usize; 2] = [1, 16];
/// A small script may take so much of what Redis takes for it.
const SCRIPT_BAR: f64 = 0.9;
const STREAM_BAR: f64 = 1.0;
const TLS_BAR: f64 = 1.0;

const STREAM_COMMANDS: [&str; 3] = [
    "XADD s:__rand_int__ * field __value__",
    "XRANGE s:000000000001 - + COUNT 10",
    "XREAD COUNT 10 STREAMS s:000000000001 0",
];

/// Measures what was asked for.
pub fn run(options: &Options, report: &mut Report) {
    streams(options, report);
    scripts(options, report);
    tls(options, report);
}

/// How many requests make a run.
fn requests(options: &Options, probe: load::Run, depth: usize) -> usize {
    ((probe.rate * options.run.as_secs_f64()) as usize).max(5_000) / depth * depth
}

fn compare(options: &Options, report: &mut Report, servers: [&Server; 2], command: &str, bar: SpeedBar) {
    let words = words(command);
    for depth in options.depths(&DEPTHS) {
        let count = requests(options, load::run(servers[0], &words, depth, KEYS, 5_000), depth);
        let pairs = pairs(options.rounds, servers, |server| load::run(server, &words, depth, KEYS, count));
        report.add_speed(row(command, depth, &pairs, Some(bar)));
    }
}

fn streams(options: &Options, report: &mut Report) {
    if !options.wants("streams") {
        return;
    }
    let (redis, ours) = (options.start(Kind::Redis), options.start(Kind::Everwrite));
    for command in STREAM_COMMANDS {
        compare(options, report, [&redis, &ours], command, SpeedBar::Cpu(STREAM_BAR));
    }
}

fn scripts(options: &Options, report: &mut Report) {
    if !options.wants("scripts") {
        return;
    }
    let (redis, ours) = (options.start(Kind::Redis), options.start(Kind::Everwrite));
    let mut digest = String::new();
    for server in [&redis, &ours] {
        let script = "return redis.call('INCR', KEYS[1])";
        digest = server.client().call(&["SCRIPT", "LOAD", script]).expect("a digest").text();
    }
    let command = format!("EVALSHA {digest} 1 n:__rand_int__");
    compare(options, report, [&redis, &ours], &command, SpeedBar::Cpu(SCRIPT_BAR));
}

/// Throughput through TLS.
fn tls(options: &Options, report: &mut Report) {
    if !options.wants("tls") {
        return;
    }
    let dir = server::fresh_dir("bench-tls");
    let (cert, key) = certificate(&dir);
    let start = |kind| {
        let port = server::free_address().port();
        let text = port.to_string();
        let tls = ["--tls-port", &text, "--tls-auth-clients", "no", "--tls-cert-file", &cert];
        let all = [&tls[..], &["--tls-key-file", &key, "--tls-ca-cert-file", &cert]].concat();
        (options.start_with(kind, &all), port)
    };
    let both = [start(Kind::Redis), start(Kind::Everwrite)];
    let port_of =
        |server: &Server| both.iter().find(|(one, _)| one.pid() == server.pid()).map_or(0, |(_, p)| *p);
    let tls_run = |server: &Server, words: &[String], depth, count| {
        run_at(server, port_of(server), &["--tls", "--insecure"], words, depth, KEYS, count)
    };
    for command in ["GET k:__rand_int__", "SET k:__rand_int__ __value__"] {
        let words = words(command);
        for depth in options.depths(&DEPTHS) {
            let count = requests(options, tls_run(&both[0].0, &words, depth, 5_000), depth);
            let pairs = pairs(options.rounds, [&both[0].0, &both[1].0], |server| {
                tls_run(server, &words, depth, count)
            });
            // What counts is one request at a time, where Redis's own overhead of TLS is the least.
            let bar = (depth == 1).then_some(SpeedBar::Rate(TLS_BAR));
            report.add_speed(row(&format!("TLS {command}"), depth, &pairs, bar));
        }
    }
}

/// A certificate that signs itself, and its key.
fn certificate(dir: &Path) -> (String, String) {
    let file = |name: &str| dir.join(name).display().to_string();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-keyout", &key, "-out", &cert])
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (cert, key)
}
