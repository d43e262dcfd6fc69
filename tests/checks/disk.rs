//! Disks that are full or not there, and files that are damaged: clear errors, no crash, nothing lost that was good, and
//! all as before once there is room.
//!
//! A disk is full where a process may not make its files any longer (`prlimit --fsize`): that can be taken back while it runs.

use harness::mesh::{ACTIVE, Mesh};
use harness::random::Rng;
use harness::wait::wait_until;
use harness::{Client, Kind, Server};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// No wait of these tests may take longer, however busy the machine.
const SOON: Duration = Duration::from_secs(60);

fn ask(client: &mut Client, line: &str) -> String {
    client.cmd(line).unwrap_or_else(|e| panic!("{line}: {e}")).to_string()
}

fn info(server: &Server, word: &str) -> bool {
    server.client().cmd("INFO persistence").expect("a reply").text().contains(word)
}

/// The longest that a file of the server may get, bytes; none: as long as it likes.
fn limit(server: &Server, bytes: Option<u64>) {
    let soft = bytes.map_or("unlimited".to_string(), |bytes| bytes.to_string());
    let done = Command::new("prlimit")
        .args(["--pid", &server.pid().to_string(), &format!("--fsize={soft}:unlimited")])
        .status()
        .expect("prlimit runs");
    assert!(done.success());
}

fn digest(server: &Server) -> String {
    ask(&mut server.client(), "DEBUG DIGEST")
}

/// Kills the server and starts it again, with what is in its files.
fn crash(server: &mut Server) {
    server.kill();
    server.start_again();
    loaded(server);
}

fn loaded(server: &Server) {
    wait_until("the data are loaded", SOON, || !ask(&mut server.client(), "DBSIZE").contains("LOADING"));
}

/// Writes until that is refused; how often it was done, and the refusal.
fn write_until_refused(client: &mut Client) -> (usize, String) {
    for n in 0..10_000 {
        let reply = ask(client, &format!("SET key:{n} {}", "x".repeat(100)));
        if reply != "+OK" {
            return (n, reply);
        }
    }
    panic!("nothing was refused");
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(dir).expect("a directory").map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn increment(server: &Server) -> PathBuf {
    let files = files(&server.dir().join("appendonlydir"));
    files.into_iter().rfind(|path| path.to_string_lossy().contains(".incr.")).expect("an increment")
}

fn len(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |data| data.len())
}

#[test]
fn a_log_without_room_refuses_writes_until_there_is_some() {
    for policy in ["everysec", "no"] {
        let mut server =
            Server::start_with(Kind::Everwrite, &["--appendonly", "yes", "--appendfsync", policy]);
        let mut client = server.client();
        ask(&mut client, "SET first 1");
        limit(&server, Some(len(&increment(&server)) + 20_000));
        let (done, refusal) = write_until_refused(&mut client);
        assert_eq!(refusal, "-MISCONF Errors writing to the AOF file: File too large");
        assert!(done > 100, "{done}");
        assert!(info(&server, "aof_last_write_status:err"));
        assert_eq!(ask(&mut client, "GET first"), "\"1\"", "what is there can be read");
        assert!(ask(&mut client, "PING").starts_with("-MISCONF"), "and a watchdog sees it");
        let refused = ask(&mut client, "EVAL redis.call('SET','x',1) 0");
        assert!(refused.contains("MISCONF"), "{refused}");
        limit(&server, None);
        wait_until("writes are accepted", SOON, || ask(&mut client, "SET last 1") == "+OK");
        assert!(info(&server, "aof_last_write_status:ok"));
        assert!(server.log().contains("Error writing to the AOF file: File too large"));
        assert!(server.log().contains("AOF write error looks solved"));
        let expected = digest(&server);
        crash(&mut server);
        assert_eq!(digest(&server), expected, "appendfsync {policy}: {}", server.log());
    }
}

