//! A real redis-server as our replica: it gets all there is and stays in step, whatever happens to the link between.

use harness::proxy::Proxy;
use harness::wait::{wait_for, wait_until};
use harness::{Client, Kind, Server};
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

/// No wait of these tests may take longer, however busy the machine.
const SOON: Duration = Duration::from_secs(30);

fn ask(client: &mut Client, line: &str) -> String {
    client.cmd(line).unwrap_or_else(|e| panic!("{line}: {e}")).to_string()
}

fn call(client: &mut Client, args: &[&str]) -> String {
    client.call(args).unwrap_or_else(|e| panic!("{args:?}: {e}")).to_string()
}

fn master(options: &[&str]) -> Server {
    let all = [&["--repl-diskless-sync-delay", "0"], options].concat();
    Server::start_with(Kind::Everwrite, &all)
}

fn replica_at(address: SocketAddr, options: &[&str]) -> Server {
    replica_of_kind(Kind::Redis, address, options)
}

fn replica_of_kind(kind: Kind, address: SocketAddr, options: &[&str]) -> Server {
    let of = format!("{} {}", address.ip(), address.port());
    Server::start_with(kind, &[&["--replicaof", &of], options].concat())
}

/// The value of a field of INFO.
fn info(server: &Server, section: &str, field: &str) -> String {
    let text = server.client().cmd(&format!("INFO {section}")).unwrap().text();
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("no {field} in {text}")).trim().to_owned()
}

fn count(server: &Server, section: &str, field: &str) -> u64 {
    info(server, section, field).parse().unwrap()
}

fn is_up(replica: &Server) -> bool {
    info(replica, "replication", "master_link_status") == "up"
}

fn digest(server: &Server) -> String {
    ask(&mut server.client(), "DEBUG DIGEST")
}

/// Keys whose values differ.
fn differences(master: &Server, replica: &Server) -> String {
    let (mut a, mut b) = (master.client(), replica.client());
    let mut found = Vec::new();
    for db in 0..16 {
        let select = format!("SELECT {db}");
        ask(&mut a, &select);
        ask(&mut b, &select);
        for key in a.cmd("KEYS *").unwrap().items().unwrap_or_default() {
            let key = key.text();
            let values = [&mut a, &mut b].map(|c| call(c, &["DEBUG", "DIGEST-VALUE", &key]));
            if values[0] != values[1] {
                found.push(format!("{db}:{key}"));
            }
        }
        let sizes = [&mut a, &mut b].map(|c| ask(c, "DBSIZE"));
        if sizes[0] != sizes[1] {
            found.push(format!("{db}: {sizes:?} keys"));
        }
    }
    found.join(", ")
}

/// Waits until the replica has come as far as the master, and compares all data.
#[track_caller]
fn agree(master: &Server, replica: &Server) {
    let offset = || count(master, "replication", "master_repl_offset");
    wait_until("the replica has caught up", SOON, || {
        is_up(replica) && count(replica, "replication", "slave_repl_offset") == offset()
    });
    // Keys whose time comes go here first.
    let same = wait_for(SOON, || (digest(master) == digest(replica)).then_some(()));
    assert!(same.is_some(), "the data differ: {}", differences(master, replica));
    let functions = |server: &Server| ask(&mut server.client(), "FUNCTION DUMP");
    assert_eq!(functions(master), functions(replica));
}

/// A little of everything.
fn fill(client: &mut Client) {
    for n in 0..200 {
        ask(client, &format!("SET string:{n} {}", "x".repeat(n)));
        ask(client, &format!("SETEX expires:{n} 100000 {n}"));
        ask(client, &format!("RPUSH list {} {n}", "e".repeat(n)));
        ask(client, &format!("SADD intset {n}"));
        ask(client, &format!("SADD set {n} m{n}"));
        ask(client, &format!("ZADD zset {n}.5 m{n} -{n} n{n}"));
        ask(client, &format!("HSET hash f{n} {n} {n} {}", "v".repeat(n)));
        ask(client, &format!("XADD stream {n}-1 f {n}"));
        ask(client, &format!("PFADD hll {n}"));
    }
    ask(client, "XGROUP CREATE stream group 0");
    ask(client, "XREADGROUP GROUP group c COUNT 20 STREAMS stream >");
    ask(client, "SELECT 9");
    ask(client, "SET elsewhere 1");
    ask(client, "SELECT 0");
    call(
        client,
        &[
            "FUNCTION",
            "LOAD",
            "#!lua name=lib\nredis.register_function('put', function(k, a) return redis.call('SET', k[1], a[1]) end)",
        ],
    );
}

