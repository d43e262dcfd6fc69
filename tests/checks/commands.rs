//! COMMAND and its subcommands: what they say of every command that both servers know must be the same.
//!
//! What people read is in this project's own words, and is not compared: summaries, notes on keys, what changed in a version
//! (that something did is). Of complexities the bare expressions count.

use harness::random::{Requests, Rng};
use harness::{Client, Kind, Server, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Commands of Redis 7.0.15 that ours does not answer. Only ever fewer.
const MISSING: &str = include_str!("commands.pending");
/// Command lines whose keys are asked for.
const LINES: usize = 20_000;

struct Pair {
    redis: Client,
    ours: Client,
    /// Only to be kept.
    _servers: [Server; 2],
}

fn pair() -> Pair {
    let servers = [Server::start(Kind::Redis), Server::start(Kind::Everwrite)];
    Pair { redis: servers[0].client(), ours: servers[1].client(), _servers: servers }
}

impl Pair {
    fn ask(&mut self, line: &str) -> (Value, Value) {
        (self.redis.cmd(line).expect("a reply"), self.ours.cmd(line).expect("a reply"))
    }

    /// Names that both know, subcommands as `config|get`.
    fn shared(&mut self) -> BTreeSet<String> {
        let (redis, ours) = self.ask("COMMAND LIST");
        names(&redis).intersection(&names(&ours)).cloned().collect()
    }
}

fn items(value: &Value) -> &[Value] {
    value.items().unwrap_or_default()
}

fn names(list: &Value) -> BTreeSet<String> {
    items(list).iter().map(Value::text).collect()
}

/// A flat map as one.
fn map(value: &Value) -> BTreeMap<String, Value> {
    items(value).chunks(2).map(|pair| (pair[0].text(), pair[1].clone())).collect()
}

/// The same texts in whatever order.
fn sorted(value: &Value) -> Vec<String> {
    let mut texts: Vec<String> = items(value).iter().map(shape).collect();
    texts.sort();
    texts
}

/// A value as text, without what is not compared.
fn shape(value: &Value) -> String {
    match value.items() {
        Some(all) => {
            let mut all: Vec<&Value> = all.iter().collect();
            if let Some(at) = all.iter().position(|item| item.bytes() == Some(b"notes")) {
                all.drain(at..(at + 2).min(all.len()));
            }
            let inner: Vec<String> = all.iter().map(|item| shape(item)).collect();
            format!("[{}]", inner.join(" "))
        }
        None => value.to_string(),
    }
}

/// The differences of two commands' entries in COMMAND INFO, in words.
fn info_differences(redis: &Value, ours: &Value, found: &mut String) {
    let (redis, ours) = (items(redis), items(ours));
    let name = redis[0].text();
    let fields =
        ["name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "key specs"];
    for (at, field) in fields.iter().enumerate() {
        let same = match field {
            &"flags" | &"categories" | &"tips" => sorted(&redis[at]) == sorted(&ours[at]),
            _ => shape(&redis[at]) == shape(&ours[at]),
        };
        if !same {
            let _ = writeln!(found, "{name}, {field}\n  redis     {}\n  everwrite {}", redis[at], ours[at]);
        }
    }
    let subs = |of: &[Value]| -> BTreeMap<String, Value> {
        items(&of[9]).iter().map(|sub| (items(sub)[0].text(), sub.clone())).collect()
    };
    let theirs = subs(redis);
    for (name, sub) in subs(ours) {
        if let Some(redis) = theirs.get(&name) {
            info_differences(redis, &sub, found);
        }
    }
}

#[test]
fn command_info_is_the_same() {
    let mut pair = pair();
    let mut found = String::new();
    let entries = |all: &Value| -> BTreeMap<String, Value> {
        items(all).iter().map(|entry| (items(entry)[0].text(), entry.clone())).collect()
    };
    let (redis, ours) = pair.ask("COMMAND");
    let (redis, ours) = (entries(&redis), entries(&ours));
    let shared: Vec<&String> = redis.keys().filter(|name| ours.contains_key(*name)).collect();
    shared.iter().for_each(|name| info_differences(&redis[*name], &ours[*name], &mut found));
    // Asked for by name the entries are the same.
    let line = "COMMAND INFO get SET nosuch config|get CONFIG|nosuch object";
    let (redis, ours) = pair.ask(line);
    let (redis, ours) = (items(&redis), items(&ours));
    assert_eq!(redis.len(), ours.len(), "{line}");
    for (redis, ours) in redis.iter().zip(ours) {
        match redis.is_null() || ours.is_null() {
            true => assert_eq!(redis, ours, "{line}"),
            false => info_differences(redis, ours, &mut found),
        }
    }
    assert!(found.is_empty(), "{found}");
    assert!(shared.len() > 150, "only {} commands are shared", shared.len());
}

#[test]
fn no_command_is_missing_that_is_not_known_to_be() {
    let mut pair = pair();
    let (redis, ours) = pair.ask("COMMAND LIST");
    let missing: BTreeSet<String> = names(&redis).difference(&names(&ours)).cloned().collect();
    let known: BTreeSet<String> =
        MISSING.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let new: Vec<_> = missing.difference(&known).collect();
    assert!(new.is_empty(), "not answered, and not in commands.pending: {new:?}");
    let answered: Vec<_> = known.difference(&missing).collect();
    if !answered.is_empty() {
        println!("commands: answered by now, to be taken out of commands.pending: {answered:?}");
    }
}

/// What a documentation says, without prose.
fn documented(doc: &Value) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for (field, value) in map(doc) {
        let text = match field.as_str() {
            "summary" | "subcommands" => continue,
            "complexity" => match expressions(&value.text()) {
                none if none.is_empty() => continue,
                some => some.join(" "),
            },
            "history" => {
                let versions: BTreeSet<String> = items(&value).iter().map(|h| items(h)[0].text()).collect();
                format!("{versions:?}")
            }
            _ => shape(&value),
        };
        facts.insert(field, text);
    }
    facts
}

/// The expressions like `O(N*log(N))` in a text, each once.
fn expressions(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (at, _) in text.match_indices("O(") {
        if text[..at].ends_with(|c: char| c.is_alphanumeric()) {
            continue;
        }
        let mut depth = 0;
        let end = text[at..].char_indices().find_map(|(i, c)| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => return None,
            };
            (depth == 0).then_some(at + i)
        });
        let expression = text[at..=end.unwrap_or(text.len() - 1)].to_string();
        if !found.contains(&expression) {
            found.push(expression);
        }
    }
    found
}

