//! Files: what one server saves the other loads, and nothing is missing from what is there after a restart.

use harness::client::encode;
use harness::wait::wait_until;
use harness::{Client, Kind, Server};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// No wait of these tests may take longer, however busy the machine.
const SOON: Duration = Duration::from_secs(30);

fn ask(client: &mut Client, line: &str) -> String {
    client.cmd(line).unwrap_or_else(|e| panic!("{line}: {e}")).to_string()
}

/// Keys of all types and encodings in two databases, some with deadlines far away.
fn fill(client: &mut Client) {
    for n in 0..200 {
        ask(client, &format!("SET string:{n} {}", "x".repeat(n)));
        ask(client, &format!("SET int:{n} {}", (n as i64 - 100) << (n % 50)));
        ask(client, &format!("SETEX expires:{n} 100000 {n}"));
        ask(client, &format!("RPUSH list {} {n} {}", "e".repeat(n), -(n as i64)));
        ask(client, &format!("SADD intset {n}"));
        ask(client, &format!("SADD set {n} m{n}"));
        ask(client, &format!("ZADD zset {n}.5 m{n} -{n} n{n}"));
        ask(client, &format!("HSET hash f{n} {n} {n} {}", "v".repeat(n)));
    }
    ask(client, "RPUSH small:list a b 3");
    ask(client, "SADD small:set 1 2 3");
    ask(client, "ZADD small:zset 1 a 2.5 b");
    ask(client, "HSET small:hash a 1 b 2");
    ask(client, &format!("SET compressible {}", "abcdefgh".repeat(2000)));
    ask(client, "SELECT 9");
    ask(client, "SET elsewhere 1");
    ask(client, "EXPIRE elsewhere 100000");
    ask(client, "SELECT 0");
}

fn digest(server: &Server) -> String {
    ask(&mut server.client(), "DEBUG DIGEST")
}

#[test]
fn files_travel_both_ways() {
    for (from, to) in
        [(Kind::Everwrite, Kind::Redis), (Kind::Redis, Kind::Everwrite), (Kind::Everwrite, Kind::Everwrite)]
    {
        let (writer, mut reader) = (Server::start(from), Server::start(to));
        fill(&mut writer.client());
        assert_eq!(ask(&mut writer.client(), "SAVE"), "+OK");
        fs::copy(writer.dir().join("dump.rdb"), reader.dir().join("dump.rdb")).unwrap();
        reader.restart();
        wait_until("the data are loaded", SOON, || !ask(&mut reader.client(), "DBSIZE").contains("LOADING"));
        assert_eq!(digest(&writer), digest(&reader), "{from:?} to {to:?}");
        let size = |server: &Server| fs::metadata(server.dir().join("dump.rdb")).unwrap().len();
        ask(&mut reader.client(), "SAVE");
        let (ours, other) = if from == Kind::Everwrite { (&writer, &reader) } else { (&reader, &writer) };
        assert!(size(ours) * 100 <= size(other) * 102, "{} bytes instead of {}", size(ours), size(other));
    }
}

#[test]
fn deadlines_of_members_survive() {
    let mut server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    ask(&mut client, "HSET h a 1 b 2 c 3");
    ask(&mut client, "HEXPIRE h 100000 FIELDS 1 b");
    ask(&mut client, "SADD s a b c");
    ask(&mut client, "EXPIREMEMBER s c 4");
    ask(&mut client, "ZADD z 1 a 2 b 3 c");
    ask(&mut client, "EXPIREMEMBER z b 4");
    ask(&mut client, "EXPIREMEMBER z c 100000");
    ask(&mut client, "SAVE");
    let files = digest(&server);
    server.restart();
    let mut client = server.client();
    wait_until("the data are loaded", SOON, || !ask(&mut server.client(), "DBSIZE").contains("LOADING"));
    assert_eq!(files, digest(&server));
    let ttl = ask(&mut client, "HTTL h FIELDS 3 a b c");
    assert!(ttl.contains("9999") || ttl.contains("100000"), "{ttl}");
    let ttl = ask(&mut client, "TTL z c");
    assert!(ttl.starts_with("9999") || ttl == "100000", "{ttl}");
    wait_until("the members expire", SOON, || {
        ask(&mut client, "SCARD s") == "2" && ask(&mut client, "ZRANGE z 0 -1") == r#"["a", "c"]"#
    });
}

