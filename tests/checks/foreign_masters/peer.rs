//! A KeyDB server, as far as its words on the wire go: one that is followed, and one that follows.

use harness::Value;
use harness::client::encode;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::SOON;

pub const UUID: &str = "0a1b2c3d-0000-4000-8000-000000000001";
pub const OTHER: &str = "0a1b2c3d-0000-4000-8000-000000000002";
const REPLID: &str = "abcdefabcdefabcdefabcdefabcdefabcdefabcd";

/// A replica that has got the snapshot, and what it said its UUID is.
type Replicas = Receiver<(TcpStream, String)>;

/// A master that says what KeyDB says. It hands out the sockets of replicas that have got its snapshot.
pub fn keydb(snapshot: Vec<u8>) -> (SocketAddr, Replicas) {
    keydb_that_refuses(snapshot, &[])
}

/// [`keydb`] that first refuses these commands with these words, one after the other, and hangs up. After that its snapshots are of
/// unknown length.
pub fn keydb_that_refuses(
    snapshot: Vec<u8>,
    refusals: &[(&'static str, &'static str)],
) -> (SocketAddr, Replicas) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let (address, (tell, told)) = (listener.local_addr().unwrap(), channel());
    let (open_end, refusals) = (!refusals.is_empty(), VecDeque::from(refusals.to_vec()));
    let master = Arc::new(Master { snapshot, open_end, refusals: Mutex::new(refusals), tell });
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let master = master.clone();
            std::thread::spawn(move || master.serve(stream));
        }
    });
    (address, told)
}

struct Master {
    snapshot: Vec<u8>,
    open_end: bool,
    refusals: Mutex<VecDeque<(&'static str, &'static str)>>,
    tell: Sender<(TcpStream, String)>,
}

impl Master {
    fn serve(&self, stream: TcpStream) -> Option<()> {
        let (mut reader, mut out) = (BufReader::new(stream.try_clone().ok()?), stream.try_clone().ok()?);
        let mut uuid = String::new();
        loop {
            let Value::Array(words) = harness::decode::read_value(&mut reader).ok()? else {
                // HTTP/2, or anything else.
                let _ = out.write_all(b"-ERR unknown command\r\n");
                return None;
            };
            let words: Vec<String> = words.iter().map(Value::text).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            assert!(reader.buffer().is_empty(), "each waits for the reply before: {words:?}");
            if let Some(refusal) = self.refusal(words[0]) {
                let _ = out.write_all(refusal.as_bytes());
                return None;
            }
            match words[..] {
                ["PING"] => out.write_all(b"+PONG\r\n").ok()?,
                ["REPLCONF", "capa", ..] => {
                    assert!(words.contains(&"activeExpire"), "{words:?}");
                    out.write_all(b"+OK active-replica\r\n").ok()?;
                }
                ["REPLCONF", "uuid", theirs] => {
                    uuid = theirs.to_owned();
                    out.write_all(format!("+{UUID}\r\n").as_bytes()).ok()?;
                }
                ["REPLCONF", ..] => out.write_all(b"+OK\r\n").ok()?,
                ["PSYNC", ..] => {
                    out.write_all(&self.full_sync()).ok()?;
                    return self.tell.send((stream, uuid)).ok();
                }
                _ => out.write_all(format!("-ERR unknown command `{}`\r\n", words[0]).as_bytes()).ok()?,
            }
        }
    }

    fn refusal(&self, command: &str) -> Option<&'static str> {
        let mut refusals = self.refusals.lock().unwrap();
        refusals.front().filter(|(name, _)| *name == command)?;
        refusals.pop_front().map(|(_, words)| words)
    }

    fn full_sync(&self) -> Vec<u8> {
        let mut bytes = format!("+FULLRESYNC {REPLID} 1000\r\n\n\n").into_bytes();
        match self.open_end {
            true => bytes
                .extend([b"$EOF:", REPLID.as_bytes(), b"\r\n", &self.snapshot, REPLID.as_bytes()].concat()),
            false => {
                bytes.extend([format!("${}\r\n", self.snapshot.len()).as_bytes(), &self.snapshot].concat())
            }
        }
        bytes
    }
}

pub fn text(bytes: &str) -> Vec<u8> {
    [&[bytes.len() as u8], bytes.as_bytes()].concat()
}

