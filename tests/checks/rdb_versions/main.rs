//! RDB files of all versions, one by one, with everything that each could have in them: written here byte by byte, loaded by
//! ours and, up to the version it knows, by a real `redis-server`.

mod writer;

use harness::wait::wait_until;
use harness::{Client, Kind, Server};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use writer::{File, intset, listpack, ziplist, zipmap};

/// The newest version that redis-server 7.0 loads, and that anybody does.
const REDIS: u32 = 10;
const NEWEST: u32 = 12;
/// Of Valkey's own versions the one that is loaded.
const VALKEY: u32 = 80;
/// No wait of these tests may take longer, however busy the machine.
const SOON: Duration = Duration::from_secs(30);

const LIBRARY: &str = "#!lua name=lib\nredis.register_function('seven', function() return 7 end)";

fn ask(client: &mut Client, line: &str) -> String {
    client.cmd(line).unwrap_or_else(|e| panic!("{line}: {e}")).to_string()
}

/// A file with all that its version has, and what versions before had. `modules`: with data of a module, which Redis refuses
/// where the module is not there.
fn file(version: u32, modules: bool) -> Vec<u8> {
    let mut f = File::new(version);
    if version >= 7 {
        f.raw(&[0xfa]).text("redis-ver").text("of old");
        f.raw(&[0xfa]).text("unheard-of").text("to be ignored");
    }
    if version >= 9 && modules {
        module_data(&mut f);
    }
    if version >= 10 {
        f.raw(&[0xf5]).text(LIBRARY);
    }
    f.raw(&[0xfe, 0]);
    if version >= 7 {
        f.raw(&[0xfb]).length(100).length(2);
    }
    strings(&mut f, version);
    collections(&mut f);
    if version >= 2 {
        f.packed(9, "zipmap", &zipmap(&[("a", "1"), ("b", &"v".repeat(300))]));
        f.packed(10, "ziplist", &ziplist(&LIST));
        f.packed(11, "intset2", &intset(2, &[-300, 5]));
        f.packed(11, "intset4", &intset(4, &[-70_000, 5]));
        f.packed(11, "intset8", &intset(8, &[-5_000_000_000, 5]));
        f.packed(12, "zset-ziplist", &ziplist(&["a", "-1.5", "b", "2"]));
    }
    if version >= 4 {
        f.packed(13, "hash-ziplist", &ziplist(&["f", "1", "g", "two"]));
    }
    if version >= 7 {
        f.key(14, "quicklist").length(2).text(ziplist(&LIST)).text(ziplist(&["last"]));
    }
    if version >= 8 {
        f.key(5, "zset2").length(2).text("b").raw(&0.1f64.to_le_bytes());
        f.text("a").raw(&f64::NEG_INFINITY.to_le_bytes());
    }
    if version >= 9 {
        f.raw(&[0xf8]).length(70_000).key(0, "idle").text("1");
        f.raw(&[0xf9, 200]).key(0, "frequent").text("1");
        stream(f.key(15, "stream1"), 1);
    }
    if version >= 10 {
        f.packed(16, "hash-listpack", &listpack(&["f", "1", "g", "two"]));
        f.packed(17, "zset-listpack", &listpack(&["a", "-1.5", "b", "2"]));
        f.key(18, "quicklist2").length(2).length(2).text(listpack(&LIST)).length(1).text("x".repeat(9_000));
        stream(f.key(19, "stream2"), 2);
    }
    if version >= 11 {
        f.packed(20, "set-listpack", &listpack(&["5", "x"]));
        stream(f.key(21, "stream3"), 3);
    }
    if version >= 12 {
        hashes_with_deadlines(&mut f, version);
    }
    f.raw(&[0xfe, 3]).key(0, "elsewhere").text("here");
    f.finish(version)
}

/// Numbers of every width, and strings with every kind of length.
const LIST: [&str; 13] = [
    "a",
    "0",
    "12",
    "-100",
    "1000",
    "30000",
    "-8000000",
    "2000000000",
    "-9000000000000000000",
    "",
    LONG,
    "after the long one",
    "007",
];
const LONG: &str = "300 bytes: ..............................................................................................\
................................................................................................................................\
..............................................................................";

