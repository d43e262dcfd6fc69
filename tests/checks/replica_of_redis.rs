//! Ours as a replica of a real `redis-server`: everything arrives, whatever the way, however often the link is cut.

use harness::proxy::Proxy;
use harness::random::{Requests, Rng};
use harness::wait::{wait_for, wait_until};
use harness::{Client, Kind, Server, Value};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// No wait of these tests may take longer, however busy the machine.
const SOON: Duration = Duration::from_secs(20);
/// A master that does not wait for further replicas before it sends a snapshot.
const MASTER: [&str; 2] = ["--repl-diskless-sync-delay", "0"];

fn ask(client: &mut Client, line: &str) -> String {
    client.cmd(line).unwrap_or_else(|e| panic!("{line}: {e}")).to_string()
}

fn follow(replica: &Server, master: SocketAddr) {
    let reply = ask(&mut replica.client(), &format!("REPLICAOF {} {}", master.ip(), master.port()));
    assert!(reply.starts_with("+OK"), "{reply}");
}

fn info(server: &Server, field: &str) -> String {
    let text = server.client().cmd("INFO everything").expect("a reply").text();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned));
    line.unwrap_or_default()
}

fn number(server: &Server, field: &str) -> u64 {
    info(server, field).parse().unwrap_or_else(|_| panic!("{field}: {:?}", info(server, field)))
}

fn is_up(replica: &Server) -> bool {
    info(replica, "master_link_status") == "up"
}

fn digest(server: &Server) -> String {
    ask(&mut server.client(), "DEBUG DIGEST")
}

/// Waits until the replica has all that the master has, and compares.
#[track_caller]
fn same(master: &Server, replica: &Server) {
    let caught_up = || {
        // What has expired goes when the master says so.
        let offset = number(master, "master_repl_offset");
        is_up(replica) && number(replica, "slave_repl_offset") == offset && digest(master) == digest(replica)
    };
    if wait_for(SOON, || caught_up().then_some(())).is_none() {
        panic!(
            "master: {} {}, replica: {} {}\n{}",
            number(master, "master_repl_offset"),
            digest(master),
            number(replica, "slave_repl_offset"),
            digest(replica),
            replica.log()
        );
    }
    assert_eq!(info(replica, "master_commands_failed"), "0", "{}", replica.log());
}

/// Random commands of all kinds, in several databases.
fn scribble(master: &Server, seed: u64, count: usize) {
    let known = |name: &str| !["SORT", "RANDOMKEY", "WAIT"].contains(&name);
    let (requests, mut client) = (Requests::new(known), master.client());
    let mut rng = Rng::new(seed);
    ask(&mut client, &format!("SELECT {}", seed % 3));
    for chunk in requests.generate(&mut rng, count).chunks(100) {
        client.pipeline(chunk).expect("redis-server answers everything");
    }
}

/// What random commands do not make.
fn fill(client: &mut Client) {
    for n in 0..300 {
        ask(client, &format!("SET string:{n} {}", "x".repeat(n)));
        ask(client, &format!("SET expires:{n} {n} EX {}", 1000 + n));
        ask(client, &format!("RPUSH list {} {n}", "e".repeat(n)));
        ask(client, &format!("SADD set {n} m{n}"));
        ask(client, &format!("ZADD zset {n}.5 m{n}"));
        ask(client, &format!("HSET hash f{n} {}", "v".repeat(n)));
        ask(client, &format!("XADD stream * field {n}"));
    }
    ask(client, "XGROUP CREATE stream group 0");
    ask(client, "XREADGROUP GROUP group one COUNT 7 STREAMS stream >");
    let library = "#!lua name=lib\nredis.register_function('w', function(keys, args) return 1 end)\n\
        redis.register_function{function_name='f', callback=function(keys, args) return 'here' end, flags={'no-writes'}}";
    let loaded = client.call(&["FUNCTION", "LOAD", library]).unwrap().to_string();
    assert!(loaded.contains("lib"), "{loaded}");
    ask(client, "SELECT 9");
    ask(client, "SET elsewhere 1");
    ask(client, "SELECT 0");
}

