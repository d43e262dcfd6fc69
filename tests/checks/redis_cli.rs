//! The tools that come with Redis: redis-cli in each of its modes, and redis-benchmark with all its default tests.

use harness::{Kind, Server};
use std::io::Write;
use std::process::{Command, Stdio};

/// What a tool prints: for at most so many seconds, if it would go on for ever.
fn output(server: &Server, seconds: u32, tool: &str, options: &[&str], input: &str) -> String {
    let port = server.address().port().to_string();
    // An interrupt lets it print what it has collected.
    let mut child = Command::new("timeout")
        .args(["--signal=INT", "--kill-after=20", &seconds.to_string(), tool, "-p", &port])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{tool}: {e}"));
    let (mut stdin, input) = (child.stdin.take().expect("a pipe"), input.to_owned());
    // Beside reading: a tool that can't get rid of what it says reads no further.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("it reads its input");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn filled() -> Server {
    let server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    for line in [
        "DEBUG POPULATE 3000 key 20",
        "RPUSH list a b c",
        "HSET hash f v",
        "SADD set a b",
        "ZADD zset 1 a 2 b",
    ] {
        client.cmd(line).unwrap();
    }
    server
}

#[test]
fn what_looks_through_the_keys() {
    let server = filled();
    let cli = |options: &[&str]| output(&server, 60, "redis-cli", options, "");
    let big = cli(&["--bigkeys"]);
    for line in [
        "Sampled 3004 keys",
        "1 lists with 3 items",
        "1 zsets with 2 members",
        "3000 strings with 60000 bytes",
    ] {
        assert!(big.contains(line), "--bigkeys: {line} is missing in\n{big}");
    }
    let memory = cli(&["--memkeys"]);
    assert!(memory.contains("Sampled 3004 keys") && memory.contains("1 hashs with"), "--memkeys:\n{memory}");
    let mut client = server.client();
    client.cmd("CONFIG SET maxmemory-policy allkeys-lfu").unwrap();
    (0..300).for_each(|_| drop(client.cmd("GET key:7").unwrap()));
    let hot = cli(&["--hotkeys"]);
    assert!(
        hot.contains("hot key found with counter") && hot.contains("keyname: \"key:7\""),
        "--hotkeys:\n{hot}"
    );
    assert_eq!(cli(&["--scan", "--pattern", "key:1*"]).lines().count(), 1111);
}

#[test]
fn what_measures() {
    let server = filled();
    let cli = |seconds, options: &[&str]| output(&server, seconds, "redis-cli", options, "");
    let latency = cli(3, &["--latency", "--raw"]);
    let numbers = latency.lines().last().map_or(0, |line| line.split_whitespace().count());
    assert!(numbers == 4 || latency.is_empty(), "--latency:\n{latency}");
    let history = cli(3, &["--latency-history", "-i", "1", "--raw"]);
    assert!(!history.contains("ERR"), "--latency-history:\n{history}");
    assert!(cli(3, &["--latency-dist", "-i", "1"]).contains("milliseconds"));
    assert!(cli(10, &["--intrinsic-latency", "1"]).contains("total runs"));
    let stat = cli(20, &["-r", "2", "-i", "0.1", "--stat"]);
    assert!(stat.is_empty() || stat.contains("keys"), "--stat:\n{stat}");
    server.client().cmd("CONFIG SET maxmemory 50mb maxmemory-policy allkeys-lru").unwrap();
    let lru = cli(4, &["--lru-test", "10000"]);
    assert!(!lru.contains("ERR") && !lru.contains("OOM"), "--lru-test:\n{lru}");
}

#[test]
fn masses_of_commands() {
    let server = filled();
    let plain: String = (0..20_000).map(|i| format!("SET pipe:{i} {i}\r\n")).collect();
    let replies = output(&server, 60, "redis-cli", &["--pipe"], &plain);
    assert!(replies.contains("errors: 0, replies: 20000"), "{replies}");
    let protocol: String =
        (0..20_000).map(|_| "*2\r\n$4\r\nINCR\r\n$7\r\ncounted\r\n*1\r\n$3\r\nGET\r\n").collect();
    let replies = output(&server, 60, "redis-cli", &["--pipe"], &protocol);
    assert!(replies.contains("errors: 20000, replies: 40000"), "{replies}");
    assert_eq!(server.client().cmd("GET counted").unwrap().text(), "20000");
}

#[test]
fn all_tests_of_redis_benchmark() {
    let server = Server::start(Kind::Everwrite);
    let results = output(&server, 300, "redis-benchmark", &["-n", "2000", "-c", "20", "-P", "4", "-q"], "");
    let rates = results.replace('\r', "\n");
    let tests: Vec<&str> = rates.lines().filter(|line| line.contains("requests per second")).collect();
    assert_eq!(tests.len(), 20, "{results}");
    assert!(!results.contains("ERR"), "{results}");
}

#[test]
fn what_takes_a_snapshot() {
    let server = filled();
    let mut client = server.client();
    let library = "#!lua name=lib\nredis.register_function('one', function() return 1 end)";
    client.call(&["FUNCTION", "LOAD", library]).unwrap();
    let file = |name: &str| server.dir().join(name).display().to_string();
    let (all, functions) = (file("all.rdb"), file("functions.rdb"));
    let said = output(&server, 60, "redis-cli", &["--rdb", &all], "");
    assert!(said.contains("Transfer finished with success"), "--rdb:\n{said}");
    let said = output(&server, 60, "redis-cli", &["--functions-rdb", &functions], "");
    assert!(said.contains("Transfer finished with success"), "--functions-rdb:\n{said}");
    // Both are files that the real server loads.
    for (rdb, keys) in [(all, 3004), (functions, 0)] {
        let dir = std::path::Path::new(&rdb).parent().unwrap().display().to_string();
        let name = std::path::Path::new(&rdb).file_name().unwrap().to_string_lossy().into_owned();
        let redis = Server::start_with(Kind::Redis, &["--dir", &dir, "--dbfilename", &name]);
        let mut client = redis.client();
        assert_eq!(client.cmd("DBSIZE").unwrap(), harness::Value::Int(keys));
        assert_eq!(client.cmd("FCALL one 0").unwrap(), harness::Value::Int(1));
    }
}