fn docs_differences(redis: &Value, ours: &Value, found: &mut String, compared: &mut usize) {
    let theirs = map(redis);
    for (name, doc) in map(ours) {
        let Some(redis) = theirs.get(&name) else { continue };
        *compared += 1;
        let (a, b) = (documented(redis), documented(&doc));
        for field in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
            if a.get(field) != b.get(field) {
                let _ = writeln!(
                    found,
                    "{name}, {field}\n  redis     {:?}\n  everwrite {:?}",
                    a.get(field),
                    b.get(field)
                );
            }
        }
        if !map(&doc).contains_key("summary") {
            let _ = writeln!(found, "{name} has no summary");
        }
        if let (Some(redis), Some(ours)) = (map(redis).get("subcommands"), map(&doc).get("subcommands")) {
            docs_differences(redis, ours, found, compared);
        }
    }
}

#[test]
fn command_docs_are_the_same() {
    let mut pair = pair();
    let (redis, ours) = pair.ask("COMMAND DOCS");
    let (mut found, mut compared) = (String::new(), 0);
    docs_differences(&redis, &ours, &mut found, &mut compared);
    assert!(found.is_empty(), "{found}");
    assert!(compared > 250, "only {compared} commands were compared");
}

#[test]
fn command_list_filters_the_same() {
    let mut pair = pair();
    let shared = pair.shared();
    let categories: Vec<String> =
        items(&pair.redis.cmd("ACL CAT").expect("a reply")).iter().map(Value::text).collect();
    let mut filters: Vec<String> = categories.iter().map(|category| format!("ACLCAT {category}")).collect();
    filters.extend(["ACLCAT nosuch", "MODULE nosuch"].map(str::to_owned));
    for pattern in ["*", "x*", "*set*", "config|*", "CONFIG*", "[a-c]*", "get", "nosuch", "*|help", ""] {
        filters.push(format!("PATTERN {pattern}"));
    }
    for filter in filters {
        let (redis, ours) = pair.ask(&format!("COMMAND LIST FILTERBY {filter}"));
        let known =
            |list: &Value| -> BTreeSet<String> { names(list).intersection(&shared).cloned().collect() };
        assert_eq!(known(&redis), known(&ours), "COMMAND LIST FILTERBY {filter}");
    }
}

