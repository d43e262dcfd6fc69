//! The data once more, from nothing but what the nodes' logs say: all effects, sorted, folded one after another by
//! [`replication::naive`], and compared with what a node has. Only with `--aof`: there are no logs else.
//!
//! Of streams and HyperLogLogs only that they are there is compared: what their bytes mean is the engine's affair.

use std::collections::{BTreeMap, BTreeSet};

use harness::{Client, Value as Reply};
use replication::effect::{Key, Kind, Value};
use replication::naive::Naive;
use replication::overlay::Memory;

use super::fleet::Fleet;
use super::replayed;
use crate::logs::{Groups, read_logs, sorted};

/// What came of it.
#[derive(Debug, Default)]
pub struct Folded {
    pub effects: usize,
    pub keys: usize,
    /// Keys that a `redis-server` was told of, too.
    pub replayed: usize,
    pub different: Vec<String>,
    /// Why nothing was compared: logs were rewritten, and no longer say all.
    pub incomplete: Option<String>,
}

/// Reads the logs of all nodes and compares a node with them. The nodes are equal and quiet.
pub fn compare(fleet: &Fleet) -> Folded {
    let mut groups = Groups::new();
    for dir in fleet.dirs() {
        if let Err(reason) = read_logs(&dir.join("appendonlydir"), &mut groups) {
            return Folded { incomplete: Some(reason), ..Folded::default() };
        }
    }
    for (stream, of) in &groups {
        if of.keys().copied().ne(1..=of.len() as u64) {
            let reason = format!("of the stream {stream:?} the logs do not have all");
            return Folded { incomplete: Some(reason), ..Folded::default() };
        }
    }
    let all = sorted(&groups);
    let mut naive = Naive::default();
    all.iter().for_each(|(place, write)| naive.add::<Memory>(*place, write));
    let Some(mut client) = fleet.client(0) else {
        return Folded { incomplete: Some("the first node does not answer".into()), ..Folded::default() };
    };
    let mut folded = Folded { effects: all.len(), ..Folded::default() };
    folded.compare_all(&naive, &mut client);
    let (replayed, different) = replayed::compare(&all, &mut client);
    folded.replayed = replayed;
    folded.different.extend(different);
    folded
}

impl Folded {
    fn compare_all(&mut self, naive: &Naive, client: &mut Client) {
        let databases: BTreeSet<u32> = naive.keys().map(|key| key.db).collect();
        for db in databases {
            let _ = client.call(&["SELECT", &db.to_string()]);
            let now = time_ms(client);
            let found = client.call(&["KEYS", "*"]).ok();
            let found = found.as_ref().and_then(Reply::items).unwrap_or_default();
            let mut there: BTreeSet<Vec<u8>> =
                found.iter().filter_map(|name| name.bytes().map(<[u8]>::to_vec)).collect();
            for key in naive.keys().filter(|key| key.db == db) {
                // What expires about now may be there or not.
                let should = naive.value::<Memory>(key).filter(|(_, at)| at.is_none_or(|at| at > now));
                let has = there.remove(&key.name);
                self.keys += usize::from(has);
                let told = match should {
                    None if !has => continue,
                    None => Some("is there, and should not be".into()),
                    Some((value, at)) => {
                        differs(key, &value, client).or_else(|| differs_in_deadline(key, at, client))
                    }
                };
                if let Some(told) = told {
                    let name = String::from_utf8_lossy(&key.name);
                    self.different.push(format!("database {db}, {name}: {told}"));
                }
            }
            let more = there.iter().map(|name| String::from_utf8_lossy(name).into_owned());
            self.different.extend(more.map(|name| format!("database {db}, {name}: nobody wrote it")));
        }
        let _ = client.call(&["SELECT", "0"]);
    }
}

fn time_ms(client: &mut Client) -> u64 {
    let reply = client.call(&["TIME"]).ok();
    let seconds = reply.as_ref().and_then(|reply| reply.items()?.first()?.text().parse::<u64>().ok());
    seconds.unwrap_or(0) * 1000
}

/// How a key is not what it should be.
fn differs(key: &Key, value: &Value, client: &mut Client) -> Option<String> {
    let mut ask = |words: &[&[u8]]| client.call(words).ok();
    let list = |reply: Option<Reply>| -> Vec<Vec<u8>> {
        let items = reply.as_ref().and_then(Reply::items).unwrap_or_default();
        items.iter().map(|item| item.bytes().unwrap_or_default().to_vec()).collect()
    };
    let name = &key.name[..];
    let pairs = |all: Vec<Vec<u8>>| -> BTreeMap<Vec<u8>, Vec<u8>> {
        all.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
    };
    let same = match value {
        Value::String(text) => {
            let has = ask(&[b"GET", name])?;
            // What raising a HyperLogLog's registers does to its bytes is the engine's affair, too.
            has.bytes().is_some_and(|bytes| bytes == text || bytes.starts_with(b"HYLL"))
        }
        Value::Tagged(text) => ask(&[b"GET", name])?.bytes() == Some(&text.bytes),
        Value::List(elements) => list(ask(&[b"LRANGE", name, b"0", b"-1"])) == *elements,
        Value::Set(members) => {
            let has: BTreeSet<_> = list(ask(&[b"SMEMBERS", name])).into_iter().collect();
            has == members.iter().cloned().collect()
        }
        Value::Hash(fields) => pairs(list(ask(&[b"HGETALL", name]))) == fields.iter().cloned().collect(),
        Value::Zset(members) => {
            let has = pairs(list(ask(&[b"ZRANGE", name, b"0", b"-1", b"WITHSCORES"])));
            let score = |text: &Vec<u8>| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
            has.len() == members.len()
                && members.iter().all(|(member, at)| has.get(member).and_then(score) == Some(*at))
        }
        Value::Stream(_) => ask(&[b"TYPE", name])?.text() == "stream",
    };
    (!same).then(|| {
        let is = ask(&[b"TYPE", name]).map_or(String::new(), |reply| reply.text());
        let kind: Kind = value.kind();
        format!("a {is} that is not what the fold of its effects makes of it, a {kind:?}")
    })
}

fn differs_in_deadline(key: &Key, at: Option<u64>, client: &mut Client) -> Option<String> {
    let has = client.call(&[b"PEXPIRETIME", &key.name[..]]).ok()?.int()?;
    let should = at.map_or(-1, |at| at as i64);
    (has != should).then(|| format!("expires at {has}, and should at {should}"))
}
