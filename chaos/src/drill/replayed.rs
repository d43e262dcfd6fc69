//! The same effects once more as plain commands, in their order, carried out by a real `redis-server`: of keys all of whose
//! effects are what some command does whatever else happens, and whenever: what has a deadline would be gone at once. Redis and a node must then have the same.

use std::collections::{BTreeMap, BTreeSet};

use harness::{Client, Kind as Program, Server, Value as Reply};
use replication::effect::{Effect, Key, Kind, Spot, Value, Write};
use replication::stamp::Place;

type Words = Vec<Vec<u8>>;

/// Commands that are sent at once.
const BATCH: usize = 1000;

/// How many keys could be compared, and what differs.
pub fn compare(all: &[(Place, &Write)], node: &mut Client) -> (usize, Vec<String>) {
    let server = Server::start(Program::Redis);
    let mut redis = server.client();
    let (mut keys, mut different) = (0, Vec::new());
    let mut of: BTreeMap<&Key, Vec<&Write>> = BTreeMap::new();
    let mut emptied = BTreeSet::new();
    for (_, write) in all {
        match write.effect {
            Effect::ClearDb => drop(emptied.insert(write.key.db)),
            _ => of.entry(&write.key).or_default().push(write),
        }
    }
    for (key, writes) in of.into_iter().filter(|(key, _)| !emptied.contains(&key.db)) {
        let kinds: BTreeSet<&str> = writes.iter().filter_map(|write| kind(&write.effect)).map(word).collect();
        let commands: Option<Vec<Words>> =
            writes.iter().map(|write| commands(&key.name, &write.effect)).collect();
        let Some(commands) = commands.filter(|_| kinds.len() == 1) else { continue };
        let commands: Vec<Words> = commands.into_iter().flat_map(split).collect();
        for client in [&mut redis, &mut *node] {
            let _ = client.call(&["SELECT", &key.db.to_string()]);
        }
        for batch in commands.chunks(BATCH) {
            if let Err(e) = redis.pipeline(batch) {
                return (keys, vec![format!("redis-server: {e}")]);
            }
        }
        keys += 1;
        let [of_redis, of_node] = [&mut redis, &mut *node].map(|client| read(client, &key.name));
        if of_redis != of_node {
            let name = String::from_utf8_lossy(&key.name);
            different
                .push(format!("database {}, {name}: redis-server {of_redis:?}, node {of_node:?}", key.db));
        }
    }
    let _ = node.call(&["SELECT", "0"]);
    (keys, different)
}

fn kind(effect: &Effect) -> Option<Kind> {
    match effect {
        Effect::Put { value, .. } => Some(value.kind()),
        effect => effect.kind(),
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "string",
        Kind::List => "list",
        Kind::Set => "set",
        Kind::Zset => "zset",
        Kind::Hash => "hash",
        Kind::Stream => "stream",
    }
}

/// A command ends where the next begins: an empty word lies between.
fn split(words: Words) -> Vec<Words> {
    words.split(|word| word == SEPARATOR).filter(|words| !words.is_empty()).map(<[_]>::to_vec).collect()
}

const SEPARATOR: &[u8] = b"\0next\0";

/// What does the same as an effect, one or more commands. `None`: nothing does.
fn commands(key: &[u8], effect: &Effect) -> Option<Words> {
    let words = |words: &[&[u8]]| Some(words.iter().map(|word| word.to_vec()).collect());
    let whole = |name: &str, parts: Vec<&[u8]>| {
        let head: [&[u8]; 5] = [b"DEL", key, SEPARATOR, name.as_bytes(), key];
        words(&[&head[..], &parts].concat())
    };
    match effect {
        Effect::Put { value: Value::String(text), deadline: None, absent: false } => {
            words(&[b"SET", key, text])
        }
        Effect::Put { value: Value::Set(members), deadline: None, absent: false } => {
            whole("SADD", members.iter().map(Vec::as_slice).collect())
        }
        Effect::Put { value: Value::List(elements), deadline: None, absent: false } => {
            whole("RPUSH", elements.iter().map(Vec::as_slice).collect())
        }
        Effect::Put { value: Value::Hash(fields), deadline: None, absent: false } => {
            whole("HSET", fields.iter().flat_map(|(field, value)| [&field[..], value]).collect())
        }
        Effect::Clear => words(&[b"DEL", key]),
        Effect::ExpireAt { at: None, only } if only.is_none() => words(&[b"PERSIST", key]),
        Effect::Add { delta, .. } => words(&[b"INCRBY", key, delta.to_string().as_bytes()]),
        Effect::Append(text) => words(&[b"APPEND", key, text]),
        Effect::SetRange { offset, bytes } => {
            words(&[b"SETRANGE", key, offset.to_string().as_bytes(), bytes])
        }
        Effect::SetField { field, value, absent: false } => words(&[b"HSET", key, field, value]),
        Effect::DelField(field) => words(&[b"HDEL", key, field]),
        Effect::AddField { field, delta, .. } => {
            words(&[b"HINCRBY", key, field, delta.to_string().as_bytes()])
        }
        Effect::AddMember(member) => words(&[b"SADD", key, member]),
        Effect::DelMember(member) => words(&[b"SREM", key, member]),
        Effect::SetScore { member, score, only } if only.is_none() => {
            words(&[b"ZADD", key, score.to_string().as_bytes(), member])
        }
        Effect::AddScore { member, delta, .. } => {
            words(&[b"ZINCRBY", key, delta.to_string().as_bytes(), member])
        }
        Effect::DelScored(member) => words(&[b"ZREM", key, member]),
        Effect::Insert { spot: Spot::Head, element } => words(&[b"LPUSH", key, element]),
        Effect::Insert { spot: Spot::Tail, element } => words(&[b"RPUSH", key, element]),
        _ => None,
    }
}

/// A key's value, whatever its type, in a form that can be compared, and its deadline.
fn read(client: &mut Client, key: &[u8]) -> (String, Vec<Vec<u8>>, Option<i64>) {
    let mut ask = |words: &[&[u8]]| client.call(words).ok();
    let list = |reply: Option<Reply>| -> Vec<Vec<u8>> {
        let items = reply.as_ref().and_then(Reply::items).unwrap_or_default();
        items.iter().map(|item| item.bytes().unwrap_or_default().to_vec()).collect()
    };
    let kind = ask(&[b"TYPE", key]).map_or(String::new(), |reply| reply.text());
    let mut value = match &kind[..] {
        "string" => ask(&[b"GET", key]).and_then(|v| v.bytes().map(<[u8]>::to_vec)).into_iter().collect(),
        "list" => list(ask(&[b"LRANGE", key, b"0", b"-1"])),
        "set" => list(ask(&[b"SMEMBERS", key])),
        "hash" => list(ask(&[b"HGETALL", key])).chunks(2).map(<[_]>::concat).collect(),
        "zset" => list(ask(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"])),
        _ => Vec::new(),
    };
    if kind == "set" || kind == "hash" {
        value.sort();
    }
    (kind, value, ask(&[b"PEXPIRETIME", key]).and_then(|reply| reply.int()))
}
