//! Many clients that wait, move and push at once: nothing is lost, nothing is handed out twice, nobody waits for ever.

use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};
use std::sync::Barrier;
use std::time::{Duration, Instant};

const KEYS: u64 = 12;
/// No request of these tests may take longer, however busy the machine.
const REPLY_WITHIN: Duration = Duration::from_secs(20);

fn ask(client: &mut Client, line: &str) -> Value {
    let words: Vec<&str> = line.split(' ').collect();
    client.send(&words).expect("a server that reads");
    client.receive_within(REPLY_WITHIN).expect("a server that lives").expect("a reply in time")
}

/// Numbers below `n` that look random, the same in each run.
fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |n| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x % n
    }
}

fn push(client: &mut Client, seed: u64, until: Instant) -> Vec<String> {
    let (mut dice, mut pushed) = (dice(seed), Vec::new());
    while Instant::now() < until {
        let (a, b) = (format!("{seed}:{}", pushed.len()), format!("{seed}:{}", pushed.len() + 1));
        if dice(4) == 0 {
            ask(client, "MULTI");
            ask(client, &format!("RPUSH k{} {a}", dice(KEYS)));
            ask(client, &format!("LPUSH k{} {b}", dice(KEYS)));
            ask(client, "EXEC");
        } else {
            ask(client, &format!("LPUSH k{} {a} {b}", dice(KEYS)));
        }
        pushed.extend([a, b]);
    }
    pushed
}

fn relay(client: &mut Client, seed: u64, until: Instant) -> Vec<String> {
    let mut dice = dice(seed);
    while Instant::now() < until {
        let ends = ["LEFT LEFT", "LEFT RIGHT", "RIGHT LEFT", "RIGHT RIGHT"][dice(4) as usize];
        let moved = ask(client, &format!("BLMOVE k{} k{} {ends} 0.02", dice(KEYS), dice(KEYS)));
        assert!(!moved.is_error(), "{moved}");
    }
    Vec::new()
}

fn pop(client: &mut Client, seed: u64, until: Instant) -> Vec<String> {
    let (mut dice, mut popped) = (dice(seed), Vec::new());
    while Instant::now() < until {
        let keys = format!("k{} k{} k{}", dice(KEYS), dice(KEYS), dice(KEYS));
        let got = match dice(2) {
            0 => ask(client, &format!("BRPOP {keys} 0.02")),
            _ => ask(client, &format!("BLMPOP 0.02 3 {keys} LEFT COUNT 2")),
        };
        match got.items() {
            Some([_, Value::Array(elements)]) => popped.extend(elements.iter().map(Value::text)),
            Some([_, element]) => popped.push(element.text()),
            _ => assert!(got.is_null(), "{got}"),
        }
    }
    popped
}

#[test]
fn elements_that_travel_between_shards_are_neither_lost_nor_doubled() {
    let server = Server::start_with(Kind::Everwrite, &["--server-threads", "4"]);
    type Work = fn(&mut Client, u64, Instant) -> Vec<String>;
    let crew: [(usize, Work); 3] = [(3, push), (5, pop), (8, relay)];
    let until = Instant::now() + Duration::from_secs(2);
    let [mut pushed, mut seen, _] = std::thread::scope(|scope| {
        let mut seed = 0;
        let running = crew.map(|(clients, work)| {
            let start = |_| {
                seed += 1;
                let (mut client, seed) = (server.client(), seed);
                scope.spawn(move || work(&mut client, seed, until))
            };
            (0..clients).map(start).collect::<Vec<_>>()
        });
        running.map(|threads| {
            let elements = threads.into_iter().map(|t| t.join().expect("a client without complaints"));
            elements.flatten().collect::<Vec<_>>()
        })
    });
    let mut client = server.client();
    for key in 0..KEYS {
        let left = ask(&mut client, &format!("LRANGE k{key} 0 -1"));
        seen.extend(left.items().unwrap_or_default().iter().map(Value::text));
    }
    assert!(pushed.len() > 100, "{} elements are no test", pushed.len());
    pushed.sort();
    seen.sort();
    assert_eq!(pushed, seen);
    let info = ask(&mut client, "INFO clients").text();
    assert!(info.contains("blocked_clients:0\r\n"), "{info}");
}

#[test]
fn hundreds_of_clients_are_served_in_the_order_they_came() {
    const CLIENTS: usize = 300;
    let server = Server::start(Kind::Everwrite);
    let mut admin = server.client();
    let mut waiting: Vec<Client> = (0..CLIENTS).map(|_| server.client()).collect();
    for (before, client) in waiting.iter_mut().enumerate() {
        client.send(&["BLPOP", "one", "two", "0"]).unwrap();
        let wanted = format!("blocked_clients:{}\r\n", before + 1);
        wait_until("a client waits", REPLY_WITHIN, || {
            ask(&mut admin, "INFO clients").text().contains(&wanted)
        });
    }
    // Half by one push to one key, half by a push each to the other.
    let half: Vec<String> = (0..CLIENTS / 2).map(|n| n.to_string()).collect();
    ask(&mut admin, &format!("RPUSH one {}", half.join(" ")));
    for n in CLIENTS / 2..CLIENTS {
        ask(&mut admin, &format!("RPUSH two {n}"));
    }
    for (n, client) in waiting.iter_mut().enumerate() {
        let got = client.receive_within(REPLY_WITHIN).unwrap().expect("an element");
        assert_eq!(got.items().map(|items| items[1].text()), Some(n.to_string()));
    }
    assert_eq!(ask(&mut admin, "EXISTS one two").int(), Some(0));
}

#[test]
fn a_wait_ends_once_whoever_ends_it() {
    let server = Server::start_with(Kind::Everwrite, &["--server-threads", "4"]);
    let (mut client, mut pusher) = (server.client(), server.client());
    let mut got = 0;
    for round in 0..300 {
        let both = Barrier::new(2);
        let reply = std::thread::scope(|scope| {
            scope.spawn(|| {
                both.wait();
                // About when the other's time is up.
                std::thread::sleep(Duration::from_micros(500 + 10 * (round % 100)));
                ask(&mut pusher, "RPUSH q x");
            });
            both.wait();
            ask(&mut client, "BLPOP q 0.001")
        });
        let left = ask(&mut client, "LLEN q").int();
        got += usize::from(!reply.is_null());
        assert_eq!(left, Some(i64::from(reply.is_null())), "{reply}");
        ask(&mut client, "DEL q");
    }
    assert!(got > 0, "the push was always late");
}
