//! KeyDB's own: jobs (KEYDB.CRON), nested hashes, closing clients under load.

use harness::mesh::{Mesh, info};
use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SOON: Duration = Duration::from_secs(20);

fn text(value: &str) -> Value {
    Value::Bulk(value.into())
}

fn ok(client: &mut Client, line: &str) -> Value {
    let reply = client.cmd(line).unwrap();
    assert!(!reply.is_error(), "{line}: {reply}");
    reply
}

fn call(client: &mut Client, words: &[&str]) -> Value {
    let reply = client.call(words).unwrap();
    assert!(!reply.is_error(), "{words:?}: {reply}");
    reply
}

fn number(client: &mut Client, line: &str) -> i64 {
    match ok(client, line) {
        Value::Bulk(digits) => String::from_utf8_lossy(&digits).parse().unwrap(),
        Value::Int(n) => n,
        _ => 0,
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

const COUNT: &str = "return redis.call('INCRBY', KEYS[1], ARGV[1])";

#[test]
fn a_job_runs_once_or_again_and_again() {
    let server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    call(&mut client, &["KEYDB.CRON", "once", "single", "1", COUNT, "1", "a", "5"]);
    call(&mut client, &["KEYDB.CRON", "often", "repeat", "50", COUNT, "1", "b", "1"]);
    let later = (now_ms() + 3_600_000).to_string();
    call(&mut client, &["KEYDB.CRON", "later", "repeat", &later, "50", COUNT, "1", "c", "1"]);
    call(&mut client, &["KEYDB.CRON", "broken", "single", "1", "return redis.call('NOSUCH')"]);
    ok(&mut client, "SELECT 3");
    call(&mut client, &["KEYDB.CRON", "elsewhere", "single", "1", "redis.call('SET', 'db', 'three')"]);
    wait_until("the third database", SOON, || ok(&mut client, "GET db") == text("three"));
    ok(&mut client, "SELECT 0");
    wait_until("many runs", SOON, || number(&mut client, "GET b") >= 3);
    wait_until("the end of those that run once", SOON, || number(&mut client, "EXISTS once broken") == 0);
    assert_eq!(ok(&mut client, "GET a"), text("5"));
    assert_eq!(ok(&mut client, "EXISTS c"), Value::Int(0));
    assert_eq!(ok(&mut client, "TYPE often").to_string(), "+keydb.cron");
    // Under another name it goes on; without a key it ends.
    ok(&mut client, "RENAME often other");
    let before = number(&mut client, "GET b");
    wait_until("more runs", SOON, || number(&mut client, "GET b") > before);
    ok(&mut client, "DEL other");
    let last = ok(&mut client, "GET b");
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(ok(&mut client, "GET b"), last);
}

/// What a job does and that it has run are one transaction.
#[test]
fn a_job_survives_a_restart_and_no_run_is_done_twice() {
    for (options, end) in [
        (&["--appendonly", "yes"][..], "kill"),
        (&["--save", "3600 1"][..], "stop"),
        (&["--appendonly", "yes"][..], "dump"),
    ] {
        let mut server = Server::start_with(Kind::Everwrite, options);
        let mut client = server.client();
        // Each run tells the time at which the next is due: the runs that are done count those that were noted.
        call(&mut client, &["KEYDB.CRON", "j", "repeat", "100", COUNT, "1", "runs", "1"]);
        call(&mut client, &["KEYDB.CRON", "once", "single", "1", COUNT, "1", "once-runs", "1"]);
        wait_until("runs", SOON, || number(&mut client, "GET runs") >= 2);
        wait_until("the only run", SOON, || number(&mut client, "EXISTS once") == 0);
        match end {
            "kill" => server.kill(),
            "stop" => server.terminate(),
            _ => {
                let Value::Bulk(dump) = ok(&mut client, "DUMP j") else { panic!() };
                client.send(&[&b"RESTORE"[..], b"copy", b"0", &dump]).unwrap();
                assert_eq!(client.receive().unwrap().to_string(), "+OK");
                ok(&mut client, "DEL j");
                ok(&mut client, "BGREWRITEAOF");
                wait_until("the new log", SOON, || info(&mut client, "aof_rewrite_in_progress") == "0");
                server.terminate();
            }
        }
        server.start_again();
        let mut client = server.client();
        assert_eq!(ok(&mut client, "GET once-runs"), text("1"), "{end}");
        assert_eq!(ok(&mut client, "EXISTS once"), Value::Int(0), "{end}");
        let job = if end == "dump" { "copy" } else { "j" };
        assert_eq!(ok(&mut client, &format!("TYPE {job}")).to_string(), "+keydb.cron", "{end}");
        let before = number(&mut client, "GET runs");
        assert!(before >= 2, "{before}");
        wait_until("more runs", SOON, || number(&mut client, "GET runs") > before);
    }
}

#[test]
fn a_replica_runs_jobs_when_it_is_promoted() {
    let (master, replica) = (Server::start(Kind::Everwrite), Server::start(Kind::Everwrite));
    let (mut m, mut r) = (master.client(), replica.client());
    call(&mut m, &["KEYDB.CRON", "early", "repeat", "50", COUNT, "1", "early-runs", "1"]);
    ok(&mut r, &format!("REPLICAOF 127.0.0.1 {}", master.address().port()));
    wait_until("the link", SOON, || info(&mut r, "master_link_status") == "up");
    call(&mut m, &["KEYDB.CRON", "late", "repeat", "50", COUNT, "1", "late-runs", "1"]);
    wait_until("runs", SOON, || number(&mut m, "GET early-runs") > 3 && number(&mut m, "GET late-runs") > 3);
    ok(&mut m, "CLIENT PAUSE 100000 WRITE");
    wait_until("the replica to have all", SOON, || {
        ["GET early-runs", "GET late-runs"].iter().all(|line| number(&mut m, line) == number(&mut r, line))
    });
    let before = (number(&mut r, "GET early-runs"), number(&mut r, "GET late-runs"));
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!((number(&mut r, "GET early-runs"), number(&mut r, "GET late-runs")), before);
    ok(&mut r, "REPLICAOF NO ONE");
    wait_until("both to go on", SOON, || {
        number(&mut r, "GET early-runs") > before.0 && number(&mut r, "GET late-runs") > before.1
    });
}

/// One member runs a job, so nothing is done twice, wherever the job is known.
#[test]
fn in_a_mesh_the_member_that_made_a_job_runs_it() {
    let mesh = Mesh::start(3);
    let (mut a, mut b) = (mesh.client(0), mesh.client(1));
    // A plain replica of a member knows the jobs of all, as jobs.
    let follower = Server::start(Kind::Everwrite);
    let mut f = follower.client();
    ok(&mut f, &format!("REPLICAOF 127.0.0.1 {}", mesh.nodes[0].address().port()));
    wait_until("the link", SOON, || info(&mut f, "master_link_status") == "up");
    call(&mut a, &["KEYDB.CRON", "once", "single", "1", COUNT, "1", "once-runs", "1"]);
    call(
        &mut b,
        &[
            "KEYDB.CRON",
            "j",
            "repeat",
            "50",
            "redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('INCR', 'runs')",
            "1",
            "l",
            "x",
        ],
    );
    wait_until("runs", SOON, || number(&mut a, "GET runs") >= 5);
    mesh.wait_for("GET once-runs", &text("1"));
    mesh.wait_for("EXISTS once", &Value::Int(0));
    mesh.wait_for("TYPE j", &Value::Simple("keydb.cron".into()));
    wait_until("the follower to know it", SOON, || ok(&mut f, "TYPE j").to_string() == "+keydb.cron");
    // Its owner away, it waits; it does not run on both sides.
    mesh.cut(0, 1);
    mesh.cut(1, 2);
    mesh.wait_links(1, 0);
    let last = number(&mut a, "GET runs");
    let on_the_other_side = number(&mut b, "GET runs");
    wait_until("runs where it was made", SOON, || number(&mut b, "GET runs") > on_the_other_side + 3);
    assert_eq!(number(&mut a, "GET runs"), last);
    mesh.heal();
    wait_until("the runs to arrive", SOON, || number(&mut a, "GET runs") > on_the_other_side);
    ok(&mut a, "DEL j");
    mesh.wait_for("EXISTS j", &Value::Int(0));
    mesh.wait_equal();
    assert_eq!(number(&mut a, "GET runs"), number(&mut a, "LLEN l"), "each run was whole, and one");
}

/// Who made a job has gone for good: the lowest of those who are left runs it, and no other; who comes back has it again.
#[test]
fn a_job_outlives_the_member_that_made_it() {
    const BY_WHOM: &str =
        "redis.call('RPUSH', KEYS[1], string.match(redis.call('INFO', 'server'), 'tcp_port:(%d+)'))";
    let mut mesh = Mesh::start_with(3, &["--repl-detach-after", "1"]);
    let (mut a, mut b, mut owner) = (mesh.client(0), mesh.client(1), mesh.client(2));
    call(&mut owner, &["KEYDB.CRON", "j", "repeat", "50", BY_WHOM, "1", "runners"]);
    wait_until("runs", SOON, || number(&mut a, "LLEN runners") >= 3 && number(&mut b, "LLEN runners") >= 3);
    let port = |mesh: &Mesh, node: usize| text(&mesh.nodes[node].address().port().to_string());
    let owned = port(&mesh, 2);
    mesh.nodes[2].kill();
    wait_until("another to run it", SOON, || ok(&mut a, "LINDEX runners -1") != owned);
    let heir = ok(&mut a, "LINDEX runners -1");
    let lower = info(&mut a, "mesh_uuid") < info(&mut b, "mesh_uuid");
    assert_eq!(heir, port(&mesh, usize::from(!lower)), "the lowest identity has it");
    let before = number(&mut a, "LLEN runners");
    wait_until("more runs", SOON, || number(&mut b, "LLEN runners") >= before + 5);
    let all = ok(&mut a, "LRANGE runners 0 -1");
    let runners = all.items().unwrap();
    let first = runners.iter().position(|runner| *runner == heir).unwrap();
    assert!(runners[..first].iter().all(|runner| *runner == owned), "{all}");
    assert!(runners[first..].iter().all(|runner| *runner == heir), "{all}");

    mesh.nodes[2].start_again();
    mesh.wait_linked();
    wait_until("the owner to have it again", SOON, || ok(&mut a, "LINDEX runners -1") == owned);
    ok(&mut a, "DEL j");
    mesh.wait_for("EXISTS j", &Value::Int(0));
    mesh.wait_equal();
}

#[test]
fn nested_hashes_are_hashes() {
    let (server, redis) = (Server::start(Kind::Everwrite), Server::start(Kind::Redis));
    let (mut client, mut replica) = (server.client(), redis.client());
    ok(&mut replica, &format!("REPLICAOF 127.0.0.1 {}", server.address().port()));
    wait_until("the link", SOON, || info(&mut replica, "master_link_status") == "up");
    let said = |client: &mut Client, line: &str| client.cmd(line).unwrap().to_string();
    for (line, reply) in [
        ("KEYDB.NHSET user.name.first Ada", "0"),
        ("KEYDB.NHSET user.name.last Lovelace", "0"),
        ("KEYDB.NHSET user.tags a b c d e f g h i j k l", "0"),
        ("KEYDB.NHSET user.name.first Augusta", "1"),
        ("KEYDB.NHGET user.name.first", "\"Augusta\""),
        ("KEYDB.NHGET user.name", "[[\"first\", \"Augusta\"], [\"last\", \"Lovelace\"]]"),
        ("KEYDB.NHSET user.tags x y", "1"),
        ("KEYDB.NHGET RESP user.tags", "[\"x\", \"y\"]"),
        ("KEYDB.NHGET user.nobody", "-ERR no such key"),
        ("KEYDB.NHGET user.name.first.more", "-ERR no such key"),
        ("KEYDB.NHGET nobody", "-ERR no such key"),
        ("KEYDB.NHGET user..name", "-ERR syntax error"),
        ("KEYDB.NHGET XML user", "-ERR syntax error"),
        ("TYPE user", "+hash"),
        // A value takes the place of what is below it, and a path that of a value on its way.
        ("KEYDB.NHSET user.name Ada", "1"),
        ("HLEN user", "3"),
        ("KEYDB.NHSET user.tags.first x", "0"),
        ("KEYDB.NHGET user", "[[\"name\", \"Ada\"], [\"tags\", [\"first\", \"x\"]]]"),
        ("KEYDB.NHSET text one", "0"),
        ("KEYDB.NHSET text one two", "1"),
        ("KEYDB.NHGET text", "[\"one\", \"two\"]"),
        ("KEYDB.NHSET text.below one", "0"),
        ("KEYDB.NHGET text", "[\"below\", \"one\"]"),
        ("SADD set a", "1"),
        ("KEYDB.NHGET set", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("KEYDB.NHSET set.a b", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ] {
        assert_eq!(said(&mut client, line), reply, "{line}");
    }
    call(&mut client, &["KEYDB.NHSET", "user.quoted", "a\"b\\c\n"]);
    assert_eq!(
        ok(&mut client, "KEYDB.NHGET json user"),
        text(r#"{"name" : "Ada","quoted" : "a\"b\\c\u000a","tags" : {"first" : "x"}}"#)
    );
    assert_eq!(ok(&mut client, "WAIT 1 20000"), Value::Int(1));
    for line in ["HGETALL user", "HGETALL text", "DBSIZE"] {
        let sorted = |client: &mut Client| {
            let mut reply = ok(client, line);
            if let Value::Array(all) = &mut reply {
                all.sort_by_key(|value| value.to_string());
            }
            reply
        };
        assert_eq!(sorted(&mut client), sorted(&mut replica), "{line}");
    }
    // Who may not touch the key may not touch what is in it.
    ok(&mut client, "ACL SETUSER app on nopass ~user.* +@all");
    ok(&mut client, "AUTH app any");
    assert!(said(&mut client, "KEYDB.NHSET user.name Eve").starts_with("-NOPERM"));
    assert!(said(&mut client, "KEYDB.NHGET user.name").starts_with("-NOPERM"));
    ok(&mut client, "AUTH default any");
    ok(&mut client, "ACL SETUSER app resetkeys ~user");
    ok(&mut client, "AUTH app any");
    assert_eq!(said(&mut client, "KEYDB.NHGET user.name"), "\"Ada\"");
}

/// Clients that keep the server too busy are closed, others are not.
#[test]
fn under_load_busy_clients_are_closed() {
    let server = Server::start_with(Kind::Everwrite, &["--server-threads", "1"]);
    let (mut idle, mut blocked) = (server.client(), server.client());
    ok(&mut idle, "CLIENT NO-EVICT ON");
    ok(&mut idle, "CONFIG SET overload-protect-percent 1");
    blocked.send(&["BLPOP", "nothing", "0"]).unwrap();
    let mut busy = server.client();
    let script = "for i = 1, 100000 do redis.call('PING') end";
    wait_until("the busy one to be closed", SOON, || busy.call(&["EVAL", script, "0"]).is_err());
    ok(&mut idle, "CONFIG SET overload-protect-percent 0");
    assert!(number(&mut idle, "EXISTS nothing") == 0);
    assert!(info(&mut idle, "overload_closed_clients").parse::<u64>().unwrap() >= 1);
    ok(&mut idle, "RPUSH nothing x");
    assert!(!blocked.receive().unwrap().is_error());
}

#[test]
fn counts_of_random_elements_have_a_limit() {
    let server = Server::start_with(Kind::Everwrite, &["--max-rand-count", "3"]);
    let mut client = server.client();
    for line in ["SADD s a b", "HSET h a 1 b 2", "ZADD z 1 a 2 b"] {
        ok(&mut client, line);
    }
    for line in ["SRANDMEMBER s", "HRANDFIELD h", "ZRANDMEMBER z"] {
        assert_eq!(ok(&mut client, &format!("{line} -3")).items().unwrap().len(), 3);
        for count in ["4", "-4"] {
            let refused = client.cmd(&format!("{line} {count}")).unwrap().to_string();
            assert_eq!(refused, "-ERR value is out of range, value must between -3 and 3");
        }
    }
    ok(&mut client, "CONFIG SET max-rand-count 4611686018427387903");
    assert_eq!(ok(&mut client, "SRANDMEMBER s 9223372036854775807").items().unwrap().len(), 2);
}

/// No machine has 99 % of its memory free: everything that may be evicted is.
#[test]
fn when_the_machine_is_short_of_memory_keys_are_evicted() {
    let server = Server::start_with(Kind::Everwrite, &["--maxmemory-policy", "allkeys-lru"]);
    let mut client = server.client();
    for n in 0..100 {
        ok(&mut client, &format!("SET key:{n} value"));
    }
    ok(&mut client, "CONFIG SET force-eviction-percent 1");
    wait_until("all to be evicted", SOON, || number(&mut client, "DBSIZE") == 0);
    ok(&mut client, "CONFIG SET maxmemory-policy noeviction");
    wait_until("a write to be refused", SOON, || {
        client.cmd("SET key value").unwrap().to_string()
            == "-OOM command not allowed when used memory > 'maxmemory'."
    });
    ok(&mut client, "CONFIG SET force-eviction-percent 0");
    wait_until("writes to be taken again", SOON, || !client.cmd("SET key value").unwrap().is_error());
}

/// With `replica-serve-stale-data no` a member serves while it is linked to as many as `replica-quorum` says.
#[test]
fn a_member_without_its_quorum_serves_no_data() {
    const DOWN: &str = "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    let mesh = Mesh::start_with(3, &["--replica-serve-stale-data", "no"]);
    let mut a = mesh.client(0);
    let get = |client: &mut Client| client.cmd("GET key").unwrap().to_string();
    wait_until("all to be linked", SOON, || get(&mut a) == "nil");
    mesh.cut(0, 1);
    wait_until("one to be missed", SOON, || get(&mut a) == DOWN);
    ok(&mut a, "CONFIG SET replica-quorum 1");
    wait_until("one to be enough", SOON, || get(&mut a) == "nil");
    mesh.cut(0, 2);
    wait_until("none to be too few", SOON, || get(&mut a) == DOWN);
    ok(&mut a, "CONFIG SET replica-quorum 0");
    wait_until("none to be enough", SOON, || get(&mut a) == "nil");
    ok(&mut a, "CONFIG SET replica-quorum -1");
    mesh.heal();
    wait_until("all to be linked again", SOON, || get(&mut a) == "nil");
}
