//! `everwrite demo`: three nodes in a full mesh on this machine, writes to all of them, a partition, and what becomes of it.
//!
//! The nodes are processes like any other, with KeyDB's words for options; between each two lies a proxy that holds up
//! what passes for a moment and can be cut. Nothing here looks into a node: all it shows, `redis-cli` can be asked for.

mod client;
mod node;
mod proxy;
mod screen;
mod writer;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use clap::Parser;

use node::Node;
use proxy::Proxy;
use screen::Screen;
use writer::{Tally, Writers};

/// Starts three nodes that all take writes, cuts one off, heals the cut, and shows that nothing is lost.
#[derive(Debug, Parser)]
#[command(name = "everwrite demo")]
struct Options {
    /// Milliseconds that anything takes from one node to another.
    #[arg(long, default_value_t = 5)]
    delay: u64,
    /// Seconds that each of the three acts lasts.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// End when the last act is over, instead of leaving the nodes to redis-cli.
    #[arg(long)]
    exit: bool,
}

/// How many nodes there are.
const NODES: usize = 3;
/// Nodes have the same data this soon after the last write, or something is wrong.
const EQUAL_WITHIN: Duration = Duration::from_secs(30);
const LINKED_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Runs the demo. `args` are those after the word.
pub fn run(args: &[OsString]) -> Result<(), String> {
    let name = OsString::from("everwrite demo");
    let options = match Options::try_parse_from(std::iter::once(&name).chain(args)) {
        Ok(options) => options,
        Err(e) => e.exit(),
    };
    let interrupt = Interrupt::new()?;
    let outcome = show(&options, &interrupt);
    // Ctrl-C reaches the nodes, too: what becomes of them then is no failure.
    if interrupt.came() { Ok(()) } else { outcome }
}

fn show(options: &Options, interrupt: &Interrupt) -> Result<(), String> {
    let mut screen = Screen::new(std::io::stdout().is_terminal());
    let nodes: Vec<Node> = (0..NODES).map(Node::start).collect::<Result<_, _>>()?;
    let links = link(&nodes, Duration::from_millis(options.delay))?;
    for node in &nodes {
        screen.say(&format!(
            "node {} takes writes: redis-cli -p {}   (data and log in {})",
            node.name(),
            node.port(),
            node.dir().display()
        ));
    }
    wait_linked(&nodes, interrupt)?;
    screen.say(&format!("linked, each to each; anything takes {} ms from one to another", options.delay));
    play(&nodes, &links, options, &mut screen, interrupt)?;
    if !options.exit && !interrupt.came() {
        screen.say("The nodes stay up until you press Ctrl-C. Try:");
        screen.say(&format!("  redis-cli -p {} set greeting hello", nodes[0].port()));
        screen.say(&format!("  redis-cli -p {} get greeting", nodes[2].port()));
        screen.say(&format!("  redis-cli -p {} info replication", nodes[1].port()));
        interrupt.wait();
    }
    Ok(())
}

/// A proxy for each direction between each two nodes: from, to, proxy.
fn link(nodes: &[Node], delay: Duration) -> Result<Vec<(usize, usize, Proxy)>, String> {
    let mut links = Vec::new();
    for from in 0..nodes.len() {
        for to in (0..nodes.len()).filter(|to| *to != from) {
            let proxy = Proxy::before(nodes[to].port(), delay).map_err(|e| format!("A proxy: {e}"))?;
            nodes[from].ask(&["REPLICAOF", "127.0.0.1", &proxy.port().to_string()])?;
            links.push((from, to, proxy));
        }
    }
    Ok(links)
}

fn wait_linked(nodes: &[Node], interrupt: &Interrupt) -> Result<(), String> {
    let began = Instant::now();
    while began.elapsed() < LINKED_WITHIN && !interrupt.came() {
        let views = screen::look(nodes)?;
        if views.iter().all(|view| view.links == NODES - 1) {
            return Ok(());
        }
        interrupt.sleep(Duration::from_millis(50));
    }
    Err("The nodes did not find each other; their logs say why.".into())
}