/// Command lines as they might be, right and wrong ones.
fn lines(shared: &BTreeSet<String>) -> Vec<Vec<Vec<u8>>> {
    let wild = "EVAL x 2 a b c|EVAL x 0|EVAL x 9 a|EVAL x -1 a|EVALSHA_RO x 1 a|FCALL f 1 a b|FCALL_RO f 0 b|\
        XREAD COUNT 1 STREAMS a b 0 0|XREAD STREAMS a|XREADGROUP GROUP g c COUNT 1 STREAMS a >|XREADGROUP GROUP g c STREAMS|\
        XADD s MAXLEN 2 * f v|XGROUP CREATE s g $|XINFO STREAM s|MIGRATE h 1 k 0 10|MIGRATE h 1 \"\" 0 10 KEYS a b|\
        MIGRATE h 1 \"\" 0 10 AUTH2 KEYS KEYS KEYS c|SORT k BY w_* GET # STORE d|SORT k STORE|MEMORY USAGE k|MEMORY DOCTOR|\
        OBJECT ENCODING k|OBJECT HELP|LMPOP 2 a b LEFT|LMPOP 9 a LEFT|BLMPOP 0 2 a b RIGHT|ZMPOP 1 z MIN|BZMPOP 0 1 z MIN|\
        SINTERCARD 2 a b LIMIT 1|ZINTERCARD 1 a|ZDIFF 2 a b|ZUNIONSTORE d 2 a b WEIGHTS 1 2|ZUNION 0|ZUNION x a|\
        GEORADIUS k 1 2 3 m STORE d|GEORADIUS k 1 2 3 m STOREDIST|SUBSCRIBE a|SSUBSCRIBE a b|SPUBLISH c m|PUBLISH c m|\
        PFMERGE d|PFDEBUG GETREG k|WATCH a b|BLPOP a b 0|BLPOP a|RESTORE k 0 x|RESTORE-ASKING k 0 x|LCS a b LEN|\
        CONFIG GET x|COMMAND GETKEYS GET a|COMMAND|CLIENT KILL x|DEBUG OBJECT k|PING|nosuch a b|GET|GET a b|SET k v GET|SET k v|\
        BITFIELD k GET u8 0|BITFIELD k SET u8 0 1|GETEX k|BITOP AND d a b|COPY a b DB 1|SMOVE a b c|LATENCY DOCTOR|KEYS a*";
    let mut lines: Vec<Vec<Vec<u8>>> = wild
        .split('|')
        .map(|line| line.trim().split(' ').map(|w| w.trim_matches('"').as_bytes().to_vec()).collect())
        .collect();
    let requests = Requests::new(|name| shared.contains(&name.to_lowercase()));
    lines.extend(requests.generate(&mut Rng::new(7), LINES));
    // Any command with anything behind it.
    let mut rng = Rng::new(8);
    let words: [&[u8]; 14] = [
        b"a",
        b"b",
        b"0",
        b"1",
        b"2",
        b"-1",
        b"STREAMS",
        b"STORE",
        b"KEYS",
        b"GET",
        b"LIMIT",
        b"",
        b"GROUP",
        b"99999999999",
    ];
    let commands: Vec<&String> = shared.iter().collect();
    for _ in 0..LINES {
        let name = rng.pick(&commands);
        let mut line: Vec<Vec<u8>> = name.split('|').map(|word| word.as_bytes().to_vec()).collect();
        for _ in 0..rng.below(8) {
            line.push(rng.pick(&words).to_vec());
        }
        lines.push(line);
    }
    // What is not the same in both: a command that one of them doesn't know.
    lines.retain(|line| {
        let name = String::from_utf8_lossy(&line[0]).to_lowercase();
        let sub = line.get(1).map(|sub| format!("{name}|{}", String::from_utf8_lossy(sub).to_lowercase()));
        name == "nosuch" || sub.is_some_and(|sub| shared.contains(&sub)) || shared.contains(&name)
    });
    lines
}

#[test]
fn keys_of_command_lines_are_the_same() {
    let mut pair = pair();
    let shared = pair.shared();
    let lines = lines(&shared);
    for question in ["GETKEYS", "GETKEYSANDFLAGS"] {
        let asked: Vec<Vec<Vec<u8>>> = lines
            .iter()
            .map(|line| [&[b"COMMAND".to_vec(), question.as_bytes().to_vec()], line.as_slice()].concat())
            .collect();
        for chunk in asked.chunks(1000) {
            let redis = pair.redis.pipeline(chunk).expect("replies");
            let ours = pair.ours.pipeline(chunk).expect("replies");
            for ((line, redis), ours) in chunk.iter().zip(&redis).zip(&ours) {
                let line: Vec<_> = line.iter().map(|word| String::from_utf8_lossy(word)).collect();
                assert_eq!(redis.to_string(), ours.to_string(), "{line:?}");
            }
        }
    }
}