#[test]
fn everything_arrives_whatever_the_way() {
    for (i, (diskless, load)) in
        [("yes", "disabled"), ("no", "disabled"), ("yes", "on-empty-db"), ("no", "swapdb"), ("yes", "swapdb")]
            .into_iter()
            .enumerate()
    {
        let master =
            Server::start_with(Kind::Redis, &[&MASTER[..], &["--repl-diskless-sync", diskless]].concat());
        fill(&mut master.client());
        scribble(&master, 10 * i as u64, 2_000);
        let replica = Server::start_with(Kind::Everwrite, &["--repl-diskless-load", load]);
        ask(&mut replica.client(), "SET will go");
        ask(&mut replica.client(), "DEL will");
        std::thread::scope(|scope| {
            for writer in 1..4 {
                let master = &master;
                scope.spawn(move || scribble(master, 10 * i as u64 + writer, 3_000));
            }
            follow(&replica, master.address());
        });
        same(&master, &replica);
        assert_eq!(ask(&mut replica.client(), "FCALL f 0"), "\"here\"", "{diskless} {load}");
        assert_eq!(number(&replica, "master_full_syncs"), 1);
    }
}

/// How often a link is cut under load.
fn cuts() -> u64 {
    std::env::var("CUTS").map_or(20, |n| n.parse().expect("CUTS is a number"))
}

/// Cuts the link again and again while clients write, and lets it come back at once, or now and then only after a while. How
/// many of its syncs were full ones.
fn cut_off_under_load(backlog: &str) -> u64 {
    let master = Server::start_with(Kind::Redis, &[&MASTER[..], &["--repl-backlog-size", backlog]].concat());
    let proxy = Proxy::before(master.address());
    let replica = Server::start(Kind::Everwrite);
    follow(&replica, proxy.address());
    wait_until("the link is up", SOON, || is_up(&replica));
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let (master, stop, written) = (&master, &stop, &written);
            scope.spawn(move || {
                let mut client = master.client();
                while !stop.load(Relaxed) {
                    let n = written.fetch_add(1, Relaxed);
                    let transaction = ["MULTI", "INCR count", &format!("RPUSH list:{writer} {n}"), "EXEC"]
                        .map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
                    client.pipeline(&transaction).unwrap();
                }
            });
        }
        let syncs = || number(&replica, "master_partial_syncs") + number(&replica, "master_full_syncs");
        let wait_for_more = |count: u64| {
            let before = written.load(Relaxed);
            wait_until("something is written", SOON, || written.load(Relaxed) > before + count);
        };
        for cut in 0..cuts() {
            wait_for_more(50);
            let synced = syncs();
            if cut % 4 == 3 {
                proxy.cut();
                wait_for_more(500);
                proxy.heal();
            } else {
                proxy.hang_up();
            }
            wait_until("the link is up again", SOON, || syncs() > synced && is_up(&replica));
        }
        stop.store(true, Relaxed);
    });
    same(&master, &replica);
    let full = number(&replica, "master_full_syncs");
    println!("ours of Redis, backlog {backlog}: {} cuts, {full} full syncs, the same data", cuts());
    assert_eq!(number(&master, "sync_full"), full, "{}", replica.log());
    full
}

#[test]
fn a_link_that_is_cut_goes_on_where_it_was() {
    assert_eq!(cut_off_under_load("64mb"), 1);
}

/// The backlog does not reach where it has been away for a while.
#[test]
fn a_link_that_is_cut_may_have_to_begin_anew() {
    assert!(cut_off_under_load("16kb") > 1);
}

