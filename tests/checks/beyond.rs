//! Commands from beyond Redis 7.0, as far as they meet more than one connection or server.

use harness::mesh::info;
use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn text(value: &str) -> Value {
    Value::Bulk(value.into())
}

fn list(values: &[&str]) -> Value {
    Value::Array(values.iter().map(|value| text(value)).collect())
}

fn ok(client: &mut Client, line: &str) -> Value {
    let reply = client.cmd(line).unwrap();
    assert!(!reply.is_error(), "{line}: {reply}");
    reply
}

fn follow(replica: &mut Client, master: &Server) {
    ok(replica, &format!("REPLICAOF 127.0.0.1 {}", master.address().port()));
    wait_until("the replica's link", SOON, || info(replica, "master_link_status") == "up");
}

/// What a Redis does not know is passed on to it in words that it knows.
#[test]
fn a_redis_that_follows_has_the_same() {
    let (master, replica) = (Server::start(Kind::Everwrite), Server::start(Kind::Redis));
    let (mut m, mut r) = (master.client(), replica.client());
    follow(&mut r, &master);
    for line in [
        "RPUSH a 1 2 3 4 5 6 7 8 9",
        "LMOVEM a b LEFT LEFT COUNT 2 OBO",
        "LMOVEM a b LEFT LEFT COUNT 2 BULK",
        "LMOVEM a b RIGHT LEFT COUNT 2 OBO",
        "LMOVEM b a RIGHT RIGHT EXACTLY 2 BULK",
        "PEXPIREAT a 4102444800000",
        "LMOVEM a a LEFT LEFT COUNT 3 OBO",
        "LMOVEM a a RIGHT RIGHT COUNT 2 OBO",
        "LMOVEM a a RIGHT LEFT COUNT 9 BULK",
        "LMOVEM a a LEFT RIGHT COUNT 2 OBO",
        "BLMOVEM b c LEFT RIGHT 1 COUNT 1 BULK",
        "HSET h old 1",
        "HIMPORT PREPARE set name age",
        "HIMPORT SET h set me 7",
        "CL.THROTTLE user 5 10 1000",
        "ZADD y 1 a 2 b 7 c",
        "ZADD z 1.5 a 2 b",
        "ZUNIONSTORE counts 2 y z WEIGHTS 2 0.5 AGGREGATE COUNT",
        "ZINTERSTORE both 2 y z AGGREGATE COUNT",
        "ZINTERSTORE max 2 y z AGGREGATE MAX",
        "XGROUP CREATE s g 0 MKSTREAM",
        "XADD s 1-1 f v",
        "XADD s 2-1 f v",
        "XADD s 3-1 f v",
        "XREADGROUP GROUP g c COUNT 2 STREAMS s >",
        "XACK s g 1-1",
        "XREADGROUP GROUP g d CLAIM 0 COUNT 1 STREAMS s >",
        "XNACK s g FAIL RETRYCOUNT 4 IDS 1 2-1",
        "XCLAIM s g e 1000 2-1",
        "XADD s ACKED MAXLEN 1 4-* f v",
        "XTRIM s MINID 3-1 DELREF",
        "XADD s NOMKSTREAM DELREF MAXLEN = 2 * f v",
        "MULTI",
        "HIMPORT SET g set you 8",
        "LMOVEM c d LEFT RIGHT",
        "EXEC",
    ] {
        ok(&mut m, line);
    }
    assert_eq!(ok(&mut m, "ZRANGE counts 0 -1 WITHSCORES"), list(&["c", "2", "a", "2.5", "b", "2.5"]));
    assert_eq!(ok(&mut m, "SUNIONCARD 2 nothing nobody APPROX LIMIT 3"), Value::Int(0));
    assert_eq!(ok(&mut m, "HGETALL h"), list(&["name", "me", "age", "7"]));
    assert_eq!(m.cmd("WAIT 1 20000").unwrap(), Value::Int(1));
    for line in [
        "LRANGE a 0 -1",
        "PEXPIRETIME a",
        "LRANGE b 0 -1",
        "LRANGE c 0 -1",
        "LRANGE d 0 -1",
        "HGETALL h",
        "HGETALL g",
        "GET user",
        "XRANGE s - +",
        "XPENDING s g",
        "ZRANGE counts 0 -1 WITHSCORES",
        "ZRANGE both 0 -1 WITHSCORES",
        "ZRANGE max 0 -1 WITHSCORES",
        "PEXPIRETIME user",
        "DBSIZE",
    ] {
        assert_eq!(ok(&mut r, line), ok(&mut m, line), "{line}");
    }
}