/// Commands whose effects depend on chance, the clock or what else is there.
fn churn(client: &mut Client, n: u64) {
    let (a, b) = (n % 97, n % 13);
    let lines = [
        format!("SET k:{a} {n}"),
        format!("INCRBY sum:{b} {n}"),
        format!("INCRBYFLOAT float:{b} 0.{n}"),
        format!("SADD set:{b} {n} m{n}"),
        format!("SPOP set:{} 1", (n + 5) % 13),
        format!("RPUSH list:{b} {n}"),
        format!("LPOP list:{}", (n + 3) % 13),
        format!("LMOVE list:{b} list:{} LEFT RIGHT", (n + 1) % 13),
        format!("ZADD zset:{b} {n} m{a}"),
        format!("ZPOPMIN zset:{}", (n + 2) % 13),
        format!("HSET hash:{b} f{a} {n}"),
        format!("HINCRBYFLOAT hash:{b} float 1.5"),
        format!("XADD stream:{b} MAXLEN ~ 100 * n {n}"),
        format!("XGROUP CREATE stream:{b} g 0 MKSTREAM"),
        format!("XREADGROUP GROUP g c{a} COUNT 2 STREAMS stream:{b} >"),
        format!("XAUTOCLAIM stream:{b} g other 0 0 COUNT 3"),
        format!("XCLAIM stream:{b} g third 0 {n}-0 JUSTID"),
        format!("PEXPIRE k:{a} {}", 1 + n % 50),
        format!("SET short:{a} {n} PX {}", 1 + n % 30),
        format!("GETEX k:{b} EX 1000"),
        format!("SELECT {}", n % 3),
    ];
    client.pipeline(&lines.map(|line| line.split(' ').map(str::to_owned).collect())).unwrap();
    let script = "redis.call('INCR', KEYS[1]) redis.call('RPUSH', KEYS[2], redis.call('TIME')[1])";
    call(client, &["EVAL", script, "2", &format!("script:{b}"), &format!("{{x}}list:{b}")]);
    call(client, &["FCALL", "put", "1", &format!("fcall:{b}"), &n.to_string()]);
    client
        .pipeline(&[
            vec!["MULTI".to_owned()],
            vec!["INCR".into(), "tx".into()],
            vec!["DEL".into(), format!("k:{a}")],
            vec!["EXEC".into()],
        ])
        .unwrap();
}

/// Clients that write until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(server: &Server, clients: u64) -> Load {
        let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let address = server.address();
        let run = |seed: u64| {
            let (stop, rounds) = (stop.clone(), rounds.clone());
            std::thread::spawn(move || {
                let mut client = Client::connect(address).unwrap();
                let mut n = seed;
                while !stop.load(Relaxed) {
                    churn(&mut client, n);
                    n += 7;
                    rounds.fetch_add(1, Relaxed);
                }
            })
        };
        let threads = (0..clients).map(run).collect();
        Load { stop, rounds, threads }
    }

    fn wait_for_more(&self, rounds: u64) {
        let until = self.rounds.load(Relaxed) + rounds;
        wait_until("the clients have written", SOON, || self.rounds.load(Relaxed) >= until);
    }

    fn end(self) {
        self.stop.store(true, Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("no client fails"));
    }
}

#[test]
fn everything_arrives_under_load_by_socket_and_by_file() {
    for diskless in ["yes", "no"] {
        let master = master(&["--repl-diskless-sync", diskless]);
        fill(&mut master.client());
        let load = Load::start(&master, 4);
        load.wait_for_more(20);
        let replicas = [replica_at(master.address(), &[]), replica_at(master.address(), &[])];
        wait_until("both are up", SOON, || replicas.iter().all(is_up));
        load.wait_for_more(100);
        load.end();
        replicas.iter().for_each(|replica| agree(&master, replica));
        assert_eq!(count(&master, "replication", "connected_slaves"), 2);
        let line = info(&master, "replication", "slave0");
        assert!(line.contains("state=online") && line.contains("ip=127.0.0.1,port="), "{line}");
        let role = ask(&mut master.client(), "ROLE");
        assert!(role.contains("master") && role.contains("127.0.0.1"), "{role}");
    }
}

/// How often a link is cut under load.
fn cuts() -> u64 {
    std::env::var("CUTS").map_or(20, |n| n.parse().expect("CUTS is a number"))
}

