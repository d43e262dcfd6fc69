//! What is passed on to replicas: the same commands that redis-server passes on, also where a command has changed nothing but
//! counts as a change.

use harness::decode::read_value;
use harness::value::Value;
use harness::wait::wait_until;
use harness::{Client, Kind, Server};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// What is there before each line.
const BEFORE: &str = "\
SET s hello
SET n 10
SET f 1.5
SET t v PXAT 99999999999000
HSET h a 1 b 2
RPUSH l a b c
SADD st a
SADD st2 c
ZADD z 1 a 2 b
XADD x 1-1 f v
XADD x 1-2 f v
XGROUP CREATE x g 0
PFADD p a b
SETBIT bm 3 1
GEOADD geo 1 2 m";

/// Commands, most of which change nothing. Those before the last `;` only prepare.
const LINES: &str = "\
APPEND s \"\"
APPEND new \"\"
SETRANGE s 0 hello
SETRANGE s 0 hell
SETRANGE s 0 \"\"
SETRANGE new 0 \"\"
SETRANGE new 3 x
SETBIT bm 3 1
SETBIT bm 2 0
SETBIT new 2 0
BITFIELD bm SET u8 0 16
BITFIELD bm INCRBY u8 0 0
BITFIELD new INCRBY u8 0 0
BITFIELD bm GET u8 0
SET s hello
SET s hello XX
SET s hello GET
SET s hello KEEPTTL
SETNX s hello
GETSET s hello
MSET s hello n 10
MSETNX s hello
INCRBY n 0
DECRBY n 0
INCRBYFLOAT n 0
HSET h a 1
HSETNX h a 1
HINCRBY h a 0
HINCRBYFLOAT h a 0
HDEL h nope
LSET l 0 a
LTRIM l 0 -1
LREM l 0 nope
LINSERT l BEFORE nope x
LPUSHX nope a
DEL l;RPUSH l a;LMOVE l l LEFT LEFT
LPOP l 0
SADD st a
SREM st nope
SMOVE st st a
SADD st2 a;SMOVE st st2 a
SUNIONSTORE d st st2;SUNIONSTORE d st st2
SDIFFSTORE d nope
SPOP st 0
ZADD z 1 a
ZADD z XX CH 1 a
ZADD z INCR 0 a
ZINCRBY z 0 a
ZUNIONSTORE d 1 z;ZUNIONSTORE d 1 z
ZUNIONSTORE d 1 nope
ZRANGESTORE d z 5 9
EXPIREAT t 99999999999
PEXPIREAT t 99999999999000
EXPIRE nope 10
EXPIREAT t 99999999998 GT
PERSIST s
GETEX s PERSIST
GETEX t EXAT 99999999999
GETEX t PXAT 99999999999000
RENAME s s
COPY s n
COPY s n REPLACE
TOUCH s
DEL nope
SORT l ALPHA STORE d;SORT l ALPHA STORE d
SORT nope STORE d
BITOP AND d s n;BITOP AND d s n
PFADD p a
PFADD new
PFMERGE p p
PFMERGE p
PFMERGE d p;PFMERGE d p
GEOADD geo 1 2 m
GEORADIUS geo 1 2 100 km STORE d;GEORADIUS geo 1 2 100 km STORE d
XADD nope NOMKSTREAM 9-1 a b
XADD x NOMKSTREAM 9-1 a b
XADD x MAXLEN 1 9-1 a b
XADD x MAXLEN ~ 1 9-1 a b
XADD x MAXLEN ~ 1 * a b
XTRIM x MAXLEN 10
XTRIM x MAXLEN ~ 1
XTRIM x MINID = 1-2
XDEL x 7-7
XSETID x 1-2
XSETID x 5-0;XSETID x 5-0
XGROUP SETID x g 0
XGROUP SETID x g $
XGROUP CREATECONSUMER x g c;XGROUP CREATECONSUMER x g c
XGROUP DELCONSUMER x g nope
XGROUP DESTROY x nope
XACK x g 7-7
XCLAIM x g c 0 7-7
XREADGROUP GROUP g c COUNT 1 NOACK STREAMS x >
FLUSHDB
FLUSHALL;FLUSHALL
SWAPDB 0 1
SWAPDB 0 0
EVAL return(redis.call('SETRANGE',KEYS[1],0,'hello')) 1 s
EVAL return(redis.call('HSET',KEYS[1],'a','1')) 1 h
PUBLISH a b";

/// A replica that only listens.
struct Listener(BufReader<TcpStream>);

impl Listener {
    fn attach(server: &Server) -> Listener {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut listener = Listener(BufReader::new(stream));
        for line in ["REPLCONF capa psync2", "PSYNC ? -1"] {
            listener.say(line);
            while listener.line().is_empty() {}
        }
        let mut head = String::new();
        while head.is_empty() {
            head = listener.line();
        }
        let len: usize = head.strip_prefix('$').and_then(|len| len.parse().ok()).expect("a snapshot");
        listener.0.read_exact(&mut vec![0; len]).unwrap();
        listener
    }

