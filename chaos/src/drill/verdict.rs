//! What the nodes have, against what was acknowledged.
//!
//! For each item: was it put, was it taken, is it there? Requests without a reply may go either way. A node that is killed may
//! take with it what it had sent nobody: for each of its clients that is the end of what it did, and so everything it
//! acknowledged before something that survived must have survived, too.

use std::collections::{BTreeMap, HashMap, HashSet};

use harness::Client;

use super::fleet::Fleet;
use super::history::{History, What};
use super::place::{Item, Kind, Place};
use super::read::{self, Found};
use super::schedule::Crash;

/// Examples that are kept of each kind.
const EXAMPLES: usize = 4;

/// What was found out about one kind of place.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub acknowledged: u64,
    /// Acknowledged and not there.
    pub missing: u64,
    /// Taken away, with a reply, and there again.
    pub returned: u64,
    pub doubled: u64,
    /// There, and nobody wrote it; or in a form that nobody gave it.
    pub strange: u64,
    /// Missing because it had reached neither a peer nor a disk when the node was killed.
    pub lost_in_crash: u64,
    pub examples: Vec<String>,
}

impl Findings {
    pub fn is_clean(&self) -> bool {
        self.missing + self.returned + self.doubled + self.strange == 0
    }

    fn example(&mut self, text: String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(text);
        }
    }
}

#[derive(Debug, Default)]
pub struct Verdict {
    pub kinds: BTreeMap<Kind, Findings>,
    /// Keys that nodes have in different forms, with what each says.
    pub different: Vec<String>,
    pub keys: usize,
    /// Age, when the node was killed, of the oldest write that it took with it; ms.
    pub oldest_lost_ms: Option<u64>,
}

/// What happened to an item, by all accounts.
#[derive(Debug, Default)]
struct Fate {
    put: Option<Mark>,
    taken: Vec<Mark>,
    /// A request without a reply may have put it; taken it.
    may_put: bool,
    may_take: bool,
    lapses: bool,
}

/// A deed: which client's, its how-manieth.
#[derive(Clone, Copy, Debug)]
struct Mark {
    writer: u32,
    index: usize,
}

/// Where the killed node's clients stood, and what survived of what they did.
struct Tail {
    /// Of each client of the killed node: deeds before the crash.
    until: HashMap<u32, usize>,
    /// The last deed of each that is known to have survived.
    survived: HashMap<u32, usize>,
}

impl Tail {
    fn new(histories: &[History], crash: Option<&Crash>) -> Tail {
        let mut until = HashMap::new();
        if let Some(crash) = crash {
            for history in histories.iter().filter(|history| history.node == crash.node) {
                let before = history.deeds.partition_point(|deed| deed.at_ms <= crash.at_ms);
                until.insert(history.writer, before);
            }
        }
        Tail { until, survived: HashMap::new() }
    }

    /// Whether the killed node may have taken this with it.
    fn may_have(&self, mark: Mark) -> bool {
        self.until.get(&mark.writer).is_some_and(|until| mark.index < *until)
    }

    fn survives(&mut self, mark: Mark) {
        if self.may_have(mark) {
            let last = self.survived.entry(mark.writer).or_insert(0);
            *last = mark.index.max(*last);
        }
    }

    /// Whether something that a client did later has survived.
    fn is_hole(&self, mark: Mark) -> bool {
        self.survived.get(&mark.writer).is_some_and(|last| *last > mark.index)
    }
}

/// Compares all nodes with the histories. Nodes that are equal are read once.
pub fn judge(fleet: &Fleet, histories: &[History], crash: Option<&Crash>) -> Verdict {
    let mut verdict = Verdict::default();
    let mut clients: Vec<Client> = (0..fleet.len()).filter_map(|node| fleet.client(node)).collect();
    super::report::compare(&mut clients, &mut verdict);
    let nodes = if verdict.different.is_empty() { 1 } else { clients.len() };
    let mut tail = Tail::new(histories, crash);
    let fates = fates(histories);
    let writers = histories.len() as u32;
    for (node, client) in clients.iter_mut().enumerate().take(nodes) {
        let mut losses = Vec::new();
        for place in Place::all().filter(|place| !place.kind.is_sum()) {
            let found = read::items(client, place, writers);
            judge_items(node, place, &fates, found, histories, &mut verdict, &mut tail, &mut losses);
        }
        settle_losses(losses, histories, crash, &tail, &mut verdict);
        for place in Place::all().filter(|place| place.kind.is_sum()) {
            judge_sum(node, place, read::sum(client, place), histories, &tail, &mut verdict);
        }
    }
    if let Some(client) = clients.first_mut() {
        judge_groups(client, histories, writers, &mut verdict);
    }
    verdict
}

