//! Readers, one at each node, that look for what nobody may ever see: half of a transaction.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use harness::{Client, Value};

use super::history::Shared;
use super::place::{Kind, Place};
use super::writer::transaction_keys;

const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A node shows within this time that it takes a full sync.
const SHOWN_WITHIN: Duration = Duration::from_millis(300);
/// After a full sync, what was written while it was sent follows within this time.
const BEHIND_WITHIN: Duration = Duration::from_secs(1);
/// Examples that are kept.
const EXAMPLES: usize = 3;

/// What a reader saw.
#[derive(Clone, Debug, Default)]
pub struct Torn {
    pub looks: u64,
    pub torn: u64,
    /// While the node took a full sync, which brings keys one after the other.
    pub syncing: u64,
    pub examples: Vec<String>,
}

pub fn start(addresses: &[SocketAddr], shared: &Arc<Shared>) -> Vec<JoinHandle<Torn>> {
    let watcher = |address: &SocketAddr| {
        let (address, shared) = (*address, shared.clone());
        std::thread::spawn(move || watch(address, &shared))
    };
    addresses.iter().map(watcher).collect()
}

fn watch(address: SocketAddr, shared: &Shared) -> Torn {
    let mut torn = Torn::default();
    let (mut client, mut syncs, mut synced) = (None, String::new(), None);
    while !shared.stop.load(SeqCst) {
        std::thread::sleep(LOOK_EVERY);
        if client.is_none() {
            client = Client::connect(address).ok();
        }
        let Some(open) = &mut client else { continue };
        match look(open) {
            Ok(None) => {
                torn.looks += 1;
                let now = full_syncs(open);
                if syncs != now {
                    (syncs, synced) = (now, Some(Instant::now()));
                }
            }
            Ok(Some(_)) if synced.is_some_and(|at: Instant| at.elapsed() < BEHIND_WITHIN) => {
                torn.syncing += 1
            }
            Ok(Some(_)) if takes_snapshot(open, &syncs) => torn.syncing += 1,
            Ok(Some(example)) => {
                torn.torn += 1;
                if torn.examples.len() < EXAMPLES {
                    torn.examples.push(format!("{} ms: {example}", shared.now_ms()));
                }
            }
            Err(_) => client = None,
        }
    }
    torn
}

/// How many full syncs have come; nothing if the node is gone.
fn full_syncs(client: &mut Client) -> String {
    let text = client.cmd("INFO replication").map(|reply| reply.text()).unwrap_or_default();
    let found = text.lines().find_map(|line| line.strip_prefix("mesh_full_syncs_received:"));
    found.unwrap_or_default().to_owned()
}

/// Whether a full sync is coming in, or has come since there were `before`. What INFO shows is renewed with each beat.
fn takes_snapshot(client: &mut Client, before: &str) -> bool {
    let syncing = |client: &mut Client| {
        let text = client.cmd("INFO replication").map(|reply| reply.text()).unwrap_or_default();
        text.contains("sync_in_progress:1") || text.contains("state=syncing")
    };
    let until = Instant::now() + SHOWN_WITHIN;
    while Instant::now() < until {
        if syncing(client) || full_syncs(client) != before {
            return true;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    false
}

/// What is wrong, if anything is.
fn look(client: &mut Client) -> std::io::Result<Option<String>> {
    let [set, list, hash, count] = transaction_keys(Place { kind: Kind::Transaction, number: 0 });
    let accounts: Vec<String> =
        (0..Kind::Account.places()).map(|number| Place { kind: Kind::Account, number }.key()).collect();
    let requests: Vec<Vec<&str>> = vec![
        vec!["MULTI"],
        vec!["SCARD", &set],
        vec!["LLEN", &list],
        vec!["HLEN", &hash],
        vec!["GET", &count],
        vec!["EXEC"],
        std::iter::once("MGET").chain(accounts.iter().map(String::as_str)).collect(),
    ];
    let replies = client.pipeline(&requests)?;
    let (Some(sizes), Some(balances)) = (replies[5].items(), replies[6].items()) else { return Ok(None) };
    let numbers: Vec<i64> = sizes.iter().map(number).collect();
    if numbers.windows(2).any(|pair| pair[0] != pair[1]) {
        return Ok(Some(format!("set, list, hash, counter of transactions: {numbers:?}")));
    }
    let balances: Vec<i64> = balances.iter().map(number).collect();
    let sum = balances.iter().sum::<i64>();
    Ok((sum != 0).then(|| format!("accounts {balances:?} add up to {sum}")))
}

fn number(value: &Value) -> i64 {
    value.int().or_else(|| value.text().parse().ok()).unwrap_or(0)
}