/// With `always` nothing may be acknowledged that is not on the disk: the server ends, and says why.
#[test]
fn with_always_a_full_disk_ends_the_server() {
    let mut server = Server::start_with(Kind::Everwrite, &["--appendonly", "yes", "--appendfsync", "always"]);
    let mut client = server.client();
    limit(&server, Some(len(&increment(&server)) + 20_000));
    let mut done = 0;
    while client.cmd(&format!("RPUSH list {} {}", done, "x".repeat(100))).is_ok_and(|reply| !reply.is_error())
    {
        done += 1;
    }
    wait_until("it ends", SOON, || server.has_ended());
    assert!(server.log().contains("Can't recover from AOF write error"), "{}", server.log());
    server.start_again();
    loaded(&server);
    let len: usize = ask(&mut server.client(), "LLEN list").parse().unwrap();
    assert!(len / 2 >= done, "{len} of {done}");
    assert_eq!(ask(&mut server.client(), "SET more 1"), "+OK");
}

#[test]
fn a_save_without_room_leaves_the_file_before_as_it_was() {
    let mut server = Server::start_with(Kind::Everwrite, &["--save", "3600 1"]);
    let mut client = server.client();
    ask(&mut client, "SET kept 1");
    assert_eq!(ask(&mut client, "SAVE"), "+OK");
    let file = server.dir().join("dump.rdb");
    let before = fs::read(&file).unwrap();
    ask(&mut client, "DEBUG POPULATE 2000 key 100");
    limit(&server, Some(10_000));
    assert_eq!(ask(&mut client, "SAVE"), "-ERR");
    ask(&mut client, "BGSAVE");
    wait_until("it fails", SOON, || info(&server, "rdb_last_bgsave_status:err"));
    let refusal = ask(&mut client, "SET more 1");
    assert!(refusal.starts_with("-MISCONF Redis is configured to save RDB snapshots"), "{refusal}");
    assert_eq!(ask(&mut client, "GET kept"), "\"1\"");
    assert_eq!(fs::read(&file).unwrap(), before);
    assert!(server.log().contains("Write error saving DB on disk: File too large"), "{}", server.log());
    let left: Vec<_> =
        files(server.dir()).into_iter().filter(|f| f.to_string_lossy().contains("temp-")).collect();
    assert!(left.is_empty(), "{left:?}");
    limit(&server, None);
    wait_until("no save is under way", SOON, || info(&server, "rdb_bgsave_in_progress:0"));
    ask(&mut client, "BGSAVE");
    wait_until("writes are accepted", SOON, || ask(&mut client, "SET more 1") == "+OK");
    assert_eq!(ask(&mut client, "SAVE"), "+OK");
    let expected = digest(&server);
    crash(&mut server);
    assert_eq!(digest(&server), expected);
}

#[test]
fn a_rewrite_without_room_loses_nothing() {
    let mut server = Server::start_with(Kind::Everwrite, &["--appendonly", "yes"]);
    let mut client = server.client();
    for n in 0..200 {
        ask(&mut client, &format!("SET key:{n} {n}"));
    }
    limit(&server, Some(1_000));
    // Also what comes after does not fit.
    let reply = ask(&mut client, "BGREWRITEAOF");
    assert!(reply.starts_with("+Background") || reply.starts_with("-ERR Can't execute"), "{reply}");
    wait_until("it fails", SOON, || info(&server, "aof_last_bgrewrite_status:err"));
    limit(&server, None);
    wait_until("writes are accepted", SOON, || ask(&mut client, "SET after 1") == "+OK");
    let expected = digest(&server);
    crash(&mut server);
    assert_eq!(digest(&server), expected, "{}", server.log());
    ask(&mut server.client(), "BGREWRITEAOF");
    wait_until("it is rewritten", SOON, || {
        info(&server, "aof_rewrite_in_progress:0") && info(&server, "aof_rewrites:1")
    });
    let left = files(&server.dir().join("appendonlydir"));
    assert!(left.iter().all(|path| !path.to_string_lossy().contains("temp")), "{left:?}");
    crash(&mut server);
    assert_eq!(digest(&server), expected, "{}", server.log());
}

