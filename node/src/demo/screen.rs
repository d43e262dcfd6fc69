//! What the demo shows: a line for each node, renewed in place on a terminal, and one after the other elsewhere.

use std::io::Write;
use std::time::{Duration, Instant};

use super::node::Node;

/// Elsewhere than on a terminal, the state is written this often.
const PLAIN_EVERY: Duration = Duration::from_secs(1);

/// A node as seen from outside.
#[derive(Clone, Debug)]
pub struct View {
    pub name: char,
    pub links: usize,
    pub written: u64,
    pub applied: u64,
    /// How far the peers that it is linked with are behind it.
    pub lag_ms: Option<u64>,
    pub conflicts: u64,
    pub digest: String,
}

/// Asks every node.
pub fn look(nodes: &[Node]) -> Result<Vec<View>, String> {
    nodes.iter().map(look_at).collect()
}

fn look_at(node: &Node) -> Result<View, String> {
    let info = node.ask(&["INFO", "replication"])?;
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim().parse().unwrap_or(0)
    };
    let lags = info.split("lag_ms=").skip(1).filter_map(|rest| rest.split(',').next()?.parse().ok());
    Ok(View {
        name: node.name(),
        links: field("connected_slaves") as usize,
        written: field("mesh_effects_written"),
        applied: field("mesh_effects_applied"),
        lag_ms: lags.max(),
        conflicts: replication::overlay::Rule::ALL
            .map(|rule| field(&format!("mesh_conflicts_{}", rule.name().replace('-', "_"))))
            .iter()
            .sum(),
        digest: node.ask(&["DEBUG", "DIGEST"])?,
    })
}

/// Whether all have the same data.
pub fn equal(views: &[View]) -> bool {
    views.windows(2).all(|pair| pair[0].digest == pair[1].digest)
}

/// See the [module's page](self).
pub struct Screen {
    terminal: bool,
    /// Lines to be written over.
    shown: usize,
    last: Option<Instant>,
}

impl Screen {
    pub fn new(terminal: bool) -> Screen {
        Screen { terminal, shown: 0, last: None }
    }

    /// Says something that stays.
    pub fn say(&mut self, text: &str) {
        self.shown = 0;
        print(text);
    }

    /// A new act begins.
    pub fn act(&mut self, text: &str) {
        self.say(&format!("\n== {text}"));
        self.last = None;
    }

    /// Shows how things are.
    pub fn show(&mut self, views: &[View], writes: u64) {
        if !self.terminal && self.last.is_some_and(|last| last.elapsed() < PLAIN_EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        if self.terminal && self.shown > 0 {
            let _ = write!(std::io::stdout(), "\x1b[{}A\x1b[J", self.shown);
        }
        for view in views {
            print(&format!(
                "   {}  links {}  wrote {:>7}  applied {:>7}  peers behind {:>7}  conflicts {:>4}  digest {}",
                view.name,
                view.links,
                view.written,
                view.applied,
                view.lag_ms.map_or("-".to_owned(), |ms| format!("{ms} ms")),
                view.conflicts,
                view.digest.get(..12).unwrap_or(&view.digest),
            ));
        }
        let same = if equal(views) { "the data are equal" } else { "the data differ" };
        print(&format!("   {writes} writes acknowledged; {same}"));
        self.shown = views.len() + 1;
    }
}

/// Whoever reads may have gone.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