struct Fates {
    items: HashMap<(Place, Item), Fate>,
    /// Requests without a reply that may have popped something.
    blind_pops: HashMap<Place, u64>,
}

fn fates(histories: &[History]) -> Fates {
    let mut fates = Fates { items: HashMap::new(), blind_pops: HashMap::new() };
    for history in histories {
        for (index, deed) in history.deeds.iter().enumerate() {
            let mark = Mark { writer: history.writer, index };
            let Fates { items, blind_pops } = &mut fates;
            let (What::Put(place, item)
            | What::Take(place, item)
            | What::Lapse(place, item)
            | What::Read(place, item)) = deed.what
            else {
                if let What::TakeAny(place) = deed.what {
                    *blind_pops.entry(place).or_insert(0) += 1;
                }
                continue;
            };
            let fate = items.entry((place, item)).or_default();
            match deed.what {
                What::Put(..) if deed.acknowledged => fate.put = Some(mark),
                What::Put(..) => fate.may_put = true,
                What::Take(..) if deed.acknowledged => fate.taken.push(mark),
                What::Take(..) => fate.may_take = true,
                What::Lapse(..) if deed.acknowledged => fate.lapses = true,
                What::Lapse(..) => (fate.may_put, fate.may_take) = (true, true),
                _ => {}
            }
        }
    }
    fates
}

/// Something that is not as it was acknowledged: why, and whose deed is missing.
struct Loss {
    place: Place,
    mark: Mark,
    returned: bool,
    text: String,
}

fn judge_items(
    node: usize,
    place: Place,
    fates: &Fates,
    found: Found,
    histories: &[History],
    verdict: &mut Verdict,
    tail: &mut Tail,
    losses: &mut Vec<Loss>,
) {
    let findings = verdict.kinds.entry(place.kind).or_default();
    let mut blind = fates.blind_pops.get(&place).copied().unwrap_or(0);
    for text in found.strange {
        findings.strange += 1;
        findings.example(format!("node {node}, {}: {text}", place.key()));
    }
    for (item, count) in &found.items {
        if *count > 1 && !place.kind.may_double() {
            findings.doubled += 1;
            findings.example(format!("node {node}, {}: {item} is there {count} times", place.key()));
        }
        if !fates.items.contains_key(&(place, *item)) {
            findings.strange += 1;
            findings.example(format!("node {node}, {}: nobody wrote {item}", place.key()));
        }
    }
    for ((_, item), fate) in fates.items.iter().filter(|((of, _), _)| *of == place) {
        findings.acknowledged += u64::from(fate.put.is_some()) + fate.taken.len() as u64;
        let is_there = found.items.contains_key(item);
        let describe = |mark: Mark, what: &str| {
            let at = histories[mark.writer as usize].deeds[mark.index].at_ms;
            format!("node {node}, {}: {item} was {what} at {at} ms by client {}", place.key(), mark.writer)
        };
        match (fate.put, is_there) {
            (Some(mark), true) => tail.survives(mark),
            (Some(mark), false) if fate.taken.is_empty() && !fate.may_take && !fate.lapses => {
                if blind > 0 {
                    blind -= 1;
                } else {
                    losses.push(Loss {
                        place,
                        mark,
                        returned: false,
                        text: describe(mark, "put, and is missing"),
                    });
                }
            }
            _ => {}
        }
        if is_there && (!fate.taken.is_empty() || fate.lapses) && !fate.may_put && !place.kind.may_double() {
            match fate.taken.iter().find(|mark| tail.may_have(**mark)).or(fate.taken.first()) {
                Some(mark) => {
                    let text = describe(*mark, "taken, and is there");
                    losses.push(Loss { place, mark: *mark, returned: true, text });
                }
                None => {
                    findings.returned += 1;
                    findings.example(format!("node {node}, {}: {item} should have expired", place.key()));
                }
            }
        }
    }
}