/// Two keys that always change together are never seen apart in a snapshot, whatever else is written.
#[test]
fn a_background_save_shows_one_moment() {
    let server = Server::start(Kind::Everwrite);
    ask(&mut server.client(), "DEBUG POPULATE 50000 key 20");
    let end = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut client, mut n) = (server.client(), 0u64);
            while !end.load(Relaxed) {
                n += 1;
                for line in [
                    "MULTI",
                    "INCR one",
                    "RENAME left swap",
                    "RENAME right left",
                    "RENAME swap right",
                    "INCR two",
                    "EXEC",
                ] {
                    ask(&mut client, line);
                }
                ask(&mut client, &format!("SET key:{} changed", n * 7919 % 50000));
                ask(&mut client, &format!("DEL key:{}", n * 104_729 % 50000));
            }
        });
        let mut client = server.client();
        ask(&mut client, "MSET left 1 right 2");
        for round in 0..5 {
            assert_eq!(ask(&mut client, "BGSAVE"), "+Background saving started");
            wait_until("the save ends", SOON, || {
                server.client().cmd("INFO persistence").unwrap().text().contains("rdb_bgsave_in_progress:0")
            });
            let mut reader = Server::start(Kind::Redis);
            fs::copy(server.dir().join("dump.rdb"), reader.dir().join("dump.rdb")).unwrap();
            reader.restart();
            wait_until("the data are loaded", SOON, || {
                !ask(&mut reader.client(), "DBSIZE").contains("LOADING")
            });
            let mut loaded = reader.client();
            assert_eq!(ask(&mut loaded, "GET one"), ask(&mut loaded, "GET two"), "round {round}");
            assert_ne!(ask(&mut loaded, "GET left"), ask(&mut loaded, "GET right"), "round {round}");
        }
        end.store(true, Relaxed);
    });
}

#[test]
fn a_damaged_file_stops_the_start() {
    let mut server = Server::start(Kind::Everwrite);
    fill(&mut server.client());
    ask(&mut server.client(), "SAVE");
    server.terminate();
    let path = server.dir().join("dump.rdb");
    let sound = fs::read(&path).unwrap();
    let mut damaged = sound.clone();
    damaged[sound.len() / 2] ^= 0x10;
    for (bytes, word) in [
        (damaged, "RDB"),
        (sound[..sound.len() - 100].to_vec(), "offset"),
        (b"no such file".to_vec(), "signature"),
    ] {
        fs::write(&path, &bytes).unwrap();
        let program = Kind::Everwrite.program();
        let output = std::process::Command::new(program)
            .args(["--port", &server.address().port().to_string(), "--bind", "127.0.0.1", "--dir"])
            .arg(server.dir())
            .output()
            .unwrap();
        let log =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && log.contains("Fatal error loading the DB") && log.contains(word),
            "{log}"
        );
        assert_eq!(fs::read(&path).unwrap(), bytes, "what could not be read was not touched");
    }
    fs::write(&path, &sound).unwrap();
    server.start_again();
}

/// Writes as long as the server lives; how often it said that it had.
fn write_until_it_dies(server: &Server, key: usize, round: u64) -> u64 {
    let (mut client, mut acknowledged) = (server.client(), 0);
    loop {
        let line = match acknowledged % 3 {
            0 => format!("INCR counter:{key}"),
            1 => format!("RPUSH list:{key} {acknowledged}"),
            _ => format!("HSET hash:{key} {round}:{acknowledged} x"),
        };
        match client.cmd(&line) {
            Ok(reply) if !reply.is_error() => acknowledged += 1,
            _ => return acknowledged,
        }
    }
}

/// What is there of the writes of one writer.
fn written(server: &Server, key: usize) -> u64 {
    let mut client = server.client();
    let number = |text: String| text.trim_matches('"').parse::<u64>().unwrap_or(0);
    number(ask(&mut client, &format!("GET counter:{key}")))
        + number(ask(&mut client, &format!("LLEN list:{key}")))
        + number(ask(&mut client, &format!("HLEN hash:{key}")))
}