/// RDB 9 with KeyDB's times.
pub fn snapshot(keys: &[(&str, &str, u64)]) -> Vec<u8> {
    snapshot_of(keys, &[])
}

/// [`snapshot`] with more records.
pub fn snapshot_of(keys: &[(&str, &str, u64)], more: &[u8]) -> Vec<u8> {
    let mut out = b"REDIS0009\xfa".to_vec();
    out.extend([text("redis-ver"), text("6.3.4"), b"\xfe\x00".to_vec()].concat());
    out.extend_from_slice(more);
    for (key, value, time) in keys {
        out.extend([b"\xfa".to_vec(), text("mvcc-tstamp"), text(&time.to_string())].concat());
        out.extend([b"\x00".to_vec(), text(key), text(value)].concat());
    }
    out.extend(b"\xff\0\0\0\0\0\0\0\0");
    out
}

pub fn request(words: &[&str]) -> Vec<u8> {
    let mut wire = Vec::new();
    encode(&mut wire, words);
    wire
}

pub fn envelope(origin: &str, payload: &[u8], db: &str, time: u64) -> Vec<u8> {
    let mut wire = Vec::new();
    encode(&mut wire, &[b"RREPLAY", origin.as_bytes(), payload, db.as_bytes(), time.to_string().as_bytes()]);
    wire
}

/// A KeyDB server that follows a node: what it says, and what it is sent.
pub struct KeyDbReplica {
    reader: BufReader<TcpStream>,
    pub out: TcpStream,
}

impl KeyDbReplica {
    pub fn connect(address: SocketAddr) -> KeyDbReplica {
        let out = TcpStream::connect(address).expect("a connection");
        out.set_read_timeout(Some(SOON)).unwrap();
        KeyDbReplica { reader: BufReader::new(out.try_clone().unwrap()), out }
    }

    pub fn ask(&mut self, words: &[&str]) -> String {
        self.out.write_all(&request(words)).unwrap();
        self.line()
    }

    /// The next line that says something.
    pub fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).expect("a line");
            if !line.trim_end().is_empty() {
                return line.trim_end().to_owned();
            }
        }
    }

    /// Introduces itself as KeyDB does; the node's UUID.
    pub fn introduce(&mut self) -> String {
        assert_eq!(self.ask(&["REPLPING"]), "+PONG");
        assert_eq!(self.ask(&["REPLCONF", "listening-port", "7777"]), "+OK");
        assert_eq!(self.ask(&["REPLCONF", "capa", "eof", "capa", "psync2", "capa", "activeExpire"]), "+OK");
        assert_eq!(self.ask(&["REPLCONF", "uuid", "nonsense"]), "-ERR Invalid UUID");
        let answer = self.ask(&["REPLCONF", "uuid", UUID]);
        answer.strip_prefix('+').filter(|uuid| uuid.len() == 36).expect("a UUID").to_owned()
    }

    pub fn snapshot(&mut self) -> Vec<u8> {
        let line = self.line();
        let mark = line.strip_prefix("$EOF:").expect("a snapshot of unknown length").as_bytes().to_vec();
        let (mut bytes, mut next) = (Vec::new(), [0]);
        while !bytes.ends_with(&mark) {
            self.reader.read_exact(&mut next).expect("a byte");
            bytes.push(next[0]);
        }
        bytes.truncate(bytes.len() - mark.len());
        bytes
    }

    /// The command in the next envelope, its database and its time. What KeyDB takes as it is is passed over.
    pub fn envelope(&mut self, node: &str) -> (Vec<String>, String, u64) {
        loop {
            let Ok(Value::Array(words)) = harness::decode::read_value(&mut self.reader) else {
                panic!("a command")
            };
            let words: Vec<String> = words.iter().map(Value::text).collect();
            match &words[..] {
                [name, ..] if ["PING", "REPLCONF", "SELECT"].contains(&&name[..]) => {}
                [name, uuid, payload, db, time] => {
                    assert_eq!((&name[..], &uuid[..]), ("RREPLAY", node));
                    let inner = harness::decode::read_value(&mut payload.as_bytes()).expect("a command");
                    let Value::Array(inner) = inner else { panic!("{payload}") };
                    let command = inner.iter().map(Value::text).collect();
                    return (command, db.clone(), time.parse().expect("a time"));
                }
                _ => panic!("not in an envelope: {words:?}"),
            }
        }
    }
}
