//! What is printed at the end.

use std::collections::BTreeMap;

use harness::{Client, Value};

use super::Options;
use super::fleet::{Converged, Fleet};
use super::folded::Folded;
use super::history::History;
use super::schedule::Crash;
use super::verdict::Verdict;
use super::watch::Torn;

/// Different keys that are shown.
const SHOWN: usize = 12;
/// Databases that clients write to.
const DATABASES: [&str; 2] = ["0", "9"];

/// See the [module's page](self).
pub struct Report<'a> {
    pub options: &'a Options,
    pub histories: &'a [History],
    pub crash: Option<Crash>,
    pub converged: Converged,
    pub torn: Vec<Torn>,
    pub verdict: Verdict,
    pub folded: Option<Folded>,
}

impl Folded {
    fn show(&self) {
        match &self.incomplete {
            Some(reason) => println!("the logs were not folded: {reason}"),
            None => println!(
                "{} effects in the logs, folded: {} keys; {} of them in redis-server, too; {} differ from a node's",
                self.effects,
                self.keys,
                self.replayed,
                self.different.len()
            ),
        }
        self.different.iter().take(SHOWN).for_each(|line| println!("  {line}"));
    }
}

impl Report<'_> {
    pub fn is_clean(&self) -> bool {
        let lost = self.verdict.kinds.values().map(|findings| findings.lost_in_crash).sum::<u64>();
        self.verdict.kinds.values().all(|findings| findings.is_clean())
            && self.verdict.different.is_empty()
            && self.converged.equal_ms.is_some()
            && self.converged.remembered.is_empty()
            && self.torn.iter().all(|torn| torn.torn == 0)
            && self.histories.iter().all(|history| history.errors.is_empty())
            && (lost == 0 || !self.options.aof)
            && self.folded.as_ref().is_none_or(|folded| folded.different.is_empty())
    }

    pub fn show(&self, fleet: &Fleet) {
        self.show_kinds();
        self.show_nodes(fleet);
        let converged = &self.converged;
        match (converged.linked_ms, converged.equal_ms) {
            (Some(linked), Some(equal)) => {
                println!("equal {equal} ms after the heal; linked after {linked} ms")
            }
            (linked, equal) => println!("NOT EQUAL (linked after {linked:?} ms, equal after {equal:?} ms)"),
        }
        if !converged.remembered.is_empty() {
            println!("NOT QUIET: keys of which late writes are awaited: {}", converged.remembered.join(", "));
        }
        println!("{} keys, {} of them differ", self.verdict.keys, self.verdict.different.len());
        self.verdict.different.iter().take(SHOWN).for_each(|line| println!("  {line}"));
        if let Some(folded) = &self.folded {
            folded.show();
        }
        let syncing = self.torn.iter().map(|torn| torn.syncing).sum::<u64>();
        if syncing > 0 {
            println!("{syncing} looks at half of a transaction while a full sync came in, key by key");
        }
        for (node, torn) in self.torn.iter().enumerate().filter(|(_, torn)| torn.torn > 0) {
            println!("node {node} showed half of a transaction {} times in {} looks", torn.torn, torn.looks);
            torn.examples.iter().for_each(|example| println!("  {example}"));
        }
        for history in self.histories {
            history.errors.iter().take(3).for_each(|text| println!("client {}: {text}", history.writer));
        }
        println!("{}", if self.is_clean() { "CLEAN" } else { "NOT CLEAN" });
    }

    fn show_kinds(&self) {
        println!(
            "\n{:<14}{:>13}{:>9}{:>10}{:>9}{:>9}{:>15}",
            "", "acknowledged", "missing", "returned", "doubled", "strange", "lost in crash"
        );
        for (kind, findings) in &self.verdict.kinds {
            println!(
                "{:<14}{:>13}{:>9}{:>10}{:>9}{:>9}{:>15}",
                kind.word(),
                findings.acknowledged,
                findings.missing,
                findings.returned,
                findings.doubled,
                findings.strange,
                findings.lost_in_crash
            );
            findings.examples.iter().for_each(|example| println!("    {example}"));
        }
        if let Some(crash) = self.crash {
            println!("node {} was away for {} ms", crash.node, crash.away_ms);
        }
        if let Some(age) = self.verdict.oldest_lost_ms {
            println!("what it took with it was written in the last {age} ms before it was killed");
        }
    }

    fn show_nodes(&self, fleet: &Fleet) {
        let sum = |of: fn(&History) -> u64| self.histories.iter().map(of).sum::<u64>();
        println!(
            "{} requests acknowledged, {} without a reply, {} refused; the slowest took {} ms",
            sum(|history| history.acknowledged),
            sum(|history| history.unanswered),
            sum(|history| history.refused),
            self.histories.iter().map(|history| history.slowest_ms).max().unwrap_or(0)
        );
        for field in [
            "mesh_conflicts_later_wins",
            "mesh_conflicts_cleared",
            "mesh_conflicts_type_skipped",
            "mesh_conflicts_type_replaced",
            "mesh_conflicts_taken_twice",
            "mesh_full_syncs_received",
            "mesh_links_refused",
        ] {
            println!("{field}: {}", fleet.fields(field).join(" "));
        }
    }
}