#[test]
fn nothing_is_lost_that_was_acknowledged() {
    const ROUNDS: u64 = 20;
    const WRITERS: usize = 4;
    let mut server = Server::start_with(
        Kind::Everwrite,
        &["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-min-size", "20kb"],
    );
    let mut before = [0; WRITERS];
    for round in 0..ROUNDS {
        let pid = server.pid().to_string();
        let acknowledged: Vec<u64> = std::thread::scope(|scope| {
            let server = &server;
            let writers: Vec<_> = (0..WRITERS)
                .map(|key| scope.spawn(move || write_until_it_dies(server, key, round)))
                .collect();
            if round % 4 == 3 {
                ask(&mut server.client(), "BGREWRITEAOF");
            }
            std::thread::sleep(Duration::from_millis(20 + round * 37 % 200));
            std::process::Command::new("kill").args(["-9", &pid]).status().unwrap();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        server.kill();
        server.start_again();
        wait_until("the data are loaded", SOON, || !ask(&mut server.client(), "DBSIZE").contains("LOADING"));
        for (key, acknowledged) in acknowledged.into_iter().enumerate() {
            let now = written(&server, key);
            let least = before[key] + acknowledged;
            // One more may have been done than was told.
            assert!(now >= least && now <= least + 1, "round {round}: {now} of {least}");
            before[key] = now;
        }
    }
}

/// What is logged is what redis-server makes the same data of.
#[test]
fn logs_travel_both_ways() {
    for (from, to) in [(Kind::Everwrite, Kind::Redis), (Kind::Redis, Kind::Everwrite)] {
        let options = &["--appendonly", "yes"];
        let (mut writer, mut reader) = (Server::start_with(from, options), Server::start_with(to, options));
        let mut client = writer.client();
        fill(&mut client);
        for line in [
            "SET set:px 1 PX 100000000",
            "GETEX set:px PERSIST",
            "INCRBYFLOAT float 1.1",
            "HINCRBYFLOAT hash:float f 2.5",
            "SPOP set 20",
            "SPOP set",
            "LMPOP 1 list RIGHT COUNT 30",
            "ZMPOP 1 zset MAX COUNT 10",
            "EXPIRE string:1 100000",
            "PERSIST expires:7",
            "GETDEL string:2",
            "GETSET string:3 other",
            "COPY hash hash:copy",
            "RENAME small:list renamed",
            "LMOVE renamed moved LEFT RIGHT",
            "SETRANGE string:10 5 patched",
            "BITFIELD bits SET u8 0 200 INCRBY i5 100 1",
            "SET short 1 PX 1",
            "SORT intset LIMIT 0 10 STORE sorted",
            "MOVE sorted 5",
            "SWAPDB 9 6",
            "MULTI",
            "SET in:multi 1",
            "DEL string:5",
            "EXEC",
        ] {
            ask(&mut client, line);
        }
        std::thread::sleep(Duration::from_millis(10));
        ask(&mut client, "GET short");
        carry_logs(&mut writer, &mut reader);
    }
}

/// Both servers load the logs of one of them, and have its data.
fn carry_logs(writer: &mut Server, reader: &mut Server) {
    let expected = digest(writer);
    writer.terminate();
    reader.terminate();
    let (source, target) = (writer.dir().join("appendonlydir"), reader.dir().join("appendonlydir"));
    fs::remove_dir_all(&target).unwrap();
    fs::create_dir_all(&target).unwrap();
    for file in fs::read_dir(source).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), target.join(file.file_name())).unwrap();
    }
    for server in [reader, writer] {
        server.start_again();
        wait_until("the data are loaded", SOON, || !ask(&mut server.client(), "DBSIZE").contains("LOADING"));
        assert_eq!(digest(server), expected, "{}", server.log());
    }
}

