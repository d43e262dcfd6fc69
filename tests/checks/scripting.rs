//! Scripts beside a real redis-server: what the libraries answer to random arguments, and what many scripts at once leave
//! behind.

use std::time::{Duration, Instant};

use harness::random::Rng;
use harness::{Client, Kind, Server, Value};

const REPLY_WITHIN: Duration = Duration::from_secs(30);

fn eval(client: &mut Client, script: &str, rest: &[&str]) -> Value {
    let mut words = vec!["EVAL", script];
    words.extend(rest);
    client.send(&words).expect("a server that reads");
    client.receive_within(REPLY_WITHIN).expect("a server that lives").expect("a reply in time")
}

/// A Lua expression for a number, a string or a table.
fn value(rng: &mut Rng, depth: usize) -> String {
    const NUMBERS: &[&str] = &[
        "0",
        "1",
        "-1",
        "3.5",
        "-0.25",
        "1e15",
        "123456789012",
        "2^31",
        "-2^31",
        "2^53",
        "2^63",
        "1e300",
        "0.1",
        "127",
        "128",
        "255",
        "256",
        "65535",
        "65536",
        "-32",
        "-33",
        "-129",
        "-32769",
    ];
    const STRINGS: &[&str] =
        &["''", "'a'", "'\\0\\1\\127\\200'", "'a\"b\\\\/'", "string.rep('x', 40)", "'1'"];
    match rng.below(if depth > 3 { 3 } else { 6 }) {
        0 => (*rng.pick(NUMBERS)).to_string(),
        1 => (*rng.pick(STRINGS)).to_string(),
        2 => (*rng.pick(&["true", "false", "nil", "cjson.null"])).to_string(),
        3 => {
            let items: Vec<_> = (0..rng.below(5)).map(|_| value(rng, depth + 1)).collect();
            format!("{{{}}}", items.join(","))
        }
        _ => {
            let key = |rng: &mut Rng| match rng.below(3) {
                0 => format!("[{}]", rng.pick(&["1", "2", "3", "12", "1.5", "-1", "0"])),
                1 => "a".to_string(),
                _ => format!("k{}", rng.below(4)),
            };
            let items: Vec<_> =
                (0..rng.below(4)).map(|_| format!("{}={}", key(rng), value(rng, depth + 1))).collect();
            format!("{{{}}}", items.join(","))
        }
    }
}

/// Something that is nearly JSON, as a Lua string.
fn nearly_json(rng: &mut Rng) -> String {
    const PARTS: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"\\\\u00e9\"",
        "\"\\\\ud83d\\\\ude00\"",
        "1",
        "-2.5e3",
        "true",
        "null",
        " ",
        "nan",
        "0x1f",
        "\"b\\\\n\"",
        "inf",
        "01",
        "\"",
    ];
    let mut text: String = (0..1 + rng.below(8)).map(|_| *rng.pick(PARTS)).collect();
    if rng.percent(60) {
        text =
            format!("{{\"a\":[{},{{\"b\":{}}}]}}", rng.pick(&["1", "null", "\"x\"", "[]"]), rng.below(1000));
    }
    format!("'{text}'")
}

fn script(rng: &mut Rng) -> String {
    const FORMATS: &[&str] = &[
        "b", "B", "h", "H", "l", "i", "I3", "i5", "f", "d", "s", "c3", "c0", "x", ">", "<", "!4", "!", " ",
        "T", "i16",
    ];
    const BITS: &[&str] = &[
        "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "tohex", "bnot", "bswap", "tobit",
    ];
    let format: String = (0..1 + rng.below(5)).map(|_| *rng.pick(FORMATS)).collect();
    match rng.below(7) {
        0 => format!("return cjson.encode({})", value(rng, 0)),
        1 => format!("return cjson.encode(cjson.decode({}))", nearly_json(rng)),
        2 => format!("return cmsgpack.pack({},{})", value(rng, 0), value(rng, 0)),
        3 => format!("return {{cmsgpack.unpack(cmsgpack.pack({}))}}", value(rng, 0)),
        4 => format!("return struct.pack('{format}',{},{},{})", rng.below(300), "'abcd'", rng.below(70000)),
        5 => {
            let data: String = (0..rng.below(12)).map(|_| format!("\\{}", rng.below(256))).collect();
            format!(
                "local r = {{struct.unpack('{format}', '{data}')}} for i = 1, #r do r[i] = tostring(r[i]) end return r"
            )
        }
        _ => {
            let number = |rng: &mut Rng| {
                (*rng.pick(&["1", "-1", "255", "2^31", "3.7", "40", "0xffff0000"])).to_string()
            };
            format!("return tostring(bit.{}({},{}))", rng.pick(BITS), number(rng), number(rng))
        }
    }
}