#[test]
fn a_directory_that_is_not_there() {
    let server = Server::start_with(Kind::Everwrite, &["--save", "3600 1"]);
    let mut client = server.client();
    ask(&mut client, "SET kept 1");
    let refused = ask(&mut client, "CONFIG SET dir /nowhere/at/all");
    assert!(refused.contains("No such file or directory"), "{refused}");
    // A place where nobody may make a file, not even root.
    assert_eq!(ask(&mut client, "CONFIG SET dir /proc"), "+OK");
    assert_eq!(ask(&mut client, "SAVE"), "-ERR");
    ask(&mut client, "BGSAVE");
    wait_until("it fails", SOON, || info(&server, "rdb_last_bgsave_status:err"));
    assert!(ask(&mut client, "SET more 1").starts_with("-MISCONF"));
    assert_eq!(ask(&mut client, &format!("CONFIG SET dir {}", server.dir().display())), "+OK");
    wait_until("no save is under way", SOON, || info(&server, "rdb_bgsave_in_progress:0"));
    assert_eq!(ask(&mut client, "SAVE"), "+OK");
    wait_until("writes are accepted", SOON, || ask(&mut client, "SET more 1") == "+OK");
    let start = |dir: &str, options: &[&str]| {
        let mut command = Command::new(Kind::Everwrite.program());
        let port = harness::server::free_address().port().to_string();
        let output =
            command.args(["--port", &port, "--bind", "127.0.0.1", "--dir", dir]).args(options).output();
        let output = output.expect("it runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    let (ok, log) = start("/nowhere", &[]);
    assert!(!ok && log.contains("dir \"/nowhere\"") && log.contains("No such file or directory"), "{log}");
    let (ok, log) = start("/proc", &["--appendonly", "yes"]);
    assert!(!ok && log.contains("Can't open or create append-only files"), "{log}");
    let (ok, log) = start("/proc", &ACTIVE);
    assert!(!ok && log.contains("everwrite.node"), "{log}");
}

/// The newest file of a member's log with this end.
fn of_member(server: &Server, end: &str) -> PathBuf {
    let files = files(&server.dir().join("appendonlydir"));
    files.into_iter().rfind(|path| path.extension().is_some_and(|e| e == end)).expect("a file of the log")
}

fn wait_based(server: &Server) {
    let based = || {
        files(&server.dir().join("appendonlydir"))
            .iter()
            .any(|path| path.extension().is_some_and(|e| e == "base"))
    };
    wait_until("a base", SOON, || server.dir().join("appendonlydir").exists() && based());
    wait_until("the rewrite's end", SOON, || info(server, "aof_rewrite_in_progress:0"));
}

#[test]
fn a_member_without_room_refuses_writes_and_loses_nothing() {
    for policy in ["always", "everysec"] {
        let mut mesh = Mesh::start_with(2, &["--appendonly", "yes", "--appendfsync", policy]);
        mesh.nodes.iter().for_each(wait_based);
        let (mut a, mut b) = (mesh.client(0), mesh.client(1));
        ask(&mut a, "SET first 1");
        mesh.wait_equal();
        limit(&mesh.nodes[0], Some(len(&of_member(&mesh.nodes[0], "log")) + 20_000));
        // With `always` the first that does not fit is answered when it is on the disk.
        let mut writer = mesh.client(0);
        let (mut unanswered, mut done) = (0, 0);
        while !info(&mesh.nodes[0], "aof_last_write_status:err") {
            writer.send(&["RPUSH", "list", &format!("{done} {}", "x".repeat(1_000))]).unwrap();
            match writer.receive_within(Duration::from_secs(1)).unwrap() {
                Some(reply) if reply.is_error() => break,
                Some(_) => done += 1,
                None => {
                    unanswered = 1;
                    wait_until("it is told", SOON, || info(&mesh.nodes[0], "aof_last_write_status:err"));
                }
            }
        }
        wait_until("writes are refused", SOON, || {
            ask(&mut a, "SET more 1") == "-MISCONF Errors writing to the AOF file: File too large"
        });
        assert_eq!(ask(&mut a, "GET first"), "\"1\"", "what is there can be read");
        assert_eq!(ask(&mut b, "SET elsewhere 1"), "+OK", "the other one goes on");
        wait_until("it is heard of", SOON, || ask(&mut a, "GET elsewhere") == "\"1\"");
        limit(&mesh.nodes[0], None);
        for _ in 0..unanswered {
            assert!(!writer.receive().expect("an answer").is_error());
        }
        wait_until("writes are accepted", SOON, || ask(&mut a, "SET last 1") == "+OK");
        wait_until("it is told", SOON, || info(&mesh.nodes[0], "aof_last_write_status:ok"));
        mesh.wait_equal();
        let kept: usize = ask(&mut b, "LLEN list").parse().unwrap();
        assert!(kept >= done + unanswered, "{kept} of {done} and {unanswered}");
        // Whatever was not on the disk is now: it is there before any peer is.
        let expected = digest(&mesh.nodes[0]);
        std::thread::sleep(Duration::from_millis(1_200));
        mesh.cut(0, 1);
        crash(&mut mesh.nodes[0]);
        assert_eq!(digest(&mesh.nodes[0]), expected, "appendfsync {policy}: {}", mesh.nodes[0].log());
    }
}

/// How a start with damaged files ends.
#[derive(Debug, PartialEq)]
enum Start {
    Loaded(String),
    Refused(String),
}

/// Starts the server and waits for what becomes of it.
fn start(server: &mut Server) -> Start {
    let before = server.log().len();
    server.launch_again();
    let mut ended = false;
    wait_until("it has loaded or ended", SOON, || {
        ended = server.has_ended();
        let asked = || Client::connect(server.address()).and_then(|mut client| client.cmd("DBSIZE"));
        ended || asked().is_ok_and(|reply| reply.int().is_some())
    });
    let log = server.log()[before..].to_string();
    assert!(!log.contains("BUG REPORT") && !log.contains("panicked"), "{log}");
    if ended {
        return Start::Refused(log);
    }
    let digest = digest(server);
    server.kill();
    Start::Loaded(digest)
}

fn filled(options: &[&str]) -> Server {
    let server = Server::start_with(Kind::Everwrite, options);
    let mut client = server.client();
    for n in 0..40 {
        ask(&mut client, &format!("SET string:{n} {}", "ab".repeat(n)));
        ask(&mut client, &format!("RPUSH list {n} {}", "e".repeat(n)));
        ask(&mut client, &format!("SADD set {n} m{n}"));
        ask(&mut client, &format!("ZADD zset {n}.5 m{n}"));
        ask(&mut client, &format!("HSET hash f{n} {n}"));
        ask(&mut client, &format!("XADD stream 1-{} f {n}", n + 1));
    }
    ask(&mut client, "XGROUP CREATE stream group 0");
    ask(&mut client, "XREADGROUP GROUP group reader COUNT 3 STREAMS stream >");
    server
}

#[test]
fn a_damaged_snapshot_is_refused_and_left_alone() {
    let mut server = filled(&[]);
    ask(&mut server.client(), "SAVE");
    server.kill();
    let path = server.dir().join("dump.rdb");
    let sound = fs::read(&path).unwrap();
    let mut rng = Rng::new(1);
    for round in 0..24 {
        let mut bytes = sound.clone();
        if round % 2 == 0 {
            bytes[rng.below(sound.len())] ^= 1 << rng.below(8);
        } else {
            bytes.truncate(rng.below(sound.len()));
        }
        fs::write(&path, &bytes).unwrap();
        match start(&mut server) {
            Start::Refused(log) => assert!(log.contains("Fatal error loading the DB"), "{log}"),
            Start::Loaded(_) => panic!("round {round}: {} of {} bytes were loaded", bytes.len(), sound.len()),
        }
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    fs::write(&path, &sound).unwrap();
    assert!(matches!(start(&mut server), Start::Loaded(_)));
}

#[test]
fn a_damaged_log_is_cut_where_it_ends_or_refused() {
    let mut server = filled(&["--appendonly", "yes"]);
    server.kill();
    let path = increment(&server);
    let sound = fs::read(&path).unwrap();
    let mut rng = Rng::new(1);
    for round in 0..24 {
        let mut bytes = sound.clone();
        if round % 2 == 0 {
            bytes[rng.below(sound.len())] ^= 1 << rng.below(8);
        } else {
            bytes.truncate(rng.below(sound.len()));
        }
        fs::write(&path, &bytes).unwrap();
        match start(&mut server) {
            // What is refused is left for whoever mends it.
            Start::Refused(log) => {
                assert!(round % 2 == 0, "a log that was cut off: {log}");
                assert!(log.contains("append only file"), "{log}");
                assert_eq!(fs::read(&path).unwrap(), bytes);
            }
            // A byte of a value may have changed: a log has no checksum. What is left is the beginning of what was there.
            Start::Loaded(_) => {
                let left = fs::read(&path).unwrap();
                assert!(bytes.starts_with(&left), "round {round}");
            }
        }
    }
}

/// The manifest says what a start reads: one that is damaged, gone or of an earlier time stops it, and no file of the log is
/// touched.
#[test]
fn a_damaged_manifest_is_refused_and_no_file_is_lost() {
    let mut server = filled(&["--appendonly", "yes"]);
    let mut client = server.client();
    ask(&mut client, "BGREWRITEAOF");
    wait_until("it is rewritten", SOON, || {
        info(&server, "aof_rewrite_in_progress:0") && info(&server, "aof_rewrites:1")
    });
    ask(&mut client, "SET after 1");
    let expected = digest(&server);
    server.kill();
    let path = server.dir().join("appendonlydir/appendonly.aof.manifest");
    let sound = fs::read_to_string(&path).unwrap();
    let contents = |dir: &Path| -> Vec<_> {
        files(dir).into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
    };
    let first_line = sound.split_inclusive('\n').next().unwrap();
    for (damaged, reason) in [
        (Some(first_line.to_owned()), "does not list it"),
        (Some(sound.replace("type i", "type h")), "is no longer needed, but"),
        (Some(sound.replace("seq 2 type i", "seq 3 type i")), "another sequence number"),
        (Some(sound.replace(".2.incr", ".6.incr").replace("seq 2 type i", "seq 6 type i")), "doesn't exist"),
        (Some(sound[..sound.len() - 5].to_owned()), "AOF MANIFEST FILE ERROR"),
        (Some(String::new()), "Found an empty AOF manifest"),
        (None, "does not list it"),
    ] {
        assert_ne!(damaged.as_ref(), Some(&sound));
        match &damaged {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let before = contents(path.parent().unwrap());
        match start(&mut server) {
            Start::Refused(log) => assert!(log.contains(reason), "{damaged:?}: {log}"),
            Start::Loaded(_) => panic!("{damaged:?} was loaded"),
        }
        assert_eq!(contents(path.parent().unwrap()), before, "{damaged:?}");
    }
    fs::write(&path, &sound).unwrap();
    assert_eq!(start(&mut server), Start::Loaded(expected));
}

/// Until there is a base the log that has been turned on is worth nothing: what it has is not taken for the end of another one.
#[test]
fn a_log_that_got_no_base_is_passed_by() {
    let mut server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    ask(&mut client, "SET long-ago 1");
    ask(&mut client, "CONFIG SET rdb-key-save-delay 10000000");
    ask(&mut client, "CONFIG SET appendonly yes");
    for _ in 0..5 {
        ask(&mut client, "INCR counter");
    }
    server.kill();
    server.set_options(vec!["--appendonly".into(), "yes".into()]);
    server.start_again();
    loaded(&server);
    ask(&mut server.client(), "SET new 1");
    for _ in 0..2 {
        assert_eq!(ask(&mut server.client(), "DBSIZE"), "1", "{}", server.log());
        crash(&mut server);
    }
}

/// Who a node is decides what its peers think that it has.
#[test]
fn a_damaged_identity_is_refused() {
    let mut server = Server::start_with(Kind::Everwrite, &[&ACTIVE[..], &["--appendonly", "yes"]].concat());
    ask(&mut server.client(), "SET kept 1");
    let expected = digest(&server);
    server.kill();
    let path = server.dir().join("everwrite.node");
    let sound = fs::read(&path).unwrap();
    let mut rng = Rng::new(1);
    for round in 0..12 {
        let mut bytes = sound.clone();
        if round % 2 == 0 {
            bytes[rng.below(sound.len())] ^= 1 << rng.below(7);
        } else {
            bytes.truncate(rng.below(sound.len()));
        }
        fs::write(&path, &bytes).unwrap();
        match start(&mut server) {
            Start::Refused(log) => assert!(log.contains("does not hold an identity"), "{log}"),
            Start::Loaded(_) => panic!("{:?} was taken for an identity", String::from_utf8_lossy(&bytes)),
        }
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    fs::write(&path, &sound).unwrap();
    assert_eq!(start(&mut server), Start::Loaded(expected));
}

/// What a member's files say has checksums: nothing that is damaged is loaded, and nothing but an end that is torn is cut off.
#[test]
fn a_damaged_member_is_refused_or_cut_where_it_ends() {
    let mut mesh = Mesh::start_with(2, &["--appendonly", "yes", "--appendfsync", "always"]);
    mesh.nodes.iter().for_each(wait_based);
    let mut client = mesh.client(0);
    for n in 0..40 {
        ask(&mut client, &format!("SET key:{n} {}", "ab".repeat(n)));
    }
    ask(&mut client, "BGREWRITEAOF");
    wait_until("it is rewritten", SOON, || info(&mesh.nodes[0], "aof_rewrites:2"));
    wait_based(&mesh.nodes[0]);
    for n in 0..40 {
        ask(&mut client, &format!("RPUSH list {n} {}", "e".repeat(n)));
    }
    mesh.wait_equal();
    mesh.cut(0, 1);
    let server = &mut mesh.nodes[0];
    let expected = digest(server);
    server.kill();
    let (base, log) = (of_member(server, "base"), of_member(server, "log"));
    let mut rng = Rng::new(1);
    let dir = server.dir().join("appendonlydir");
    let kept: Vec<_> = files(&dir).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    // A start that works begins further files.
    let put_back = || {
        files(&dir).iter().for_each(|path| fs::remove_file(path).unwrap());
        kept.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    };
    for (path, is_log) in [(&base, false), (&log, true)] {
        let sound = fs::read(path).unwrap();
        for round in 0..16 {
            let (mut bytes, cut, at) = (sound.clone(), round % 2 == 1, rng.below(sound.len()));
            if cut {
                bytes.truncate(at);
            } else {
                bytes[at] ^= 1 << rng.below(8);
            }
            put_back();
            fs::write(path, &bytes).unwrap();
            match start(server) {
                Start::Refused(log) => {
                    assert!(!(cut && is_log), "a log that was cut off: {log}");
                    assert!(log.contains("of a member"), "{log}");
                    assert_eq!(fs::read(path).unwrap(), bytes, "it is left for whoever looks into it");
                }
                // The last record may be one that was not finished; what is in front of it stays.
                Start::Loaded(_) => {
                    let left = fs::read(path).unwrap_or_default();
                    assert!(is_log, "{}: {} of {} bytes", path.display(), bytes.len(), sound.len());
                    assert!(
                        bytes.starts_with(&left) && left.len() <= at,
                        "round {round}: {} of {at}",
                        left.len()
                    );
                }
            }
        }
    }
    put_back();
    assert_eq!(start(server), Start::Loaded(expected));
}
