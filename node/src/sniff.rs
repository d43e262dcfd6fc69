//! Tells the tongues apart that are spoken on the one port, by a connection's first bytes.
//!
//! RESP and inline commands are what is left when it is neither the HTTP/2 preface nor an HTTP/1 request line. A request
//! line begins like an inline command (`GET / HTTP/1.1`), so the whole line decides.

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tongue {
    Resp,
    Http1,
    Http2,
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
const METHODS: [&[u8]; 9] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"TRACE "];
/// Longest request line that is waited for, bytes.
const LINE_MAX: usize = 8 * 1024;

/// What `bytes`, the beginning of a connection, are; `None`: too few to tell.
pub fn tongue(bytes: &[u8]) -> Option<Tongue> {
    let begins = |word: &[u8]| bytes.len() >= word.len() && bytes.starts_with(word);
    if begins(PREFACE) {
        return Some(Tongue::Http2);
    }
    if !METHODS.iter().any(|m| begins(m)) {
        let may_become = |word: &[u8]| bytes.len() < word.len() && word.starts_with(bytes);
        let undecided = METHODS.iter().any(|m| may_become(m)) || may_become(PREFACE);
        return if undecided { None } else { Some(Tongue::Resp) };
    }
    match memchr::memchr(b'\n', bytes) {
        Some(end) => {
            let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
            let http = line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0");
            Some(if http { Tongue::Http1 } else { Tongue::Resp })
        }
        None if bytes.len() > LINE_MAX => Some(Tongue::Resp),
        None => None,
    }
}

/// Sent to whoever speaks HTTP while nothing here answers it.
pub const NO_HTTP: &[u8] =
    b"HTTP/1.1 501 Not Implemented\r\nContent-Type: text/plain\r\nContent-Length: 44\r\n\
Connection: close\r\n\r\nThis port answers the Redis protocol only.\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_decide() {
        let cases: [(&[u8], Option<Tongue>); 12] = [
            (b"*1\r\n$4\r\nPING\r\n", Some(Tongue::Resp)),
            (b"PING\r\n", Some(Tongue::Resp)),
            (b"GET foo\r\n", Some(Tongue::Resp)),
            (b"GET fo", None),
            (b"G", None),
            (b"get / HTTP/1.1\r\n", Some(Tongue::Resp)),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", Some(Tongue::Http1)),
            (b"POST /x HTTP/1.0\n", Some(Tongue::Http1)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Tongue::Http2)),
            (b"PRI * HT", None),
            (b"PRIME\r\n", Some(Tongue::Resp)),
            (b"\x16\x03\x01", Some(Tongue::Resp)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(tongue(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let text = std::str::from_utf8(NO_HTTP).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
    }
}
