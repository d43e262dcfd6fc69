//! LATENCY: how long commands take, and when something took too long.

use engine::command::CommandId;
use protocol::ErrorReply;

use super::help::help;
use super::{NodeRow, row};
use crate::dispatch::{Call, Next};
use crate::latency::{Event, Sample};
use crate::worker::unix_ms;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

/// Columns and rows of a graph.
const WIDTH: usize = 80;
const HEIGHT: u64 = 4;

/// `HISTOGRAM [command ...]`: for each command how many calls took up to so many microseconds.
fn histogram(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let server = call.worker.server;
    let ids: Vec<CommandId> = if call.args.len() == 2 {
        CommandId::all().collect()
    } else {
        call.args
            .rest(2)
            .iter()
            .filter_map(|name| server.lookup.by_full_name(name))
            .flat_map(family)
            .collect()
    };
    let known: Vec<_> = ids.iter().filter_map(|id| Some((id.facts(), server.latency_of(*id)?))).collect();
    call.out.map(known.len());
    for (facts, latencies) in known {
        call.out.bulk_str(facts.full_name);
        call.out.map(2);
        call.out.bulk_str("calls");
        call.out.int(latencies.total as i64);
        call.out.bulk_str("histogram_usec");
        let steps = latencies.by_power_of_two();
        call.out.map(steps.len());
        for (us, calls) in steps {
            call.out.int(us as i64);
            call.out.int(calls as i64);
        }
    }
    DONE
}

/// A command and its subcommands.
fn family(id: CommandId) -> impl Iterator<Item = CommandId> {
    std::iter::once(id).chain(id.facts().subcommands.iter().copied())
}

fn history(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let samples = call.worker.server.latency.event(&call.args[2]).unwrap_or_default().samples;
    call.out.array(samples.len());
    for Sample { at, ms } in samples {
        call.out.array(2);
        call.out.int(at as i64);
        call.out.int(ms as i64);
    }
    DONE
}

fn latest(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let events = call.worker.server.latency.events();
    call.out.array(events.len());
    for (name, event) in events {
        let last = event.samples.back().copied().unwrap_or(Sample { at: 0, ms: 0 });
        call.out.array(4);
        call.out.bulk_str(name);
        call.out.int(last.at as i64);
        call.out.int(last.ms as i64);
        call.out.int(event.worst_ms as i64);
    }
    DONE
}

fn reset(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let names: Vec<&[u8]> = call.args.rest(2).iter().collect();
    call.out.int(call.worker.server.latency.reset(&names) as i64);
    DONE
}

fn graph(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let name = String::from_utf8_lossy(&call.args[2]).into_owned();
    let Some(event) = call.worker.server.latency.event(&call.args[2]) else {
        return Err(ErrorReply::err(format!("No samples available for event '{name}'")));
    };
    call.out.verbatim("txt", drawn(&name, &event, unix_ms() / 1000).as_bytes());
    DONE
}

/// The last samples as columns, the newest on the right, each with its age below, written downwards.
fn drawn(name: &str, event: &Event, now: u64) -> String {
    let samples: Vec<Sample> = event.samples.iter().rev().take(WIDTH).rev().copied().collect();
    let high = samples.iter().map(|s| s.ms).max().unwrap_or(0);
    let low = samples.iter().map(|s| s.ms).min().unwrap_or(0);
    let mut text = format!(
        "{name} - high {high} ms, low {low} ms (all time high {} ms)\n{}\n",
        event.worst_ms,
        "-".repeat(WIDTH)
    );
    // The lowest sample fills no row, the highest all of them.
    let level = |s: &Sample| if high == low { 0 } else { (s.ms - low) * (HEIGHT * 2) / (high - low) };
    for row in (0..HEIGHT).rev() {
        text.extend(samples.iter().map(|s| match level(s).saturating_sub(row * 2) {
            0 if row == 0 => '_',
            0 => ' ',
            1 => 'o',
            _ => '#',
        }));
        text.push('\n');
    }
    text.push('\n');
    let ages: Vec<String> = samples.iter().map(|s| age(now.saturating_sub(s.at))).collect();
    for row in 0..ages.iter().map(String::len).max().unwrap_or(0) {
        text.extend(ages.iter().map(|age| age.as_bytes().get(row).map_or(' ', |b| char::from(*b))));
        text.push('\n');
    }
    text
}

fn age(seconds: u64) -> String {
    match seconds {
        s if s < 60 => format!("{s}s"),
        s if s < 3600 => format!("{}m", s / 60),
        s if s < 86_400 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

fn doctor(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let threshold = call.worker.config.borrow().latency_monitor_threshold;
    let events = call.worker.server.latency.events();
    let text = if events.is_empty() && threshold == 0 {
        "The latency monitor is off. CONFIG SET latency-monitor-threshold <milliseconds> makes it note what takes longer \
         than that.\n"
            .to_string()
    } else if events.is_empty() {
        format!("Nothing has taken {threshold} ms or longer since the latency monitor was last reset.\n")
    } else {
        diagnosis(&events)
    };
    call.out.verbatim("txt", text.as_bytes());
    DONE
}

fn diagnosis(events: &[(&'static str, Event)]) -> String {
    let mut text = String::from("What took too long, and what may help:\n\n");
    for (name, event) in events {
        let (mean, deviation) = event.mean();
        text.push_str(&format!(
            "{name}: {} times, {mean} ms in the mean (give or take {deviation} ms), {} ms at worst. {}\n",
            event.samples.len(),
            event.worst_ms,
            advice(name)
        ));
    }
    text
}

fn advice(event: &str) -> &'static str {
    match event {
        "command" => "SLOWLOG GET shows the commands; large values are the usual reason.",
        "fast-command" => {
            "Such commands do little by themselves: look for other load on the processors, or swapping."
        }
        "expire-cycle" => {
            "Many or large keys expire together: spread their times, or set lazyfree-lazy-expire."
        }
        "eviction-cycle" | "eviction-del" => "Large values are evicted: set lazyfree-lazy-eviction.",
        _ => "",
    }
}

pub const ROWS: &[NodeRow] = &[
    row("LATENCY HISTOGRAM", histogram),
    row("LATENCY HISTORY", history),
    row("LATENCY LATEST", latest),
    row("LATENCY RESET", reset),
    row("LATENCY GRAPH", graph),
    row("LATENCY DOCTOR", doctor),
    row("LATENCY HELP", help),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_has_a_column_for_each_sample() {
        let samples = [(100, 10), (130, 50), (159, 30)].map(|(at, ms)| Sample { at, ms });
        let event = Event { samples: samples.into(), worst_ms: 70 };
        let text = drawn("command", &event, 160);
        let expected = format!(
            "command - high 50 ms, low 10 ms (all time high 70 ms)\n{}\n # \n # \n ##\n_##\n\n131\nm0s\n s \n",
            "-".repeat(80)
        );
        assert_eq!(text, expected);
    }
}