/// Starts a tool that listens, has something done, and returns what it printed until it was interrupted.
fn overheard(server: &Server, options: &[&str], ready: &str, act: impl FnOnce()) -> String {
    let out = server.dir().join("overheard");
    let file = std::fs::File::create(&out).unwrap();
    let mut child = Command::new("redis-cli")
        .args(["-p", &server.address().port().to_string()])
        .args(options)
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    let text = || std::fs::read_to_string(&out).unwrap_or_default();
    let soon = std::time::Duration::from_secs(20);
    harness::wait::wait_until(&format!("{options:?} to say {ready}"), soon, || text().contains(ready));
    act();
    harness::wait::wait_until(&format!("{options:?} to say overheard"), soon, || {
        text().contains("overheard")
    });
    child.kill().unwrap();
    child.wait().unwrap();
    text()
}

/// Every format in which it shows replies, beside the real server: what it makes of them depends on their types.
#[test]
fn formats_are_those_of_redis() {
    let servers = [filled(), { Server::start(Kind::Redis) }];
    for line in [
        "RPUSH list a b c",
        "HSET hash f v",
        "SADD set a b",
        "ZADD zset 1 a 2 b",
        "DEBUG POPULATE 3000 key 20",
    ] {
        drop(servers[1].client().cmd(line).unwrap());
    }
    let commands: &[&[&str]] = &[
        &["GET", "key:1"],
        &["GET", "nothing"],
        &["DBSIZE"],
        &["LRANGE", "list", "0", "-1"],
        &["HGETALL", "hash"],
        &["SMISMEMBER", "set", "a", "z"],
        &["ZRANGE", "zset", "0", "-1", "WITHSCORES"],
        &["ZSCORE", "zset", "b"],
        &["CONFIG", "GET", "maxmemory"],
        &["COMMAND", "INFO", "get", "nothing"],
        &["LPOP", "hash"],
        &["EVAL", "return {1, 'a', {2}, false}", "0"],
        &["EVAL", "redis.setresp(3) return {double=1.5}", "0"],
        &["CLIENT", "GETNAME"],
        &["EXEC"],
    ];
    let formats: &[&[&str]] = &[
        &[],
        &["--csv"],
        &["--json"],
        &["--raw"],
        &["--no-raw"],
        &["-3"],
        &["-3", "--no-raw"],
        &["-3", "--csv"],
        &["-2", "--json"],
    ];
    for format in formats {
        for command in commands {
            let options = [*format, *command].concat();
            let [ours, real] = [0, 1].map(|i| output(&servers[i], 20, "redis-cli", &options, ""));
            assert_eq!(ours, real, "{options:?}");
        }
    }
    // What comes from its input is a command's last word (-x) or one that is named (-X).
    for (options, expected) in [
        (&["-x", "SET", "key:1"][..], "OK\n"),
        (&["GET", "key:1"][..], "from input\n"),
        (&["-X", "tag", "SET", "tag", "value"][..], "OK\n"),
        (&["GET", "from input"][..], "value\n"),
        (&["-n", "3", "DBSIZE"][..], "0\n"),
        (&["-e", "LPOP", "hash"][..], "WRONGTYPE Operation against a key holding the wrong kind of value\n"),
    ] {
        let [ours, real] = [0, 1].map(|i| output(&servers[i], 20, "redis-cli", options, "from input"));
        assert_eq!((&ours[..], &real[..]), (expected, expected), "{options:?}");
    }
}

#[test]
fn what_listens() {
    let server = filled();
    let set = || drop(server.client().cmd("SET overheard yes").unwrap());
    let monitor = overheard(&server, &["MONITOR"], "OK", set);
    assert!(monitor.contains("] \"SET\" \"overheard\" \"yes\""), "MONITOR:\n{monitor}");
    let replica = overheard(&server, &["--replica"], "SYNC done", set);
    assert!(replica.contains("\"SET\",\"overheard\",\"yes\""), "--replica:\n{replica}");
    let publish = || drop(server.client().cmd("PUBLISH news overheard").unwrap());
    overheard(&server, &["SUBSCRIBE", "news"], "subscribe", publish);
}

/// What is not there is refused in words that say so. (redis-cli's debugger passes over the refusal, and the script just runs.)
#[test]
fn what_is_refused() {
    let server = filled();
    let script = server.dir().join("script.lua");
    std::fs::write(&script, "return 1").unwrap();
    let path = script.display().to_string();
    for mode in ["yes", "sync"] {
        let said = output(&server, 20, "redis-cli", &["SCRIPT", "DEBUG", mode], "");
        assert!(said.contains("ERR SCRIPT DEBUG is not supported"), "{mode}:\n{said}");
    }
    for debugger in ["--ldb", "--ldb-sync-mode"] {
        let said = output(&server, 20, "redis-cli", &[debugger, "--eval", &path], "");
        assert!(said.trim_end().ends_with('1'), "{debugger}:\n{said}");
    }
    let address = server.address().to_string();
    for command in ["info", "check"] {
        let said = output(&server, 20, "redis-cli", &["--cluster", command, &address], "");
        assert!(
            said.contains("cluster support disabled") || said.contains("not configured as a cluster node"),
            "{said}"
        );
    }
    assert!(output(&server, 20, "redis-cli", &["--eval", &path], "").contains('1'));
}