/// The time of a line of the log, in ms since midnight.
fn at_ms(line: &str) -> u64 {
    let clock = line.split(' ').nth(4).expect("a line has a time");
    let parts: Vec<u64> = clock.split([':', '.']).map(|part| part.parse().unwrap()).collect();
    ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000 + parts[3]
}

/// A snapshot that breaks off is the network's fault: it is asked for again at once, not after a pause as from a master that
/// refuses.
#[test]
fn a_snapshot_that_breaks_off_is_soon_asked_for_again() {
    for load in ["disabled", "swapdb"] {
        let slow = ["--rdb-key-save-delay", "1000"];
        let master = Server::start_with(Kind::Redis, &[&MASTER[..], &slow].concat());
        ask(&mut master.client(), "DEBUG POPULATE 100000 key 100");
        let proxy = Proxy::before(master.address());
        let replica = Server::start_with(Kind::Everwrite, &["--repl-diskless-load", load]);
        follow(&replica, proxy.address());
        let receiving = |n: usize| replica.log().matches("MASTER <-> REPLICA sync: receiving").count() >= n;
        for cut in 1..=5 {
            wait_until("the snapshot comes", SOON, || receiving(cut));
            proxy.hang_up();
        }
        wait_until("it comes once more", SOON, || receiving(6));
        let log = replica.log();
        let times =
            |word: &str| log.lines().filter(|line| line.contains(word)).map(at_ms).collect::<Vec<_>>();
        let (broken, again) = (times("with 127.0.0.1"), times("Connecting to MASTER"));
        let pause = broken.iter().zip(&again[1..]).map(|(broken, again)| again.saturating_sub(*broken)).min();
        assert!(pause.is_some_and(|ms| ms < 700), "{pause:?} ms: {log}");
    }
}

#[test]
fn what_the_backlog_no_longer_has_is_sent_anew() {
    let master = Server::start_with(Kind::Redis, &[&MASTER[..], &["--repl-backlog-size", "16kb"]].concat());
    let proxy = Proxy::before(master.address());
    let replica = Server::start_with(Kind::Everwrite, &["--appendonly", "yes"]);
    follow(&replica, proxy.address());
    wait_until("the link is up", SOON, || is_up(&replica));
    proxy.cut();
    wait_until("the link is down", SOON, || !is_up(&replica));
    fill(&mut master.client());
    proxy.heal();
    same(&master, &replica);
    assert_eq!(number(&replica, "master_full_syncs"), 2);
    // The log begins anew with the data.
    wait_until("the log is written", SOON, || info(&replica, "aof_rewrite_in_progress") == "0");
    let (mut replica, expected) = (replica, digest(&master));
    ask(&mut replica.client(), "REPLICAOF NO ONE");
    replica.restart();
    wait_until("the log is loaded", SOON, || digest(&replica) == expected);
}

