//! The command table and what derives from it, compared with a real Redis 7.0.15.

mod live;

use engine::command::{ALL, Facts, Lookup, Origin, reply};
use live::{Redis, Value};
use protocol::{OwnedArgs, Reply};

/// What ours answers to a line, with the commands of Redis 7.0.15 alone. Knows COMMAND and its subcommands.
fn ours(lookup: &Lookup, line: &[&[u8]], resp3: bool) -> Value {
    let args = OwnedArgs::from_slices(line.iter().copied());
    let mut out = Reply::new(resp3);
    let done = match lookup.check(args.view()) {
        Ok(facts) => reply::command(facts, lookup, args.view(), &mut out),
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        out.error(&error);
    }
    Value::read(&mut out.buf.as_slice())
}

fn redis_70() -> Lookup {
    Lookup::new(|facts| facts.origin == Origin::Redis70)
}

fn words(line: &str) -> Vec<&[u8]> {
    line.split(' ').map(str::as_bytes).collect()
}

/// Sorts rows of COMMAND, and the rows of their subcommands, by name.
fn sort_rows(rows: &mut [Value]) {
    for row in rows.iter_mut().filter(|row| **row != Value::Null) {
        sort_rows(row.items_mut()[9].items_mut());
    }
    rows.sort_by(|a, b| a.items().first().cmp(&b.items().first()));
}

/// Blanks what is prose: the text after the key `notes` of a key spec.
fn blank_notes(value: &mut Value) {
    let (Value::Array(items) | Value::Set(items) | Value::Map(items)) = value else { return };
    if items.len() > 1 && items[0].is_bulk("notes") {
        items[1] = Value::Null;
    }
    items.iter_mut().for_each(blank_notes);
}

#[test]
fn info_is_equal() {
    let (Some(mut redis), lookup) = (Redis::start(), redis_70()) else { return };
    for resp3 in [false, true] {
        redis.ask(if resp3 { "HELLO 3" } else { "HELLO 2" });
        for line in ["COMMAND", "COMMAND INFO", "COMMAND INFO get nosuch CONFIG config|get config|x get|x"] {
            let (mut want, mut got) = (redis.ask(line), ours(&lookup, &words(line), resp3));
            [&mut want, &mut got].into_iter().for_each(|rows| sort_rows(rows.items_mut()));
            [&mut want, &mut got].into_iter().for_each(blank_notes);
            assert_eq!(got.items().len(), want.items().len(), "{line}");
            for (got, want) in got.items().iter().zip(want.items()) {
                assert_eq!(got, want, "{line}, RESP3 {resp3}");
            }
            assert_eq!(got, want);
        }
    }
}

/// Takes prose out of a map of documentation, and sorts it by name, at every level.
fn normalize_docs(docs: &mut Value) {
    let entries = docs.items_mut();
    let mut sorted: Vec<(Value, Value)> = entries.chunks(2).map(|e| (e[0].clone(), e[1].clone())).collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    for (_, doc) in &mut sorted {
        let mut fields: Vec<_> = doc.items().chunks(2).map(<[Value]>::to_vec).collect();
        fields.retain(|field| !field[0].is_bulk("complexity"));
        for field in &mut fields {
            match &field[0] {
                name if name.is_bulk("summary") => field[1] = Value::Null,
                name if name.is_bulk("history") => {
                    field[1].items_mut().iter_mut().for_each(|change| change.items_mut()[1] = Value::Null);
                }
                name if name.is_bulk("subcommands") => normalize_docs(&mut field[1]),
                _ => {}
            }
        }
        *doc.items_mut() = fields.concat();
    }
    *entries = sorted.into_iter().flat_map(|(name, doc)| [name, doc]).collect();
}

#[test]
fn docs_are_equal_but_for_prose() {
    let (Some(mut redis), lookup) = (Redis::start(), redis_70()) else { return };
    for resp3 in [false, true] {
        redis.ask(if resp3 { "HELLO 3" } else { "HELLO 2" });
        for line in ["COMMAND DOCS", "COMMAND DOCS get nosuch CONFIG config|get get|x", "COMMAND DOCS nosuch"]
        {
            let (mut want, mut got) = (redis.ask(line), ours(&lookup, &words(line), resp3));
            [&mut want, &mut got].into_iter().for_each(normalize_docs);
            for (got, want) in got.items().chunks(2).zip(want.items().chunks(2)) {
                assert_eq!(got, want, "{line}, RESP3 {resp3}");
            }
            assert_eq!(got, want, "{line}");
        }
    }
}

