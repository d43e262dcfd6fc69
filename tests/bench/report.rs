//! The tables, on the screen as they grow and in a file at the end.

use crate::options::Options;
use harness::Kind;
use std::fmt::Write;
use std::path::Path;

/// Theirs, ours, and the median of ours / theirs.
type Triple = [f64; 3];

/// One command at one pipeline depth.
#[derive(Debug)]
pub struct Row {
    pub name: String,
    pub depth: usize,
    pub cpu_ns: Triple,
    pub rate: Triple,
    pub p50_ms: Triple,
    pub p99_ms: Triple,
    pub bar: Option<SpeedBar>,
}

/// What a row about speed has to reach, in ratios of ours to theirs.
#[derive(Debug, Clone, Copy)]
pub enum SpeedBar {
    /// CPU per operation, at most.
    Cpu(f64),
    /// Throughput, at least, with a 99th percentile of latency that is no worse.
    Rate(f64),
}

/// What another row has to reach.
#[derive(Debug, Clone, Copy)]
pub enum Bar {
    /// Ours over theirs, at most.
    Ratio(f64),
    /// Ours over theirs, at least.
    RatioMin(f64),
    /// Ours, at most.
    Ours(f64),
    /// Ours, at least.
    OursMin(f64),
}

/// Bytes per element, [theirs, ours].
#[derive(Debug)]
pub struct MemoryRow {
    pub name: &'static str,
    pub used: [f64; 2],
    pub resident: [f64; 2],
    /// The most that either ratio may be.
    pub bar: f64,
}

/// Collects rows.
#[derive(Debug)]
pub struct Report {
    text: String,
    section: &'static str,
    bars: usize,
    missed: usize,
}

const SPEED: &str = "| command | depth | redis ns CPU/op | ours | ratio | bar | redis kop/s | ours | ratio | redis p50 ms | ours | redis p99 ms | ours | ratio |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";
const MEMORY: &str =
    "| element | redis used bytes | ours | ratio | redis resident bytes | ours | ratio | bar |
|---|---|---|---|---|---|---|---|";
const RESPONSE: &str = "| what | redis | ours | ratio | bar |
|---|---|---|---|---|";
const COST: &str = "| what | alone | in a mesh | ratio | bar |
|---|---|---|---|---|";

impl Report {
    /// Begins with what is being measured.
    pub fn new(options: &Options) -> Report {
        let mut report = Report { text: String::new(), section: "", bars: 0, missed: 0 };
        report.line(&format!(
            "{} and redis-server ({}) on {} cores, {} worker(s) of ours; {} round(s) of {:.1} s, medians.",
            Kind::Everwrite.program().file_name().unwrap_or_default().to_string_lossy(),
            redis_version(),
            std::thread::available_parallelism().map_or(0, |n| n.get()),
            options.server_threads,
            options.rounds,
            options.run.as_secs_f64(),
        ));
        report
    }

    /// A row about speed.
    pub fn add_speed(&mut self, row: Row) {
        self.begin(SPEED);
        let bar = match row.bar {
            None => String::new(),
            Some(SpeedBar::Cpu(bar)) => self.verdict(row.cpu_ns[2], bar),
            Some(SpeedBar::Rate(bar)) => {
                let met = row.rate[2] >= bar && row.p99_ms[2] <= 1.0;
                self.judge(met, &format!("rate {bar:.1}, p99 1.0"))
            }
        };
        let ([c0, c1, c2], [r0, r1, r2], [p0, p1, _], [q0, q1, q2]) =
            (row.cpu_ns, row.rate, row.p50_ms, row.p99_ms);
        self.line(&format!(
            "| {} | {} | {c0:.0} | {c1:.0} | {c2:.2} | {bar} | {:.0} | {:.0} | {r2:.2} | {p0:.2} | {p1:.2} | {q0:.2} | {q1:.2} | {q2:.2} |",
            row.name,
            row.depth,
            r0 / 1000.0,
            r1 / 1000.0,
        ));
    }

    /// A row about memory.
    pub fn add_memory(&mut self, row: MemoryRow) {
        self.begin(MEMORY);
        let ratio = |[theirs, ours]: [f64; 2]| ours / theirs;
        let (used, resident) = (ratio(row.used), ratio(row.resident));
        let bar = self.verdict(used.max(resident), row.bar);
        let ([u0, u1], [r0, r1]) = (row.used, row.resident);
        self.line(&format!(
            "| {} | {u0:.1} | {u1:.1} | {used:.2} | {r0:.1} | {r1:.1} | {resident:.2} | {bar} |",
            row.name
        ));
    }

    /// A row about what a mesh costs.
    pub fn add_cost(&mut self, name: &str, [alone, meshed]: [f64; 2], bar: f64) {
        self.begin(COST);
        let ratio = meshed / alone;
        let bar = self.verdict(ratio, bar);
        self.line(&format!("| {name} | {alone:.0} | {meshed:.0} | {ratio:.2} | {bar} |"));
    }

    /// A row about anything else.
    pub fn add_response(&mut self, name: &str, [theirs, ours]: [f64; 2], bar: Option<Bar>) {
        self.begin(RESPONSE);
        let ratio = ours / theirs;
        let bar = match bar {
            None => String::new(),
            Some(Bar::Ratio(most)) => self.judge(ratio <= most, &format!("ratio <= {most}")),
            Some(Bar::RatioMin(least)) => self.judge(ratio >= least, &format!("ratio >= {least}")),
            Some(Bar::Ours(most)) => self.judge(ours <= most, &format!("ours <= {most:.2}")),
            Some(Bar::OursMin(least)) => self.judge(ours >= least, &format!("ours >= {least}")),
        };
        self.line(&format!("| {name} | {theirs:.3} | {ours:.3} | {ratio:.2} | {bar} |"));
    }

    /// Writes the file and tells how many bars were missed.
    pub fn finish(mut self, output: &Path) -> usize {
        if self.bars > 0 {
            self.line("");
            self.line(&format!("{} of {} bars met.", self.bars - self.missed, self.bars));
        }
        if let Some(dir) = output.parent() {
            let _ = std::fs::create_dir_all(dir);
        }
        std::fs::write(output, &self.text).unwrap_or_else(|e| panic!("{}: {e}", output.display()));
        eprintln!("written to {}", output.display());
        self.missed
    }

    fn verdict(&mut self, ratio: f64, bar: f64) -> String {
        self.judge(ratio <= bar, &format!("{bar:.2}"))
    }

    fn judge(&mut self, met: bool, bar: &str) -> String {
        self.bars += 1;
        self.missed += usize::from(!met);
        format!("{bar} {}", if met { "met" } else { "**missed**" })
    }

    fn begin(&mut self, head: &'static str) {
        if self.section != head {
            self.section = head;
            self.line("");
            self.line(head);
        }
    }

    fn line(&mut self, line: &str) {
        println!("{line}");
        let _ = writeln!(self.text, "{line}");
    }
}

fn redis_version() -> String {
    let output = std::process::Command::new(Kind::Redis.program()).arg("--version").output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.split(' ').find_map(|w| w.strip_prefix("v=")).unwrap_or("unknown version").to_owned()
}

/// The middle of these, the mean of the two middle ones when their number is even.
pub fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    match of.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => of[n / 2],
        n => (of[n / 2 - 1] + of[n / 2]) / 2.0,
    }
}
