//! Plays every golden script (`golden/**/*.resp-script`) against `redis-server` and against ours.
//!
//! - `cargo test -p everwrite-tests --test golden -- hash/ zadd` plays those whose path contains one of the words.
//! - `UPDATE=1` records the replies of `redis-server` into the scripts instead of comparing.
//! - `golden/pending.tsv` lists scripts that we do not pass yet, with the number of replies that still differ. The
//!   numbers may only fall: more is a failure, fewer is told. `PENDING=1` writes the file anew.
//! - `REPORT=n` shows n differences per script (default 3), also of those that are pending.

use harness::golden::{Script, play};
use harness::{Kind, Server};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

const WORKERS: usize = 4;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    if std::env::args().any(|a| a == "--list") {
        return;
    }
    let scripts = find_scripts(&golden_dir(), &words);
    if scripts.is_empty() {
        eprintln!("no golden script matches {words:?}");
        std::process::exit(1);
    }
    let began = Instant::now();
    let ok = if is_set("UPDATE") { record_all(scripts) } else { compare_all(scripts, &words) };
    println!("golden took {:.1} s", began.elapsed().as_secs_f64());
    std::process::exit(if ok { 0 } else { 1 });
}

fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|v| !v.is_empty())
}

fn find_scripts(dir: &Path, words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(next) = todo.pop() {
        for entry in std::fs::read_dir(&next).expect("the golden directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                todo.push(path);
            } else if let Some(name) = path.strip_prefix(dir).ok().and_then(Path::to_str) {
                found.extend(name.strip_suffix(".resp-script").map(str::to_owned));
            }
        }
    }
    found.retain(|name| words.is_empty() || words.iter().any(|w| name.contains(w.as_str())));
    found.sort();
    found
}