/// Cuts a replica off again and again while clients write, and lets it come back at once, or now and then only after a while.
/// How many of its syncs were full ones.
fn cut_off_under_load(kind: Kind, backlog: &str) -> u64 {
    let master = master(&["--repl-backlog-size", backlog]);
    fill(&mut master.client());
    let proxy = Proxy::before(master.address());
    let replica = replica_of_kind(kind, proxy.address(), &["--repl-ping-replica-period", "1"]);
    wait_until("the replica is up", SOON, || is_up(&replica));
    let syncs = || count(&master, "stats", "sync_partial_ok") + count(&master, "stats", "sync_full");
    let load = Load::start(&master, 2);
    for cut in 0..cuts() {
        load.wait_for_more(5);
        let before = syncs();
        if cut % 4 == 3 {
            proxy.cut();
            load.wait_for_more(100);
            proxy.heal();
        } else {
            proxy.hang_up();
        }
        let back = wait_for(SOON, || (syncs() > before && is_up(&replica)).then_some(()));
        assert!(back.is_some(), "cut {cut}: not back\n{}\n{}", master.log(), replica.log());
    }
    load.end();
    agree(&master, &replica);
    let full = count(&master, "stats", "sync_full");
    println!("{kind:?} of ours, backlog {backlog}: {} cuts, {full} full syncs, the same data", cuts());
    full
}

#[test]
fn a_cut_link_goes_on_where_it_was() {
    for kind in [Kind::Redis, Kind::Everwrite] {
        assert_eq!(cut_off_under_load(kind, "64mb"), 1, "{kind:?}");
    }
}

/// The backlog does not reach where it has been away for a while.
#[test]
fn a_cut_link_may_have_to_begin_anew() {
    for kind in [Kind::Redis, Kind::Everwrite] {
        assert!(cut_off_under_load(kind, "16kb") > 1, "{kind:?}");
    }
}

#[test]
fn who_is_away_too_long_begins_anew() {
    let master = master(&["--repl-backlog-size", "16kb"]);
    let proxy = Proxy::before(master.address());
    let replica = replica_at(proxy.address(), &[]);
    wait_until("the replica is up", SOON, || is_up(&replica));
    proxy.cut();
    wait_until("the link is gone", SOON, || count(&master, "replication", "connected_slaves") == 0);
    let mut client = master.client();
    (0..200).for_each(|n| drop(ask(&mut client, &format!("SET big:{n} {}", "v".repeat(4000)))));
    assert!(count(&master, "replication", "repl_backlog_histlen") < 200_000);
    proxy.heal();
    wait_until("there is a second full sync", SOON, || count(&master, "stats", "sync_full") == 2);
    agree(&master, &replica);
    assert_eq!(count(&master, "stats", "sync_partial_err"), 1);
}

/// One that takes nothing of a snapshot is given up after `repl-timeout`; one that waits because of it is not.
#[test]
fn a_replica_that_hangs_takes_no_other_with_it() {
    let together = ["--repl-diskless-sync-delay", "20", "--repl-diskless-sync-max-replicas", "2"];
    let master = Server::start_with(
        Kind::Everwrite,
        &[&together[..], &["--rdbcompression", "no", "--repl-timeout", "3"]].concat(),
    );
    ask(&mut master.client(), "DEBUG POPULATE 6000 key 10000");
    let mut hanging = master.client();
    ask(&mut hanging, "REPLCONF capa eof capa psync2");
    hanging.send(&["PSYNC", "?", "-1"]).unwrap();
    let replica = replica_at(master.address(), &[]);
    wait_until("the one that hangs is given up", SOON, || {
        master.log().contains("Disconnecting timedout replica (full sync)")
    });
    agree(&master, &replica);
    assert_eq!(master.log().matches("Disconnecting timedout replica").count(), 1, "{}", master.log());
    assert_eq!(count(&master, "stats", "sync_full"), 2);
}

#[test]
fn clients_can_wait_for_replicas() {
    let master = master(&[]);
    let mut client = master.client();
    assert_eq!(ask(&mut client, "WAIT 0 0"), "0");
    ask(&mut client, "SET a 1");
    assert_eq!(ask(&mut client, "WAIT 1 50"), "0");
    let replicas = [replica_at(master.address(), &[]), replica_at(master.address(), &[])];
    wait_until("both are up", SOON, || {
        count(&master, "replication", "connected_slaves") == 2 && replicas.iter().all(is_up)
    });
    // Those that are there count at once when a rule is made.
    for (wanted, answer) in
        [("2", "+OK"), ("3", "-NOREPLICAS Not enough good replicas to write."), ("0", "+OK")]
    {
        ask(&mut client, &format!("CONFIG SET min-replicas-to-write {wanted}"));
        assert_eq!(ask(&mut client, "SET a 1"), answer);
    }
    for n in 0..50 {
        ask(&mut client, &format!("SET a {n}"));
        assert_eq!(ask(&mut client, "WAIT 2 20000"), "2");
        let seen = ask(&mut replicas[n % 2].client(), "GET a");
        assert_eq!(seen, format!("\"{n}\""));
    }
    let mut sleeper = replicas[1].client();
    sleeper.send(&["DEBUG", "SLEEP", "1.5"]).unwrap();
    wait_until("one is asleep", SOON, || {
        ask(&mut client, "INCR b");
        ask(&mut client, "WAIT 2 100") == "1"
    });
    assert_eq!(ask(&mut client, "WAIT 1 20000"), "1");
    assert_eq!(ask(&mut client, "WAIT 2 20000"), "2");
}

