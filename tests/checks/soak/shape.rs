//! What a round is like: who is linked to whom, what is kept on disk, and what happens. All of it follows from a number, and
//! can be said in words: `SOAK_SHAPE="ring5 log newcomer clock"`.

use std::fmt;

use harness::random::Rng;

/// What nodes keep on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing but who they are.
    Nothing,
    /// A snapshot, now and then.
    File,
    /// The log, so that a killed node loses nothing.
    Log,
}

/// What happens besides pauses, kills and cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trait {
    /// A node with data of its own becomes a member.
    Newcomer,
    /// The last node's clock is wrong, and is set now and then.
    Clock,
    /// A node has too little memory now and then.
    Evicts,
    /// A member that is away is detached.
    Detach,
    /// A member goes for good.
    Forget,
    /// A node takes a new identity.
    NewId,
    /// What nodes keep for others is short, so that these need full syncs.
    Short,
    /// Links are slow.
    Slow,
    /// A plain replica follows each node.
    Replica,
    /// Everything is emptied now and then.
    Floods,
    /// Nodes pass nothing on (each has a link to each).
    Alone,
    /// Nobody is killed, paused or cut off.
    Calm,
}

const TRAITS: [(&str, Trait); 12] = [
    ("newcomer", Trait::Newcomer),
    ("clock", Trait::Clock),
    ("evicts", Trait::Evicts),
    ("detach", Trait::Detach),
    ("forget", Trait::Forget),
    ("newid", Trait::NewId),
    ("short", Trait::Short),
    ("slow", Trait::Slow),
    ("replica", Trait::Replica),
    ("floods", Trait::Floods),
    ("alone", Trait::Alone),
    ("calm", Trait::Calm),
];
const KEEPS: [(&str, Keeps); 3] = [("nothing", Keeps::Nothing), ("file", Keeps::File), ("log", Keeps::Log)];

/// See the [module's page](self).
#[derive(Clone, Debug)]
pub struct Shape {
    /// `mesh`, `chain`, `ring` or `star`.
    pub form: &'static str,
    pub nodes: usize,
    pub keeps: Keeps,
    pub traits: Vec<Trait>,
}

const FORMS: [&str; 4] = ["mesh", "chain", "ring", "star"];

impl Shape {
    /// The shape of a round.
    pub fn draw(rng: &mut Rng) -> Shape {
        let (form, nodes) = *rng.pick(&[
            ("mesh", 3),
            ("mesh", 3),
            ("mesh", 4),
            ("chain", 3),
            ("chain", 4),
            ("ring", 4),
            ("ring", 5),
            ("star", 4),
        ]);
        let keeps = rng.pick(&KEEPS).1;
        let mut traits = Vec::new();
        for (_, one) in TRAITS {
            if rng.percent(if one == Trait::Calm { 5 } else { 18 }) {
                traits.push(one);
            }
        }
        Shape { form, nodes, keeps, traits }.possible()
    }

    /// A shape from its words.
    pub fn parse(words: &str) -> Shape {
        let mut shape = Shape { form: "mesh", nodes: 3, keeps: Keeps::Nothing, traits: Vec::new() };
        for word in words.split_whitespace() {
            let named = word.trim_end_matches(|c: char| c.is_ascii_digit());
            if let Some(form) = FORMS.iter().find(|form| **form == named) {
                shape.form = form;
                shape.nodes = word[named.len()..].parse().unwrap_or(3);
            } else if let Some((_, keeps)) = KEEPS.iter().find(|(name, _)| *name == word) {
                shape.keeps = *keeps;
            } else if let Some((_, one)) = TRAITS.iter().find(|(name, _)| *name == word) {
                shape.traits.push(*one);
            } else {
                panic!("SOAK_SHAPE has no such word: {word}");
            }
        }
        shape
    }

    /// Without what does not go together.
    fn possible(mut self) -> Shape {
        let whole = self.form == "mesh";
        self.traits.retain(|one| match one {
            // Who is detached must have nothing that the others lack: elsewhere it is the one who passes things on.
            Trait::Forget | Trait::Alone | Trait::Detach => whole,
            _ => true,
        });
        if self.has(Trait::Forget) {
            self.nodes = self.nodes.max(4);
            // Who passes nothing on cannot give others what a member told it alone before it went.
            self.traits.retain(|one| *one != Trait::Alone);
        }
        self
    }

    pub fn has(&self, one: Trait) -> bool {
        self.traits.contains(&one)
    }

    /// Who calls whom.
    pub fn edges(&self, rng: &mut Rng) -> Vec<(usize, usize)> {
        let n = self.nodes;
        let pairs: Vec<(usize, usize)> = match self.form {
            "chain" => (1..n).map(|to| (to - 1, to)).collect(),
            "ring" => (0..n).map(|from| (from, (from + 1) % n)).collect(),
            "star" => (1..n).map(|to| (0, to)).collect(),
            _ => (0..n).flat_map(|from| (from + 1..n).map(move |to| (from, to))).collect(),
        };
        let mut edges = Vec::new();
        for (a, b) in pairs {
            match rng.below(3) {
                0 => edges.push((a, b)),
                1 => edges.push((b, a)),
                _ => edges.extend([(a, b), (b, a)]),
            }
        }
        edges
    }

    /// Whether nothing that was acknowledged may be missing.
    pub fn keeps_all(&self) -> bool {
        let kills = self.keeps != Keeps::Log && !self.has(Trait::Calm);
        let loses = [Trait::Forget, Trait::Floods, Trait::Detach];
        !kills && !loses.iter().any(|one| self.has(*one))
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keeps = KEEPS.iter().find(|(_, keeps)| *keeps == self.keeps).map_or("", |(name, _)| name);
        write!(f, "{}{} {keeps}", self.form, self.nodes)?;
        for (name, _) in TRAITS.iter().filter(|(_, one)| self.has(*one)) {
            write!(f, " {name}")?;
        }
        Ok(())
    }
}
