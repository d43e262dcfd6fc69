//! A rule that can be taken away unnoticed is not tested: with each of these switched off, some run must fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chaos::storm;
use chaos::world::Rules;
use replication::codec::{Writer, begin_group};
use replication::log::{Log, NoSpill};
use replication::message::{Hello, Message, PROTOCOL, Part};
use replication::origin::{Author, Stream};
use replication::replica::{Action, Event, Options, Replica};
use replication::vector::Vector;

/// Seeds tried for each rule; the first failure is enough.
const SEEDS: u64 = 400;

fn must_fail(rule: &str, without: impl Fn(&mut Rules)) {
    let mut rules = Rules::default();
    without(&mut rules);
    // A broken rule may also break an invariant that is asserted.
    let fails = |seed| !matches!(catch_unwind(AssertUnwindSafe(|| storm::run(seed, rules))), Ok(Ok(())));
    let found = (0..SEEDS).find(|seed| fails(*seed));
    println!("{rule}: {found:?}");
    assert!(found.is_some(), "{SEEDS} runs without {rule} do not fail");
}

/// Links keep order, so runs seldom meet a gap; here one is made. True if both effects have arrived in the end.
fn survives_a_gap(dense: bool) -> bool {
    let author = |uuid| Author { uuid, incarnation: 1 };
    let mut options = Options::default();
    options.rules.dense = dense;
    let mut node = Replica::new(author(1), 1, 2, options, Log::new(1 << 20, NoSpill));
    let mut actions = Vec::new();
    let hello = Hello {
        protocol: PROTOCOL,
        author: author(2),
        boot: 5,
        vector: Vector::default(),
        clock_ms: 1_000,
        lost: false,
        rooted: false,
        newcomer: false,
        members: vec![],
    };
    let part = |seq: u64| {
        let stream = Stream { author: author(2), lane: 0 };
        let mut bytes = Writer::default();
        begin_group(&mut bytes, seq);
        Message::Part(Part { stream, seq, offset: 0, last: true, bytes: bytes.0.into() })
    };
    node.step(1_000, Event::Connected(1), &mut actions);
    for message in [Message::Hello(hello), part(2), part(1), part(2)] {
        node.step(1_000, Event::Received(1, message), &mut actions);
    }
    let asked = actions.iter().any(|a| matches!(a, Action::Send(_, Message::Resync(_))));
    let applied = actions.iter().filter(|a| matches!(a, Action::Apply { .. })).count();
    applied == 2 && asked
}

#[test]
fn s2_dense_positions() {
    assert!(survives_a_gap(true));
    assert!(!survives_a_gap(false), "a filter by version takes the gap for a duplicate");
}

#[test]
fn s3_resync_by_vector() {
    must_fail("S3", |rules| rules.streams.vector = false);
}

#[test]
fn s5_order_of_checks() {
    must_fail("S5", |rules| rules.streams.order = false);
}

#[test]
fn s7_identity_and_lost_writes() {
    must_fail("S7", |rules| rules.streams.identity = false);
}

#[test]
fn s8_full_sync_merges() {
    must_fail("S8", |rules| rules.merge = false);
}

#[test]
fn m2_every_acknowledged_write_has_a_version() {
    must_fail("M2", |rules| rules.touch = false);
}

#[test]
fn m3_type_conflicts() {
    must_fail("M3", |rules| rules.data.types = false);
}

#[test]
fn m5_identity_of_elements() {
    must_fail("M5", |rules| rules.data.identity = false);
}
