//! Counters of fractions with many young additions, of which some come late: in the end, and at any time before, they are what
//! the additions come to one by one.

use std::time::Instant;

use super::*;
use crate::active::settle::settle_now;

/// What counters begin with: near the edges of grids, off them, and no numbers at all.
const BEGIN: &[&str] = &[
    "0",
    "-0",
    "1",
    "0.1",
    "3.0e3",
    "31.99",
    "63.9",
    "-63.9",
    "100.1",
    "127.99",
    "128",
    "-128",
    "1023.75",
    "1e6",
    "65535.9999",
    "9007199254740993",
    "9223372036854775807",
    "1e40",
    "-12345.678",
    "70368744177663.5",
    "word",
    "0.0000000000000000001",
];

/// What is added: to each counter from one of these lists, and from all at times.
const DELTAS: &[&[&str]] = &[
    &["0.1", "-0.1", "0.01", "19.99", "-7.35"],
    &["0.25", "0.5", "-0.75", "2", "-1.125"],
    &["1", "-1", "17"],
    &["0.00000000000000001", "-0.00000000000000003", "0.000000000000000015"],
    &["1e-3", "12345.6789", "-12345.6789", "0.3333333333333333333"],
    &["31.99999", "-31.5", "64.25", "-100.7"],
    &["1e15", "-1e15", "0.0000152587890625", "0.00000762939453125", "0.000003814697265625"],
    &["1e300", "-1e300", "0", "-0", "0.1"],
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Of {
    Text,
    Field,
    Score,
    WholeField,
}

const ALL: [Of; 4] = [Of::Text, Of::Field, Of::Score, Of::WholeField];

impl Of {
    fn add(self, delta: &str) -> Effect {
        let (text, field) = (|| delta.as_bytes().to_vec(), || b"f".to_vec());
        let number = delta.parse::<f64>().unwrap();
        match self {
            Of::Text => Effect::AddFloat { delta: text(), result: text() },
            Of::Field => Effect::AddFieldFloat { field: field(), delta: text(), result: text() },
            Of::Score => Effect::AddScore { member: field(), delta: number, result: number },
            Of::WholeField => {
                let delta = number.clamp(-1e18, 1e18) as i64;
                Effect::AddField { field: field(), delta, result: delta }
            }
        }
    }

    fn begin(self, text: &str) -> Effect {
        let bytes = text.as_bytes().to_vec();
        match self {
            Of::Text => Effect::Put { value: Value::String(bytes), deadline: None, absent: false },
            Of::Field | Of::WholeField => {
                Effect::SetField { field: b"f".to_vec(), value: bytes, absent: false }
            }
            Of::Score => {
                let score = text.parse().unwrap_or(0.5);
                Effect::SetScore { member: b"f".to_vec(), score, only: Default::default() }
            }
        }
    }

    /// Something else in between.
    fn other(self, dice: &mut Dice) -> Effect {
        match (self, dice.below(3)) {
            (Of::Text, 0) => Effect::Add { delta: 3, result: 4 },
            (Of::Text, 1) => Effect::ExpireAt { at: Some(u64::MAX >> 24), only: Default::default() },
            (Of::Text, _) => Effect::Append(b"1".to_vec()),
            (Of::Field | Of::WholeField, 0) => {
                Effect::SetField { field: b"f".to_vec(), value: b"77.7".to_vec(), absent: true }
            }
            (Of::Field | Of::WholeField, 1) => Effect::AddField { field: b"f".to_vec(), delta: 2, result: 9 },
            (Of::Field | Of::WholeField, _) => self.begin("70.7"),
            (Of::Score, 0) => self.begin("70.7"),
            (Of::Score, _) => {
                let only = replication::effect::ScoreCondition { greater: true, ..Default::default() };
                Effect::SetScore { member: b"f".to_vec(), score: 101.5, only }
            }
        }
    }
}

fn key() -> Key {
    Key { db: 0, name: b"counter".to_vec() }
}

fn group(create: bool, effect: Effect) -> Vec<u8> {
    codec::encode_writes(&[Write { key: key(), create, effect }])
}

/// Two nodes' writes arrive, each in its order, one of them late now and then.
fn contend(seed: u64) {
    let mut dice = Dice(seed);
    let (of, lists) = (*dice.pick(&ALL), (*dice.pick(DELTAS), *dice.pick(DELTAS)));
    let disturbed = dice.below(3) == 0;
    let mut node = Node::new(1, 3);
    node.receive(2, 1 << 20, &group(true, of.begin(dice.pick::<&str>(BEGIN))));
    let mut queues: [VecDeque<(u64, Vec<u8>)>; 2] = Default::default();
    for version in 2..2 + 50 + dice.below(2_000) {
        let list = if dice.below(20) == 0 { lists.1 } else { lists.0 };
        let effect = if disturbed && dice.below(300) == 0 {
            of.other(&mut dice)
        } else {
            of.add(dice.pick::<&str>(list))
        };
        queues[dice.below(2) as usize].push_back((version << 20, group(false, effect)));
    }
    let mut last = [1 << 20; 2];
    let checks = 1 + queues[0].len() as u64 / 10;
    while queues.iter().any(|queue| !queue.is_empty()) {
        let from = dice.below(2) as usize;
        let burst = if dice.below(4) == 0 { dice.below(400) } else { dice.below(5) };
        for _ in 0..burst {
            let Some((version, bytes)) = queues[from].pop_front() else { break };
            last[from] = version;
            node.receive(from as u16 + 2, version, &bytes);
            if dice.below(checks) == 0 {
                node.check(&key()).unwrap_or_else(|error| panic!("seed {seed}, {of:?}: {error}"));
            }
        }
        if dice.below(30) == 0 {
            let settled = last[0].min(last[1]);
            let levels = Levels { horizon: settled, known: settled, settled, agreed: settled };
            let shard = node.keyspace.shard_of(node.keyspace.hash(&key().name));
            settle_now(&mut node.console.ctx, shard, levels);
            node.console.ctx.locks.release();
        }
    }
    node.check(&key()).unwrap_or_else(|error| panic!("seed {seed}, {of:?}: {error}"));
}

/// `SUMS` of them from `SEED` on.
#[test]
fn late_fractions_end_in_the_fold() {
    let number = |name, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (from, seeds) = (number("SEED", 0), number("SUMS", 30));
    (from..from + seeds).for_each(contend);
}

/// A late one costs about what it would among few: nothing like the carrying out again of all young additions behind it.
/// `--nocapture` shows the cost of each.
#[test]
fn a_late_fraction_among_many_is_cheap() {
    const YOUNG: u64 = 100_000;
    const LATE: u64 = 200;
    for of in ALL {
        let list = DELTAS[0];
        let mut node = Node::new(1, 3);
        let mut apply = |from, version: u64, effect| {
            remote::apply(&mut node.console.ctx, from, version << 20, &group(false, effect), None).unwrap();
        };
        apply(2, 1, of.begin("1000.5"));
        let began = Instant::now();
        for i in 0..YOUNG {
            apply(2, 2 + 2 * i, of.add(list[i as usize % list.len()]));
        }
        let all = began.elapsed();
        let mut cost: Vec<_> = (0..LATE)
            .map(|i| {
                let began = Instant::now();
                apply(3, 3 + 2 * i, of.add(list[0]));
                began.elapsed()
            })
            .collect();
        cost.sort();
        let median = cost[cost.len() / 2];
        println!(
            "{of:?}: a late addition behind which {YOUNG} are takes {median:?}, the median of {LATE}; those took {all:?}"
        );
        assert!(median * 200 < all, "{of:?}: {median:?} of {all:?}");
        node.console.ctx.locks.release();
    }
}