/// The three acts and the end.
fn play(
    nodes: &[Node],
    links: &[(usize, usize, Proxy)],
    options: &Options,
    screen: &mut Screen,
    interrupt: &Interrupt,
) -> Result<(), String> {
    let act = Duration::from_secs(options.seconds);
    let writers = Writers::start(nodes)?;
    let cut_off = NODES - 1;
    let of_cut = || links.iter().filter(|(from, to, _)| *from == cut_off || *to == cut_off);
    screen.act("Clients write to all three nodes, many of them to the same keys");
    watch(nodes, &writers, act, screen, interrupt)?;
    of_cut().for_each(|(.., proxy)| proxy.cut());
    screen.act(&format!("Node {} is cut off. All three go on taking writes", nodes[cut_off].name()));
    watch(nodes, &writers, act, screen, interrupt)?;
    of_cut().for_each(|(.., proxy)| proxy.heal());
    screen.act("The cut is healed, and clients go on");
    watch(nodes, &writers, act, screen, interrupt)?;
    let tally = writers.stop()?;
    screen.act("Clients stop");
    let began = Instant::now();
    while began.elapsed() < EQUAL_WITHIN && !interrupt.came() {
        let views = screen::look(nodes)?;
        screen.show(&views, tally.writes);
        if screen::equal(&views) {
            let ms = began.elapsed().as_millis();
            screen.say(&format!("All nodes have the same data, {ms} ms after the last write"));
            return check(nodes, &tally, screen);
        }
        interrupt.sleep(Duration::from_millis(20));
    }
    Err("The nodes' data are different: this is a bug.".into())
}

fn watch(
    nodes: &[Node],
    writers: &Writers,
    time: Duration,
    screen: &mut Screen,
    interrupt: &Interrupt,
) -> Result<(), String> {
    let until = Instant::now() + time;
    while Instant::now() < until && !interrupt.came() {
        screen.show(&screen::look(nodes)?, writers.writes());
        interrupt.sleep(LOOK_EVERY);
    }
    if interrupt.came() { Err("interrupted".into()) } else { Ok(()) }
}

/// Compares the data with what clients were told.
fn check(nodes: &[Node], tally: &Tally, screen: &mut Screen) -> Result<(), String> {
    let mut lost = 0;
    for (what, request, expected) in [
        ("increments of one counter", vec!["GET", "demo:hits"], tally.increments),
        ("members of one set", vec!["SCARD", "demo:all"], tally.members),
        ("elements of one list", vec!["LLEN", "demo:list"], tally.pushes),
    ] {
        let mut found = Vec::new();
        for node in nodes {
            found.push(node.ask(&request)?.parse().unwrap_or(0));
        }
        lost += found.iter().map(|found| expected.abs_diff(*found)).sum::<u64>();
        screen.say(&format!("{expected} {what} were acknowledged; the nodes have {found:?}"));
    }
    if lost == 0 { Ok(()) } else { Err(format!("{lost} acknowledged writes are missing: this is a bug.")) }
}

/// SIGINT and SIGTERM.
struct Interrupt {
    came: std::sync::mpsc::Receiver<()>,
    seen: std::cell::Cell<bool>,
}

impl Interrupt {
    fn new() -> Result<Interrupt, String> {
        use tokio::signal::unix::{SignalKind, signal};
        let (sender, came) = std::sync::mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| format!("Can't wait for signals: {e}"))?;
        std::thread::spawn(move || {
            runtime.block_on(async {
                let (Ok(mut term), Ok(mut int)) =
                    (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
                else {
                    return;
                };
                loop {
                    tokio::select! {
                        _ = term.recv() => {}
                        _ = int.recv() => {}
                    }
                    let _ = sender.send(());
                }
            });
        });
        Ok(Interrupt { came, seen: Default::default() })
    }

    fn came(&self) -> bool {
        if self.came.try_recv().is_ok() {
            self.seen.set(true);
        }
        self.seen.get()
    }

    fn sleep(&self, time: Duration) {
        if !self.came() && self.came.recv_timeout(time).is_ok() {
            self.seen.set(true);
        }
    }

    fn wait(&self) {
        while !self.came() {
            self.sleep(Duration::from_secs(3600));
        }
    }
}