fn strings(f: &mut File, version: u32) {
    f.key(0, "text").text("value");
    f.key(0, "int8").raw(&[0xc0, 0x85]);
    f.key(0, "int16").raw(&[0xc1]).raw(&(-12_345i16).to_le_bytes());
    f.key(0, "int32").raw(&[0xc2]).raw(&1_234_567_890i32.to_le_bytes());
    f.key(0, "long").text("l".repeat(20_000));
    // Forty times the same letter: it, and 39 from one back.
    f.key(0, "compressed").raw(&[0xc3, 5, 40, 0x00, b'a', 0xe0, 30, 0]);
    let (at_s, at_ms) = (2_000_000_000u32, 2_000_000_000_123u64);
    f.raw(&[0xfd]).raw(&at_s.to_le_bytes()).key(0, "expires-s").text("1");
    if version >= 3 {
        f.raw(&[0xfc]).raw(&at_ms.to_le_bytes()).key(0, "expires-ms").text("1");
    }
    f.raw(&[0xfd]).raw(&1_000_000_000u32.to_le_bytes()).key(0, "expired").text("1");
}

fn collections(f: &mut File) {
    f.key(1, "list").length(3).texts(["a", "b"]).raw(&[0xc0, 7]);
    f.key(2, "set").length(2).texts(["x", "y"]);
    f.key(3, "zset").length(3).text("c").raw(&[254]).text("b").raw(&[4]).raw(b"2.25");
    f.text("a").raw(&[255]);
    f.key(4, "hash").length(2).texts(["f", "1", "g", "two"]);
}

/// The deadlines of a field that has expired, and of one that has not.
const PAST: u64 = 1_000_000_000_000;
const AHEAD: u64 = 4_000_000_000_000;

fn hashes_with_deadlines(f: &mut File, version: u32) {
    // A slot of a cluster: its number, its keys, those that expire.
    f.raw(&[0xf4]).length(70).length(2).length(1);
    let (past, ahead) = (PAST.to_le_bytes(), AHEAD.to_le_bytes());
    f.key(24, "dated").raw(&past).length(3);
    f.length(0).texts(["f", "1"]).length(1).texts(["gone", "x"]).length(AHEAD - PAST + 1).texts(["g", "two"]);
    let words = ["f", "1", "0", "gone", "x", &PAST.to_string(), "g", "two", &AHEAD.to_string()];
    f.key(25, "dated-listpack").raw(&past).text(listpack(&words));
    f.key(25, "dated-away").raw(&past).text(listpack(&words[3..6]));
    if version >= VALKEY {
        f.key(22, "dated-valkey").length(3).texts(["f", "1"]).raw(&u64::MAX.to_le_bytes());
        f.texts(["gone", "x"]).raw(&past).texts(["g", "two"]).raw(&ahead);
    }
}

/// A module's data, of every kind that there can be.
fn module_data(f: &mut File) {
    f.raw(&[0xf7, 0x81]).raw(&0x0041_0824_a28a_3cd0u64.to_be_bytes());
    f.length(2).length(1);
    f.length(1).length(5).length(2).length(70_000);
    f.length(3).raw(&1.5f32.to_le_bytes()).length(4).raw(&1.5f64.to_le_bytes());
    f.length(5).text("anything").length(0);
}

/// Two entries, and a group that has one of them pending.
fn stream(f: &mut File, version: u32) {
    let id = |seq: u64| [1u64.to_be_bytes(), seq.to_be_bytes()].concat();
    let entries = [
        &["2", "0", "1", "f", "0"][..],
        &["2", "0", "0", "one", "4"],
        &["0", "0", "1", "2", "f", "two", "g", "3", "8"],
    ];
    f.length(1).text(id(1)).text(listpack(&entries.concat()));
    f.length(2).length(1).length(2);
    if version >= 2 {
        // The first entry, the last that was removed, and how many there ever were.
        f.length(1).length(1).length(0).length(0).length(2);
    }
    f.length(1).text("g").length(1).length(1);
    if version >= 2 {
        f.length(1);
    }
    f.length(1).raw(&id(1)).raw(&5_000u64.to_le_bytes()).length(3);
    f.length(1).text("c").raw(&6_000u64.to_le_bytes());
    if version >= 3 {
        f.raw(&5_500u64.to_le_bytes());
    }
    f.length(1).raw(&id(1));
}