#[test]
fn a_replica_is_as_redis_has_them() {
    let mut master = Server::start_with(Kind::Redis, &MASTER);
    let (theirs, ours) = (Server::start(Kind::Redis), Server::start(Kind::Everwrite));
    for replica in [&theirs, &ours] {
        follow(replica, master.address());
        wait_until("the link is up", SOON, || is_up(replica));
    }
    fill(&mut master.client());
    ask(&mut master.client(), "SET k v");
    same(&master, &ours);
    wait_until("Redis has it, too", SOON, || ask(&mut theirs.client(), "GET k") == "\"v\"");
    let both = |line: &str| {
        let (expected, got) = (ask(&mut theirs.client(), line), ask(&mut ours.client(), line));
        assert_eq!(expected, got, "{line}");
        got
    };
    let again = both(&format!("REPLICAOF {} {}", master.address().ip(), master.address().port()));
    assert_eq!(again, "+OK Already connected to specified master");
    assert!(both("SET k w").starts_with("-READONLY"));
    assert!(both("EVAL return(redis.call('set','k','w')) 0").starts_with("-READONLY"));
    assert!(both("FUNCTION FLUSH").starts_with("-READONLY"));
    assert!(both("FCALL w 0").starts_with('-'));
    both("FCALL f 0");
    both("REPLICAOF localhost notaport");
    both("REPLICAOF one");
    both("GET k");
    wait_until("they are equally far", SOON, || {
        ask(&mut theirs.client(), "ROLE") == ask(&mut ours.client(), "ROLE")
    });
    let fields = |server: &Server| -> Vec<String> {
        let text = server.client().cmd("INFO replication").expect("a reply").text();
        text.lines().filter_map(|line| line.split(':').next()).map(str::to_owned).collect()
    };
    assert_eq!(fields(&theirs)[..20], fields(&ours)[..20]);
    for line in ["CONFIG SET replica-read-only no", "SET own 1", "CONFIG SET replica-serve-stale-data no"] {
        assert_eq!(both(line), "+OK");
    }
    both("GET own");
    master.terminate();
    for replica in [&theirs, &ours] {
        wait_until("the link is down", SOON, || !is_up(replica));
    }
    assert!(both("GET k").starts_with("-MASTERDOWN"));
    assert_eq!(both("CONFIG SET replica-serve-stale-data yes"), "+OK");
    assert_eq!(both("GET k"), "\"v\"");
    assert_eq!(fields(&theirs)[..20], fields(&ours)[..20], "without a link");
    assert_eq!(both("REPLICAOF NO ONE"), "+OK");
    assert_eq!(both("SET k w"), "+OK");
    assert_eq!(info(&ours, "role"), "master");
}

#[test]
fn what_expires_is_hidden_until_the_master_says_so() {
    let master = Server::start_with(Kind::Redis, &MASTER);
    let replica = Server::start(Kind::Everwrite);
    follow(&replica, master.address());
    wait_until("the link is up", SOON, || is_up(&replica));
    let mut client = master.client();
    ask(&mut client, "DEBUG SET-ACTIVE-EXPIRE 0");
    ask(&mut client, "SET k v PX 300");
    ask(&mut client, "SET soon v EX 1");
    wait_until("it is there", SOON, || ask(&mut replica.client(), "DBSIZE") == "2");
    wait_until("it is hidden", SOON, || ask(&mut replica.client(), "GET k") == "nil");
    assert_eq!(ask(&mut replica.client(), "DBSIZE"), "2", "but it is still there");
    wait_until("the master deletes it", SOON, || ask(&mut client, "GET k") == "nil");
    wait_until("it goes", SOON, || ask(&mut replica.client(), "DBSIZE") == "1");
}

#[test]
fn a_password_that_is_wrong_is_told_and_can_be_put_right() {
    let master = Server::start_with(Kind::Redis, &[&MASTER[..], &["--requirepass", "secret"]].concat());
    let replica = Server::start_with(Kind::Everwrite, &["--masterauth", "wrong"]);
    follow(&replica, master.address());
    wait_until("the log says so", SOON, || replica.log().contains("Unable to AUTH to MASTER: -WRONGPASS"));
    assert!(!is_up(&replica));
    ask(&mut replica.client(), "CONFIG SET masterauth secret");
    wait_until("the link is up", SOON, || is_up(&replica));
}

