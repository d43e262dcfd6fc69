//! What the commands on strings cost inside the engine, parsing and sockets excluded.
//!
//! `cargo run -p everwrite-engine --profile fast --example strings_timing -- [keys] [commands] [name]`: nanoseconds per
//! command on random keys, the best of five rounds. Few keys show the instructions, many the memory.

use std::hint::black_box;
use std::time::Instant;

use engine::commands::{Run, rows};
use engine::ctx::Ctx;
use engine::keyspace::Keyspace;
use protocol::{Args, Reply, Span};

const ROUNDS: usize = 5;
const KEY_LEN: usize = 16;

fn run_of(name: &str) -> Run {
    rows().find(|row| row.name == name).expect("a command of the engine").run
}

/// Requests laid out as they arrive: name, key, further arguments.
struct Requests {
    buf: Vec<u8>,
    spans: Vec<Span>,
    words: usize,
}

impl Requests {
    fn new(name: &str, keys: usize, count: usize, rest: &[&[u8]]) -> Requests {
        let (mut buf, mut spans, mut x) = (Vec::new(), Vec::new(), 88172645463325252u64);
        for _ in 0..count {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            let key = format!("key:{:012}", x as usize % keys);
            assert_eq!(key.len(), KEY_LEN);
            for word in [name.as_bytes(), key.as_bytes()].iter().chain(rest) {
                spans.push(Span::new(buf.len(), word.len()));
                buf.extend_from_slice(word);
            }
        }
        Requests { buf, spans, words: 2 + rest.len() }
    }

    fn each(&self) -> impl Iterator<Item = Args<'_>> {
        self.spans.chunks(self.words).map(|spans| Args::new(&self.buf, spans))
    }
}

/// Nanoseconds per request.
fn time(ctx: &mut Ctx<'_>, requests: &Requests, name: &str) -> f64 {
    let run = run_of(name);
    let mut out = Reply::new(false);
    let begin = Instant::now();
    let mut count = 0;
    for args in requests.each() {
        ctx.begin();
        ctx.locks.hold_one(ctx.keyspace.shard_of(ctx.keyspace.hash(args.at(1))));
        run(ctx, args, &mut out).expect("the timed commands succeed");
        count += 1;
        if out.buf.len() > 16 << 10 {
            black_box(&out.buf);
            out.buf.clear();
        }
    }
    ctx.locks.release();
    begin.elapsed().as_nanos() as f64 / f64::from(count)
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|a| a.parse::<usize>().ok());
    let keys = numbers.next().unwrap_or(1_000_000);
    let count = numbers.next().unwrap_or(1_000_000);
    let only = std::env::args().nth(3).unwrap_or_default();
    let keyspace = Keyspace::new(16, 2);
    let mut ctx = Ctx::new(&keyspace, 1);
    ctx.env.tick(1_700_000_000_000);
    let (v32, v64, big) = ([b'v'; 32], [b'w'; 64], [b'x'; 4096]);
    let shapes: [(&str, &str, &[&[u8]]); 10] = [
        ("SET 32 bytes", "SET", &[&v32]),
        ("GET 32 bytes", "GET", &[]),
        ("SET 64 bytes", "SET", &[&v64]),
        ("GET 64 bytes", "GET", &[]),
        ("SETEX 64 bytes", "SETEX", &[b"1000", &v64]),
        ("SET 4096 bytes", "SET", &[&big]),
        ("GET 4096 bytes", "GET", &[]),
        ("SET number", "SET", &[b"1234567"]),
        ("GET number", "GET", &[]),
        ("INCR", "INCR", &[]),
    ];
    println!("{keys} keys, {count} commands a round, ns per command");
    for (what, name, rest) in shapes {
        if !what.contains(&only) || (what.contains("4096") && keys > 200_000) {
            continue;
        }
        let requests = Requests::new(name, keys, count, rest);
        let first = time(&mut ctx, &requests, name);
        let best = (0..ROUNDS).map(|_| time(&mut ctx, &requests, name)).fold(f64::MAX, f64::min);
        println!("{what:16} first {first:7.1}  then {best:7.1}");
    }
}
