//! A soak: clients write nearly everything at random to several nodes, while these are killed, stopped, cut off, started again, joined
//! late by others that have data of their own, detached, forgotten. Then there is quiet, and all must have the same, whatever
//! can be seen of it, and all that was acknowledged.
//!
//! ```text
//! SOAK_SEED=1 SOAK_ROUNDS=3 cargo test -p everwrite-tests --test soak     rounds 1, 2 and 3
//! SOAK_SHAPE="ring5 log newcomer clock"                                   all rounds like this, see [`shape`]
//! SOAK_SECONDS=8 SOAK_TYPES=xl SOAK_KEEP=1                                 longer; streams and lists only; directories stay
//! ```
//! A round's shape, what clients write and what happens follow from its number; when things meet does not.
//!
//! Reading order: [`shape`], [`words`] (what is written), [`ledger`] (what must be there in the end), [`fleet`], [`writer`],
//! [`events`], [`state`] (what can be seen).

mod events;
mod fleet;
mod ledger;
mod shape;
mod state;
mod words;
mod writer;

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use harness::mesh::info;
use harness::random::Rng;
use harness::wait::wait_for;

use events::{Events, has_log};
use fleet::{Fleet, tail};
use ledger::Ledger;
use shape::{Keeps, Shape, Trait};
use state::State;
use words::Words;
use writer::{Tally, Writer};

/// Clients of each node.
const WRITERS: usize = 2;
/// All nodes have the same, and have forgotten how it came about, within this time after the last write.
const EQUAL_WITHIN: Duration = Duration::from_secs(45);
/// Differences and events that are shown.
const SHOWN: usize = 12;

fn given<T: FromStr>(name: &str, otherwise: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no such value: {text}")),
        Err(_) => otherwise,
    }
}

#[test]
fn nodes_that_were_written_to_whatever_happened_have_the_same() {
    let (first, rounds) = (given("SOAK_SEED", 1), given("SOAK_ROUNDS", 3u64));
    let words: String = given("SOAK_SHAPE", String::new());
    for seed in first..first + rounds {
        let mut rng = Rng::new(seed);
        let drawn = Shape::draw(&mut rng);
        let shape = if words.is_empty() { drawn } else { Shape::parse(&words) };
        round(seed, &shape, rng);
    }
}

fn round(seed: u64, shape: &Shape, mut rng: Rng) {
    println!("round {seed} is {shape}");
    let began = Instant::now();
    let fleet = Fleet::start(shape, &mut rng);
    if shape.keeps == Keeps::Log {
        wait_for_logs(&fleet);
    }
    let types: String = given("SOAK_TYPES", String::new());
    let words = Words::new(&types, shape.has(Trait::Floods));
    let (ledger, tally, ended) = (Ledger::default(), Tally::default(), AtomicBool::new(false));
    let mut events = Events::new(&fleet, Rng::new(rng.bits()));
    std::thread::scope(|scope| {
        for number in 0..WRITERS * fleet.nodes.len() {
            let node = number / WRITERS;
            let writer = Writer {
                fleet: &fleet,
                node,
                number,
                words: &words,
                ledger: &ledger,
                tally: &tally,
                ended: &ended,
            };
            let rng = Rng::new(rng.bits());
            scope.spawn(move || writer.run(rng));
        }
        // Whatever becomes of it, writers end.
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, SeqCst);
            }
        }
        let _end = End(&ended);
        events.run(given("SOAK_SECONDS", 6.0));
    });
    fleet.heal();
    fleet.wait_linked();
    let quiet = Instant::now();
    let mut last = None;
    let equal = wait_for(EQUAL_WITHIN, || {
        events.forget_former();
        end_jobs(&fleet);
        last = look(&fleet);
        last.as_ref().is_some_and(|(differences, calm)| differences.is_empty() && *calm).then_some(())
    });
    let mut faults = Vec::new();
    if equal.is_none() {
        let (differences, calm) = last.unwrap_or_else(|| (vec!["a node does not answer".into()], false));
        faults.push(format!(
            "{} keys differ, overlays are {}",
            differences.len(),
            if calm { "empty" } else { "not empty" }
        ));
        faults.extend(differences.into_iter().take(SHOWN));
    }
    if shape.keeps_all() {
        let first = fleet.present().next().expect("a node");
        faults.extend(ledger.faults(&mut fleet.client(first)));
    }
    println!(
        "round {seed} ({shape}): {} in {:.1} s, equal after {:.1} s; {} tags; {}",
        if faults.is_empty() { "fine" } else { "NOT FINE" },
        began.elapsed().as_secs_f64(),
        quiet.elapsed().as_secs_f64(),
        ledger.acknowledged(),
        tally.show(5),
    );
    if !faults.is_empty() {
        let told = report(&fleet, &events, &faults);
        drop(events);
        let kept: Vec<String> = fleet.keep().iter().map(|dir| dir.display().to_string()).collect();
        panic!("round {seed}, SOAK_SHAPE=\"{shape}\":\n{told}\nkept: {}", kept.join(" "));
    }
    if std::env::var_os("SOAK_KEEP").is_some() {
        drop(events);
        fleet.keep().iter().for_each(|dir| println!("kept: {}", dir.display()));
    }
}

/// A newcomer has met nobody, and keeps the log of commands.
fn wait_for_logs(fleet: &Fleet) {
    for node in fleet.present().filter(|node| fleet.nodes[*node].joined.load(SeqCst)) {
        let dir = fleet.server(node).dir().to_path_buf();
        wait_for(Duration::from_secs(30), || has_log(&dir).then_some(()));
    }
}

/// Jobs write as long as they are there.
fn end_jobs(fleet: &Fleet) {
    for node in fleet.present() {
        let mut client = fleet.client(node);
        for db in 0..words::DATABASES {
            let _ = client.cmd(&format!("SELECT {db}"));
            let _ = client.cmd("DEL j:0 j:1 j:2 j:3");
        }
    }
}

/// How nodes, and each replica and its node, differ; and whether all have forgotten how it came about. `None`: somebody does
/// not answer.
fn look(fleet: &Fleet) -> Option<(Vec<String>, bool)> {
    let read = |node: usize| -> Option<(String, State)> {
        Some((format!("node {node}"), state::read(&mut fleet.client(node), false).ok()?))
    };
    let states: Vec<(String, State)> = fleet.present().map(read).collect::<Option<_>>()?;
    let mut differences = state::differences(&states);
    for (node, replica) in fleet.replicas.iter().filter(|(node, _)| fleet.present().any(|it| it == *node)) {
        let of = state::read(&mut fleet.client(*node), true).ok()?;
        let has = state::read(&mut replica.client(), true).ok()?;
        let both = [(format!("node {node}"), of), ("its replica".to_owned(), has)];
        differences.extend(state::differences(&both));
    }
    let calm = fleet.present().all(|node| fleet.info(node, "mesh_overlay_keys") == "0");
    Some((differences, calm))
}

fn report(fleet: &Fleet, events: &Events<'_>, faults: &[String]) -> String {
    let mut told = faults.join("\n");
    told += &format!("\n-- what happened:\n{}", events.told.join("\n"));
    for node in fleet.present() {
        let mut client = fleet.client(node);
        told += &format!("\n-- node {node}:");
        for field in [
            "connected_slaves",
            "mesh_members",
            "mesh_overlay_keys",
            "mesh_horizon_age_ms",
            "mesh_last_error",
        ] {
            told += &format!(" {field}={}", info(&mut client, field));
        }
        told += &format!("\n{}", tail(&fleet.server(node).log()));
    }
    told
}
