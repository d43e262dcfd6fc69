//! Everwrite beside `redis-server`: the same work on both, on the same machine, in turns.
//!
//! ```text
//! cargo run --release -p everwrite-tests --bin bench -- [OPTION...]
//!   --only a,b           only these parts (get set incr lpush hset sadd zadd mget mset families memory pause start idle
//!                        expiry eviction maxmemory attach replicated cost streams scripts tls aof rdb partition fullsync)
//!   --keys N             keys that a replica has to get when it attaches (default 1000000), or that are saved and loaded or
//!                        come in a full sync (default 5000000)
//!   --pipeline 1,16      only these pipeline depths
//!   --rounds N           runs per server and workload; the medians are shown (default 5)
//!   --seconds S          length of one run (default 3)
//!   --quick              one short round of everything, a tenth of the data: to try the bench itself
//!   --server-threads N   ours with N workers (default 1). From 2 on: throughput and p99 instead of CPU
//!   --output FILE        where the tables go as well (default target/bench.md)
//!   --strict             exit with 1 when a bar is missed
//! ```
//! Load comes from `redis-benchmark` (50 connections, 64-byte values, a million random keys), so that the client is
//! nobody's own. The main figure is the server's CPU time per operation, user and system, from `/proc`: unlike
//! throughput it hardly depends on what else the machine does. Runs alternate (Redis, ours, ours, Redis, ...), a ratio is taken
//! within each pair, and the median ratio counts. `EVERWRITE_BIN=redis-server` compares Redis with itself: what then
//! differs from 1.0 is noise.

mod attach;
mod away;
mod barred;
mod cost;
mod disk;
mod eviction;
mod expiry;
mod families;
mod load;
mod memory;
mod options;
mod report;
mod response;
mod speed;

use options::Options;
use report::Report;

fn main() {
    let options = match Options::from_args(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}; the head of tests/bench/main.rs lists the options");
            std::process::exit(2);
        }
    };
    let mut report = Report::new(&options);
    speed::run(&options, &mut report);
    cost::run(&options, &mut report);
    families::run(&options, &mut report);
    barred::run(&options, &mut report);
    memory::run(&options, &mut report);
    response::run(&options, &mut report);
    expiry::run(&options, &mut report);
    eviction::run(&options, &mut report);
    attach::run(&options, &mut report);
    disk::run(&options, &mut report);
    away::run(&options, &mut report);
    let missed = report.finish(&options.output);
    std::process::exit(if options.strict && missed > 0 { 1 } else { 0 });
}
