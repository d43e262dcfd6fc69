//! What to measure, for how long, and how the two servers are started.

use harness::{Kind, Server};
use std::path::PathBuf;
use std::time::Duration;

/// The command line, understood.
#[derive(Debug, Clone)]
pub struct Options {
    only: Vec<String>,
    pipelines: Vec<usize>,
    /// Pairs of runs per workload.
    pub rounds: usize,
    /// Length of one run.
    pub run: Duration,
    /// A tenth of the data.
    pub quick: bool,
    /// Workers of ours.
    pub server_threads: usize,
    /// Keys that a replica gets, or that are saved and loaded.
    pub keys: Option<usize>,
    /// File for the tables.
    pub output: PathBuf,
    /// Fail when a bar is missed.
    pub strict: bool,
}

/// Every name `--only` knows.
pub const PARTS: [&str; 27] = [
    "aof",
    "rdb",
    "partition",
    "fullsync",
    "cost",
    "get",
    "set",
    "incr",
    "lpush",
    "hset",
    "sadd",
    "zadd",
    "mget",
    "mset",
    "families",
    "memory",
    "pause",
    "start",
    "idle",
    "expiry",
    "eviction",
    "maxmemory",
    "attach",
    "replicated",
    "streams",
    "scripts",
    "tls",
];

impl Options {
    /// Reads the arguments.
    pub fn from_args(args: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            only: Vec::new(),
            pipelines: Vec::new(),
            rounds: 5,
            run: Duration::from_secs(3),
            quick: false,
            server_threads: 1,
            keys: None,
            output: "target/bench.md".into(),
            strict: false,
        };
        let mut args = args;
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or(format!("{name} wants a value"));
            match name.as_str() {
                "--only" => options.only = parts(&value()?)?,
                "--pipeline" => {
                    options.pipelines = value()?.split(',').map(number).collect::<Result<_, _>>()?
                }
                "--rounds" => options.rounds = number(&value()?)?,
                "--seconds" => options.run = Duration::from_secs_f64(number(&value()?)?),
                "--server-threads" => options.server_threads = number(&value()?)?,
                "--keys" => options.keys = Some(number(&value()?)?),
                "--output" => options.output = value()?.into(),
                "--strict" => options.strict = true,
                "--quick" => {
                    options.quick = true;
                    options.rounds = 1;
                    options.run = Duration::from_millis(700);
                }
                _ => return Err(format!("unknown option {name}")),
            }
        }
        Ok(options)
    }

    /// Whether this part was asked for.
    pub fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|p| p == part)
    }

    /// Which of these pipeline depths were asked for.
    pub fn depths(&self, all: &[usize]) -> Vec<usize> {
        all.iter().copied().filter(|d| self.pipelines.is_empty() || self.pipelines.contains(d)).collect()
    }

    /// A number of elements, or a tenth of it.
    pub fn scaled(&self, count: usize) -> usize {
        if self.quick { count / 10 } else { count }
    }

    /// Starts a server as it is measured: without persistence, ours with the chosen number of workers.
    pub fn start(&self, kind: Kind) -> Server {
        self.start_with(kind, &[])
    }

    /// [`Options::start`] with options that both servers know.
    pub fn start_with(&self, kind: Kind, common: &[&str]) -> Server {
        let threads = self.server_threads.to_string();
        let stands_in = kind.program().file_name().is_some_and(|n| n != "everwrite");
        if kind == Kind::Redis || stands_in {
            return Server::start_with(kind, common);
        }
        Server::start_with(kind, &[&["--server-threads", &threads], common].concat())
    }
}

fn parts(list: &str) -> Result<Vec<String>, String> {
    let parts: Vec<String> = list.split(',').map(str::to_lowercase).collect();
    match parts.iter().find(|p| !PARTS.contains(&p.as_str())) {
        Some(unknown) => Err(format!("no part is called {unknown}")),
        None => Ok(parts),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}