/// Looks for keys that nodes have in different forms.
pub fn compare(clients: &mut [Client], verdict: &mut Verdict) {
    for database in DATABASES {
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let nodes = clients.len();
        for (node, client) in clients.iter_mut().enumerate() {
            let _ = client.call(&["SELECT", database]);
            for (key, digest) in digests(client) {
                keys.entry(key).or_insert_with(|| vec![String::new(); nodes])[node] = digest;
            }
        }
        verdict.keys += keys.len();
        for (key, digests) in
            keys.iter().filter(|(_, digests)| digests.windows(2).any(|pair| pair[0] != pair[1]))
        {
            let mut line = format!("database {database}, {key}:");
            for (node, client) in clients.iter_mut().enumerate() {
                line.push_str(&format!("\n    node {node} {} {}", short(&digests[node]), shape(client, key)));
            }
            verdict.different.push(line);
        }
        for client in clients.iter_mut() {
            let _ = client.call(&["SELECT", "0"]);
        }
    }
}

fn short(digest: &str) -> &str {
    if digest.is_empty() { "(absent)" } else { digest.get(..8).unwrap_or(digest) }
}

/// Each key with its digest.
fn digests(client: &mut Client) -> Vec<(String, String)> {
    let keys = client.call(&["KEYS", "*"]).ok().and_then(|reply| reply.items().map(<[Value]>::to_vec));
    let keys: Vec<String> = keys.unwrap_or_default().iter().map(Value::text).collect();
    let mut found = Vec::new();
    for some in keys.chunks(500) {
        let words: Vec<&str> =
            ["DEBUG", "DIGEST-VALUE"].into_iter().chain(some.iter().map(String::as_str)).collect();
        let digests = client.call(&words).ok().and_then(|reply| reply.items().map(<[Value]>::to_vec));
        found.extend(some.iter().cloned().zip(digests.unwrap_or_default().iter().map(Value::text)));
    }
    found
}

/// What a key looks like at a node, as far as it fits into a line.
fn shape(client: &mut Client, key: &str) -> String {
    let kind = client.call(&["TYPE", key]).map(|reply| reply.text()).unwrap_or_default();
    let words: &[&str] = match &kind[..] {
        "string" => &["GET", key],
        "list" => &["LRANGE", key, "0", "-1"],
        "set" => &["SMEMBERS", key],
        "hash" => &["HGETALL", key],
        "zset" => &["ZRANGE", key, "0", "-1", "WITHSCORES"],
        "stream" => &["XINFO", "STREAM", key, "FULL"],
        _ => return kind,
    };
    let expires = client.call(&["PEXPIRETIME", key]).map(|reply| reply.to_string()).unwrap_or_default();
    let value = client.call(words).map(|reply| reply.to_string()).unwrap_or_default();
    format!("{kind} expires {expires} {}", value.chars().take(700).collect::<String>())
}