/// Starts a server with a file.
fn load(server: &mut Server, file: &[u8]) {
    server.kill();
    fs::write(server.dir().join("dump.rdb"), file).unwrap();
    server.start_again();
    wait_until("the data are loaded", SOON, || !ask(&mut server.client(), "DBSIZE").contains("LOADING"));
}

fn show(words: &[&str]) -> String {
    format!("[{}]", words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", "))
}

fn fixed(line: String) -> &'static str {
    line.leak()
}

/// Questions, and what is answered since a version.
fn answers() -> Vec<(u32, &'static str, String)> {
    let list = [&LIST[..], &["last"]].concat();
    let text = |text: &str| format!("{text:?}");
    let mut all = vec![
        (1, "GET text", text("value")),
        (1, "GET int8", text("-123")),
        (1, "GET int16", text("-12345")),
        (1, "GET int32", text("1234567890")),
        (1, "STRLEN long", "20000".into()),
        (1, "GET compressed", text(&"a".repeat(40))),
        (1, "EXPIRETIME expires-s", "2000000000".into()),
        (3, "PEXPIRETIME expires-ms", "2000000000123".into()),
        (1, "EXISTS expired", "0".into()),
        (1, "LRANGE list 0 -1", show(&["a", "b", "7"])),
        (1, "SISMEMBER set y", "1".into()),
        (1, "SCARD set", "2".into()),
        (1, "ZRANGE zset 0 -1 WITHSCORES", show(&["a", "-inf", "b", "2.25", "c", "inf"])),
        (1, "HMGET hash f g", show(&["1", "two"])),
        (2, "HGET zipmap a", text("1")),
        (2, "HSTRLEN zipmap b", "300".into()),
        (2, "LRANGE ziplist 0 -1", show(&LIST)),
        (2, "SMISMEMBER intset2 -300 5", "[1, 1]".into()),
        (2, "SMISMEMBER intset4 -70000 5", "[1, 1]".into()),
        (2, "SMISMEMBER intset8 -5000000000 5", "[1, 1]".into()),
        (2, "ZRANGE zset-ziplist 0 -1 WITHSCORES", show(&["a", "-1.5", "b", "2"])),
        (4, "HGETALL hash-ziplist", show(&["f", "1", "g", "two"])),
        (7, "LRANGE quicklist 0 -1", show(&list)),
        (8, "ZRANGE zset2 0 -1 WITHSCORES", show(&["a", "-inf", "b", "0.10000000000000001"])),
        (10, "HGETALL hash-listpack", show(&["f", "1", "g", "two"])),
        (10, "ZRANGE zset-listpack 0 -1 WITHSCORES", show(&["a", "-1.5", "b", "2"])),
        (10, "LRANGE quicklist2 0 12", show(&LIST)),
        (10, "LLEN quicklist2", "14".into()),
        (10, "FCALL seven 0", "7".into()),
        (11, "SMISMEMBER set-listpack 5 x y", "[1, 1, 0]".into()),
    ];
    for (since, key) in [(12, "dated"), (12, "dated-listpack"), (VALKEY, "dated-valkey")] {
        all.push((since, fixed(format!("HMGET {key} f gone g")), "[\"1\", nil, \"two\"]".into()));
        let deadlines = format!("[-1, -2, {AHEAD}]");
        all.push((since, fixed(format!("HPEXPIRETIME {key} FIELDS 3 f gone g")), deadlines));
    }
    all.push((12, "HLEN dated-away", "0".into()));
    let entries = "[[\"1-1\", [\"f\", \"one\"]], [\"1-2\", [\"f\", \"two\", \"g\", \"3\"]]]".to_owned();
    for (since, range) in [(9, "XRANGE stream1 - +"), (10, "XRANGE stream2 - +"), (11, "XRANGE stream3 - +")]
    {
        all.push((since, range, entries.clone()));
    }
    let pending = "[1, \"1-1\", \"1-1\", [[\"c\", \"1\"]]]".to_owned();
    for (since, line) in [(9, "XPENDING stream1 g"), (10, "XPENDING stream2 g"), (11, "XPENDING stream3 g")] {
        all.push((since, line, pending.clone()));
    }
    all
}