#[test]
fn writes_are_refused_without_enough_replicas() {
    let master = master(&["--min-replicas-to-write", "1", "--min-replicas-max-lag", "2"]);
    let mut client = master.client();
    assert_eq!(ask(&mut client, "SET a 1"), "-NOREPLICAS Not enough good replicas to write.");
    let mut replica = replica_at(master.address(), &[]);
    wait_until("writes are taken", SOON, || ask(&mut client, "SET a 1") == "+OK");
    assert_eq!(info(&master, "replication", "min_slaves_good_slaves"), "1");
    replica.kill();
    wait_until("writes are refused", SOON, || ask(&mut client, "SET a 1").starts_with("-NOREPLICAS"));
    assert_eq!(count(&master, "replication", "connected_slaves"), 0);
}

#[test]
fn one_that_does_not_read_is_closed() {
    for limit in ["replica 2mb 0 0", "replica 0 1mb 1"] {
        does_not_read(&master(&["--client-output-buffer-limit", limit]));
    }
}

fn does_not_read(master: &Server) {
    let mut slow = master.client();
    // It takes its snapshot, and nothing after it.
    slow.send_raw(b"SYNC\r\n").unwrap();
    wait_until("it is online", SOON, || info(master, "replication", "slave0").contains("state=online"));
    let mut client = master.client();
    let big = "v".repeat(100_000);
    let gone = wait_for(SOON, || {
        (0..50).for_each(|n| drop(call(&mut client, &["SET", &format!("k{n}"), &big])));
        (count(master, "replication", "connected_slaves") == 0).then_some(())
    });
    assert!(gone.is_some(), "it is still there");
    assert!(master.log().contains("overcoming of output buffer limits"));
}

#[test]
fn messages_functions_and_evictions_are_passed_on() {
    let master = master(&[]);
    let replica = replica_at(master.address(), &[]);
    wait_until("the replica is up", SOON, || is_up(&replica));
    let mut listener = replica.client();
    ask(&mut listener, "SUBSCRIBE news");
    let mut client = master.client();
    assert_eq!(ask(&mut client, "PUBLISH news hello"), "0");
    let message = listener.receive_within(SOON).unwrap().expect("a message").to_string();
    assert!(message.contains("hello"), "{message}");
    fill(&mut client);
    call(
        &mut client,
        &[
            "FUNCTION",
            "LOAD",
            "REPLACE",
            "#!lua name=lib\nredis.register_function('other', function() return 1 end)",
        ],
    );
    agree(&master, &replica);
    ask(&mut client, "FUNCTION DELETE lib");
    ask(&mut client, "CONFIG SET maxmemory-policy allkeys-random");
    let used = count(&master, "memory", "used_memory");
    ask(&mut client, &format!("CONFIG SET maxmemory {}", used + 3_000_000));
    (0..5000).for_each(|n| drop(ask(&mut client, &format!("SET evict:{n} {}", "v".repeat(1000)))));
    assert!(count(&master, "stats", "evicted_keys") > 0);
    ask(&mut client, "CONFIG SET maxmemory 0");
    agree(&master, &replica);
    ask(&mut client, "FLUSHALL");
    ask(&mut client, "SET a 1");
    agree(&master, &replica);
    assert_eq!(ask(&mut replica.client(), "DBSIZE"), "1");
    assert_eq!(ask(&mut client, "CLIENT KILL TYPE replica"), "1");
    wait_until("it comes back", SOON, || count(&master, "stats", "sync_partial_ok") == 1);
    let clients = client.cmd("CLIENT LIST TYPE replica").unwrap().text();
    assert!(clients.contains("flags=S"), "{clients}");
}

