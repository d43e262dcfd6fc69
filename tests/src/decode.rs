//! Bytes to replies: a blocking reader for RESP2 and RESP3.
//!
//! It is strict on purpose. A missing CR LF, a length that is no number or an unknown type byte is an error with the
//! offending bytes in it, never a guess: the reader is the first thing that notices a server writing nonsense.

use crate::value::{Escaped, Value};
use std::io::{self, BufRead, Read};

/// Nesting beyond this is taken for a broken stream.
const DEPTH_MAX: usize = 64;

/// Reads one whole reply.
pub fn read_value(r: &mut impl BufRead) -> io::Result<Value> {
    read_nested(r, 0)
}

fn read_nested(r: &mut impl BufRead, depth: usize) -> io::Result<Value> {
    if depth > DEPTH_MAX {
        return Err(broken("a reply nested too deeply", b""));
    }
    let line = read_line(r)?;
    let Some((&kind, rest)) = line.split_first() else {
        return Err(broken("an empty line where a reply begins", b""));
    };
    Ok(match kind {
        b'+' => Value::Simple(rest.to_vec()),
        b'-' => Value::Error(rest.to_vec()),
        b':' => Value::Int(number(rest)?),
        b',' => Value::Double(rest.to_vec()),
        b'(' => Value::Big(rest.to_vec()),
        b'#' if rest == b"t" || rest == b"f" => Value::Bool(rest == b"t"),
        b'_' if rest.is_empty() => Value::Null,
        b'$' if rest == b"-1" => Value::NullBulk,
        b'*' if rest == b"-1" => Value::NullArray,
        b'$' => Value::Bulk(read_blob(r, length(rest)?)?),
        b'!' => Value::BulkError(read_blob(r, length(rest)?)?),
        b'=' => verbatim(read_blob(r, length(rest)?)?)?,
        b'*' => Value::Array(read_items(r, length(rest)?, depth)?),
        b'~' => Value::Set(read_items(r, length(rest)?, depth)?),
        b'>' => Value::Push(read_items(r, length(rest)?, depth)?),
        b'%' => Value::Map(read_pairs(r, length(rest)?, depth)?),
        b'|' => {
            let attributes = read_pairs(r, length(rest)?, depth)?;
            Value::Attr(attributes, Box::new(read_nested(r, depth + 1)?))
        }
        _ => return Err(broken("an unknown reply type", &line)),
    })
}

fn read_line(r: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    r.read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
    }
    if !line.ends_with(b"\r\n") {
        return Err(broken("a line that does not end in CR LF", &line));
    }
    line.truncate(line.len() - 2);
    Ok(line)
}

fn read_blob(r: &mut impl BufRead, length: usize) -> io::Result<Vec<u8>> {
    let mut blob = Vec::new();
    if r.take(length as u64 + 2).read_to_end(&mut blob)? != length + 2 {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the server closed the connection within a string",
        ));
    }
    if !blob.ends_with(b"\r\n") {
        return Err(broken("a string that does not end in CR LF", &blob[length.saturating_sub(20)..]));
    }
    blob.truncate(length);
    Ok(blob)
}

fn read_items(r: &mut impl BufRead, count: usize, depth: usize) -> io::Result<Vec<Value>> {
    (0..count).map(|_| read_nested(r, depth + 1)).collect()
}

fn read_pairs(r: &mut impl BufRead, count: usize, depth: usize) -> io::Result<Vec<(Value, Value)>> {
    (0..count).map(|_| Ok((read_nested(r, depth + 1)?, read_nested(r, depth + 1)?))).collect()
}

fn verbatim(blob: Vec<u8>) -> io::Result<Value> {
    match blob.get(3) {
        Some(b':') => Ok(Value::Verbatim(blob[..3].to_vec(), blob[4..].to_vec())),
        _ => Err(broken("a verbatim string without a format", &blob)),
    }
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> io::Result<T> {
    let text = std::str::from_utf8(digits).ok().filter(|t| !t.starts_with('+'));
    text.and_then(|t| t.parse().ok()).ok_or_else(|| broken("a number that is none", digits))
}

fn length(digits: &[u8]) -> io::Result<usize> {
    number(digits)
}

fn broken(what: &str, bytes: &[u8]) -> io::Error {
    let shown = Escaped(&bytes[..bytes.len().min(80)]);
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}: \"{shown}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(wire: &str) -> String {
        match read_value(&mut wire.as_bytes()) {
            Ok(v) => v.to_string(),
            Err(e) => format!("error: {e}"),
        }
    }

    #[test]
    fn reads_every_type() {
        assert_eq!(text("+OK\r\n"), "+OK");
        assert_eq!(text("-ERR x\r\n"), "-ERR x");
        assert_eq!(text(":-12\r\n"), "-12");
        assert_eq!(text("$4\r\na\r\nb\r\n"), r#""a\r\nb""#);
        assert_eq!(text("$-1\r\n"), "nil");
        assert_eq!(text("*-1\r\n"), "nil[]");
        assert_eq!(text("_\r\n"), "null");
        assert_eq!(text("*2\r\n:1\r\n*0\r\n"), "[1, []]");
        assert_eq!(text(",inf\r\n"), "double inf");
        assert_eq!(text("#f\r\n"), "false");
        assert_eq!(text("(123\r\n"), "big 123");
        assert_eq!(text("=7\r\ntxt:abc\r\n"), r#"txt:"abc""#);
        assert_eq!(text("!5\r\nERR x\r\n"), r#"error "ERR x""#);
        assert_eq!(text("%1\r\n+a\r\n~1\r\n:1\r\n"), "{+a: set[1]}");
        assert_eq!(text(">1\r\n+a\r\n"), "push[+a]");
        assert_eq!(text("|1\r\n+a\r\n:1\r\n:2\r\n"), "attr{+a: 1} 2");
    }

    #[test]
    fn refuses_what_is_not_resp() {
        for wire in [
            "",
            "+OK\n",
            "?x\r\n",
            ":1a\r\n",
            ":+1\r\n",
            "$3\r\nabcd\r\n",
            "$5\r\nabc",
            "*2\r\n:1\r\n",
            "#x\r\n",
        ] {
            assert!(text(wire).starts_with("error: "), "{wire:?} was read as {}", text(wire));
        }
    }
}
