//! The same questions to this module and to redis-server 7.0.15, whose answers were recorded.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use protocol::quote::split;

use super::{TempDir, shown, some_commands};
use crate::config::argv::{Invocation, parse};
use crate::config::load::{Sources, load};
use crate::config::{Caller, Config, ConfigStore, Loaded, ROWS, Source, find};

/// The words of a line of recorded answers.
fn words(line: &str) -> Vec<String> {
    split(line.as_bytes())
        .unwrap()
        .into_iter()
        .map(|word| String::from_utf8_lossy(&word).into_owned())
        .collect()
}

fn records(text: &str) -> impl Iterator<Item = Vec<String>> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(words)
}

#[test]
fn defaults() {
    let config = Config::new(Path::new("/"));
    for record in records(include_str!("../testdata/defaults-7.0.15.txt")) {
        assert_eq!(shown(&config, &record[0]), record[1], "{}", record[0]);
    }
}

#[test]
fn get_star_has_the_rows_of_redis_and_ours() {
    let config = Config::new(Path::new("/"));
    let all: BTreeMap<_, _> = config.get(&[b"*"]).into_iter().collect();
    // Two paragraphs: what a pattern finds, and what only the name does.
    let (open, hidden) = include_str!("../testdata/defaults-7.0.15.txt").split_once("\n\n").unwrap();
    for record in records(open) {
        assert!(all.contains_key(&record[0]), "{}", record[0]);
    }
    for record in records(hidden) {
        assert!(!all.contains_key(&record[0]), "{}", record[0]);
    }
    let of_redis = all.keys().filter(|name| find(name.as_bytes()).unwrap().0.source == Source::Redis).count();
    let newer = ["dbnum", "primaryauth", "primaryuser", "commandlog-execution-slower-than"];
    let newer = newer.len() + ["commandlog-slow-execution-max-len"].len() + 4;
    assert_eq!(
        of_redis,
        192 + newer,
        "192 names of Redis 7.0, and names that later versions gave to its directives"
    );
}

fn store() -> ConfigStore {
    let sources =
        Sources { options: b"save ''\nenable-protected-configs yes".to_vec(), ..Sources::default() };
    ConfigStore::new(&load(&sources, Path::new("/"), &some_commands).unwrap())
}

#[test]
fn config_set() {
    let mut wrong = Vec::new();
    for record in records(include_str!("../testdata/set-7.0.15.txt")) {
        let [name, value, reply] = [&record[0], &record[1], &record[2]];
        let store = store();
        let result =
            store.set_many(&[(name.as_bytes(), value.as_bytes())], Caller { local: true, loading: false });
        let (got, show) = match result {
            Ok(()) => ("OK".to_owned(), Some(shown(&store.get(), name))),
            Err(error) => (error.text().to_owned(), None),
        };
        if got != *reply || show.as_ref() != record.get(3) {
            wrong.push(format!("{name} {value:?}: {got} {show:?}, not {reply} {:?}", record.get(3)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One recorded start.
#[derive(Default)]
struct Start {
    file: Option<String>,
    stdin: Option<String>,
    options: Vec<String>,
}

impl Start {
    fn run(&self, dir: &TempDir) -> Result<Loaded, String> {
        let mut args: Vec<OsString> = Vec::new();
        if let Some(file) = &self.file {
            dir.write("t.conf", file);
            args.push("t.conf".into());
        }
        args.extend(self.options.iter().map(OsString::from));
        let Invocation::Serve(arguments) = parse(&args) else { panic!("{args:?}") };
        let sources = Sources {
            file: arguments.file,
            stdin: self.stdin.clone().filter(|_| arguments.stdin).map(String::into_bytes),
            options: arguments.options,
        };
        load(&sources, dir.path(), &some_commands).map_err(|error| {
            let text = error.to_string();
            let (head, reason) = text.trim_start().split_once('\n').unwrap();
            assert!(head.starts_with("*** FATAL CONFIG FILE ERROR (Everwrite "), "{head}");
            reason.to_owned()
        })
    }
}

#[test]
fn starts() {
    let dir = TempDir::new("starts");
    for (name, text) in
        [("inc1.conf", "# x\nhz 30\n"), ("d/a.conf", "hz 31\n"), ("d/b.conf", "hz 32\ntimeout 5\n")]
    {
        dir.write(name, text);
    }
    let mut wrong = Vec::new();
    let mut start = Start::default();
    for record in records(include_str!("../testdata/boot-7.0.15.txt")) {
        match record[0].as_str() {
            "file" => start.file = Some(record[1].clone()),
            "stdin" => start.stdin = Some(record[1].clone()),
            "options" => start.options = record[1..].to_vec(),
            _ => {
                let expected = record[1..].to_vec();
                let got = match start.run(&dir) {
                    Err(reason) => vec!["error".to_owned(), reason],
                    Ok(loaded) => {
                        let names = expected[1..].iter().step_by(2);
                        let pair = |name: &String| [name.clone(), shown(&loaded.config, name)];
                        std::iter::once("values".to_owned())
                            .chain(names.filter(|name| find(name.as_bytes()).is_some()).flat_map(pair))
                            .collect()
                    }
                };
                if got != expected {
                    wrong.push(format!(
                        "{:?} {:?}:\n  {got:?}, not\n  {expected:?}",
                        start.file, start.options
                    ));
                }
                start = Start::default();
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Questions to CONFIG GET and the names it answers with, as Redis 7.0.15 does.
#[test]
fn config_get() {
    let config = Config::new(Path::new("/"));
    let names = |patterns: &[&str]| {
        let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        config.get(&patterns).into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(" ")
    };
    for (patterns, answer) in [
        (&["nosuch"][..], ""),
        (&["MAXMEMORY"], "MAXMEMORY"),
        (&["maxmemory", "MAXMEMORY"], "maxmemory"),
        (&["Max*-policy"], "maxmemory-policy"),
        (&["key-load-*"], ""),
        (&["KEY-load-delay"], "KEY-load-delay"),
        (&["include"], ""),
        (&["a["], ""),
        (&["[m]axmemory", "max?emory", "\\maxmemory"], "maxmemory"),
        (&["max\\memory"], ""),
        (&["slaveo?", "replicaof"], "slaveof replicaof"),
        (&["hash-max-*-value"], "hash-max-listpack-value hash-max-ziplist-value"),
    ] {
        assert_eq!(names(patterns), answer, "{patterns:?}");
    }
    assert!(ROWS.len() > 179);
}
