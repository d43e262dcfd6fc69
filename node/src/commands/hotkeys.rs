//! HOTKEYS.
//!
//! ```text
//! HOTKEYS START METRICS n [CPU] [NET] [COUNT k] [DURATION seconds] [SAMPLE ratio]
//! ```
//! Metrics of other names are for servers that know them: they count, and are not measured.

use protocol::{Args, ErrorReply, error, number};

use super::help::help;
use super::{NodeRow, row};
use crate::dispatch::{Call, Next};
use crate::hotkeys::{Order, Report};

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

const METRICS_MISSING: ErrorReply = ErrorReply::new("ERR METRICS parameter is required");
const METRICS_COUNT: ErrorReply = ErrorReply::new("ERR METRICS count must be positive");
const METRICS_MISMATCH: ErrorReply =
    ErrorReply::new("ERR METRICS count does not match number of metric types provided");
const METRICS_NONE: ErrorReply = ErrorReply::new("ERR METRICS no valid metrics passed");
const CPU_TWICE: ErrorReply = ErrorReply::new("ERR METRICS CPU defined more than once");
const NET_TWICE: ErrorReply = ErrorReply::new("ERR METRICS NET defined more than once");
const BAD_COUNT: ErrorReply = ErrorReply::new("ERR COUNT must be between 1 and 64");
const BAD_DURATION: ErrorReply = ErrorReply::new("ERR DURATION must be non-negative");
const BAD_SAMPLE: ErrorReply = ErrorReply::new("ERR SAMPLE ratio must be positive");
const NO_SLOTS: ErrorReply = ErrorReply::new("ERR SLOTS parameter cannot be used in non-cluster mode");
const UNDER_WAY: ErrorReply = ErrorReply::new("ERR hotkey tracking session already in progress");
const NOT_OVER: ErrorReply = ErrorReply::new("ERR hotkey tracking session in progress, stop tracking first");
const NONE_UNDER_WAY: ErrorReply = ErrorReply::new("ERR no hotkey tracking session in progress");

/// Busiest keys that are shown unless others are asked for.
const SHOWN: usize = 10;

fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

fn number(
    args: Args<'_>,
    at: usize,
    range: std::ops::RangeInclusive<i64>,
    bad: ErrorReply,
) -> Result<u64, ErrorReply> {
    let n = args.get(at).and_then(number::parse_i64).filter(|n| range.contains(n));
    n.map(|n| n as u64).ok_or(bad)
}

/// The metrics that are named from `at` on, and the place behind them.
fn metrics(args: Args<'_>, at: usize, order: &mut Order) -> Result<usize, ErrorReply> {
    let wanted = number(args, at, 1..=i64::MAX, METRICS_COUNT)?;
    let mut named = 0;
    let options = ["COUNT", "DURATION", "SAMPLE", "SLOTS"];
    for word in args.rest(at + 1).iter().take(wanted.min(args.len() as u64) as usize) {
        match word {
            word if options.iter().any(|option| is(word, option)) => break,
            word if is(word, "CPU") && std::mem::replace(&mut order.time, true) => return Err(CPU_TWICE),
            word if is(word, "NET") && std::mem::replace(&mut order.bytes, true) => return Err(NET_TWICE),
            _ => named += 1,
        }
    }
    match order {
        _ if named != wanted => Err(METRICS_MISMATCH),
        Order { time: false, bytes: false, .. } => Err(METRICS_NONE),
        _ => Ok(at + 1 + named as usize),
    }
}

fn parse(args: Args<'_>) -> Result<Order, ErrorReply> {
    let mut order = Order { time: false, bytes: false, count: SHOWN, duration_ms: None, sample: 1 };
    if !args.get(2).is_some_and(|word| is(word, "METRICS")) {
        return Err(METRICS_MISSING);
    }
    let mut at = metrics(args, 3, &mut order)?;
    while let Some(word) = args.get(at) {
        match word {
            word if is(word, "COUNT") => order.count = number(args, at + 1, 1..=64, BAD_COUNT)? as usize,
            word if is(word, "DURATION") => {
                let seconds = number(args, at + 1, 0..=i64::from(u32::MAX), BAD_DURATION)?;
                order.duration_ms = Some(seconds * 1000).filter(|ms| *ms > 0);
            }
            word if is(word, "SAMPLE") => order.sample = number(args, at + 1, 1..=i64::MAX, BAD_SAMPLE)?,
            word if is(word, "SLOTS") => return Err(NO_SLOTS),
            _ => return Err(error::SYNTAX),
        }
        at += 2;
    }
    Ok(order)
}

fn start(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let (server, order) = (call.worker.server, parse(call.args)?);
    if !server.hotkeys.start(order, call.ctx.env.now_ms) {
        return Err(UNDER_WAY);
    }
    server.config.touch();
    call.out.ok();
    DONE
}

fn stop(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let server = call.worker.server;
    if !server.hotkeys.stop(call.ctx.env.now_ms) {
        return Err(NONE_UNDER_WAY);
    }
    server.config.touch();
    call.out.ok();
    DONE
}

fn reset(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if !call.worker.server.hotkeys.reset(call.ctx.env.now_ms) {
        return Err(NOT_OVER);
    }
    call.out.ok();
    DONE
}

fn get(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let server = call.worker.server;
    let workers = server.workers.get().into_iter().flatten().map(|worker| worker.stats);
    match server.hotkeys.report(workers, call.ctx.env.now_ms) {
        None => call.out.null(),
        Some(report) => show(&report, call),
    }
    DONE
}

/// One map in an array: who asks several servers joins the arrays.
fn show(report: &Report, call: &mut Call<'_>) {
    let out = &mut *call.out;
    out.array(1);
    let order = report.order;
    out.map(7 + 3 * usize::from(order.time) + 2 * usize::from(order.bytes));
    let mut pair = |name: &str, n: u64| {
        out.bulk_str(name);
        out.int(n as i64);
    };
    pair("tracking-active", u64::from(report.active));
    pair("sample-ratio", order.sample);
    out.bulk_str("selected-slots");
    out.array(0);
    let mut pair = |name: &str, n: u64| {
        out.bulk_str(name);
        out.int(n as i64);
    };
    pair("all-commands-all-slots-us", report.all.time / 1000);
    pair("net-bytes-all-commands-all-slots", report.all.bytes);
    pair("collection-start-time-unix-ms", report.began_ms);
    pair("collection-duration-ms", report.lasted_ms);
    if order.time {
        pair("total-cpu-time-user-ms", report.cpu.user.as_millis() as u64);
        pair("total-cpu-time-sys-ms", report.cpu.system.as_millis() as u64);
    }
    if order.bytes {
        pair("total-net-bytes", report.all.bytes);
    }
    for (name, wanted, keys, unit) in [
        ("by-cpu-time-us", order.time, &report.by_time, 1000),
        ("by-net-bytes", order.bytes, &report.by_bytes, 1),
    ] {
        if wanted {
            out.bulk_str(name);
            out.array(2 * keys.len());
            for (key, n) in keys {
                out.bulk(key);
                out.int((n / unit) as i64);
            }
        }
    }
}

pub const ROWS: &[NodeRow] = &[
    row("HOTKEYS START", start),
    row("HOTKEYS STOP", stop),
    row("HOTKEYS RESET", reset),
    row("HOTKEYS GET", get),
    row("HOTKEYS HELP", help),
];