/// Runs `work` on every script, several at a time; `work` keeps its servers between scripts.
fn on_all<W, R>(scripts: Vec<String>, new_worker: impl Fn() -> W + Sync) -> Vec<(String, R)>
where
    W: FnMut(&str, &Script) -> R,
    R: Send + FromProblem,
{
    let queue = Mutex::new(VecDeque::from(scripts));
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let mut work = new_worker();
                loop {
                    let Some(name) = queue.lock().expect("queue").pop_front() else { break };
                    let path = golden_dir().join(format!("{name}.resp-script"));
                    let result = match Script::load(&path) {
                        Ok(script) => work(&name, &script),
                        Err(e) => R::from_problem(e),
                    };
                    results.lock().expect("results").push((name, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("results");
    results.sort_by(|a, b| a.0.cmp(&b.0));
    results
}

/// How a script that can't be read shows up in the results.
trait FromProblem {
    fn from_problem(problem: String) -> Self;
}

impl FromProblem for Result<String, String> {
    fn from_problem(problem: String) -> Self {
        Err(problem)
    }
}

/// A server kept from script to script, but for those that want their own, and replaced when it died.
struct Kept(Kind, Option<Server>);

impl Kept {
    fn play(&mut self, script: &Script) -> Vec<String> {
        if let Some(options) = &script.server {
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            return play(script, &Server::start_with(self.0, &options));
        }
        let answers =
            |s: &Server| harness::Client::connect(s.address()).and_then(|mut c| c.cmd("PING")).is_ok();
        if !self.1.as_ref().is_some_and(answers) {
            self.1 = Some(Server::start(self.0));
        }
        play(script, self.1.as_ref().expect("just started"))
    }
}

fn record_all(scripts: Vec<String>) -> bool {
    let results: Vec<(String, Result<String, String>)> = on_all(scripts, || {
        let mut redis = Kept(Kind::Redis, None);
        move |name: &str, script: &Script| {
            let path = golden_dir().join(format!("{name}.resp-script"));
            let replies = redis.play(script);
            for (step, reply) in script.steps.iter().zip(&replies) {
                if !step.action.has_reply() && !reply.is_empty() {
                    return Err(format!("line {}: {reply}", step.line));
                }
            }
            std::fs::write(path, script.rewritten(&replies)).map_err(|e| e.to_string())?;
            Ok(String::new())
        }
    });
    let failed: Vec<_> = results.iter().filter_map(|(n, r)| r.as_ref().err().map(|e| (n, e))).collect();
    for (name, error) in &failed {
        println!("{name}: {error}");
    }
    println!("golden: {} scripts recorded, {} not", results.len() - failed.len(), failed.len());
    failed.is_empty()
}

/// What comparing one script gave.
#[derive(Default)]
struct Outcome {
    replies: usize,
    /// Replies of ours that differ.
    ours: usize,
    /// Replies of redis-server that differ from the record, or a script that can't be read.
    record: usize,
    report: String,
}

impl FromProblem for Outcome {
    fn from_problem(problem: String) -> Self {
        Outcome { record: 1, report: format!("  {problem}\n"), ..Outcome::default() }
    }
}

fn compare_all(scripts: Vec<String>, words: &[String]) -> bool {
    let same_redis = redis_is_the_recorded_one();
    let results: Vec<(String, Outcome)> = on_all(scripts, || {
        let mut redis = same_redis.then_some(Kept(Kind::Redis, None));
        let mut ours = Kept(Kind::Everwrite, None);
        move |_: &str, script: &Script| {
            let theirs = redis.as_mut().map(|r| r.play(script));
            compare(script, theirs.as_deref(), &ours.play(script))
        }
    });
    let pending = read_pending();
    if is_set("PENDING") && words.is_empty() {
        write_pending(&results);
        return true;
    }
    judge(&results, &pending)
}

/// The records are Redis 7.0's. Beside another version only ours is compared.
fn redis_is_the_recorded_one() -> bool {
    let info = Server::start(Kind::Redis).client().cmd("INFO server").expect("INFO");
    let same = info.text().contains("redis_version:7.0.");
    if !same {
        println!("golden: redis-server here is not 7.0; comparing only ours with the record");
    }
    same
}

fn compare(script: &Script, redis: Option<&[String]>, ours: &[String]) -> Outcome {
    let shown_max = std::env::var("REPORT").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let mut outcome = Outcome::default();
    let mut shown = 0;
    for (i, step) in script.steps.iter().enumerate() {
        let accepts = |actual: &String| {
            if step.action.has_reply() {
                step.view.accepts(&step.expected, actual)
            } else {
                actual.is_empty()
            }
        };
        let record_differs = redis.is_some_and(|r| !accepts(&r[i]));
        let ours_differs = !accepts(&ours[i]);
        outcome.replies += usize::from(step.action.has_reply());
        outcome.record += usize::from(record_differs);
        outcome.ours += usize::from(ours_differs);
        if (record_differs || ours_differs) && shown < shown_max {
            shown += 1;
            let out = &mut outcome.report;
            let _ = writeln!(out, "  line {}: {}", step.line, script.source(step));
            let _ = writeln!(out, "    expected  {}", indented(&step.expected));
            if let Some(redis) = redis.filter(|_| record_differs) {
                let _ = writeln!(out, "    redis     {}", indented(&redis[i]));
            }
            let _ = writeln!(out, "    everwrite {}", indented(&ours[i]));
        }
    }
    outcome
}

/// Lines of one reply shown in a report.
const SHOWN_LINES_MAX: usize = 12;

fn indented(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().take(SHOWN_LINES_MAX).collect();
    if text.lines().nth(SHOWN_LINES_MAX).is_some() {
        lines.push("...");
    }
    lines.join("\n              ")
}

fn judge(results: &[(String, Outcome)], pending: &BTreeMap<String, usize>) -> bool {
    let (mut replies, mut passed, mut waiting, mut bad) = (0, 0, 0, 0);
    for (name, outcome) in results {
        let allowed = pending.get(name).copied().unwrap_or(0);
        replies += outcome.replies;
        if outcome.record > 0 || outcome.ours > allowed {
            bad += 1;
            let note = if outcome.record > 0 { "the record differs from redis-server" } else { "differs" };
            println!(
                "FAILED {name}: {note}, {} of {} replies (pending: {allowed})",
                outcome.ours, outcome.replies
            );
            print!("{}", outcome.report);
        } else if outcome.ours > 0 {
            waiting += 1;
            if is_set("REPORT") {
                print!("pending {name}\n{}", outcome.report);
            }
        } else {
            passed += 1;
        }
        if outcome.ours < allowed {
            println!("better {name}: {} replies differ, pending.tsv says {allowed}", outcome.ours);
        }
    }
    println!(
        "golden: {replies} replies in {} scripts; {passed} passed, {waiting} pending, {bad} failed",
        results.len()
    );
    bad == 0
}

fn pending_file() -> PathBuf {
    golden_dir().join("pending.tsv")
}

fn read_pending() -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(pending_file()).unwrap_or_default();
    let row = |line: &str| {
        let (name, count) = line.split_once('\t')?;
        Some((name.to_owned(), count.trim().parse().ok()?))
    };
    text.lines().filter(|l| !l.starts_with('#')).filter_map(row).collect()
}

fn write_pending(results: &[(String, Outcome)]) {
    let mut text = String::from("# script\treplies that still differ from redis-server's; may only fall\n");
    for (name, outcome) in results.iter().filter(|(_, o)| o.ours > 0) {
        let _ = writeln!(text, "{name}\t{}", outcome.ours);
    }
    std::fs::write(pending_file(), text).expect("pending.tsv");
    println!("golden: pending.tsv written");
}
