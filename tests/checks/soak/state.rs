//! All that a node has, as text, and how that of others differs.

use std::collections::{BTreeMap, BTreeSet};

use harness::{Client, Value};

use super::ledger::DATABASE;
use super::words::DATABASES;

/// Keys with database, and all that can be seen of each: type, deadline, value in order, deadlines of members, groups.
pub type State = BTreeMap<(usize, String), String>;

/// Reads it. `told`: as those see it who are told in commands, which cannot say that an entry is pending that is gone.
pub fn read(client: &mut Client, told: bool) -> std::io::Result<State> {
    let mut state = State::new();
    for db in (0..DATABASES).chain([DATABASE]) {
        client.cmd(&format!("SELECT {db}"))?;
        let keys = client.cmd("KEYS *")?;
        for key in keys.items().unwrap_or_default().iter().map(Value::text) {
            let shown = show(client, &key, told)?;
            state.insert((db, key), shown);
        }
    }
    client.cmd("SELECT 0")?;
    // Libraries of functions are no keys, but have to be the same, too.
    let libraries = client.cmd("FUNCTION LIST WITHCODE")?;
    for library in libraries.items().unwrap_or_default() {
        let mut words: Vec<String> =
            library.items().unwrap_or_default().iter().map(Value::to_string).collect();
        words.sort();
        state.insert(
            (0, format!("library {}", library.items().map_or(String::new(), |it| it[1].text()))),
            words.join(" "),
        );
    }
    Ok(state)
}

fn show(client: &mut Client, key: &str, told: bool) -> std::io::Result<String> {
    let kind = client.cmd(&format!("TYPE {key}"))?.text();
    let mut ask = |line: &str| client.cmd(line);
    let sorted = |value: Value, step: usize| -> Vec<String> {
        let all: Vec<String> = value.items().unwrap_or_default().iter().map(Value::to_string).collect();
        let mut all: Vec<String> = all.chunks(step).map(|some| some.join("=")).collect();
        all.sort();
        all
    };
    let value = match &kind[..] {
        "string" => ask(&format!("GET {key}"))?.to_string(),
        "list" => ask(&format!("LRANGE {key} 0 -1"))?.to_string(),
        "zset" => ask(&format!("ZRANGE {key} 0 -1 WITHSCORES"))?.to_string(),
        "set" => format!("{:?}", sorted(ask(&format!("SMEMBERS {key}"))?, 1)),
        "hash" => {
            let fields = sorted(ask(&format!("HKEYS {key}"))?, 1);
            let names: Vec<String> = fields.iter().map(|field| field.trim_matches('"').to_owned()).collect();
            let at = ask(&format!("HPEXPIRETIME {key} FIELDS {} {}", names.len(), names.join(" ")))?;
            format!("{:?}, deadlines {at}", sorted(ask(&format!("HGETALL {key}"))?, 2))
        }
        "stream" => stream(client, key, told)?,
        _ => ask(&format!("DEBUG DIGEST-VALUE {key}"))?.to_string(),
    };
    let digest = client.cmd(&format!("DEBUG DIGEST-VALUE {key}"))?;
    let at = client.cmd(&format!("PEXPIRETIME {key}"))?;
    Ok(format!("{kind} until {at}: {value} ({digest})"))
}

/// Entries, what a stream remembers of those that have gone, groups, and what is pending for whom.
fn stream(client: &mut Client, key: &str, told: bool) -> std::io::Result<String> {
    let entries = client.cmd(&format!("XRANGE {key} - +"))?;
    let mut shown = entries.to_string();
    let id = |entry: &Value| entry.items().map(|words| words[0].text());
    let there: BTreeSet<String> = entries.items().unwrap_or_default().iter().filter_map(id).collect();
    let about = client.cmd(&format!("XINFO STREAM {key}"))?;
    // What was generated last is what a node has seen: of entries that are gone by now, others may have seen less.
    // Nor can a command say that nothing was deleted: XSETID takes a zero for no word at all.
    if !told {
        shown += &fields(&about, &["max-deleted-entry-id"]);
    }
    let groups = client.cmd(&format!("XINFO GROUPS {key}"))?;
    for group in groups.items().unwrap_or_default() {
        let name = group.items().map_or(String::new(), |words| words[1].text());
        shown += &format!("; group {name}{}", fields(group, &["last-delivered-id"]));
        let pending = client.cmd(&format!("XPENDING {key} {name} - + 100000"))?;
        for entry in pending.items().unwrap_or_default() {
            // How long ago it was delivered is another number at each look.
            let words = entry.items().unwrap_or_default();
            if told && !there.contains(&words[0].text()) {
                continue;
            }
            shown += &format!(" {}:{}:{}", words[0].text(), words[1].text(), words[3]);
        }
        let consumers = client.cmd(&format!("XINFO CONSUMERS {key} {name}"))?;
        for consumer in consumers.items().unwrap_or_default() {
            let words = consumer.items().unwrap_or_default();
            shown += &format!(" {}", words[1].text());
        }
    }
    Ok(shown)
}

fn fields(of: &Value, names: &[&str]) -> String {
    let words = of.items().unwrap_or_default();
    let pairs = words.chunks_exact(2).filter(|pair| names.contains(&&pair[0].text()[..]));
    pairs.map(|pair| format!(" {}={}", pair[0].text(), pair[1].text())).collect()
}

/// Keys that are not the same everywhere, with what each has, one line a node.
pub fn differences(states: &[(String, State)]) -> Vec<String> {
    let keys: BTreeSet<&(usize, String)> = states.iter().flat_map(|(_, state)| state.keys()).collect();
    let mut found = Vec::new();
    for key in keys {
        let all: Vec<Option<&String>> = states.iter().map(|(_, state)| state.get(key)).collect();
        if all.windows(2).all(|pair| pair[0] == pair[1]) {
            continue;
        }
        let mut told = format!("database {}, {}:", key.0, key.1);
        for ((name, _), shown) in states.iter().zip(all) {
            told += &format!("\n    {name}: {}", shown.map_or("not there", |shown| shown));
        }
        found.push(told);
    }
    found
}
