//! MIGRATE between ours and Redis, in both directions.

use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};
use std::net::TcpListener;
use std::time::Duration;

/// No wait may take longer, however busy the machine.
const SOON: Duration = Duration::from_secs(30);

struct Pair {
    from: Client,
    to: Client,
    /// Where `to` is, as MIGRATE wants it.
    target: String,
    _servers: [Server; 2],
}

fn pair(from: Kind, to: Kind) -> Pair {
    let servers = [Server::start(from), Server::start_with(to, &["--requirepass", "secret"])];
    let (from, mut to) = (servers[0].client(), servers[1].client());
    to.cmd("AUTH secret").unwrap();
    // It asks for the password before it says that it is loading.
    wait_until("the data are loaded", SOON, || !to.cmd("PING").unwrap().is_error());
    let target = format!("127.0.0.1 {}", servers[1].address().port());
    Pair { from, to, target, _servers: servers }
}

const WAYS: [(Kind, Kind); 3] =
    [(Kind::Everwrite, Kind::Redis), (Kind::Redis, Kind::Everwrite), (Kind::Everwrite, Kind::Everwrite)];

impl Pair {
    fn migrate(&mut self, rest: &str) -> String {
        let words: Vec<String> = format!("MIGRATE {} {rest}", self.target)
            .split(' ')
            .map(|word| if word == "''" { String::new() } else { word.to_string() })
            .collect();
        self.from.call(&words).unwrap().to_string()
    }
}