/// What a master says of itself and to its replicas, beside a redis-server in the same place.
#[test]
fn a_master_is_as_redis_has_them() {
    let options = ["--repl-diskless-sync-delay", "0", "--min-replicas-to-write", "0"];
    let masters = [Kind::Redis, Kind::Everwrite].map(|kind| Server::start_with(kind, &options));
    let both = |line: &str| {
        let [expected, got] = [0, 1].map(|at: usize| ask(&mut masters[at].client(), line));
        assert_eq!(expected, got, "{line}");
        got
    };
    // Fields in their order, and the values of those that are not the server's own.
    let replication = || {
        let of = |master: &Server| -> Vec<String> {
            let text = master.client().cmd("INFO replication").unwrap().text();
            let own = ["master_replid:", "master_replid2:", "slave0:"];
            let field = |line: &str| match own.iter().find(|field| line.starts_with(**field)) {
                Some(field) => field.to_string(),
                None => line.to_owned(),
            };
            text.lines().map(field).collect()
        };
        assert_eq!(of(&masters[0])[..12], of(&masters[1])[..12]);
    };
    replication();
    for line in [
        "REPLCONF",
        "REPLCONF listening-port",
        "REPLCONF listening-port x",
        "REPLCONF listening-port 1234",
        "REPLCONF capa eof capa psync2 capa whatever",
        "REPLCONF ip-address 1.2.3.4",
        "REPLCONF rdb-only 1",
        "REPLCONF rdb-filter-only functions",
        "REPLCONF rdb-filter-only nonsense",
        "REPLCONF nonsense 1",
        "ROLE",
        "WAIT 0 0",
        "WAIT -1 0",
        "WAIT 1 -1",
        "WAIT x 1",
        "REPLICAOF NO ONE",
        "FAILOVER",
        "FAILOVER ABORT",
        "FAILOVER FORCE",
        "FAILOVER TO 127.0.0.1",
        "FAILOVER TO 127.0.0.1 1 FORCE",
        "FAILOVER TO 127.0.0.1 1 TIMEOUT 0",
        "FAILOVER TIMEOUT x",
        "FAILOVER ABORT TIMEOUT 1",
        "PSYNC x 1 FAILOVER",
    ] {
        both(line);
    }
    let replicas: Vec<Server> = masters.iter().map(|master| replica_at(master.address(), &[])).collect();
    wait_until("both are up", SOON, || replicas.iter().all(is_up));
    let line = |at: usize| info(&masters[at], "replication", "slave0");
    wait_until("both are online", SOON, || (0..2).all(|at| line(at).contains("state=online")));
    let fields = |line: String| -> Vec<String> {
        line.split(',').map(|pair| pair.split('=').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(fields(line(0)), fields(line(1)));
    assert_eq!(both("SET k v"), "+OK");
    assert_eq!(both("WAIT 1 20000"), "1");
    for line in ["FAILOVER TO 127.0.0.1 1", "FAILOVER FORCE", "FAILOVER TIMEOUT 0", "FAILOVER ABORT"] {
        both(line);
    }
    for (line, answer) in [
        ("CONFIG SET min-replicas-to-write 2", "+OK"),
        ("SET k v", "-NOREPLICAS Not enough good replicas to write."),
        ("GET k", "\"v\""),
        ("EVAL return(redis.call('set','k','w')) 0", "-NOREPLICAS Not enough good replicas to write."),
        ("CONFIG SET min-replicas-max-lag 0", "+OK"),
        ("SET k v", "+OK"),
        ("CONFIG SET min-replicas-max-lag 10", "+OK"),
        ("CONFIG SET min-replicas-to-write 1", "+OK"),
        ("SET k v", "+OK"),
    ] {
        assert!(both(line).starts_with(answer), "{line}");
    }
    // Whoever waits has replicas asked how far they are, and those without an answer count as they were.
    for master in &masters {
        let mut raw = master.client();
        // Without `eof` the stream begins behind the snapshot, not only when that one has said that it has it.
        ask(&mut raw, "REPLCONF capa psync2");
        raw.send(&["PSYNC", "?", "-1"]).unwrap();
        // What is asked before the snapshot has begun is not in its stream.
        wait_until("it is online", SOON, || info(master, "replication", "slave1").contains("state=online"));
        let mut stream = raw.stream().try_clone().unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let (asked, mut seen) = (b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n", Vec::new());
        let mut buffer = [0; 4096];
        let mut waiting = master.client();
        ask(&mut waiting, "SET k v");
        waiting.send(&["WAIT", "2", "3000"]).unwrap();
        while !seen.windows(asked.len()).any(|part| part == asked) {
            let n = stream.read(&mut buffer).expect("the stream goes on");
            assert!(n > 0, "{}", master.log());
            seen.extend_from_slice(&buffer[..n]);
        }
        assert_eq!(waiting.receive().unwrap().to_string(), "1");
    }
}
