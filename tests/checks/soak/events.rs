//! What happens to nodes and links while clients write, one thing after another.

use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use harness::Value;
use harness::random::Rng;
use harness::wait::wait_for;

use super::fleet::{Edge, Fleet};
use super::shape::{Keeps, Trait};

/// What an operator asks for is done at the latest then.
const DONE_WITHIN: Duration = Duration::from_secs(30);

/// See the [module's page](self).
pub struct Events<'a> {
    fleet: &'a Fleet,
    rng: Rng,
    began: Instant,
    /// What happened, for the report.
    pub told: Vec<String>,
    /// Identities that nobody has any more.
    former: Vec<String>,
    /// What happens once in a round, and has not yet.
    due: Vec<Trait>,
}

impl<'a> Events<'a> {
    pub fn new(fleet: &'a Fleet, rng: Rng) -> Events<'a> {
        let once = [Trait::Newcomer, Trait::Detach, Trait::Forget, Trait::NewId];
        let due = once.into_iter().filter(|one| fleet.shape.has(*one)).collect();
        Events { fleet, rng, began: Instant::now(), told: Vec::new(), former: Vec::new(), due }
    }

    fn tell(&mut self, what: String) {
        let line = format!("{:.1} s {what}", self.began.elapsed().as_secs_f64());
        // It is shown even if a node never comes back.
        println!("{line}");
        self.told.push(line);
    }

    /// Lets things happen for so long.
    pub fn run(&mut self, seconds: f64) {
        let until = self.began + Duration::from_secs_f64(seconds);
        while Instant::now() + Duration::from_millis(500) < until {
            self.sleep(1_200);
            let used = self.began.elapsed().as_secs_f64() / seconds;
            // Once in a round, at a time of its own, and all by the end of it.
            if !self.due.is_empty() && (self.rng.percent(25) || used > 0.6) {
                let which = self.rng.below(self.due.len());
                let one = self.due.swap_remove(which);
                self.once(one);
            } else {
                self.any();
            }
        }
        while let Some(one) = self.due.pop() {
            self.once(one);
        }
    }

    fn sleep(&mut self, most_ms: usize) {
        std::thread::sleep(Duration::from_millis(self.rng.below(most_ms) as u64));
    }

    fn some_member(&mut self) -> usize {
        let members: Vec<usize> =
            self.fleet.present().filter(|node| self.fleet.nodes[*node].joined.load(SeqCst)).collect();
        *self.rng.pick(&members)
    }

    fn some_edge(&mut self) -> Option<&'a Edge> {
        let there = |node: usize| !self.fleet.nodes[node].gone.load(SeqCst);
        let edges: Vec<&Edge> =
            self.fleet.edges.iter().filter(|edge| there(edge.from) && there(edge.to)).collect();
        if edges.is_empty() { None } else { Some(*self.rng.pick(&edges)) }
    }

    fn any(&mut self) {
        let node = self.some_member();
        let quiet = self.fleet.shape.has(Trait::Calm);
        match self.rng.below(if quiet { 5 } else { 16 }) {
            0 => self.say(node, "BGSAVE"),
            1 => self.say(node, "BGREWRITEAOF"),
            2 => self.room(node),
            3 => self.clocks(),
            4 => {}
            5..8 => self.pause(node),
            8..11 => self.kill(node),
            11 => self.cut(),
            12 => self.cut_off(node),
            13 => self.hang_up(),
            14 => self.unlink(),
            _ => self.kill_links(node),
        }
    }

    fn say(&mut self, node: usize, line: &str) {
        self.tell(format!("{line} at {node}"));
        let _ = self.fleet.ask(node, line);
    }

    /// A node has too little memory for a while.
    fn room(&mut self, node: usize) {
        if !self.fleet.shape.has(Trait::Evicts) {
            return;
        }
        // What must be there in the end has no deadline.
        let policy = if self.fleet.shape.keeps_all() { "volatile-lru" } else { "allkeys-lru" };
        let used: u64 = self.fleet.info(node, "used_memory").parse().unwrap_or(0);
        let bytes = used.saturating_sub(20_000).to_string();
        self.say(node, &format!("CONFIG SET maxmemory-policy {policy} maxmemory {bytes}"));
        self.sleep(1_000);
        self.say(node, "CONFIG SET maxmemory 0");
    }

    fn clocks(&mut self) {
        let ms = self.rng.below(3_000) as i64 - 1_500;
        let clocks: Vec<usize> =
            self.fleet.present().filter(|node| self.fleet.nodes[*node].clock.is_some()).collect();
        for node in clocks {
            self.tell(format!("the clock of {node} is off by {ms} ms"));
            if let Some(clock) = &self.fleet.nodes[node].clock {
                clock.set(ms).expect("the clock's file can be written");
            }
        }
    }