/// What a killed node took with it is counted apart, if it is the end of what a client did.
fn settle_losses(
    losses: Vec<Loss>,
    histories: &[History],
    crash: Option<&Crash>,
    tail: &Tail,
    verdict: &mut Verdict,
) {
    for loss in losses {
        let findings = verdict.kinds.entry(loss.place.kind).or_default();
        if tail.may_have(loss.mark) && !tail.is_hole(loss.mark) {
            let at_ms = histories[loss.mark.writer as usize].deeds[loss.mark.index].at_ms;
            let age = crash.map_or(0, |crash| crash.at_ms.saturating_sub(at_ms));
            verdict.oldest_lost_ms = Some(verdict.oldest_lost_ms.map_or(age, |old| old.max(age)));
            findings.lost_in_crash += 1;
            continue;
        }
        *if loss.returned { &mut findings.returned } else { &mut findings.missing } += 1;
        let hole = if tail.is_hole(loss.mark) { "; what the client did later is there" } else { "" };
        findings.example(format!("{}{hole}", loss.text));
    }
}

/// A sum must be what was acknowledged, give or take what is not known.
fn judge_sum(
    node: usize,
    place: Place,
    found: Option<i64>,
    histories: &[History],
    tail: &Tail,
    verdict: &mut Verdict,
) {
    let findings = verdict.kinds.entry(place.kind).or_default();
    let (mut low, mut high, mut all, mut count) = (0, 0, 0, 0);
    // What nobody was told of may have been done, or not.
    let (mut untold_low, mut untold_high) = (0, 0);
    for history in histories {
        for (index, deed) in history.deeds.iter().enumerate() {
            let What::Sum(of, quarters) = deed.what else { continue };
            if of != place {
                continue;
            }
            count += u64::from(deed.acknowledged);
            let mark = Mark { writer: history.writer, index };
            // Nothing that this client did later is known to have survived: it may have gone with the node.
            let open = !deed.acknowledged || tail.may_have(mark) && !tail.is_hole(mark);
            if deed.acknowledged {
                all += quarters;
            } else {
                untold_low += quarters.min(0);
                untold_high += quarters.max(0);
            }
            low += if open { quarters.min(0) } else { quarters };
            high += if open { quarters.max(0) } else { quarters };
        }
    }
    findings.acknowledged += count;
    let Some(found) = found else {
        findings.strange += 1;
        return findings.example(format!("node {node}: {} is not a number of quarters", place.key()));
    };
    if found < low || found > high {
        findings.missing += 1;
        let text = format!("{} is {}, and should be {}", place.key(), found as f64 / 4.0, all as f64 / 4.0);
        findings.example(format!("node {node}: {text}"));
    } else if found < all + untold_low || found > all + untold_high {
        findings.lost_in_crash += 1;
    }
}

/// Every entry of a stream must have been handed out by its group, or be handed out now.
fn judge_groups(client: &mut Client, histories: &[History], writers: u32, verdict: &mut Verdict) {
    let mut read: HashSet<(Place, Item)> = HashSet::new();
    for deed in histories.iter().flat_map(|history| &history.deeds) {
        if let What::Read(place, item) = deed.what {
            read.insert((place, item));
        }
    }
    for place in Place::all().filter(|place| place.kind == Kind::Stream) {
        let there = read::items(client, place, writers);
        read.extend(read::delivered(client, place).into_iter().map(|item| (place, item)));
        let findings = verdict.kinds.entry(Kind::Stream).or_default();
        for item in there.items.keys().filter(|item| !read.contains(&(place, **item))) {
            findings.missing += 1;
            findings.example(format!("{}: the group never handed out {item}", place.key()));
        }
    }
}
