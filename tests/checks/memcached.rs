//! The memcached protocol, beside Debian's `memcached` (or `$MEMCACHED_BIN`), and beside Redis's commands on the same keys.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::mesh::{Mesh, info};
use harness::wait::{wait_for, wait_until};
use harness::{Client, Kind, Server};

const SOON: Duration = Duration::from_secs(20);

/// A connection that speaks lines.
struct Talk(TcpStream);

impl Talk {
    fn to(port: u16) -> Talk {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = wait_for(SOON, || TcpStream::connect(address).ok()).expect("it listens");
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_nodelay(true).unwrap();
        Talk(stream)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Sends requests, and `mn` twice behind them, and reads up to what answers that, or to the end. Twice: among the requests
    /// there may be one.
    fn say(&mut self, requests: &str) -> String {
        self.say_bytes(requests.as_bytes())
    }

    fn say_bytes(&mut self, requests: &[u8]) -> String {
        self.send(requests);
        self.send(b"mn\r\nmn\r\n");
        let mut all = Vec::new();
        let mut room = [0; 4096];
        while !all.ends_with(b"MN\r\nMN\r\n") {
            match self.0.read(&mut room) {
                Ok(0) => break,
                Ok(n) => all.extend_from_slice(&room[..n]),
                Err(e) if e.kind() == ErrorKind::ConnectionReset => break,
                Err(e) => panic!("{e} after {:?}", String::from_utf8_lossy(&all)),
            }
        }
        let text = String::from_utf8_lossy(&all).replace("\r\n", "|");
        text.strip_suffix("MN|MN|").map_or(text.clone(), str::to_string)
    }
}

/// The real thing.
struct Memcached {
    child: Child,
    port: u16,
}

impl Memcached {
    fn start() -> Memcached {
        let program = std::env::var_os("MEMCACHED_BIN").unwrap_or("memcached".into());
        let port = free_port();
        let child = Command::new(program)
            .args(["-l", "127.0.0.1", "-U", "0", "-u", "root", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("memcached is installed");
        Memcached { child, port }
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Ours, and its port for this protocol.
fn start(options: &[&str]) -> (Server, u16) {
    let port = free_port();
    let text = port.to_string();
    let all: Vec<&str> = ["--memcached_port", &text].iter().chain(options).copied().collect();
    (Server::start_with(Kind::Everwrite, &all), port)
}

fn cmd(client: &mut Client, line: &str) -> String {
    client.cmd(line).unwrap().to_string()
}

/// What is answered alike, byte for byte. Each begins with an empty store. (Not here: a number that has become shorter, which
/// memcached pads with blanks, and unique numbers.)
const CONVERSATIONS: &[&str] = &[
    // Lines that are none.
    "foo\r\n\r\nGET a\r\nget\r\nget \r\ngets\r\nincr a\r\ntouch a\r\ngat\r\ngat 10\r\ndelete\r\n",
    "set a 0 0\r\ncas a 0 0 1\r\nset a 0 0 x\r\nset a 0 0 -1\r\nset a x 0 1\r\nset a 0 x 1\r\nset a -1 0 1\r\n",
    "flush_all 1 2 3\r\nverbosity\r\nverbosity x\r\nstats foo\r\n",
    // Data that do not end where they should.
    "set a 0 0 3\r\nfooo\r\nget a\r\n",
    "set a 0 0 3\r\nfo\r\nget a\r\n",
    "set a 0 0 3 noreply\r\nfooo\r\nget a\r\n",
    // What is wrong with the words is not said to who wants no reply, what is wrong with their number is.
    "incr a x noreply\r\nincr  7 noreply\r\ntouch a x noreply\r\ndelete a b noreply\r\nset a b 0 1 noreply\r\nset a noreply\r\nincr noreply\r\n",
    "cas a 0 0 3 x noreply\r\nset a 0 0 noreply\r\nflush_all x noreply\r\nget a\r\n",
    "touch a 3000000000\r\ntouch a 99999999999999999999\r\ngat 3000000000 a\r\nappend a 0 3000000000 1\r\nx\r\n",
    // Nothing is there that could have another number.
    "ms a 1 ME C1\r\nx\r\nms b 1 MA C1\r\nx\r\nms b 1 MR C1\r\nx\r\nms b 1 C1\r\nx\r\nms b 1 MP C1\r\nx\r\nget a b\r\n",
    "ms a 1\r\nx\r\nmg a u v\r\nmg b u\r\nmg b u k q\r\n",
    "set a 0 0 1\nb\nget a\n",
    // Storing and fetching.
    "set a 4294967295 0 1\r\nf\r\nget a\r\nset a 4294967296 0 1\r\nf\r\nget a\r\n",
    "set a 5 0 3 noreply\r\nfoo\r\nget a b a\r\nset a 5 0 0\r\n\r\nget a\r\nset a 5 0 3 bogus\r\nfoo\r\n get  a \r\n",
    "add a 1 0 1\r\nx\r\nadd a 2 0 1\r\ny\r\nget a\r\nreplace a 3 0 1\r\nz\r\nget a\r\nreplace b 0 0 1\r\nz\r\n",
    "append a 0 0 1\r\nx\r\nprepend a 0 0 1\r\nx\r\nset a 7 0 1\r\nm\r\nappend a 9 9 1\r\nr\r\nprepend a 9 9 1\r\nl\r\nget a\r\n",
    "cas a 0 0 1 5\r\nx\r\nset a 0 0 1\r\nx\r\ncas a 0 0 1 0\r\ny\r\ncas a 0 0 1 x\r\nget a\r\n",
    "set a 0 0 1\r\nx\r\ndelete a\r\ndelete a\r\ndelete a 0\r\ndelete a 1\r\ndelete a 0 noreply\r\ndelete a noreply\r\n",
    // Numbers.
    "incr a 1\r\nset a 3 0 2\r\n10\r\nincr a 5\r\ndecr a 4\r\nincr a x\r\nincr a -1\r\nincr a 7 noreply\r\nget a\r\n",
    "set a 0 0 1\r\n7\r\nincr a 18446744073709551608\r\nincr a 2\r\nincr a 18446744073709551616\r\ndecr a 100\r\n",
    "set a 0 0 1\r\n \r\nincr a 1\r\nset a 0 0 3\r\n1 2\r\nincr a 1\r\nset a 0 0 3\r\n-12\r\nincr a 1\r\nset a 0 0 0\r\n\r\nincr a 1\r\n",
    "set a 0 0 3\r\n012\r\nincr a 1\r\nset a 0 0 3\r\n12 \r\nincr a 1\r\nset a 0 0 3\r\nabc\r\ndecr a 1\r\n",
    // Exptimes.
    "set a 0 -1 1\r\nb\r\nget a\r\nset a 0 2592001 1\r\nb\r\nget a\r\nset a 0 100 1\r\nb\r\nmg a t v\r\n",
    "set a 1 0 1\r\nb\r\ntouch a 100\r\nmg a t\r\ntouch a x\r\ntouch b 1\r\ngat 200 a b\r\nmg a t\r\ngat x a\r\ntouch a 0 noreply\r\nmg a t\r\n",
    "set a 1 0 1\r\nb\r\ngat -1 a\r\nget a\r\n",
    "set a 1 0 1\r\nb\r\nflush_all noreply\r\nget a\r\nflush_all 0\r\nflush_all x\r\nflush_all -1\r\nverbosity 1\r\nverbosity 1 noreply\r\n",
    // The limit of memory.
    "cache_memlimit\r\ncache_memlimit x\r\ncache_memlimit 4\r\ncache_memlimit 200\r\ncache_memlimit 300 noreply\r\ncache_memlimit 200 foo\r\n",
    "cache_memlimit 1 2 3\r\ncache_memlimit 1000000001\r\ncache_memlimit -1\r\ncache_memlimit 0 noreply\r\ncache_memlimit x noreply\r\ncache_memlimit noreply\r\n",
    // Too much.
    "set a 0 0 1\r\nx\r\nset a 0 0 2000000 noreply\r\n{2000000}\r\nget a\r\nset a 0 0 2000000\r\n{2000000}\r\nms a 2000000\r\n{2000000}\r\n",
    "set a 0 0 1\r\nx\r\nadd a 0 0 2000000\r\n{2000000}\r\nget a\r\n",
    "get {250}\r\nget {251}\r\nset {251} 0 0 1\r\nincr {251} 1\r\nmg {251} v\r\n",
    // Meta commands.
    "mn 1\r\nmg\r\nms\r\nmd\r\nma\r\nme\r\nms a\r\nms a x\r\nms a -1\r\nms a 1 !\r\nx\r\nms a 1 Cx\r\nx\r\nms a 1 Fx\r\nx\r\nmg a !\r\nmg a v v\r\nmg a Tx\r\nmd a !\r\nma a Dx\r\n",
    "ms a 1 F5 T0\r\nx\r\nmg a v f t s k Oabc q\r\nmg a\r\nmg a v\r\nmg b v k Ox\r\nmg b v q\r\nmg a k q Ox\r\nget a\r\n",
    "ms a 1 q\r\nx\r\nms a 1 k Oz\r\ny\r\nms a 1 k q\r\nx\r\nms a 1 O123456789012345678901234567890123\r\nx\r\nms a 1\r\nxx\r\n",
    "ms a 2 MA\r\nyy\r\nms a 1 MR\r\nq\r\nms a 1 ME\r\nq\r\nms a 1 ME\r\nr\r\nms a 2 MA\r\nyy\r\nms a 2 MP\r\nzz\r\nms a 1 MX\r\nx\r\nms a 1 Mappend\r\nx\r\nms a 1 M\r\nx\r\nmg a v\r\n",
    "ms a 1 C5\r\nq\r\nms a 1\r\nq\r\nms a 1 C5\r\nr\r\nms a 1 T-1\r\nx\r\nmg a\r\n",
    "md a\r\nmd a q\r\nms a 1\r\nx\r\nmd a C1 k Oq\r\nmd a k Oq\r\nmd a k Oq\r\nms a 1\r\nx\r\nmd a q\r\nmg a\r\n",
    "ms a 1 F9\r\nq\r\nmd a I T30\r\nmg a v t f\r\nmg a v t\r\nms a 1\r\nw\r\nmg a v\r\n",
    "ms a 1\r\nq\r\nms a 1 C1 I\r\nr\r\nmg a v\r\nmg a v\r\nmd a I\r\nmg a v\r\nmg a v\r\n",
    "mg a v N30 t\r\nmg a v N30 t\r\nmg a s v\r\nms a 1\r\nx\r\nmg a v\r\nms r 1 T20\r\na\r\nmg r v R10\r\nmg r v R30\r\nmg r v R30\r\nmg r v\r\n",
    "ma a\r\nma a q\r\nma a N0\r\nma b N0 J13 v t\r\nma b v\r\nma b MD D3 v k Oz\r\nma b M+ D5 v\r\nma b MI\r\nma b M- D100 v q\r\nma b v\r\nma a Mincr\r\nma a MX\r\nma a D-1\r\nms s 1\r\nx\r\nma s\r\nma s C9\r\n",
    "ms YWJj 1 b\r\nx\r\nmg YWJj b v k\r\nmg abc v\r\nmg YW_j b v\r\nms YWJj 1 b k\r\nx\r\nmd YWJj b k\r\nme abc\r\n",
    // Sizes that are none, and another protocol.
    "set a 0 0 2147483646\r\nset a 0 0 2147483647\r\nms a 2147483646\r\n",
    "get a\r\nGET / HTTP/1.0\r\nget b\r\n",
    "POST /set HTTP/1.1\r\nHost: x\r\n\r\nset a 0 0 1\r\nx\r\n",
    "DELETE HTTP/1.1\r\n",
    "PUT a\r\nGET a\r\nget HTTP/1.1\r\nHTTP/1.1\r\n",
    // The end.
    "version\r\nquit\r\nget a\r\n",
    "quit now\r\n",
];

/// Digits in braces stand for as many letters.
fn expand(script: &str) -> String {
    let mut text = String::new();
    for (i, part) in script.split(['{', '}']).enumerate() {
        match part.parse() {
            Ok(n) if i % 2 == 1 => text.push_str(&"x".repeat(n)),
            _ => text.push_str(part),
        }
    }
    text
}

#[test]
fn answers_like_memcached() {
    let (real, (_server, ours)) = (Memcached::start(), start(&[]));
    for script in CONVERSATIONS {
        let answers = [real.port, ours].map(|port| {
            Talk::to(port).say("flush_all\r\n");
            Talk::to(port).say(&expand(script))
        });
        assert_eq!(answers[1], answers[0], "{script:?}");
    }
}

/// What memcached calls its limit is the server's; who may not change that is refused.
#[test]
fn the_limit_of_memory_is_maxmemory() {
    let (server, port) = start(&[]);
    let (mut client, mut mc) = (server.client(), Talk::to(port));
    assert_eq!(mc.say("cache_memlimit 100\r\ncache_memlimit 7\r\n").split('|').next(), Some("OK"));
    assert_eq!(cmd(&mut client, "CONFIG GET maxmemory"), r#"["maxmemory", "104857600"]"#);
    cmd(&mut client, "ACL SETUSER default -config|set");
    let refused = Talk::to(port).say("cache_memlimit 200\r\n");
    assert!(refused.starts_with("SERVER_ERROR NOPERM"), "{refused}");
    assert_eq!(cmd(&mut client, "CONFIG GET maxmemory"), r#"["maxmemory", "104857600"]"#);
}

#[test]
fn requests_may_come_byte_by_byte() {
    let (_server, port) = start(&[]);
    let goes_on = |script: &&&str| !["000000", "quit", "HTTP/"].iter().any(|part| script.contains(part));
    for script in CONVERSATIONS.iter().filter(goes_on) {
        let script = expand(script);
        let mut whole = Talk::to(port);
        whole.say("flush_all\r\n");
        let expected = whole.say(&script);
        whole.say("flush_all\r\n");
        let mut slow = Talk::to(port);
        for byte in script.bytes() {
            slow.send(&[byte]);
        }
        assert_eq!(slow.say(""), expected, "{script:?}");
    }
}

#[test]
fn a_value_is_one_value_for_both_protocols() {
    let (server, port) = start(&[]);
    let (mut mc, mut redis) = (Talk::to(port), server.client());
    assert_eq!(mc.say("set k 7 0 5\r\nhello\r\n"), "STORED|");
    assert_eq!(cmd(&mut redis, "GET k"), "\"hello\"");
    assert_eq!(cmd(&mut redis, "TYPE k"), "+string");
    // What edits, moves or copies the value leaves its flags.
    for line in ["APPEND k !", "EXPIRE k 100", "PERSIST k", "SETRANGE k 0 J", "RENAME k l", "COPY l k"] {
        cmd(&mut redis, line);
    }
    assert_eq!(mc.say("get k l\r\n"), "VALUE k 7 6|Jello!|VALUE l 7 6|Jello!|END|");
    // What replaces it does not.
    cmd(&mut redis, "SET k 10");
    assert_eq!(mc.say("get k\r\nincr k 5\r\nset n 3 0 2\r\n41\r\n"), "VALUE k 0 2|10|END|15|STORED|");
    assert_eq!(cmd(&mut redis, "INCR n"), "42");
    assert_eq!(cmd(&mut redis, "OBJECT ENCODING k"), "\"int\"");
    assert_eq!(mc.say("get n\r\n"), "VALUE n 3 2|42|END|");
    // Other types are not there, or in the way.
    cmd(&mut redis, "RPUSH list a");
    let answers = mc.say("get list\r\nadd list 0 0 1\r\nx\r\nappend list 0 0 1\r\nx\r\nincr list 1\r\nset list 0 0 1\r\nx\r\nget list\r\n");
    let number = "CLIENT_ERROR cannot increment or decrement non-numeric value";
    assert_eq!(answers, format!("END|NOT_STORED|NOT_STORED|{number}|STORED|VALUE list 0 1|x|END|"));
    // Other databases are another matter.
    cmd(&mut redis, "SELECT 1");
    assert_eq!(cmd(&mut redis, "EXISTS k"), "0");
}

#[test]
fn writes_of_either_change_the_unique_number() {
    let (server, port) = start(&[]);
    let (mut mc, mut redis) = (Talk::to(port), server.client());
    mc.say("set k 0 0 1\r\na\r\n");
    let unique = |mc: &mut Talk| {
        let line = mc.say("gets k\r\n");
        line.split(['|', ' ']).nth(4).unwrap().to_string()
    };
    let first = unique(&mut mc);
    assert_eq!(
        mc.say(&format!("cas k 0 0 1 {first}\r\nb\r\ncas k 0 0 1 {first}\r\nc\r\n")),
        "STORED|EXISTS|"
    );
    let second = unique(&mut mc);
    cmd(&mut redis, "SET k d");
    assert_eq!(mc.say(&format!("cas k 0 0 1 {second}\r\ne\r\n")), "EXISTS|");
    let third = unique(&mut mc);
    assert_eq!(mc.say(&format!("ms k 1 C{third} q\r\nf\r\nget k\r\n")), "VALUE k 0 1|f|END|");
}

#[test]
fn watchers_and_caches_hear_of_it() {
    let (server, port) = start(&["--notify-keyspace-events", "KEA"]);
    let (mut mc, mut redis, mut listener) = (Talk::to(port), server.client(), server.client());
    cmd(&mut listener, "PSUBSCRIBE __keyevent@0__:*");
    for line in ["WATCH k", "MULTI", "SET other 1"] {
        cmd(&mut redis, line);
    }
    mc.say("set k 0 0 1\r\nx\r\n");
    assert_eq!(cmd(&mut redis, "EXEC"), "nil[]");
    let heard = listener.receive().unwrap().to_string();
    assert!(heard.contains("__keyevent@0__:set") && heard.contains("\"k\""), "{heard}");
}

#[test]
fn flags_outlast_the_process() {
    let bases = [
        &["--appendonly", "yes"][..],
        &["--appendonly", "no"],
        &["--appendonly", "yes", "--aof-use-rdb-preamble", "no"],
    ];
    for options in bases {
        let (mut server, port) = start(options);
        let mut mc = Talk::to(port);
        mc.say("set a 5 0 1\r\nx\r\nset b 6 1000 2\r\n10\r\nincr b 1\r\nset c 0 0 1\r\nz\r\nset d 9 0 1\r\nz\r\nappend d 0 0 1\r\ny\r\n");
        mc.say("set e 1 0 1\r\nz\r\ndelete e\r\ntouch d 1000\r\nmd a I\r\n");
        let mut redis = server.client();
        if options[1] == "no" {
            cmd(&mut redis, "SAVE");
        } else if options.len() > 2 {
            cmd(&mut redis, "BGREWRITEAOF");
            wait_until("the rewrite", SOON, || info(&mut redis, "aof_rewrites") == "1");
        }
        drop(mc);
        server.restart();
        let mut mc = Talk::to(port);
        let answers = mc.say("get b c d e\r\nmg a v f\r\nmg a v f\r\n");
        assert_eq!(
            answers, "VALUE b 6 2|11|VALUE c 0 1|z|VALUE d 9 2|zy|END|VA 1 f5 X W|x|VA 1 f5 Z X|x|",
            "{options:?}"
        );
        assert!(!mc.say("mg b t\r\n").contains("t-1"));
        cmd(&mut server.client(), "DEBUG RELOAD");
        assert_eq!(mc.say("get d\r\n"), "VALUE d 9 2|zy|END|");
    }
}

#[test]
fn redis_reads_our_files_all_the_same() {
    let (mut server, port) = start(&["--appendonly", "yes"]);
    Talk::to(port).say("set a 5 0 5\r\nhello\r\nset b 0 0 1\r\nx\r\n");
    let mut redis = server.client();
    cmd(&mut redis, "SAVE");
    let dir = server.dir().to_path_buf();
    server.terminate();
    for appendonly in ["no", "yes"] {
        let real =
            Server::start_with(Kind::Redis, &["--appendonly", appendonly, "--dir", dir.to_str().unwrap()]);
        assert_eq!(cmd(&mut real.client(), "MGET a b"), "[\"hello\", \"x\"]");
    }
}

/// Who comes when all places are taken is told so in words of the protocol; who has one can look who the others are.
#[test]
fn places_are_counted_and_shown() {
    let (_server, port) =
        start(&["--maxclients", "12", "--maxmemory", "20mb", "--maxmemory-policy", "allkeys-lru"]);
    let mut mc = Talk::to(port);
    let mut others: Vec<Talk> = (0..3).map(|_| Talk::to(port)).collect();
    others.iter_mut().for_each(|other| assert_eq!(other.say("get a\r\n"), "END|"));
    let shown = mc.say("stats conns\r\n");
    assert_eq!(shown.matches(":state conn_read|").count(), 3, "{shown}");
    assert_eq!(shown.matches(":state conn_parse_cmd|").count(), 1, "{shown}");
    assert_eq!(shown.matches(&format!(":listen_addr tcp:127.0.0.1:{port}|")).count(), 4, "{shown}");
    wait_until("nobody else", SOON, || mc.say("stats\r\n").contains("STAT curr_connections 4|"));
    others.extend((0..8).map(|_| Talk::to(port)));
    others.iter_mut().for_each(|other| assert_eq!(other.say("get a\r\n"), "END|"));
    let (mut late, mut told) = (Talk::to(port), String::new());
    late.0.read_to_string(&mut told).unwrap();
    assert_eq!(told, "ERROR Too many open connections\r\n");
    let value = "v".repeat(500_000);
    (0..80).for_each(|n| drop(mc.say(&format!("set big{n} 0 0 500000\r\n{value}\r\n"))));
    let stats = mc.say("stats\r\n");
    assert!(!stats.contains("STAT evictions 0|") && stats.contains("STAT evictions "), "{stats}");
}

/// What is told of an item's use is how it was before one asked, in whole seconds.
#[test]
fn use_is_told_as_it_was() {
    let (_server, port) = start(&[]);
    let mut mc = Talk::to(port);
    assert_eq!(mc.say("set a 0 0 1\r\nx\r\nmg a h l\r\n"), "STORED|HD h0 l0|");
    wait_until("an idle item", SOON, || mc.say("mg a u l\r\n") == "HD l2|");
    let told = mc.say("mg a l h t f v\r\n");
    assert!(told.starts_with("VA 1 l2 h0 ") || told.starts_with("VA 1 l3 h0 "), "{told}");
    assert_eq!(mc.say("mg a h u\r\nset a 0 0 1\r\ny\r\nmg a h u\r\nmg b h l\r\n"), "HD h1|STORED|HD h0|EN|");
}

#[test]
fn a_flush_may_be_put_off() {
    let (_server, port) = start(&[]);
    let mut mc = Talk::to(port);
    assert_eq!(mc.say("set a 0 0 1\r\nx\r\nflush_all 1\r\nget a\r\n"), "STORED|OK|VALUE a 0 1|x|END|");
    wait_until("the flush", SOON, || mc.say("get a\r\n") == "END|");
    // Without a time it takes the other's place.
    mc.say("flush_all 1000\r\nflush_all\r\nset a 0 0 1\r\nx\r\n");
    assert_eq!(mc.say("get a\r\n"), "VALUE a 0 1|x|END|");
}

#[test]
fn a_password_comes_with_the_first_set() {
    let (server, port) = start(&["--requirepass", "secret"]);
    let mut redis = server.client();
    cmd(&mut redis, "AUTH secret");
    cmd(&mut redis, "ACL SETUSER reader on >pass ~k +get");
    let mut mc = Talk::to(port);
    let answers = mc.say(
        "get k\r\nset auth 0 0 9\r\nuser nope\r\nset auth 0 0 14\r\ndefault secret\r\nset k 0 0 1\r\nx\r\n",
    );
    let refused = "CLIENT_ERROR unauthenticated|CLIENT_ERROR authentication failure|";
    assert_eq!(answers, format!("{refused}STORED|STORED|"));
    let mut reader = Talk::to(port);
    let answers =
        reader.say("set x 0 0 11\r\nreader pass\r\nget k\r\nset k 0 0 1\r\ny\r\nget l\r\nget k\r\n");
    assert!(answers.starts_with("STORED|VALUE k 0 1|x|END|SERVER_ERROR NOPERM"), "{answers}");
    assert!(answers.ends_with("VALUE k 0 1|x|END|") && answers.matches("NOPERM").count() == 2, "{answers}");
}

#[test]
fn what_hinders_others_hinders_these() {
    let (server, port) = start(&["--maxmemory", "200kb", "--maxmemory-policy", "noeviction"]);
    let (mut mc, mut redis) = (Talk::to(port), server.client());
    let no_room = "SERVER_ERROR out of memory storing object|";
    wait_until("memory is short", SOON, || mc.say("set a 0 0 1\r\nx\r\n") == no_room);
    mc.say("delete a\r\n");
    cmd(&mut redis, "CONFIG SET maxmemory 0");
    cmd(&mut redis, "CLIENT PAUSE 100000 WRITE");
    mc.send(b"get a\r\nset a 0 0 1\r\nx\r\nget a\r\n");
    wait_until("the client waits", SOON, || info(&mut redis, "blocked_clients") == "1");
    cmd(&mut redis, "CLIENT UNPAUSE");
    assert_eq!(mc.say(""), "END|STORED|VALUE a 0 1|x|END|");
    assert!(mc.say("stats\r\n").contains("STAT cmd_set "));
    assert!(mc.say("stats\r\n").contains("STAT get_hits "));
}

#[test]
fn hostile_input_costs_little_and_breaks_nothing() {
    let (server, port) = start(&["--memcached-item-size-max", "1mb"]);
    // A line without an end.
    let mut endless = Talk::to(port);
    endless.send(&vec![b'x'; 10_000]);
    let mut said = Vec::new();
    let _ = endless.0.read_to_end(&mut said);
    assert!(said.is_empty(), "it is closed without a word");
    let mut keys = Talk::to(port);
    let _ = keys.0.write_all(&[&b"get "[..], &b"k ".repeat(2_000_000)].concat());
    // More than its announcement says is skipped, not kept.
    let mut redis = server.client();
    let before: u64 = info(&mut redis, "used_memory").parse().unwrap();
    let mut large = Talk::to(port);
    large.send(b"set k 0 0 2000000000\r\n");
    for _ in 0..64 {
        large.send(&vec![b'x'; 1 << 20]);
    }
    wait_until("it is taken", SOON, || {
        info(&mut redis, "total_net_input_bytes").parse::<u64>().unwrap() > 64 << 20
    });
    let grown = info(&mut redis, "used_memory").parse::<u64>().unwrap().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more");
    // An announced value takes no memory before it comes.
    let mut promises: Vec<Talk> = (0..100).map(|_| Talk::to(port)).collect();
    promises.iter_mut().for_each(|talk| talk.send(b"set k 0 0 1048576\r\nx"));
    let grown = info(&mut redis, "used_memory").parse::<u64>().unwrap().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more");
    // Bytes of all kinds.
    let mut state = 7u64;
    for round in 0..200 {
        let mut noise: Vec<u8> = (0..300)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) as u8
            })
            .collect();
        if round % 2 == 0 {
            noise.splice(..0, b"mg ".iter().copied());
        }
        let mut talk = Talk::to(port);
        let _ = talk.0.write_all(&noise);
    }
    assert_eq!(Talk::to(port).say("version\r\n"), "VERSION 1.6.18|");
    assert_eq!(cmd(&mut redis, "PING"), "+PONG");
}

/// Flags are a part of the value: they go where it goes, and stay what they are when it is edited elsewhere.
#[test]
fn flags_are_the_same_on_all_nodes_of_a_mesh() {
    let ports = [free_port(), free_port()];
    let mesh = Mesh::start_each(&ports.map(|port| vec!["--memcached_port".to_string(), port.to_string()]));
    let (mut a, mut b) = (Talk::to(ports[0]), Talk::to(ports[1]));
    assert_eq!(a.say("set k 7 0 5\r\nhello\r\n"), "STORED|");
    assert_eq!(a.say("set n 9 0 2\r\n10\r\nset plain 0 0 1\r\nx\r\n"), "STORED|STORED|");
    let until = |talk: &mut Talk, request: &str, reply: &str| {
        wait_until(&format!("{request:?} to answer {reply}"), SOON, || talk.say(request) == reply);
    };
    until(&mut b, "get k plain n\r\n", "VALUE k 7 5|hello|VALUE plain 0 1|x|VALUE n 9 2|10|END|");
    // Edits of both at once.
    mesh.cut(0, 1);
    mesh.wait_links(0, 0);
    assert_eq!(a.say("append k 0 0 1\r\n!\r\nincr n 5\r\n"), "STORED|15|");
    assert_eq!(b.say("append k 0 0 1\r\n?\r\nincr n 7\r\nset b 3 0 1\r\nb\r\n"), "STORED|17|STORED|");
    assert_eq!(a.say("set b 2 0 1\r\na\r\nadd c 1 0 1\r\nc\r\n"), "STORED|STORED|");
    mesh.heal();
    mesh.wait_linked();
    mesh.wait_equal();
    // Whose value it is, his are the flags.
    let both = a.say("get b\r\n");
    assert!(["VALUE b 2 1|a|END|", "VALUE b 3 1|b|END|"].contains(&&*both), "{both}");
    until(&mut b, "get b\r\n", &both);
    for key in ["k", "n", "c"] {
        let request = format!("get {key}\r\n");
        let reply = a.say(&request);
        until(&mut b, &request, &reply);
        let flags = reply.split(' ').nth(2).map(str::to_owned);
        let expected = ["k 7", "n 9", "c 1"].iter().find_map(|pair| pair.strip_prefix(key));
        assert_eq!(flags.as_deref(), expected.map(str::trim), "{reply}");
    }
    // What replaces the value replaces the flags.
    mesh.client(1).cmd("SET k v").unwrap();
    until(&mut a, "get k\r\n", "VALUE k 0 1|v|END|");
}