/// The steps of docs/guide/moving.md.
#[test]
fn moving_from_redis_without_downtime() {
    let redis = Server::start_with(Kind::Redis, &MASTER);
    fill(&mut redis.client());
    let everwrite = Server::start(Kind::Everwrite);
    follow(&everwrite, redis.address());
    wait_until("the data are there", SOON, || is_up(&everwrite));
    // Writers go on, first here and then there; a write that is not acknowledged is tried again.
    let (there, done, acknowledged) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let (redis, everwrite, there, done, acknowledged) =
                (&redis, &everwrite, &there, &done, &acknowledged);
            scope.spawn(move || {
                let mut n = 0;
                while !done.load(Relaxed) {
                    let server = if there.load(Relaxed) { everwrite } else { redis };
                    let mut client = server.client();
                    while !done.load(Relaxed)
                        && std::ptr::eq(server, if there.load(Relaxed) { everwrite } else { redis })
                    {
                        match client.cmd(&format!("SET moved:{writer}:{n} {n}")) {
                            Ok(reply) if !reply.is_error() => n += 1,
                            _ => break,
                        }
                    }
                }
                acknowledged.fetch_add(n, Relaxed);
            });
        }
        let before = number(&redis, "master_repl_offset");
        wait_until("something is written", SOON, || number(&redis, "master_repl_offset") > before + 20_000);
        let mut admin = redis.client();
        assert_eq!(ask(&mut admin, "CLIENT PAUSE 20000 WRITE"), "+OK");
        wait_until("nothing is missing", SOON, || {
            number(&everwrite, "slave_repl_offset") == number(&redis, "master_repl_offset")
        });
        assert_eq!(digest(&redis), digest(&everwrite));
        assert_eq!(ask(&mut everwrite.client(), "REPLICAOF NO ONE"), "+OK");
        there.store(true, Relaxed);
        // Clients that wait at the old server are sent away.
        ask(&mut admin, "CLIENT KILL TYPE normal");
        wait_until("something is written there", SOON, || {
            number(&everwrite, "total_commands_processed") > 2_000
        });
        done.store(true, Relaxed);
    });
    let mut client = everwrite.client();
    let keys = client.cmd("KEYS moved:*").expect("a reply");
    let Value::Array(keys) = keys else { panic!("{keys}") };
    assert!(keys.len() as u64 >= acknowledged.load(Relaxed), "{} of {acknowledged:?}", keys.len());
    assert_eq!(info(&everwrite, "role"), "master");
}

struct Sentinel(std::process::Child);

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

#[test]
fn sentinel_promotes_it() {
    let mut master = Server::start_with(Kind::Redis, &MASTER);
    let dir = harness::server::fresh_dir("sentinel");
    let replica = Server::start_with(Kind::Everwrite, &["--replica-priority", "7"]);
    follow(&replica, master.address());
    wait_until("the link is up", SOON, || is_up(&replica));
    ask(&mut master.client(), "SET k v");
    same(&master, &replica);
    let address = harness::server::free_address();
    let text = format!(
        "port {}\nbind 127.0.0.1\ndir {}\nsentinel monitor m {} {} 1\nsentinel down-after-milliseconds m 1000\n\
         sentinel failover-timeout m 3000\n",
        address.port(),
        dir.display(),
        master.address().ip(),
        master.address().port()
    );
    let file = dir.join("sentinel.conf");
    std::fs::write(&file, text).unwrap();
    let log = std::fs::File::create(dir.join("log")).unwrap();
    let mut command = std::process::Command::new(Kind::Redis.program());
    let child = command.arg(&file).arg("--sentinel").stdout(log).spawn().expect("redis-server is there");
    let _sentinel = Sentinel(child);
    let known = || -> Option<String> {
        let mut client = Client::connect(address).ok()?;
        Some(client.cmd("SENTINEL REPLICAS m").ok()?.to_string())
    };
    let port = replica.address().port().to_string();
    wait_until("Sentinel knows the replica", SOON, || {
        known().is_some_and(|text| text.contains(&port) && text.contains("\"slave-priority\", \"7\""))
    });
    master.terminate();
    wait_until("Sentinel promotes it", SOON, || info(&replica, "role") == "master");
    assert_eq!(ask(&mut replica.client(), "SET k w"), "+OK");
    let _ = std::fs::remove_dir_all(&dir);
}

