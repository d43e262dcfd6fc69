//! Clients of the demo: one for each node, writing without pause, and counting what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use super::client::Client;
use super::node::Node;

/// Between two rounds of a client: the point is what happens, not how much of it.
const REST: Duration = Duration::from_millis(1);

/// What was acknowledged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub writes: u64,
    pub increments: u64,
    pub members: u64,
    pub pushes: u64,
}

/// The clients at work.
pub struct Writers {
    stop: Arc<AtomicBool>,
    writes: Arc<AtomicU64>,
    threads: Vec<JoinHandle<std::io::Result<Tally>>>,
}

impl Writers {
    pub fn start(nodes: &[Node]) -> Result<Writers, String> {
        let (stop, writes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut threads = Vec::new();
        for node in nodes {
            let client = Client::connect(node.port()).map_err(|e| format!("Node {}: {e}", node.name()))?;
            let (name, stop, writes) = (node.name(), stop.clone(), writes.clone());
            threads.push(std::thread::spawn(move || write(client, name, &stop, &writes)));
        }
        Ok(Writers { stop, writes, threads })
    }

    /// Writes acknowledged so far.
    pub fn writes(&self) -> u64 {
        self.writes.load(Relaxed)
    }

    pub fn stop(self) -> Result<Tally, String> {
        self.stop.store(true, Relaxed);
        let mut all = Tally::default();
        for thread in self.threads {
            let tally = thread.join().map_err(|_| "A client ended".to_string())?;
            let tally = tally.map_err(|e| format!("A write was refused: {e}"))?;
            all.writes += tally.writes;
            all.increments += tally.increments;
            all.members += tally.members;
            all.pushes += tally.pushes;
        }
        Ok(all)
    }
}

fn write(mut client: Client, name: char, stop: &AtomicBool, writes: &AtomicU64) -> std::io::Result<Tally> {
    let mut tally = Tally::default();
    for round in 0u64.. {
        if stop.load(Relaxed) {
            break;
        }
        let own = format!("{name}:{round}");
        let (field, score) = (format!("f{}", round % 50), (round % 1000).to_string());
        client.ask(&["SET", "demo:last", &own])?;
        client.ask(&["INCR", "demo:hits"])?;
        client.ask(&["SADD", "demo:all", &own])?;
        client.ask(&["RPUSH", "demo:list", &own])?;
        client.ask(&["HSET", "demo:profile", &field, &own])?;
        client.ask(&["ZADD", "demo:scores", &score, &field])?;
        client.ask(&["SETEX", &format!("demo:session:{}", round % 20), "60", &own])?;
        client.ask(&["DEL", &format!("demo:session:{}", (round + 7) % 20)])?;
        tally.writes += 8;
        tally.increments += 1;
        tally.members += 1;
        tally.pushes += 1;
        writes.fetch_add(8, Relaxed);
        std::thread::sleep(REST);
    }
    Ok(tally)
}