#[test]
fn no_summary_is_borrowed() {
    let Some(mut redis) = Redis::start() else { return };
    let Value::Array(docs) = redis.ask("COMMAND DOCS") else { panic!() };
    for entry in docs.chunks(2) {
        let Value::Bulk(theirs) = &entry[1].items()[1] else { panic!() };
        let same = |text: &str| text.eq_ignore_ascii_case(theirs.trim_end_matches('.'));
        assert!(!ALL.iter().any(|facts| same(facts.summary)), "{theirs}");
    }
}

#[test]
fn lists_and_refusals_are_equal() {
    let (Some(mut redis), lookup) = (Redis::start(), redis_70()) else { return };
    let lines = "COMMAND LIST|COMMAND COUNT|COMMAND LIST FILTERBY ACLCAT hash|COMMAND LIST filterby aclcat HASH|\
        COMMAND LIST FILTERBY ACLCAT @hash|COMMAND LIST FILTERBY ACLCAT nosuch|COMMAND LIST FILTERBY MODULE x|\
        COMMAND LIST FILTERBY PATTERN xa*|COMMAND LIST FILTERBY PATTERN XADD|COMMAND LIST FILTERBY PATTERN conf*g?t|\
        COMMAND LIST FILTERBY PATTERN *_ro|COMMAND LIST FILTERBY PATTERN [xz]add|COMMAND LIST FILTERBY PATTERN|\
        COMMAND LIST FILTERBY x y|COMMAND LIST x|COMMAND LIST x y z|COMMAND COUNT x|COMMAND nosuch|COMMAND HELP x|\
        COMMAND GETKEYS|COMMAND GETKEYS get|nosuch|nosuch a b|config|config nosuch|config get|GET|get a b c|OBJECT x y"
        .split('|');
    for line in lines {
        let (mut want, mut got) = (redis.ask(line), ours(&lookup, &words(line), false));
        if line.starts_with("COMMAND LIST") && !matches!(want, Value::Error(_)) {
            [&mut want, &mut got].into_iter().for_each(|names| names.items_mut().sort());
        }
        assert_eq!(got, want, "{line}");
    }
}

/// Arguments that mean something to some command's keys, and some that are nearly so.
const VOCABULARY: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "01",
    "+1",
    " 2",
    "\t1",
    "1x",
    "x",
    "",
    "-0",
    "4294967297",
    "-4294967295",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551617",
    "k",
    "STORE",
    "store",
    "STOREDIST",
    "STREAMS",
    "streams",
    "KEYS",
    "keys",
    "GET",
    "BY",
    "LIMIT",
    "AUTH",
    "AUTH2",
    "GROUP",
    "COUNT",
    "BLOCK",
    "OVERFLOW",
    "SET",
];

/// A sequence that looks random and is always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }
}

/// A line of `facts` with arguments at random; hardly ever a good one.
fn random_line(facts: &Facts, dice: &mut Dice) -> Vec<&'static [u8]> {
    let mut line: Vec<&[u8]> = vec![b"COMMAND", b"GETKEYSANDFLAGS"];
    line.extend(facts.name.split(' ').map(str::as_bytes));
    let least = facts.arity.unsigned_abs() as usize + 2;
    let wanted = (least + dice.below(9)).saturating_sub(2).max(4);
    while line.len() < wanted {
        line.push(VOCABULARY[dice.below(VOCABULARY.len())].as_bytes());
    }
    line
}

#[test]
fn keys_are_equal() {
    let (Some(mut redis), lookup) = (Redis::start(), redis_70()) else { return };
    let mut dice = Dice(7);
    let (mut found, mut refused) = (0, 0);
    for facts in lookup.iter() {
        let special = facts.key_specs.len() > 1 || facts.flags.has(engine::command::Flags::MOVABLEKEYS);
        let lines: Vec<_> =
            (0..if special { 400 } else { 40 }).map(|_| random_line(facts, &mut dice)).collect();
        lines.iter().for_each(|line| redis.send(line));
        for line in &lines {
            let (got, want) = (ours(&lookup, line, false), redis.receive());
            let shown: Vec<_> = line.iter().map(|arg| String::from_utf8_lossy(arg)).collect();
            assert_eq!(got, want, "{shown:?}");
            *if matches!(want, Value::Error(_)) { &mut refused } else { &mut found } += 1;
        }
    }
    assert!(found > 1000 && refused > 1000, "{found} lines with keys, {refused} without");
}
