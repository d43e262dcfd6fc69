//! The sections with a line for each command, or each error code.

use std::collections::BTreeMap;

use engine::command::CommandId;

use super::{Info, Lines};
use crate::config::values::percentile_text;
use crate::ticks;

pub fn write_calls(info: &mut Info<'_>, lines: &mut Lines) {
    let per_us = ticks::per_us();
    for id in CommandId::all() {
        let sum =
            |of: fn(&crate::stats::CommandStats) -> u64| info.sum(|stats| of(&stats.commands[id.index()]));
        let calls = sum(|c| c.calls.get());
        let (rejected, failed) = (sum(|c| c.rejected.get()), sum(|c| c.failed.get()));
        if calls + rejected + failed == 0 {
            continue;
        }
        let us = (sum(|c| c.ticks.get()) as f64 / per_us) as u64;
        let each = if calls == 0 { 0.0 } else { us as f64 / calls as f64 };
        lines.put(
            format_args!("cmdstat_{}", id.facts().full_name),
            format_args!(
                "calls={calls},usec={us},usec_per_call={each:.2},rejected_calls={rejected},failed_calls={failed}"
            ),
        );
    }
}

pub fn write_errors(info: &mut Info<'_>, lines: &mut Lines) {
    let mut codes = BTreeMap::new();
    for stats in info.server.stats() {
        for (code, count) in stats.errors.lock().iter() {
            *codes.entry(code.clone()).or_insert(0) += count;
        }
    }
    for (code, count) in codes {
        lines.put(format_args!("errorstat_{code}"), format_args!("count={count}"));
    }
}

pub fn write_latencies(info: &mut Info<'_>, lines: &mut Lines) {
    if !info.config.latency_tracking {
        return;
    }
    for id in CommandId::all() {
        let Some(latency) = info.server.latency_of(id) else { continue };
        let at =
            |percent: &f64| format!("p{}={:.3}", percentile_text(*percent), latency.percentile_us(*percent));
        let texts: Vec<String> = info.config.latency_tracking_info_percentiles.0.iter().map(at).collect();
        lines.put(format_args!("latency_percentiles_usec_{}", id.facts().full_name), texts.join(","));
    }
}