    fn pause(&mut self, node: usize) {
        let ms = self.rng.below(2_500) as u64;
        self.tell(format!("{node} stands still for {ms} ms"));
        self.fleet.server(node).suspend(true);
        std::thread::sleep(Duration::from_millis(ms));
        self.fleet.server(node).suspend(false);
    }

    fn kill(&mut self, node: usize) {
        let at_once = self.rng.percent(70);
        let ms = self.rng.below(1_000) as u64;
        self.tell(format!("{node} {} for {ms} ms", if at_once { "is killed" } else { "ends" }));
        if self.fleet.shape.keeps == Keeps::File && self.rng.percent(50) {
            let _ = self.fleet.ask(node, "SAVE");
        }
        self.fleet.restart(node, at_once, Duration::from_millis(ms));
        self.tell(format!("{node} is back"));
    }

    fn cut(&mut self) {
        let Some(edge) = self.some_edge() else { return };
        let (a, b) = (edge.from, edge.to);
        let between = |edge: &&Edge| (edge.from, edge.to) == (a, b) || (edge.from, edge.to) == (b, a);
        self.tell(format!("nothing passes between {a} and {b}"));
        self.fleet.edges.iter().filter(between).for_each(|edge| edge.proxy.cut());
        self.sleep(2_500);
        self.tell(format!("{a} and {b} can talk"));
        self.fleet.edges.iter().filter(between).for_each(|edge| edge.proxy.heal());
    }

    fn cut_off(&mut self, node: usize) {
        self.tell(format!("{node} is cut off"));
        self.fleet.around(node).for_each(|edge| edge.proxy.cut());
        self.sleep(3_000);
        self.tell(format!("{node} can talk"));
        self.fleet.around(node).for_each(|edge| edge.proxy.heal());
    }

    fn hang_up(&mut self) {
        for _ in 0..1 + self.rng.below(4) {
            let Some(edge) = self.some_edge() else { return };
            self.tell(format!("{} to {} breaks", edge.from, edge.to));
            edge.proxy.hang_up();
            self.sleep(300);
        }
    }

    /// A node does not follow another one for a while.
    fn unlink(&mut self) {
        let Some(edge) = self.some_edge() else { return };
        if !self.fleet.nodes[edge.from].joined.load(SeqCst) {
            return;
        }
        let port = edge.proxy.address().port();
        self.tell(format!("{} does not follow {}", edge.from, edge.to));
        let _ = self.fleet.ask(edge.from, &format!("REPLICAOF REMOVE 127.0.0.1 {port}"));
        self.sleep(1_500);
        self.tell(format!("{} follows {}", edge.from, edge.to));
        let _ = self.fleet.ask(edge.from, &format!("REPLICAOF 127.0.0.1 {port}"));
    }

    fn kill_links(&mut self, node: usize) {
        self.say(node, "CLIENT KILL TYPE replica");
        self.say(node, "CLIENT KILL TYPE master");
    }

    fn once(&mut self, one: Trait) {
        match one {
            Trait::Newcomer => self.join(),
            Trait::Detach => self.detach(),
            Trait::Forget => self.forget(),
            _ => self.new_id(),
        }
    }

    /// The newcomer becomes a member, as it is or with the file that it has saved.
    fn join(&mut self) {
        let node = self.fleet.nodes.len() - 1;
        self.fleet.tell_to_follow(node);
        if self.rng.percent(40) {
            self.tell(format!("{node} comes with its file"));
            let _ = self.fleet.ask(node, "SAVE");
            self.fleet.nodes[node].up.store(false, SeqCst);
            let mut server = self.fleet.server(node);
            server.kill();
            let dir = server.dir().to_path_buf();
            let _ = std::fs::remove_file(dir.join("everwrite.node"));
            let _ = std::fs::remove_dir_all(dir.join("appendonlydir"));
            server.start_again();
            drop(server);
            self.fleet.nodes[node].up.store(true, SeqCst);
        } else {
            self.tell(format!("{node} comes as it is"));
            let ports = self.fleet.edges.iter().filter(|edge| edge.from == node);
            for port in ports.map(|edge| edge.proxy.address().port()) {
                let _ = self.fleet.ask(node, &format!("REPLICAOF 127.0.0.1 {port}"));
            }
        }
        self.fleet.wait_links(node, self.fleet.neighbours(node).len());
        let in_sync = || (self.fleet.info(node, "master_sync_in_progress") != "1").then_some(());
        wait_for(DONE_WITHIN, in_sync);
        self.sleep(500);
        self.fleet.nodes[node].joined.store(true, SeqCst);
        self.tell(format!("{node} is a member"));
    }