#[test]
fn a_move_of_exactly_so_many_waits_for_them() {
    let server = Server::start(Kind::Everwrite);
    let (mut waiting, mut other) = (server.client(), server.client());
    waiting.send(&["BLMOVEM", "a", "b", "LEFT", "RIGHT", "0", "EXACTLY", "3", "BULK"]).unwrap();
    wait_until("it to wait", SOON, || info(&mut other, "blocked_clients") == "1");
    ok(&mut other, "RPUSH a 1 2");
    assert_eq!(waiting.receive_within(Duration::from_millis(300)).unwrap(), None);
    assert_eq!(ok(&mut other, "LLEN a"), Value::Int(2));
    ok(&mut other, "RPUSH a 3 4");
    assert_eq!(waiting.receive().unwrap(), list(&["1", "2", "3"]));
    assert_eq!(ok(&mut other, "LRANGE a 0 -1"), list(&["4"]));
}

#[test]
fn prepared_fields_belong_to_a_connection() {
    let server = Server::start(Kind::Everwrite);
    let (mut client, mut other) = (server.client(), server.client());
    let refused = |client: &mut Client, line: &str| client.cmd(line).unwrap().to_string();
    ok(&mut client, "HIMPORT PREPARE s a b");
    assert_eq!(refused(&mut client, "HIMPORT PREPARE t a b a"), "-ERR duplicate field name in fieldset");
    assert_eq!(refused(&mut other, "HIMPORT SET k s 1 2"), "-ERR no such fieldset");
    assert_eq!(
        refused(&mut client, "HIMPORT SET k s 1"),
        "-ERR number of values does not match the fieldset"
    );
    ok(&mut client, "SET string v");
    assert!(refused(&mut client, "HIMPORT SET string s 1 2").starts_with("-WRONGTYPE"));
    ok(&mut client, "HSET k c 3");
    ok(&mut client, "EXPIRE k 100");
    ok(&mut client, "HIMPORT SET k s 1 2");
    assert_eq!(ok(&mut client, "TTL k"), Value::Int(-1));
    assert_eq!(ok(&mut client, "HGETALL k"), list(&["a", "1", "b", "2"]));
    client.cmd("RESET").unwrap();
    assert_eq!(refused(&mut client, "HIMPORT SET k s 1 2"), "-ERR no such fieldset");
    assert_eq!(ok(&mut client, "HIMPORT DISCARD s"), Value::Int(0));
    // What is prepared is bounded.
    let long = "x".repeat(600_000);
    assert!(!client.call(&["HIMPORT", "PREPARE", "one", &long]).unwrap().is_error());
    assert!(client.call(&["HIMPORT", "PREPARE", "two", &long]).unwrap().is_error());
    assert_eq!(ok(&mut client, "HIMPORT DISCARDALL"), Value::Int(1));
}

#[test]
fn large_requests_and_replies_are_logged() {
    let server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    ok(&mut client, "CONFIG SET commandlog-request-larger-than 1000 commandlog-reply-larger-than 2000");
    client.call(&["SET", "k", &"x".repeat(3000)]).unwrap();
    client.cmd("GET k").unwrap();
    ok(&mut client, "PING");
    assert_eq!(ok(&mut client, "COMMANDLOG LEN large-request"), Value::Int(1));
    assert_eq!(ok(&mut client, "COMMANDLOG LEN large-reply"), Value::Int(1));
    let Value::Array(entries) = ok(&mut client, "COMMANDLOG GET -1 large-reply") else { panic!() };
    let Value::Array(entry) = &entries[0] else { panic!() };
    assert_eq!((&entry[2], &entry[3]), (&Value::Int(3009), &list(&["GET", "k"])));
    ok(&mut client, "COMMANDLOG RESET large-reply");
    assert_eq!(ok(&mut client, "COMMANDLOG LEN large-reply"), Value::Int(0));
    ok(&mut client, "CONFIG SET commandlog-request-larger-than -1");
    client.call(&["SET", "k", &"x".repeat(3000)]).unwrap();
    assert_eq!(ok(&mut client, "COMMANDLOG LEN large-request"), Value::Int(1));
    assert!(client.cmd("COMMANDLOG LEN huge").unwrap().is_error());
}

