//! INFO: every section and every field that Redis prints, in the same order and of the same kind. Values are the server's
//! own; fields that Redis does not have may stand between.

use harness::{Client, Kind, Server};

/// Sections whose fields come from what was done: named by commands and errors, in no order.
const BY_USE: [&str; 3] = ["Commandstats", "Errorstats", "Latencystats"];

/// A section's title, and its fields with their values.
type Section = (String, Vec<(String, String)>);

fn sections(client: &mut Client, names: &str) -> Vec<Section> {
    let text = client.cmd(format!("INFO {names}").trim_end()).expect("a reply").text();
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("# "), line.split_once(':')) {
            (Some(title), _) => sections.push((title.to_string(), Vec::new())),
            (None, Some((field, value))) => {
                let (_, fields) = sections.last_mut().expect("a title comes first");
                fields.push((field.to_string(), value.to_string()));
            }
            _ => assert!(line.is_empty(), "INFO {names}: {line:?}"),
        }
    }
    sections
}

/// What a value looks like.
fn kind(value: &str) -> String {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = value.strip_prefix('-').unwrap_or(value);
    let decimal = |text: &str| text.split_once('.').is_some_and(|(a, b)| digits(a) && digits(b));
    match value {
        _ if digits(number) => "integer".into(),
        _ if decimal(number) => "decimal".into(),
        _ if value.strip_suffix('%').is_some_and(decimal) => "percentage".into(),
        _ if value.strip_suffix(['B', 'K', 'M', 'G', 'T']).is_some_and(|v| digits(v) || decimal(v)) => {
            "amount".into()
        }
        _ if value.contains('=') => value
            .split(',')
            .map(|pair| {
                pair.split_once('=').map_or(pair.into(), |(name, value)| format!("{name}={}", kind(value)))
            })
            .collect::<Vec<_>>()
            .join(","),
        _ => "text".into(),
    }
}

/// Some of everything that INFO counts.
fn use_it(client: &mut Client) {
    for line in [
        "SET a b",
        "GET a",
        "HSET h f v",
        "GET h",
        "NOSUCH",
        "GET",
        "LPUSH l 1 2 3",
        "EXPIRE a 1000",
        "SELECT 3",
        "SET x y",
        "CONFIG GET port",
        "CONFIG GET",
        "SELECT 0",
        "ZADD z 1 m",
        "PFADD p a",
    ] {
        client.cmd(line).expect("a reply");
    }
}

#[test]
fn every_field_of_redis_is_there() {
    let servers = [Server::start(Kind::Redis), Server::start(Kind::Everwrite)];
    let [mut redis, mut ours] = [servers[0].client(), servers[1].client()];
    for client in [&mut redis, &mut ours] {
        // Who looked whether it was up may have been told that it was loading.
        client.cmd("CONFIG RESETSTAT").unwrap();
        use_it(client);
    }
    let mut found = Vec::new();
    for names in [
        "",
        "default",
        "all",
        "everything",
        "server",
        "memory stats",
        "commandstats",
        "nosuch",
        "KEYSPACE cpu",
    ] {
        let (theirs, own) = (sections(&mut redis, names), sections(&mut ours, names));
        let titles = |of: &[Section]| of.iter().map(|(title, _)| title.clone()).collect::<Vec<_>>();
        assert_eq!(titles(&theirs), titles(&own), "INFO {names}");
        for ((title, theirs), (_, own)) in theirs.iter().zip(&own) {
            let by_use = BY_USE.contains(&title.as_str());
            let mut from = 0;
            for (field, value) in theirs {
                let start = if by_use { 0 } else { from };
                match own[start..].iter().position(|(name, _)| name == field) {
                    None => found.push(format!("{title}, {field}: missing, or not in Redis's order")),
                    Some(at) if kind(&own[start + at].1) != kind(value) => {
                        found.push(format!(
                            "{title}, {field}: {value:?} in Redis, ours {:?}",
                            own[start + at].1
                        ));
                    }
                    Some(at) => from = start + at + 1,
                }
            }
            // What was counted for the one must not be counted for the other alone.
            if by_use {
                let extra = own.iter().filter(|(name, _)| !theirs.iter().any(|(other, _)| other == name));
                found.extend(extra.map(|(name, _)| format!("{title}, {name}: not in Redis")));
            }
        }
    }
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn kinds_are_told_apart() {
    for (value, expected) in [
        ("12", "integer"),
        ("-1", "integer"),
        ("1.50", "decimal"),
        ("99.90%", "percentage"),
        ("1.5M", "amount"),
        ("0B", "amount"),
        ("redis", "text"),
        ("", "text"),
        ("keys=1,avg_ttl=0.5", "keys=integer,avg_ttl=decimal"),
    ] {
        assert_eq!(kind(value), expected, "{value}");
    }
}