    fn say(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The commands up to a message on this channel. What stands for itself, such as a time, is left out.
    fn until(&mut self, channel: &str) -> Vec<String> {
        let mut found = Vec::new();
        loop {
            let words: Vec<String> =
                read_value(&mut self.0).unwrap().items().unwrap().iter().map(Value::text).collect();
            match words[0].to_uppercase().as_str() {
                "PING" | "REPLCONF" | "SELECT" => {}
                "PUBLISH" if words[1] == channel => return found,
                _ => found.push(words.iter().map(|word| plain(word)).collect::<Vec<_>>().join(" ")),
            }
        }
    }
}

/// Ids that the clock has given look alike.
fn plain(word: &str) -> String {
    let is_now = word.len() == 15 && word.starts_with('1') && word.ends_with("-0");
    if is_now { "<now>".into() } else { word.into() }
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(|word| word.replace("\"\"", "")).collect()
}

/// What a line has passed on.
fn passed_on(client: &mut Client, listener: &mut Listener, line: &str) -> Vec<String> {
    let (prepare, last) = line.rsplit_once(';').unwrap_or(("", line));
    client.cmd("FLUSHALL").unwrap();
    for line in BEFORE.lines().chain(prepare.split(';').filter(|line| !line.is_empty())) {
        client.call(&words(line)).unwrap();
    }
    client.cmd("PUBLISH begin x").unwrap();
    listener.until("begin");
    client.call(&words(last)).unwrap();
    client.cmd("PUBLISH end x").unwrap();
    listener.until("end")
}

#[test]
fn what_counts_as_a_change_is_passed_on() {
    let options = &["--repl-diskless-sync", "no", "--repl-ping-replica-period", "3600"];
    let servers = [Kind::Redis, Kind::Everwrite].map(|kind| Server::start_with(kind, options));
    let mut listeners = [0, 1].map(|at: usize| Listener::attach(&servers[at]));
    let mut clients = [0, 1].map(|at: usize| servers[at].client());
    let mut wrong = Vec::new();
    for line in LINES.lines() {
        let [theirs, ours] = [0, 1].map(|at| passed_on(&mut clients[at], &mut listeners[at], line));
        if theirs != ours {
            wrong.push(format!("{line}:\n  redis {theirs:?}\n  ours  {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What consumers have: of each pending entry its id, consumer and deliveries; of each group how far it has read.
fn consumers(server: &Server) -> String {
    let mut client = server.client();
    let pending = client.cmd("XPENDING x g - + 1000").unwrap();
    let without_idle = |entry: &Value| {
        let parts = entry.items().unwrap();
        format!("{} {} {}", parts[0], parts[1], parts[3])
    };
    let pending: Vec<String> = pending.items().unwrap_or_default().iter().map(without_idle).collect();
    format!("{} {pending:?}", client.cmd("XINFO GROUPS x").unwrap())
}

/// Whom an entry belongs to depends on the clock: a replica, and whoever reads the log later, get what came of it.
#[test]
fn what_consumers_have_is_the_same_elsewhere() {
    let options =
        &["--appendonly", "yes", "--repl-diskless-sync-delay", "0", "--stream-node-max-entries", "7"];
    let mut ours = Server::start_with(Kind::Everwrite, options);
    let of = format!("{} {}", ours.address().ip(), ours.address().port());
    let replica = Server::start_with(Kind::Redis, &["--replicaof", &of]);
    let up =
        |server: &Server, word: &str| server.client().cmd("INFO replication").unwrap().text().contains(word);
    wait_until("the replica is up", SOON, || up(&replica, "master_link_status:up"));
    let mut client = ours.client();
    for n in 1..=60 {
        client.cmd(&format!("XADD x {n}-1 f {n}")).unwrap();
    }
    client.cmd("XGROUP CREATE x g 0").unwrap();
    client.cmd("XREADGROUP GROUP g a COUNT 30 STREAMS x >").unwrap();
    std::thread::sleep(Duration::from_millis(60));
    client.cmd("XREADGROUP GROUP g b COUNT 10 STREAMS x >").unwrap();
    for line in [
        // Only what the first consumer has is old enough, and by now only here.
        "XCLAIM x g c 50 1-1 2-1 3-1 35-1",
        "XDEL x 5-1 6-1",
        "XAUTOCLAIM x g d 50 4-1 COUNT 5 JUSTID",
        "XAUTOCLAIM x g e 50 20-1",
        "XREADGROUP GROUP g f CLAIM 50 COUNT 3 STREAMS x >",
        "XREADGROUP GROUP g b STREAMS x 0",
        "XREADGROUP GROUP g idle STREAMS x 0",
        "XREADGROUP GROUP g f COUNT 5 NOACK STREAMS x >",
        "XACK x g 1-1",
        "XADD x MAXLEN ~ 20 61-1 f 61",
        "XADD x MINID ~ 45 62-1 f 62",
        "XTRIM x MAXLEN ~ 12",
        "MULTI",
        "XREADGROUP GROUP g a COUNT 1 STREAMS x >",
        "XREADGROUP GROUP g b COUNT 1 STREAMS x >",
        "EXEC",
    ] {
        let reply = client.cmd(line).unwrap();
        assert!(!reply.is_error(), "{line}: {reply}");
    }
    let digest = |server: &Server| server.client().cmd("DEBUG DIGEST").unwrap().to_string();
    let expected = (consumers(&ours), digest(&ours));
    assert_eq!(client.cmd("WAIT 1 20000").unwrap().int(), Some(1));
    assert_eq!((consumers(&replica), digest(&replica)), expected);
    ours.kill();
    ours.start_again();
    let loading = |server: &Server| server.client().cmd("DBSIZE").unwrap().is_error();
    wait_until("the log is loaded", SOON, || !loading(&ours));
    assert_eq!((consumers(&ours), digest(&ours)), expected);
}