#[test]
fn a_replica_sends_those_who_follow_redirections_to_its_master() {
    let (master, replica) = (Server::start(Kind::Everwrite), Server::start(Kind::Everwrite));
    let (mut r, mut plain) = (replica.client(), replica.client());
    follow(&mut r, &master);
    let redirect = format!("-REDIRECT 127.0.0.1:{}", master.address().port());
    let said = |client: &mut Client, line: &str| client.cmd(line).unwrap().to_string();
    assert!(said(&mut r, "READONLY").contains("cluster support disabled"));
    ok(&mut r, "CLIENT CAPA something REDIRECT");
    assert_eq!(said(&mut r, "GET k"), redirect);
    assert_eq!(said(&mut r, "SET k v"), redirect);
    assert_eq!(said(&mut r, "PING"), "+PONG");
    assert!(said(&mut plain, "SET k v").starts_with("-READONLY"));
    assert!(!plain.cmd("GET k").unwrap().is_error());
    ok(&mut r, "READONLY");
    assert!(!r.cmd("GET k").unwrap().is_error());
    assert_eq!(said(&mut r, "SET k v"), redirect);
    ok(&mut r, "READWRITE");
    assert_eq!(said(&mut r, "GET k"), redirect);
    ok(&mut plain, "REPLICAOF NO ONE");
    assert_eq!(said(&mut r, "SET k v"), "+OK");
}

/// What is pending becomes overdue while its reader waits, or is given back: no entry was added.
#[test]
fn who_waits_for_what_is_pending_gets_it_in_time() {
    let server = Server::start(Kind::Everwrite);
    let (mut client, mut waiting) = (server.client(), server.client());
    for line in ["XGROUP CREATE s g 0 MKSTREAM", "XADD s 1-1 f v", "XREADGROUP GROUP g a STREAMS s >"] {
        ok(&mut client, line);
    }
    let claim = |waiting: &mut Client, block: &str, idle: &str| {
        let words = [
            "XREADGROUP",
            "GROUP",
            "g",
            "b",
            "BLOCK",
            block,
            "CLAIM",
            idle,
            "STREAMS",
            "other",
            "s",
            ">",
            ">",
        ];
        waiting.send(&words).unwrap();
    };
    ok(&mut client, "XGROUP CREATE other g 0 MKSTREAM");
    claim(&mut waiting, "0", "300");
    wait_until("it to wait", SOON, || info(&mut client, "blocked_clients") == "1");
    let reply = waiting.receive().unwrap().to_string();
    assert!(reply.contains("1-1"), "{reply}");
    assert_eq!(info(&mut client, "blocked_clients"), "0");
    let pending = ok(&mut client, "XPENDING s g - + 9 b").to_string();
    assert!(pending.contains("1-1"), "{pending}");

    claim(&mut waiting, "200", "600000");
    assert_eq!(waiting.receive().unwrap(), Value::NullArray);

    claim(&mut waiting, "0", "600000");
    wait_until("it to wait", SOON, || info(&mut client, "blocked_clients") == "1");
    ok(&mut client, "XNACK s g FAIL IDS 1 1-1");
    let reply = waiting.receive().unwrap().to_string();
    assert!(reply.contains("1-1"), "{reply}");

    // One waits for what another has been given after that.
    let mut other = server.client();
    claim(&mut waiting, "0", "200");
    claim(&mut other, "0", "200");
    for client in [&mut waiting, &mut other] {
        assert!(client.receive().unwrap().to_string().contains("1-1"));
    }
}

/// A key that is carried over yields to what was written later.
#[test]
fn what_keydbs_tools_carry_over() {
    let server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    ok(&mut client, "SET k old");
    let Value::Bulk(dump) = ok(&mut client, "DUMP k") else { panic!() };
    ok(&mut client, "SET k new");
    let now: u64 =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let mut restore = |ms: u64, deadline: &str| {
        let stamp = (ms << 20).to_string();
        let words: [&[u8]; 5] = [b"KEYDB.MVCCRESTORE", b"k", stamp.as_bytes(), deadline.as_bytes(), &dump];
        client.send(&words).unwrap();
        let reply = client.receive().unwrap();
        assert_eq!(reply, Value::Simple("OK".into()));
        (ok(&mut client, "GET k"), ok(&mut client, "PEXPIRETIME k"))
    };
    assert_eq!(restore(now - 60_000, "-1"), (text("new"), Value::Int(-1)));
    assert_eq!(restore(now + 60_000, "-1"), (text("old"), Value::Int(-1)));
    assert_eq!(restore(now + 60_000, "4102444800000"), (text("old"), Value::Int(4_102_444_800_000)));
}

