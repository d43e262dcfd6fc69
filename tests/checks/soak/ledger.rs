//! What was acknowledged and must be there in the end: each writer adds tags of its own to the same few keys, in a database
//! that nobody else touches, in all the ways in which additions commute.

use std::collections::BTreeMap;
use std::sync::Mutex;

use harness::random::Request;
use harness::{Client, Value};

/// Where it is.
pub const DATABASE: usize = 15;

/// See the [module's page](self).
#[derive(Default)]
pub struct Ledger {
    /// Of each writer: tags it has sent, and those that were acknowledged.
    written: Mutex<BTreeMap<usize, (u64, Vec<u64>)>>,
}

impl Ledger {
    /// Writes the next tag, as one transaction or not. False: the connection is no good any more.
    pub fn write(&self, client: &mut Client, writer: usize, at_once: bool) -> bool {
        let tag = {
            let mut written = self.written.lock().expect("no thread panics with it");
            let (sent, _) = written.entry(writer).or_default();
            *sent += 1;
            *sent
        };
        let name = format!("{writer}:{tag}");
        let text = format!("{name},");
        let mut requests: Vec<Vec<&str>> = vec![
            vec!["SADD", "set", &name],
            vec!["HSET", "hash", &name, "1"],
            vec!["ZADD", "zset", "1", &name],
            vec!["RPUSH", "list", &name],
            vec!["LPUSH", "tsil", &name],
            vec!["XADD", "stream", "*", "tag", &name],
            vec!["APPEND", "text", &text],
            vec!["INCR", "sum"],
            vec!["HINCRBY", "sums", "sum", "1"],
            vec!["ZINCRBY", "zsums", "1", "sum"],
            vec!["INCRBYFLOAT", "fraction", "0.25"],
            vec!["SET", &name, "1"],
        ];
        if at_once {
            requests.insert(0, vec!["MULTI"]);
            requests.push(vec!["EXEC"]);
        }
        let requests: Vec<Request> = std::iter::once(vec!["SELECT".to_owned(), DATABASE.to_string()])
            .chain(requests.into_iter().map(|words| words.into_iter().map(str::to_owned).collect()))
            .map(|words: Vec<String>| words.into_iter().map(String::into_bytes).collect())
            .collect();
        let Ok(replies) = client.pipeline(&requests) else { return false };
        let fine = replies.iter().all(|reply| !reply.is_error() && !reply.is_null());
        if fine {
            let mut written = self.written.lock().expect("no thread panics with it");
            written.entry(writer).or_default().1.push(tag);
        }
        true
    }

    /// What is missing at a node, and what is there that may not be.
    pub fn faults(&self, client: &mut Client) -> Vec<String> {
        let written = self.written.lock().expect("no thread panics with it");
        let _ = client.cmd(&format!("SELECT {DATABASE}"));
        let mut faults = Vec::new();
        let mut ask = |line: &str| client.cmd(line).unwrap_or(Value::Null);
        let texts = |value: Value| -> Vec<String> {
            value.items().unwrap_or_default().iter().map(Value::text).collect()
        };
        let entries = |value: Value| -> Vec<String> {
            let tag = |entry: &Value| Some(entry.items()?.get(1)?.items()?.get(1)?.text());
            value.items().unwrap_or_default().iter().filter_map(tag).collect()
        };
        let names = |mut all: Vec<String>| {
            all.retain(|name| name.contains(':'));
            all
        };
        let places = [
            ("set", texts(ask("SMEMBERS set"))),
            ("hash", texts(ask("HKEYS hash"))),
            ("zset", texts(ask("ZRANGE zset 0 -1"))),
            ("list", texts(ask("LRANGE list 0 -1"))),
            ("tsil", texts(ask("LRANGE tsil 0 -1"))),
            ("stream", entries(ask("XRANGE stream - +"))),
            ("text", ask("GET text").text().split_terminator(',').map(str::to_owned).collect()),
            ("keys", names(texts(ask("KEYS *")))),
        ];
        for (place, found) in places {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            found.iter().for_each(|name| *counts.entry(name).or_default() += 1);
            for (writer, (sent, acknowledged)) in &*written {
                let there = |tag: u64| counts.get(&format!("{writer}:{tag}")[..]).copied().unwrap_or(0);
                let missing: Vec<u64> = acknowledged.iter().copied().filter(|tag| there(*tag) == 0).collect();
                let twice: Vec<u64> = (1..=*sent).filter(|tag| there(*tag) > 1).collect();
                if !missing.is_empty() || !twice.is_empty() {
                    faults.push(format!(
                        "{place}: of writer {writer} {missing:?} are missing, {twice:?} twice"
                    ));
                }
            }
        }
        let least: u64 = written.values().map(|(_, acknowledged)| acknowledged.len() as u64).sum();
        let most: u64 = written.values().map(|(sent, _)| sent).sum();
        for (line, unit) in
            [("GET sum", 1.0), ("HGET sums sum", 1.0), ("ZSCORE zsums sum", 1.0), ("GET fraction", 0.25)]
        {
            let sum = ask(line).text().parse::<f64>().unwrap_or(0.0) / unit;
            if sum < least as f64 || sum > most as f64 {
                faults.push(format!("{line}: {sum} additions of at least {least} and at most {most}"));
            }
        }
        faults
    }

    /// How much was written.
    pub fn acknowledged(&self) -> usize {
        let written = self.written.lock().expect("no thread panics with it");
        written.values().map(|(_, acknowledged)| acknowledged.len()).sum()
    }
}