    /// A member that has given others all it has is away, and nobody waits for it; then it comes back.
    fn detach(&mut self) {
        let node = self.some_member();
        self.tell(format!("{node} is to be detached"));
        self.hush(node);
        let id = self.fleet.info(node, "mesh_uuid");
        {
            let mut server = self.fleet.server(node);
            server.terminate();
        }
        let others: Vec<usize> = self.others(node);
        for other in &others {
            let said = self.fleet.ask(*other, &format!("REPLICATION DETACH {id}"));
            self.tell(format!("{other} has detached {node}: {said}"));
        }
        self.sleep(1_500);
        self.fleet.server(node).start_again();
        // What it took before the others have met it they could not merge: a member with a log takes writes at once.
        self.fleet.wait_links(node, self.fleet.neighbours(node).len());
        self.fleet.nodes[node].up.store(true, SeqCst);
        self.tell(format!("{node} is back"));
    }

    /// Members besides one.
    fn others(&self, node: usize) -> Vec<usize> {
        let member = |other: &usize| *other != node && self.fleet.nodes[*other].joined.load(SeqCst);
        self.fleet.present().filter(member).collect()
    }

    /// Has clients leave a node, and waits until its neighbours hold all that they wrote.
    fn hush(&mut self, node: usize) {
        self.fleet.nodes[node].up.store(false, SeqCst);
        std::thread::sleep(Duration::from_millis(300));
        let held = || {
            let peers = self.fleet.ask(node, "REPLICATION PEERS").to_string();
            (self.fleet.info(node, "connected_slaves") != "0" && !peers.is_empty()).then_some(())
        };
        wait_for(DONE_WITHIN, held);
        let mut client = self.fleet.client(node);
        // Its own last write, so that there is something to wait for.
        let all = self.fleet.neighbours(node).len()
            + self.fleet.replicas.iter().filter(|(of, _)| *of == node).count();
        let _ = client.cmd("SET last 1");
        let said = client.cmd(&format!("WAIT {all} 10000"));
        self.tell(format!(
            "WAIT at {node}: {}",
            said.map_or_else(|e| e.to_string(), |reply| reply.to_string())
        ));
    }

    /// A member goes for good.
    fn forget(&mut self) {
        let newest = self.fleet.nodes.len() - 1;
        let mut node = self.some_member();
        // The one with a story of its own stays.
        if node == newest {
            node = 0;
        }
        if self.fleet.present().count() < 3 {
            return;
        }
        self.tell(format!("{node} goes for good"));
        let id = self.fleet.info(node, "mesh_uuid");
        self.fleet.nodes[node].up.store(false, SeqCst);
        self.fleet.server(node).kill();
        self.fleet.nodes[node].gone.store(true, SeqCst);
        for edge in self.fleet.edges.iter().filter(|edge| edge.to == node && edge.from != node) {
            if self.fleet.nodes[edge.from].gone.load(SeqCst) {
                continue;
            }
            let port = edge.proxy.address().port();
            let _ = self.fleet.ask(edge.from, &format!("REPLICAOF REMOVE 127.0.0.1 {port}"));
        }
        self.former.push(id);
        self.forget_former();
    }

    /// A node takes a new identity, and once another one has met it nobody waits for its old one.
    fn new_id(&mut self) {
        let node = self.some_member();
        let id = self.fleet.info(node, "mesh_uuid");
        self.say(node, "REPLICATION NEWID");
        let new = self.fleet.info(node, "mesh_uuid");
        let has_met = |other: usize| self.fleet.ask(other, "REPLICATION PEERS").to_string().contains(&new);
        wait_for(DONE_WITHIN, || self.others(node).into_iter().any(has_met).then_some(()));
        self.former.push(id);
        self.forget_former();
    }

    /// Has everybody forget those who are no more; who hears of them again from somebody who has not yet, once more.
    pub fn forget_former(&mut self) {
        for id in self.former.clone() {
            for node in
                self.fleet.present().filter(|node| self.fleet.nodes[*node].is_up()).collect::<Vec<_>>()
            {
                let said = self.fleet.ask(node, &format!("REPLICATION FORGET {id}"));
                if said == Value::Simple(b"OK".to_vec()) {
                    self.tell(format!("{node} has forgotten {id}"));
                }
            }
        }
    }
}

/// Whether a directory has a member's log.
pub fn has_log(dir: &Path) -> bool {
    let entries = std::fs::read_dir(dir.join("appendonlydir")).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.path().extension().is_some_and(|end| end == "base"))
}
