//! Three stores and queues between them: nothing but the fold is under test.

use chaos::rng::Rng;
use chaos::store::Store;
use chaos::workload::Client;
use replication::effect::Write;
use replication::overlay::{Levels, Rules};
use replication::{Clock, Place};

const N: usize = 3;

enum Message {
    Effects(u64, Vec<Write>),
    Beat { promise: u64, horizon: u64, known: u64, settled: u64 },
}

struct Node {
    store: Store,
    clock: Clock,
    promise: [u64; N],
    horizon: [u64; N],
    known: [u64; N],
    settled: [u64; N],
}

impl Node {
    fn levels(&mut self, me: usize) -> (u64, u64, u64, u64) {
        self.promise[me] = self.clock.last();
        let min = |of: &[u64; N]| of.iter().copied().min().unwrap_or(0);
        self.horizon[me] = self.horizon[me].max(min(&self.promise));
        self.known[me] = self.known[me].max(min(&self.horizon));
        self.settled[me] = self.settled[me].max(min(&self.known));
        (self.horizon[me], self.known[me], self.settled[me], min(&self.settled))
    }
}

fn run(seed: u64) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let node = || Node {
        store: Store::new(Rules::default()),
        clock: Clock::default(),
        promise: [0; N],
        horizon: [0; N],
        known: [0; N],
        settled: [0; N],
    };
    let mut nodes: Vec<Node> = (0..N).map(|_| node()).collect();
    let mut queues: Vec<std::collections::VecDeque<Message>> =
        (0..N * N).map(|_| Default::default()).collect();
    let mut now = 1_000_000;
    let steps = 150 + rng.below(250);
    let lag = 1 + rng.below(30);
    for step in 0..steps * 2 + 400 {
        now += rng.below(20);
        let writing = step < steps;
        let me = rng.index(N);
        if writing && rng.once_in(2) {
            let version = nodes[me].clock.mint(now);
            let horizon = nodes[me].levels(me).0;
            let mut client = Client::new(&mut nodes[me].store, version, me as u16 + 1, horizon, true);
            client.command(&mut rng);
            let writes = client.writes;
            for write in &writes {
                nodes[me]
                    .store
                    .check(&write.key, now)
                    .map_err(|e| format!("step {step} local at {me}: {write:?} {e:?}"))?;
            }
            for to in (0..N).filter(|to| *to != me && !writes.is_empty()) {
                queues[me * N + to].push_back(Message::Effects(version, writes.clone()));
            }
        } else if rng.once_in(3) {
            let (horizon, known, settled, agreed) = nodes[me].levels(me);
            let promise = nodes[me].clock.mint(now);
            nodes[me].store.settle(Levels { horizon, known, settled, agreed });
            nodes[me].store.check_all(now).map_err(|e| format!("step {step} settled at {me}: {e:?}"))?;
            for to in (0..N).filter(|to| *to != me) {
                queues[me * N + to].push_back(Message::Beat { promise, horizon, known, settled });
            }
        } else {
            for _ in 0..lag.min(4) {
                let from = rng.index(N);
                if from == me {
                    continue;
                }
                let Some(message) = queues[from * N + me].pop_front() else { continue };
                receive(&mut nodes[me], from, message, now)
                    .map_err(|e| format!("step {step} at {me} from {from}: {e}"))?;
            }
        }
    }
    for _ in 0..6 {
        for me in 0..N {
            for from in 0..N {
                while let Some(message) = queues[from * N + me].pop_front() {
                    receive(&mut nodes[me], from, message, now).map_err(|e| format!("end: {e}"))?;
                }
            }
        }
        for me in 0..N {
            let (horizon, known, settled, agreed) = nodes[me].levels(me);
            nodes[me].store.settle(Levels { horizon, known, settled, agreed });
            let promise = nodes[me].clock.mint(now);
            for to in (0..N).filter(|to| *to != me) {
                queues[me * N + to].push_back(Message::Beat { promise, horizon, known, settled });
            }
        }
    }
    for (i, node) in nodes.iter().enumerate() {
        node.store.check_all(now).map_err(|e| format!("end at {i}: {e:?}"))?;
        if !node.store.overlay.is_empty() {
            return Err(format!("overlay of {i} is not empty: {:?}", node.store.overlay));
        }
        if node.store.plain.visible(now) != nodes[0].store.plain.visible(now) {
            return Err(format!("{i} differs from 0"));
        }
    }
    Ok(())
}

fn receive(node: &mut Node, from: usize, message: Message, now: u64) -> Result<(), String> {
    match message {
        Message::Effects(version, writes) => {
            node.clock.observe(version);
            for (sub, write) in writes.iter().enumerate() {
                let place = Place { version, origin: from as u16 + 1, sub: sub as u32 };
                node.store.apply(place, write);
                node.store.check(&write.key, now).map_err(|e| format!("{place:?} {write:?}: {e:?}"))?;
            }
        }
        Message::Beat { promise, horizon, known, settled } => {
            node.promise[from] = promise;
            node.horizon[from] = horizon;
            node.known[from] = known;
            node.settled[from] = settled;
        }
    }
    Ok(())
}

#[test]
fn the_overlay_is_the_fold_in_any_order_of_arrival() {
    let seeds = std::env::var("SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let from = std::env::var("SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    for seed in from..from + seeds {
        if let Err(error) = run(seed) {
            panic!("seed {seed}: {error}");
        }
    }
}