/// What both have to say about streams, down to counters and times.
const STREAMS: [(u32, &str); 2] = [(9, "XINFO STREAM stream1 FULL"), (10, "XINFO STREAM stream2 FULL")];

fn is_content(program: &Path, words: &[&str], file: &Path) -> (bool, String) {
    let output = Command::new(program).args(words).arg(file).output().expect("it runs");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn every_version_is_loaded_with_all_that_it_could_have() {
    let (mut ours, mut redis) = (Server::start(Kind::Everwrite), Server::start(Kind::Redis));
    for version in (1..=NEWEST).chain([VALKEY]) {
        load(&mut ours, &file(version, true));
        let mut client = ours.client();
        for (_, line, expected) in answers().iter().filter(|(since, ..)| *since <= version) {
            assert_eq!(ask(&mut client, line), *expected, "version {version}: {line}");
        }
        ask(&mut client, "SELECT 3");
        assert_eq!(ask(&mut client, "GET elsewhere"), "\"here\"", "version {version}");
        ask(&mut client, "SELECT 0");
        let (sound, told) =
            is_content(&Kind::Everwrite.program(), &["check-rdb"], &ours.dir().join("dump.rdb"));
        assert!(sound, "version {version}: {told}");
        if version > REDIS {
            continue;
        }
        load(&mut redis, &file(version, false));
        let mut other = redis.client();
        assert_eq!(ask(&mut client, "DEBUG DIGEST"), ask(&mut other, "DEBUG DIGEST"), "version {version}");
        for (_, line) in STREAMS.iter().filter(|(since, _)| *since <= version) {
            assert_eq!(ask(&mut client, line), ask(&mut other, line), "version {version}: {line}");
        }
        let (sound, told) = is_content(Path::new("redis-check-rdb"), &[], &redis.dir().join("dump.rdb"));
        assert!(sound, "version {version}: {told}");
    }
    assert!(ours.log().contains("no matching module"), "{}", ours.log());
}

#[test]
fn what_the_policy_asks_for_is_remembered() {
    let mut ours = Server::start_with(Kind::Everwrite, &["--maxmemory-policy", "allkeys-lfu"]);
    load(&mut ours, &file(9, false));
    assert_eq!(ask(&mut ours.client(), "OBJECT FREQ frequent"), "200");
    let mut ours = Server::start_with(Kind::Everwrite, &["--maxmemory-policy", "allkeys-lru"]);
    load(&mut ours, &file(9, false));
    let idle: u64 = ask(&mut ours.client(), "OBJECT IDLETIME idle").parse().unwrap();
    assert!((70_000..70_100).contains(&idle), "{idle}");
}

/// Versions that nobody knows, and files that are none.
#[test]
fn what_is_no_version_is_refused() {
    let mut server = Server::start(Kind::Everwrite);
    server.kill();
    let path = server.dir().join("dump.rdb");
    for (bytes, reason) in [
        (file(0, false), "Can't handle RDB format version 0"),
        (file(13, false), "Can't handle RDB format version 13"),
        (file(81, false), "Can't handle RDB format version 81"),
        (b"REDIS0080\xff".to_vec(), "Wrong signature"),
        (b"REDIS00x9\xff".to_vec(), "Wrong signature"),
        (b"redis0009\xff".to_vec(), "Wrong signature"),
    ] {
        fs::write(&path, &bytes).unwrap();
        let before = server.log().len();
        server.launch_again();
        wait_until("it ends", SOON, || server.has_ended());
        let log = server.log()[before..].to_owned();
        assert!(log.contains(reason), "{log}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}