#[test]
fn keys_of_all_types_arrive_and_are_gone_here() {
    for (from, to) in WAYS {
        let mut pair = pair(from, to);
        for line in [
            "SET s value",
            "SET n 12345",
            "RPUSH l a b c",
            "SADD i 1 2 3",
            "SADD t x y",
            "HSET h f v",
            "ZADD z 1 a 2 b",
            "PFADD p a b",
            "EXPIRE s 1000",
        ] {
            pair.from.cmd(line).unwrap();
        }
        pair.from.call(&["SETRANGE", "big", "3000000", "x"]).unwrap();
        assert_eq!(pair.migrate("s 3 5000 AUTH secret"), "+OK", "{from:?}");
        let rest = pair.migrate("'' 3 5000 AUTH2 default secret KEYS n l i t h z p big missing");
        assert_eq!(rest, "+OK", "{from:?}");
        assert_eq!(pair.from.cmd("DBSIZE").unwrap(), Value::Int(0));
        pair.to.cmd("SELECT 3").unwrap();
        assert_eq!(pair.to.cmd("DBSIZE").unwrap(), Value::Int(9));
        assert_eq!(pair.to.cmd("GET s").unwrap().text(), "value");
        assert_eq!(pair.to.cmd("STRLEN big").unwrap(), Value::Int(3_000_001));
        assert_eq!(pair.to.cmd("LRANGE l 0 -1").unwrap().to_string(), r#"["a", "b", "c"]"#);
        let ttl = pair.to.cmd("TTL s").unwrap().int().unwrap();
        assert!((900..=1000).contains(&ttl), "{ttl}");
    }
}

/// Members of a set and fields of a hash expire there as they would have here.
#[test]
fn deadlines_of_members_arrive() {
    let mut pair = pair(Kind::Everwrite, Kind::Everwrite);
    for line in [
        "SADD s a b",
        "EXPIREMEMBER s a 1000",
        "HSET h f v",
        "HEXPIRE h 1000 FIELDS 1 f",
        "ZADD z 1 a 2 b",
        "EXPIREMEMBER z a 1000",
    ] {
        assert!(!pair.from.cmd(line).unwrap().is_error(), "{line}");
    }
    assert_eq!(pair.migrate("'' 0 5000 AUTH secret KEYS s h z"), "+OK");
    for (line, least) in
        [("TTL s a", 900), ("TTL h f", 900), ("TTL s b", -1), ("TTL z a", 900), ("TTL z b", -1)]
    {
        let ttl = pair.to.cmd(line).unwrap().int().unwrap();
        assert!((least..=1000).contains(&ttl), "{line}: {ttl}");
    }
}

#[test]
fn options_and_refusals_are_redis_own() {
    for (from, to) in WAYS {
        let mut pair = pair(from, to);
        pair.from.cmd("MSET k 1 other 2").unwrap();
        pair.to.cmd("SET k old").unwrap();
        assert_eq!(pair.migrate("missing 0 5000"), "+NOKEY");
        assert_eq!(pair.migrate("k 0 x"), "-ERR value is not an integer or out of range");
        assert_eq!(pair.migrate("k 0 5000 NONSENSE"), "-ERR syntax error");
        assert_eq!(
            pair.migrate("k 0 5000 KEYS k"),
            "-ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
        );
        let refused = pair.migrate("k 0 5000");
        assert!(refused.starts_with("-ERR Target instance replied with error: NOAUTH"), "{refused}");
        let refused = pair.migrate("k 0 5000 AUTH wrong");
        assert!(refused.starts_with("-ERR Target instance replied with error: WRONGPASS"), "{refused}");
        let busy = "-ERR Target instance replied with error: BUSYKEY Target key name already exists.";
        assert_eq!(pair.migrate("k 0 5000 AUTH secret"), busy);
        assert_eq!(pair.migrate("k 0 5000 COPY REPLACE AUTH secret"), "+OK");
        assert_eq!(pair.from.cmd("GET k").unwrap().text(), "1");
        assert_eq!(pair.to.cmd("GET k").unwrap().text(), "1");
        let refused = pair.migrate("k 99 5000 AUTH secret");
        assert_eq!(refused, "-ERR Target instance replied with error: ERR DB index is out of range");
    }
}

#[test]
fn what_is_refused_stays_and_the_rest_goes() {
    for (from, to) in WAYS {
        let mut pair = pair(from, to);
        pair.from.cmd("MSET a 1 b 2 c 3 d 4").unwrap();
        pair.to.cmd("MSET b old c old").unwrap();
        let refused = pair.migrate("'' 0 5000 AUTH secret KEYS a b c d");
        assert!(refused.contains("BUSYKEY"), "{refused}");
        assert_eq!(pair.from.cmd("MGET a b c d").unwrap().to_string(), r#"[nil, "2", "3", nil]"#, "{from:?}");
        assert_eq!(pair.to.cmd("MGET a b c d").unwrap().to_string(), r#"["1", "old", "old", "4"]"#);
    }
}

/// What has gone elsewhere does not come back from the log, and replicas let it go, too.
#[test]
fn keys_that_are_gone_stay_gone() {
    let mut from =
        Server::start_with(Kind::Everwrite, &["--appendonly", "yes", "--repl-diskless-sync-delay", "0"]);
    let to = Server::start(Kind::Redis);
    let of = format!("127.0.0.1 {}", from.address().port());
    let replica = Server::start_with(Kind::Redis, &["--replicaof", &of]);
    let mut client = from.client();
    client.cmd("MSET a 1 b 2 stays 3").unwrap();
    wait_until("the replica has them", SOON, || replica.client().cmd("DBSIZE").unwrap().int() == Some(3));
    let reply = client.call(&[
        "MIGRATE",
        "127.0.0.1",
        &to.address().port().to_string(),
        "",
        "0",
        "5000",
        "KEYS",
        "a",
        "b",
    ]);
    assert_eq!(reply.unwrap().to_string(), "+OK");
    wait_until("the replica lets them go", SOON, || replica.client().cmd("DBSIZE").unwrap().int() == Some(1));
    from.kill();
    from.start_again();
    wait_until("the log is loaded", SOON, || from.client().cmd("DBSIZE").unwrap().int().is_some());
    assert_eq!(from.client().cmd("KEYS *").unwrap().to_string(), r#"["stays"]"#);
}

#[test]
fn a_target_that_does_not_answer_costs_no_key() {
    let server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    client.cmd("SET k v").unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let reply = client.cmd(&format!("MIGRATE 127.0.0.1 {port} k 0 200")).unwrap();
    assert_eq!(reply.to_string(), "-IOERR error or timeout reading from target instance");
    drop(silent);
    let reply = client.cmd(&format!("MIGRATE 127.0.0.1 {port} k 0 200")).unwrap();
    assert_eq!(reply.to_string(), "-IOERR error or timeout connecting to the client");
    assert_eq!(client.cmd("GET k").unwrap().text(), "v");
}
