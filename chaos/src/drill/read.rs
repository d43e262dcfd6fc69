//! What a node has: the items of each place, and the sums.

use std::collections::HashMap;

use harness::{Client, Value};

use super::place::{Item, Kind, Place, SLOT};
use super::writer::transaction_keys;

/// How often each item is there, and what is there that nobody wrote.
#[derive(Debug, Default)]
pub struct Found {
    pub items: HashMap<Item, u32>,
    pub strange: Vec<String>,
}

/// Reads a place. `writers`: how many clients there were.
pub fn items(client: &mut Client, place: Place, writers: u32) -> Found {
    let mut found = Found::default();
    let key = &place.key()[..];
    match place.kind {
        Kind::Set | Kind::Bag => found.add_all(&ask(client, &["SMEMBERS", key])),
        Kind::Hash => found.add_pairs(&ask(client, &["HGETALL", key])),
        Kind::Sorted | Kind::Ranked => found.add_all(&ask(client, &["ZRANGE", key, "0", "-1"])),
        Kind::List | Kind::Queue => found.add_all(&ask(client, &["LRANGE", key, "0", "-1"])),
        Kind::Relay => {
            found.add_all(&ask(client, &["LRANGE", key, "0", "-1"]));
            found.add_all(&ask(client, &["LRANGE", &format!("{key}:done"), "0", "-1"]));
        }
        Kind::Stream => {
            let entries = ask(client, &["XRANGE", key, "-", "+"]);
            entries.iter().filter_map(entry).for_each(|(_, text)| found.add(&text));
        }
        Kind::Text => found.fragments(&bytes(client, &["GET", key])),
        Kind::Slots => found.slots(&bytes(client, &["GET", key])),
        Kind::Bits => found.bits(&bytes(client, &["GET", key]), writers),
        Kind::Keys | Kind::Brief => {
            let keys = ask(client, &["KEYS", &format!("{key}:*")]);
            for name in keys.iter().map(Value::text) {
                found.add(name.strip_prefix(&format!("{key}:")).unwrap_or_default());
            }
        }
        Kind::Transaction => found.transactions(client, place),
        _ => {}
    }
    found
}

/// A sum, in quarters.
pub fn sum(client: &mut Client, place: Place) -> Option<i64> {
    let key = &place.key()[..];
    let reply = match place.kind {
        Kind::Counter | Kind::Fractions | Kind::Account => client.call(&["GET", key]),
        Kind::FieldCounter | Kind::FieldFractions => client.call(&["HGET", key, "sum"]),
        _ => client.call(&["ZSCORE", key, "sum"]),
    };
    match reply.ok()? {
        nothing if nothing.is_null() => Some(0),
        value => {
            let quarters = value.text().parse::<f64>().ok()? * 4.0;
            (quarters.fract() == 0.0).then_some(quarters as i64)
        }
    }
}

/// Id and item of each entry in a reply to XREADGROUP.
pub fn group_entries(reply: &Value) -> Vec<(String, Item)> {
    let entries = reply.items().and_then(|streams| streams.first()?.items()?.get(1)?.items());
    let items = entries.unwrap_or_default().iter().filter_map(entry);
    items.filter_map(|(id, text)| Some((id, Item::parse(&text)?))).collect()
}

/// What the group has handed out or hands out now, or was handed out and is not acknowledged.
pub fn delivered(client: &mut Client, place: Place) -> Vec<Item> {
    let key = &place.key()[..];
    let mut found = Vec::new();
    let pending = ask(client, &["XPENDING", key, "readers", "-", "+", "1000000"]);
    for id in pending.iter().filter_map(|line| line.items()?.first().map(Value::text)) {
        let entries = ask(client, &["XRANGE", key, &id, &id]);
        found.extend(entries.iter().filter_map(entry).filter_map(|(_, text)| Item::parse(&text)));
    }
    loop {
        let words = ["XREADGROUP", "GROUP", "readers", "last", "COUNT", "1000", "NOACK", "STREAMS", key, ">"];
        let Ok(reply) = client.call(&words) else { break };
        let entries = group_entries(&reply);
        if entries.is_empty() {
            break;
        }
        found.extend(entries.into_iter().map(|(_, item)| item));
    }
    found
}

/// Id and item of a stream's entry.
fn entry(value: &Value) -> Option<(String, String)> {
    let parts = value.items()?;
    let fields = parts.get(1)?.items()?;
    Some((parts.first()?.text(), fields.get(1)?.text()))
}

fn ask(client: &mut Client, words: &[&str]) -> Vec<Value> {
    client.call(words).ok().and_then(|reply| reply.items().map(<[Value]>::to_vec)).unwrap_or_default()
}

fn bytes(client: &mut Client, words: &[&str]) -> Vec<u8> {
    client.call(words).ok().and_then(|reply| reply.bytes().map(<[u8]>::to_vec)).unwrap_or_default()
}

impl Found {
    fn add(&mut self, text: &str) {
        match Item::parse(text) {
            Some(item) => *self.items.entry(item).or_insert(0) += 1,
            None => self.strange.push(text.to_owned()),
        }
    }

    fn add_all(&mut self, values: &[Value]) {
        values.iter().for_each(|value| self.add(&value.text()));
    }

    fn add_pairs(&mut self, values: &[Value]) {
        for pair in values.chunks(2) {
            self.add(&pair[0].text());
            if pair.get(1).is_none_or(|value| value.text() != "here") {
                self.strange.push(format!("{} with another value", pair[0].text()));
            }
        }
    }

    fn fragments(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let mut rest = &text[..];
        while let Some((fragment, more)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
            self.add(fragment);
            rest = more;
        }
        if !rest.is_empty() {
            self.strange.push(rest.chars().take(60).collect());
        }
    }

    fn slots(&mut self, bytes: &[u8]) {
        for slot in bytes.chunks(SLOT).filter(|slot| slot.iter().any(|byte| *byte != 0)) {
            self.add(&String::from_utf8_lossy(slot));
        }
    }

    fn bits(&mut self, bytes: &[u8], writers: u32) {
        for (at, byte) in (0..).zip(bytes).filter(|(_, byte)| **byte != 0) {
            match *byte == 0x80 >> (at % 8) {
                true => {
                    *self.items.entry(Item { writer: at % writers, number: at / writers }).or_insert(0) += 1
                }
                false => self.strange.push(format!("byte {at} is {byte}")),
            }
        }
    }

    /// An item counts if it is everywhere that its transaction put it.
    fn transactions(&mut self, client: &mut Client, place: Place) {
        let [set, list, hash, count] = transaction_keys(place);
        let mut parts = [Found::default(), Found::default(), Found::default()];
        parts[0].add_all(&ask(client, &["SMEMBERS", &set]));
        parts[1].add_all(&ask(client, &["LRANGE", &list, "0", "-1"]));
        parts[2].add_all(&ask(client, &["HKEYS", &hash]));
        let counted = String::from_utf8_lossy(&bytes(client, &["GET", &count])).parse().unwrap_or(0usize);
        let [set, list, hash] = parts;
        for (name, part) in [("list", &list), ("hash", &hash)] {
            let differ = |item: &&Item| part.items.contains_key(*item) != set.items.contains_key(*item);
            let all = set.items.keys().chain(part.items.keys());
            self.strange
                .extend(all.filter(differ).map(|item| format!("{item} is not in both set and {name}")));
        }
        if counted != set.items.len() {
            self.strange.push(format!("{counted} transactions were counted, {} are there", set.items.len()));
        }
        self.items = list.items;
    }
}