#[test]
fn replicas_of_a_replica_go_on_after_a_promotion() {
    let mut master = Server::start_with(Kind::Redis, &MASTER);
    fill(&mut master.client());
    let ours = Server::start_with(Kind::Everwrite, &MASTER);
    follow(&ours, master.address());
    wait_until("the link is up", SOON, || is_up(&ours));
    // The stream has another database selected when the chain gets longer, and says so no more.
    let mut client = master.client();
    ask(&mut client, "SELECT 5");
    ask(&mut client, "SET before 1");
    same(&master, &ours);
    let (below, beside) = (Server::start(Kind::Redis), Server::start(Kind::Redis));
    follow(&below, ours.address());
    follow(&beside, master.address());
    for replica in [&below, &beside] {
        wait_until("the link is up", SOON, || is_up(replica));
    }
    ask(&mut client, "SET behind 1");
    let offset = || number(&master, "master_repl_offset");
    for replica in [&ours, &below, &beside] {
        wait_until("all have it", SOON, || number(replica, "slave_repl_offset") == offset());
        assert_eq!(digest(replica), digest(&master));
    }
    // Nobody hears of what the master does from here on.
    master.kill();
    assert_eq!(ask(&mut ours.client(), "REPLICAOF NO ONE"), "+OK");
    follow(&beside, ours.address());
    ask(&mut ours.client(), "SET after 1");
    for replica in [&below, &beside] {
        wait_until("it goes on", SOON, || is_up(replica) && digest(replica) == digest(&ours));
    }
    assert_eq!((number(&ours, "sync_full"), number(&ours, "sync_partial_ok")), (1, 2), "{}", ours.log());
}

#[test]
fn masters_hand_over_to_each_other() {
    let (redis, ours) =
        (Server::start_with(Kind::Redis, &MASTER), Server::start_with(Kind::Everwrite, &MASTER));
    ask(&mut redis.client(), "SET k v");
    follow(&ours, redis.address());
    same(&redis, &ours);
    for (i, (from, to)) in [(&redis, &ours), (&ours, &redis), (&redis, &ours)].into_iter().enumerate() {
        let line = format!("FAILOVER TO {} {} TIMEOUT 20000", to.address().ip(), to.address().port());
        // The master counts a replica as online once that has said how far it is.
        wait_until("it is online", SOON, || ask(&mut from.client(), &line) == "+OK");
        wait_until("it has taken over", SOON, || {
            info(to, "role") == "master" && info(from, "role") == "slave" && is_up(from)
        });
        assert_eq!(ask(&mut to.client(), &format!("SET round {i}")), "+OK");
        wait_until("the other one follows", SOON, || {
            ask(&mut from.client(), "GET round") == format!("\"{i}\"")
        });
        assert_eq!(
            (info(from, "master_failover_state"), info(to, "master_failover_state")),
            ("no-failover".into(), "no-failover".into())
        );
        assert_eq!(digest(from), digest(to));
    }
    assert_eq!(number(&redis, "sync_full") + number(&ours, "sync_full"), 1, "all went on where they were");
    // What is not to be is refused as Redis does, and taken back.
    for line in [
        "FAILOVER TO 127.0.0.1 1",
        "FAILOVER FORCE",
        "FAILOVER ABORT",
        "FAILOVER TIMEOUT 0",
        "PSYNC x 1 FAILOVER",
    ] {
        let reply = ask(&mut ours.client(), line);
        assert!(reply.starts_with("-ERR"), "{line}: {reply}");
    }
    let pid = redis.pid().to_string();
    let signal = |name: &str| {
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success())
    };
    signal("-STOP");
    ask(&mut ours.client(), "SET unseen 1");
    assert_eq!(ask(&mut ours.client(), "FAILOVER TIMEOUT 60000"), "+OK");
    assert_eq!(info(&ours, "master_failover_state"), "waiting-for-sync");
    assert_eq!(ask(&mut ours.client(), "FAILOVER ABORT"), "+OK");
    assert_eq!(ask(&mut ours.client(), "SET again 1"), "+OK");
    signal("-CONT");
    wait_until("it follows", SOON, || is_up(&redis) && digest(&redis) == digest(&ours));
}
