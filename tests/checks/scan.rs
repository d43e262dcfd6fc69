//! The guarantee of SCAN, HSCAN, SSCAN and ZSCAN: what is there from the iteration's beginning to its end comes up, what is
//! there at no time of it does not. Meanwhile others make the table grow twentyfold and shrink again.

use harness::{Client, Kind, Server, Value};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::*};

/// What stays.
const LASTING: usize = 1_000;
/// What comes and goes, at a time.
const FLEETING: usize = 20_000;
const ITERATIONS: usize = 3;

/// How one kind of scan is written, filled and emptied.
#[derive(Clone, Copy)]
struct Scan {
    /// The command up to the cursor.
    command: &'static str,
    /// Adds or removes an element, up to its name.
    add: &'static str,
    remove: &'static str,
    /// What goes before the element's name when it is added, and behind.
    before: &'static str,
    behind: &'static str,
    /// Words in the reply for each element.
    words: usize,
}

const SCANS: [Scan; 4] = [
    Scan { command: "SCAN", add: "SET", remove: "DEL", before: "", behind: "v", words: 1 },
    Scan { command: "HSCAN h", add: "HSET h", remove: "HDEL h", before: "", behind: "v", words: 2 },
    Scan { command: "SSCAN s", add: "SADD s", remove: "SREM s", before: "", behind: "", words: 1 },
    Scan { command: "ZSCAN z", add: "ZADD z", remove: "ZREM z", before: "1", behind: "", words: 2 },
];

fn words<'a>(parts: &[&'a str]) -> Vec<&'a str> {
    parts.iter().flat_map(|part| part.split(' ')).filter(|word| !word.is_empty()).collect()
}

impl Scan {
    fn change(&self, client: &mut Client, add: bool, names: impl Iterator<Item = String>) {
        let names: Vec<String> = names.collect();
        for part in names.chunks(500) {
            let line = |name| match add {
                true => words(&[self.add, self.before, name, self.behind]),
                false => words(&[self.remove, name]),
            };
            let requests: Vec<Vec<&str>> = part.iter().map(|name| line(name.as_str())).collect();
            client.pipeline(&requests).expect("replies");
        }
    }

    /// Everything from one iteration, as often as it came.
    fn iterate(&self, client: &mut Client, count: &str) -> Vec<String> {
        let (mut cursor, mut found) = (String::from("0"), Vec::new());
        loop {
            let reply = client.call(&words(&[self.command, &cursor, "COUNT", count])).expect("a reply");
            let [next, elements] = reply.items().expect("an array") else { panic!("{reply}") };
            let elements = elements.items().expect("an array");
            found.extend(elements.chunks(self.words).map(|element| element[0].text()));
            cursor = next.text();
            if cursor == "0" {
                return found;
            }
        }
    }
}

fn lasting() -> impl Iterator<Item = String> {
    (0..LASTING).map(|i| format!("lasting:{i}"))
}

fn fleeting(thread: usize) -> impl Iterator<Item = String> {
    (0..FLEETING / 2).map(move |i| format!("fleeting:{thread}:{i}"))
}

#[test]
fn what_lasts_comes_up_whatever_comes_and_goes() {
    let server = Server::start_with(Kind::Everwrite, &["--server-threads", "2"]);
    let mut client = server.client();
    for scan in SCANS {
        client.cmd("FLUSHALL").unwrap();
        scan.change(&mut client, true, lasting());
        for add in [true, false] {
            scan.change(&mut client, add, std::iter::once("gone".to_string()));
        }
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let (server, done) = (&server, &done);
                scope.spawn(move || {
                    let mut client = server.client();
                    while !done.load(Relaxed) {
                        scan.change(&mut client, true, fleeting(thread));
                        scan.change(&mut client, false, fleeting(thread));
                    }
                });
            }
            for count in ["1", "10", "1000"].into_iter().cycle().take(ITERATIONS) {
                let found: HashSet<String> = scan.iterate(&mut client, count).into_iter().collect();
                let lost: Vec<String> = lasting().filter(|name| !found.contains(name)).collect();
                // A panic would wait for the others.
                done.store(!lost.is_empty(), Relaxed);
                assert!(lost.is_empty(), "{} with COUNT {count} missed {}", scan.command, lost.len());
                assert!(!found.contains("gone"), "{} shows what was gone before", scan.command);
            }
            done.store(true, Relaxed);
        });
    }
}

#[test]
fn a_table_at_rest_is_told_without_repeats() {
    let server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    for scan in SCANS {
        client.cmd("FLUSHALL").unwrap();
        scan.change(&mut client, true, fleeting(0));
        for count in ["7", "100"] {
            let mut found = scan.iterate(&mut client, count);
            found.sort_unstable();
            let mut expected: Vec<String> = fleeting(0).collect();
            expected.sort_unstable();
            assert!(found == expected, "{} COUNT {count}: {} elements", scan.command, found.len());
        }
    }
    assert_eq!(client.cmd("SCAN 0 COUNT 0").unwrap(), Value::Error("ERR syntax error".into()));
}
