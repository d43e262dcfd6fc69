//! A real redis-server to compare with, and replies as trees.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A reply. Maps and sets of RESP3 are told from arrays.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Null,
    Int(i64),
    Simple(String),
    Error(String),
    Bulk(String),
    Array(Vec<Value>),
    Set(Vec<Value>),
    Map(Vec<Value>),
}

impl Value {
    pub fn read(from: &mut impl BufRead) -> Value {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        let line = line.trim_end_matches("\r\n");
        let (kind, rest) = line.split_at(1);
        let n = || rest.parse::<i64>().unwrap();
        match kind {
            "+" => Value::Simple(rest.into()),
            "-" => Value::Error(rest.into()),
            ":" => Value::Int(n()),
            "_" => Value::Null,
            "$" | "*" if n() < 0 => Value::Null,
            "$" => Value::Bulk(read_bulk(from, n() as usize)),
            "*" => Value::Array(read_many(from, n())),
            "~" => Value::Set(read_many(from, n())),
            "%" => Value::Map(read_many(from, 2 * n())),
            _ => panic!("not a reply: {line:?}"),
        }
    }

    /// The members of an aggregate, none of anything else.
    pub fn items(&self) -> &[Value] {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Map(items) => items,
            _ => &[],
        }
    }

    pub fn items_mut(&mut self) -> &mut Vec<Value> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Map(items) => items,
            other => panic!("not an aggregate: {other:?}"),
        }
    }

    pub fn is_bulk(&self, text: &str) -> bool {
        matches!(self, Value::Bulk(own) if own == text)
    }
}

fn read_bulk(from: &mut impl BufRead, len: usize) -> String {
    let mut bytes = vec![0; len + 2];
    from.read_exact(&mut bytes).unwrap();
    bytes.truncate(len);
    bytes.into_iter().map(char::from).collect()
}

fn read_many(from: &mut impl BufRead, n: i64) -> Vec<Value> {
    (0..n).map(|_| Value::read(from)).collect()
}

/// A redis-server of this process, and a connection to it.
pub struct Redis {
    server: Child,
    connection: BufReader<TcpStream>,
}

impl Redis {
    #[expect(clippy::zombie_processes, reason = "waited for when this is dropped")]
    /// `None`, with a word of why, where redis-server is not installed or not of the version compared with.
    pub fn start() -> Option<Redis> {
        let version = Command::new("redis-server").arg("--version").output();
        let version =
            version.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
        if !version.contains("v=7.0.15") {
            eprintln!("skipped: no redis-server 7.0.15");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
                stream.set_nodelay(true).unwrap();
                return Some(Redis { server, connection: BufReader::new(stream) });
            }
            if Instant::now() > deadline {
                let _ = server.kill();
                let _ = server.wait();
                panic!("redis-server does not answer");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn send(&mut self, line: &[&[u8]]) {
        let mut wire = format!("*{}\r\n", line.len()).into_bytes();
        for arg in line {
            wire.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            wire.extend_from_slice(arg);
            wire.extend_from_slice(b"\r\n");
        }
        self.connection.get_mut().write_all(&wire).unwrap();
    }

    pub fn receive(&mut self) -> Value {
        Value::read(&mut self.connection)
    }

    /// Sends a line of words and waits for the reply.
    pub fn ask(&mut self, line: &str) -> Value {
        let words: Vec<_> = line.split(' ').map(str::as_bytes).collect();
        self.send(&words);
        self.receive()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