/// What travels on its own keeps the deadlines of its members, and a Redis that does not know of them takes it all the same.
#[test]
fn members_keep_their_deadlines_on_the_way() {
    let (server, redis) = (Server::start(Kind::Everwrite), Server::start(Kind::Redis));
    let (mut client, mut other) = (server.client(), redis.client());
    for line in [
        "HSET h f 1 g 2",
        "HPEXPIREAT h 4000000000000 FIELDS 1 g",
        "SADD s 1 2 x",
        "PEXPIREMEMBERAT s 2 4000000000000",
        "ZADD z 1 a 2 b",
        "PEXPIREMEMBERAT z b 4000000000000",
        "HSET short f 1",
        "HPEXPIRE short 1 FIELDS 1 f",
        "COPY h h-copy",
        "COPY s s-copy",
        "COPY z z-copy",
    ] {
        ok(&mut client, line);
    }
    for key in ["h", "s", "z"] {
        let Value::Bulk(dump) = ok(&mut client, &format!("DUMP {key}")) else { panic!() };
        for (to, name) in [(&mut client, format!("{key}-restored")), (&mut other, key.to_string())] {
            to.send(&[b"RESTORE", name.as_bytes(), b"0", &dump]).unwrap();
            assert_eq!(to.receive().unwrap(), Value::Simple("OK".into()));
        }
    }
    for (key, member, all) in [("h", "g", "HLEN"), ("s", "2", "SCARD"), ("z", "b", "ZCARD")] {
        for form in ["", "-copy", "-restored"] {
            let left = ok(&mut client, &format!("PTTL {key}{form} {member}")).int().unwrap();
            assert!(left > 1_000_000_000, "{key}{form}: {left}");
            let size = ok(&mut client, &format!("{all} {key}{form}"));
            assert_eq!(size, ok(&mut other, &format!("{all} {key}")));
        }
    }
    assert_eq!(ok(&mut client, "HPEXPIRETIME h-restored FIELDS 1 f"), Value::Array(vec![Value::Int(-1)]));
}

/// As a Redis 7.4 dumps them: the same, one field of which has expired, and nothing but that.
#[test]
fn hashes_of_later_versions_are_restored() {
    let server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    let mut restore = |key: &str, dump: &[u8]| {
        client.send(&[b"RESTORE", key.as_bytes(), b"0", dump]).unwrap();
        assert_eq!(client.receive().unwrap(), Value::Simple("OK".into()));
        (ok(&mut client, &format!("HKEYS {key}")), ok(&mut client, &format!("EXISTS {key}")))
    };
    let payload = |object: &[u8]| {
        let mut all = [object, &12u16.to_le_bytes()].concat();
        let crc = crc64(&all);
        all.extend(crc.to_le_bytes());
        all
    };
    let earliest = 1_000i64.to_le_bytes();
    let both = [&[24][..], &earliest, b"\x02\x01\x04gone\x01x\x00\x04here\x01y"].concat();
    assert_eq!(restore("both", &payload(&both)), (list(&["here"]), Value::Int(1)));
    let spent = [&[24][..], &earliest, b"\x01\x01\x04gone\x01x"].concat();
    assert_eq!(restore("spent", &payload(&spent)), (list(&[]), Value::Int(0)));
}

/// CRC-64 with Jones's polynomial, bit by bit.
fn crc64(bytes: &[u8]) -> u64 {
    const REFLECTED: u64 = 0x95ac_9329_ac4b_c9b5;
    bytes.iter().fold(0, |crc: u64, byte| {
        (0..8).fold(crc ^ u64::from(*byte), |crc, _| (crc >> 1) ^ (REFLECTED * (crc & 1)))
    })
}

/// Options of newer servers that are not here are refused in words that say so, and nothing is done.
#[test]
fn options_that_are_not_there_say_so() {
    let server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    ok(&mut client, "GEOADD g 13 38 p");
    for (line, option) in [
        ("XADD x IDMP producer 1 * f v", "XADD IDMP"),
        ("XADD x NOMKSTREAM idmpauto producer * f v", "XADD IDMPAUTO"),
        ("GEOSEARCH g BYPOLYGON 3 0 0 0 1 1 0", "GEOSEARCH BYPOLYGON"),
        ("GEOSEARCHSTORE to g BYPOLYGON 3 0 0 0 1 1 0", "GEOSEARCHSTORE BYPOLYGON"),
        ("BGSAVE CANCEL", "BGSAVE CANCEL"),
    ] {
        let refused = client.cmd(line).unwrap().to_string();
        let begins = format!("-ERR syntax error, {option} is not supported here: ");
        assert!(refused.starts_with(&begins), "{line}: {refused}");
    }
    assert_eq!(ok(&mut client, "DBSIZE"), Value::Int(1));
    assert_eq!(
        client.cmd("XADD x NOID * f v").unwrap().to_string(),
        "-ERR Invalid stream ID specified as stream command argument"
    );
    for (line, what) in
        [("CLIENT IMPORT-SOURCE ON", "subcommand 'IMPORT-SOURCE'"), ("STICK k", "command 'STICK'")]
    {
        let refused = client.cmd(line).unwrap().to_string();
        assert!(
            refused.starts_with(&format!("-ERR unknown {what}, which is not supported here: ")),
            "{refused}"
        );
    }
}