/// Without RDB in it, the base of a rewritten log is commands.
#[test]
fn bases_of_commands_travel_both_ways() {
    for (from, to) in [(Kind::Everwrite, Kind::Redis), (Kind::Redis, Kind::Everwrite)] {
        let options = &["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];
        let (mut writer, mut reader) = (Server::start_with(from, options), Server::start_with(to, options));
        let mut client = writer.client();
        fill(&mut client);
        for line in [
            "XADD stream 1-1 a 1 b 2",
            "XADD stream 2-1 a 3",
            "XADD stream 3-1 c 4",
            "XDEL stream 2-1",
            "XGROUP CREATE stream group 0",
            "XREADGROUP GROUP group reader COUNT 1 STREAMS stream >",
            "XGROUP CREATECONSUMER stream group idler",
            "XGROUP CREATE nothing:yet group $ MKSTREAM",
            "XADD emptied 5-5 a 1",
            "XTRIM emptied MAXLEN 0",
        ] {
            ask(&mut client, line);
        }
        let library = "#!lua name=kept\nredis.register_function('kept', function() return 7 end)";
        client.call(&["FUNCTION", "LOAD", library]).unwrap();
        ask(&mut client, "BGREWRITEAOF");
        wait_until("the log is rewritten", SOON, || {
            let info = writer.client().cmd("INFO persistence").unwrap().text();
            info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
        });
        let bases = fs::read_dir(writer.dir().join("appendonlydir")).unwrap();
        let bases: Vec<_> = bases.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        assert!(bases.iter().any(|name| name.ends_with(".2.base.aof")), "{bases:?}");
        ask(&mut client, "SET after:the:base 1");
        carry_logs(&mut writer, &mut reader);
        for server in [&writer, &reader] {
            let mut client = server.client();
            assert_eq!(ask(&mut client, "FCALL kept 0"), "7");
            for (line, part) in [
                ("XPENDING stream group", "reader"),
                ("XINFO CONSUMERS stream group", "idler"),
                ("XINFO STREAM emptied", "5-5"),
                ("XINFO STREAM stream", "2-1"),
                ("XINFO GROUPS nothing:yet", "group"),
            ] {
                assert!(ask(&mut client, line).contains(part), "{line}: {}", ask(&mut client, line));
            }
        }
    }
}

/// What `everwrite TOOL FILE` says, and whether it is content.
fn check(words: &[&str], file: &std::path::Path, answer: &str) -> (bool, String) {
    use std::io::Write;
    let mut tool = std::process::Command::new(Kind::Everwrite.program())
        .args(words)
        .arg(file)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    tool.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn files_are_checked_and_mended() {
    let mut server = Server::start_with(Kind::Everwrite, &["--appendonly", "yes"]);
    let mut client = server.client();
    fill(&mut client);
    let code = "#!lua name=lib\nredis.register_function('f', function() return 7 end)";
    client.send(&["FUNCTION", "LOAD", code]).unwrap();
    client.receive_within(SOON).unwrap().unwrap();
    ask(&mut client, "SAVE");
    server.terminate();
    let rdb = server.dir().join("dump.rdb");
    let (sound, text) = check(&["check-rdb"], &rdb, "");
    assert!(sound && text.contains("RDB looks OK"), "{text}");
    let mut bytes = fs::read(&rdb).unwrap();
    let len = bytes.len();
    bytes[len / 3] ^= 1;
    fs::write(&rdb, &bytes).unwrap();
    let (sound, text) = check(&["check-rdb"], &rdb, "");
    assert!(!sound && text.contains("--- RDB ERROR DETECTED ---"), "{text}");

    let dir = server.dir().join("appendonlydir");
    let (manifest, log) = (dir.join("appendonly.aof.manifest"), dir.join("appendonly.aof.1.incr.aof"));
    assert!(check(&["check-aof"], &manifest, "").0);
    let whole = fs::read(&log).unwrap();
    fs::write(&log, [&whole[..], b"*3\r\n$3\r\nSET\r\n$1\r\n"].concat()).unwrap();
    let (sound, text) = check(&["check-aof"], &manifest, "");
    assert!(!sound && text.contains("is not valid. Use the --fix option"), "{text}");
    let (sound, text) = check(&["check-aof", "--fix"], &manifest, "y\n");
    assert!(sound && text.contains("Successfully truncated AOF"), "{text}");
    assert_eq!(fs::read(&log).unwrap(), whole);
    // The library is in the log.
    server.start_again();
    wait_until("the data are loaded", SOON, || !ask(&mut server.client(), "DBSIZE").contains("LOADING"));
    assert_eq!(ask(&mut server.client(), "FCALL f 0"), "7");
}

/// Redis up to version 6 logs scripts as they were called; functions may be called in a log, too.
#[test]
fn scripts_in_a_log_are_run() {
    let mut server = Server::start_with(Kind::Everwrite, &["--appendonly", "yes"]);
    server.terminate();
    let logs = server.dir().join("appendonlydir");
    let library = "#!lua name=lib\nredis.register_function('add', function(keys, args) return redis.call('RPUSH', keys[1], args[1]) end)";
    let script = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
    let mut log = Vec::new();
    for words in [
        vec!["SELECT", "3"],
        vec!["EVAL", script, "1", "n", "4"],
        vec!["SCRIPT", "LOAD", script],
        vec!["EVALSHA", "8cd00688c05c46bde4a2e60658ef20a2e5c0b248", "1", "n", "100"],
        vec!["FUNCTION", "LOAD", library],
        vec!["FCALL", "add", "1", "list", "a"],
        vec!["MULTI"],
        vec!["EVAL", script, "1", "n", "8"],
        vec!["FCALL", "add", "1", "list", "b"],
        vec!["EXEC"],
        vec!["EVAL", "redis.call('SELECT', 5); redis.call('SET', KEYS[1], 'elsewhere')", "1", "x"],
        vec!["INCR", "n"],
    ] {
        encode(&mut log, &words);
    }
    fs::write(logs.join("appendonly.aof.1.incr.aof"), &log).unwrap();
    server.start_again();
    let mut client = server.client();
    for (line, expected) in [
        ("SELECT 3", "+OK"),
        ("GET n", "\"113\""),
        ("LRANGE list 0 -1", "[\"a\", \"b\"]"),
        ("SELECT 5", "+OK"),
        ("GET x", "\"elsewhere\""),
        // The same again: what is loaded while the server runs is not logged a second time.
        ("DEBUG LOADAOF", "+OK"),
        ("SELECT 3", "+OK"),
        ("GET n", "\"113\""),
    ] {
        assert_eq!(ask(&mut client, line), expected, "{line}");
    }
    assert_eq!(fs::read(logs.join("appendonly.aof.1.incr.aof")).unwrap(), log);
}