#[test]
fn libraries_answer_as_those_of_redis() {
    let (ours, theirs) = (Server::start(Kind::Everwrite), Server::start(Kind::Redis));
    let (mut ours, mut theirs) = (ours.client(), theirs.client());
    let rounds = std::env::var("SCRIPT_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3000);
    let mut rng = Rng::new(std::env::var("SCRIPT_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(7));
    for round in 0..rounds {
        let text = script(&mut rng);
        let (a, b) = (eval(&mut ours, &text, &["0"]), eval(&mut theirs, &text, &["0"]));
        assert_eq!(a, b, "round {round}: {text}");
    }
}

/// Scripts move units between accounts, some with keys declared and some without: no unit is lost or made, whoever looks.
#[test]
fn scripts_are_atomic_whatever_they_declare() {
    const ACCOUNTS: usize = 40;
    const UNITS: i64 = 1000;
    const MOVE: &str = "local from, to = ARGV[1], ARGV[2]
        redis.call('DECR', KEYS[1] or from)
        if KEYS[3] == 'stray' then redis.call('GET', 'elsewhere' .. to) end
        return redis.call('INCR', KEYS[2] or to)";
    const SUM: &str =
        "local sum = 0 for i = 0, 39 do sum = sum + redis.call('GET', 'acc' .. i) end return sum";
    let server = Server::start_with(Kind::Everwrite, &["--server-threads", "3"]);
    let mut client = server.client();
    for i in 0..ACCOUNTS {
        client.cmd(&format!("SET acc{i} {UNITS}")).expect("a reply");
    }
    let until = Instant::now() + Duration::from_secs(3);
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let mut client = server.client();
            scope.spawn(move || {
                let mut rng = Rng::new(seed);
                while Instant::now() < until {
                    let (from, to) =
                        (format!("acc{}", rng.below(ACCOUNTS)), format!("acc{}", rng.below(ACCOUNTS)));
                    let keys: &[&str] = match rng.below(3) {
                        0 => &["0", &from, &to],
                        1 => &["2", &from, &to, &from, &to],
                        _ => &["3", &from, &to, "stray", &from, &to],
                    };
                    // A script of its own now and then: habits are known by script.
                    let text = format!("{MOVE} -- {}", rng.below(20));
                    let moved = eval(&mut client, &text, keys);
                    assert!(moved.int().is_some(), "{moved}");
                }
            });
        }
        let mut looker = server.client();
        while Instant::now() < until {
            let sum = eval(&mut looker, SUM, &["0"]);
            assert_eq!(sum.int(), Some(ACCOUNTS as i64 * UNITS), "{sum}");
        }
    });
    assert_eq!(eval(&mut client, SUM, &["0"]).int(), Some(ACCOUNTS as i64 * UNITS));
}

/// A script that never ends holds up one client only; the others are told, and one of them ends it.
#[test]
fn a_busy_script_is_killed_from_any_connection() {
    for threads in ["1", "2"] {
        let server = Server::start_with(
            Kind::Everwrite,
            &["--server-threads", threads, "--busy-reply-threshold", "50"],
        );
        let (mut busy, mut early) = (server.client(), server.client());
        early.cmd("PING").expect("a reply");
        busy.send(&["EVAL", "while true do pcall(redis.call, 'PING') end", "0"])
            .expect("a server that reads");
        harness::wait::wait_until("the server is busy", REPLY_WITHIN, || {
            early.cmd("PING").is_ok_and(|reply| reply.to_string().contains("BUSY"))
        });
        let mut late = server.client();
        assert!(late.cmd("GET x").expect("a reply").to_string().contains("BUSY"));
        assert_eq!(late.cmd("SCRIPT KILL").expect("a reply").text(), "OK");
        let end = busy.receive_within(REPLY_WITHIN).expect("a server that lives").expect("a reply in time");
        assert!(end.to_string().contains("Script killed by user"), "{end}");
        harness::wait::wait_until("nobody is busy", REPLY_WITHIN, || {
            late.cmd("PING").is_ok_and(|reply| reply.text() == "PONG")
        });
        assert_eq!(early.cmd("PING").expect("a reply").text(), "PONG");
    }
}
