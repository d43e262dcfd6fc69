//! A reply as a tree, and its canonical text.
//!
//! Every RESP2 and RESP3 type has a variant of its own, also where two mean the same to most clients (the three
//! nulls, status and bulk): a server that answers with the wrong one is wrong. Doubles and big numbers keep the digits that
//! came over the wire, because the digits are part of what is being tested.
//!
//! The text, used in golden scripts and in failure messages:
//!
//! | wire | text |
//! |---|---|
//! | `+OK` | `+OK` |
//! | `-ERR no` | `-ERR no` |
//! | `:7` | `7` |
//! | `$3 foo` | `"foo"`, with `\r \n \t \\ \" \xHH` |
//! | `$-1`, `*-1`, `_` | `nil`, `nil[]`, `null` |
//! | `*2` | `["a", 1]` |
//! | `%1` | `{"a": 1}` |
//! | `~1` | `set["a"]` |
//! | `>2` | `push["a", 1]` |
//! | `,3.5` | `double 3.5` |
//! | `#t` | `true` |
//! | `(12` | `big 12` |
//! | `=7 txt:abc` | `txt:"abc"` |
//! | `!5 ERR x` | `error "ERR x"` |
//! | `\|1 ...` then a value | `attr{...} value` |

use std::fmt::{self, Write};

/// One reply (or one request argument list, which is an array of bulks).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// `+`: a status line.
    Simple(Vec<u8>),
    /// `-`: an error line.
    Error(Vec<u8>),
    /// `:`
    Int(i64),
    /// `$`
    Bulk(Vec<u8>),
    /// `$-1`, the RESP2 null string.
    NullBulk,
    /// `*-1`, the RESP2 null array.
    NullArray,
    /// `*`
    Array(Vec<Value>),
    /// `_`, the RESP3 null.
    Null,
    /// `,`: the digits as sent.
    Double(Vec<u8>),
    /// `#`
    Bool(bool),
    /// `(`: the digits as sent.
    Big(Vec<u8>),
    /// `=`: format (three bytes) and text.
    Verbatim(Vec<u8>, Vec<u8>),
    /// `!`: an error with a length.
    BulkError(Vec<u8>),
    /// `%`
    Map(Vec<(Value, Value)>),
    /// `~`
    Set(Vec<Value>),
    /// `>`
    Push(Vec<Value>),
    /// `|`: attributes before a value.
    Attr(Vec<(Value, Value)>, Box<Value>),
}

/// Bulk strings longer than this are shown by their beginning, length and hash.
const SHOWN_BYTES_MAX: usize = 400;

impl Value {
    /// The bytes of any string-like reply.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(b) | Value::Bulk(b) | Value::Double(b) | Value::Big(b) | Value::Verbatim(_, b) => {
                Some(b)
            }
            _ => None,
        }
    }

    /// The bytes of any string-like reply as text, lossily; empty for anything else.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes().unwrap_or_default()).into_owned()
    }

    /// The number in an integer reply.
    pub fn int(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// The elements of an array, set or push.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Value::Array(v) | Value::Set(v) | Value::Push(v) => Some(v),
            _ => None,
        }
    }

    /// Whether this is an error reply.
    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_) | Value::BulkError(_))
    }

    /// Whether this is any of the three nulls.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null | Value::NullBulk | Value::NullArray)
    }

    /// The canonical text on lines of at most `width` characters where that is possible: an aggregate that does not
    /// fit on one line is filled into lines of their own, indented by two.
    pub fn pretty(&self, width: usize) -> String {
        let mut out = String::new();
        self.write_pretty(&mut out, width, 0);
        out
    }

    fn write_pretty(&self, out: &mut String, width: usize, indent: usize) {
        let line = self.to_string();
        let (open, items, close) = match self {
            _ if indent + line.chars().count() <= width => return out.push_str(&line),
            Value::Array(v) => ("[", pretty_items(v, width, indent + 2), "]"),
            Value::Set(v) => ("set[", pretty_items(v, width, indent + 2), "]"),
            Value::Push(v) => ("push[", pretty_items(v, width, indent + 2), "]"),
            Value::Map(v) => ("{", pretty_pairs(v, width, indent + 2), "}"),
            _ => return out.push_str(&line),
        };
        out.push_str(open);
        for line in packed(items, width, indent + 2) {
            let _ = write!(out, "\n{:pad$}{line}", "", pad = indent + 2);
        }
        let _ = write!(out, "\n{:indent$}{close}", "");
    }
}

/// Fills lines with as many one-line items as fit; items of several lines stand alone.
fn packed(items: Vec<String>, width: usize, indent: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line)
                if !line.contains('\n')
                    && !item.contains('\n')
                    && indent + line.len() + item.len() + 2 <= width =>
            {
                let _ = write!(line, " {item},");
            }
            _ => lines.push(item + ","),
        }
    }
    lines
}

fn pretty_items(items: &[Value], width: usize, indent: usize) -> Vec<String> {
    let text = |v: &Value| {
        let mut s = String::new();
        v.write_pretty(&mut s, width, indent);
        s
    };
    items.iter().map(text).collect()
}

fn pretty_pairs(pairs: &[(Value, Value)], width: usize, indent: usize) -> Vec<String> {
    let text = |(k, v): &(Value, Value)| {
        let mut s = format!("{k}: ");
        v.write_pretty(&mut s, width, indent);
        s
    };
    pairs.iter().map(text).collect()
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Simple(b) => write!(f, "+{}", Escaped(b)),
            Value::Error(b) => write!(f, "-{}", Escaped(b)),
            Value::Int(n) => write!(f, "{n}"),
            Value::Bulk(b) => quoted(f, b),
            Value::NullBulk => f.write_str("nil"),
            Value::NullArray => f.write_str("nil[]"),
            Value::Null => f.write_str("null"),
            Value::Array(v) => list(f, "[", v),
            Value::Set(v) => list(f, "set[", v),
            Value::Push(v) => list(f, "push[", v),
            Value::Map(v) => pairs(f, "{", v),
            Value::Double(b) => write!(f, "double {}", Escaped(b)),
            Value::Big(b) => write!(f, "big {}", Escaped(b)),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Verbatim(kind, b) => {
                write!(f, "{}:", Escaped(kind))?;
                quoted(f, b)
            }
            Value::BulkError(b) => {
                f.write_str("error ")?;
                quoted(f, b)
            }
            Value::Attr(a, v) => {
                pairs(f, "attr{", a)?;
                write!(f, " {v}")
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, b: &[u8]) -> fmt::Result {
    if b.len() <= SHOWN_BYTES_MAX {
        return write!(f, "\"{}\"", Escaped(b));
    }
    write!(f, "\"{}\"... {} bytes, fnv {:016x}", Escaped(&b[..32]), b.len(), fnv64(b))
}

fn list(f: &mut fmt::Formatter<'_>, open: &str, items: &[Value]) -> fmt::Result {
    f.write_str(open)?;
    for (i, v) in items.iter().enumerate() {
        write!(f, "{}{v}", if i == 0 { "" } else { ", " })?;
    }
    f.write_str("]")
}

fn pairs(f: &mut fmt::Formatter<'_>, open: &str, items: &[(Value, Value)]) -> fmt::Result {
    f.write_str(open)?;
    for (i, (k, v)) in items.iter().enumerate() {
        write!(f, "{}{k}: {v}", if i == 0 { "" } else { ", " })?;
    }
    f.write_str("}")
}

/// Bytes as text, with everything that is not printable ASCII escaped.
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &b in self.0 {
            match b {
                b'\r' => f.write_str("\\r")?,
                b'\n' => f.write_str("\\n")?,
                b'\t' => f.write_str("\\t")?,
                b'\\' => f.write_str("\\\\")?,
                b'"' => f.write_str("\\\"")?,
                0x20..=0x7e => f.write_char(b as char)?,
                _ => write!(f, "\\x{b:02x}")?,
            }
        }
        Ok(())
    }
}

/// FNV-1a, 64 bits: names a long value in a transcript.
pub fn fnv64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(s: &str) -> Value {
        Value::Bulk(s.into())
    }

    #[test]
    fn every_type_has_a_text_of_its_own() {
        let all = [
            Value::Simple("1".into()),
            Value::Error("1".into()),
            Value::Int(1),
            bulk("1"),
            Value::NullBulk,
            Value::NullArray,
            Value::Null,
            Value::Array(vec![Value::Int(1)]),
            Value::Set(vec![Value::Int(1)]),
            Value::Push(vec![Value::Int(1)]),
            Value::Map(vec![(Value::Int(1), Value::Int(1))]),
            Value::Double("1".into()),
            Value::Big("1".into()),
            Value::Bool(true),
            Value::Verbatim("txt".into(), "1".into()),
            Value::BulkError("1".into()),
            Value::Attr(vec![], Box::new(Value::Int(1))),
        ];
        let texts: std::collections::HashSet<String> = all.iter().map(|v| v.to_string()).collect();
        assert_eq!(texts.len(), all.len(), "{texts:?}");
    }

    #[test]
    fn bytes_are_escaped() {
        assert_eq!(Value::Bulk(b"a\r\n\"\\\x00\xff".to_vec()).to_string(), r#""a\r\n\"\\\x00\xff""#);
    }

    #[test]
    fn a_long_value_is_named_by_length_and_hash() {
        let a = Value::Bulk(vec![b'a'; 500]).to_string();
        let mut other = vec![b'a'; 500];
        other[499] = b'b';
        assert!(a.contains("500 bytes"));
        assert_ne!(a, Value::Bulk(other).to_string());
    }

    #[test]
    fn wide_aggregates_are_broken_over_lines() {
        let v = Value::Array(vec![bulk("aaaa"), bulk("a"), Value::Array(vec![bulk("bbbb"), bulk("cccc")])]);
        assert_eq!(v.pretty(80), r#"["aaaa", "a", ["bbbb", "cccc"]]"#);
        assert_eq!(v.pretty(20), "[\n  \"aaaa\", \"a\",\n  [\"bbbb\", \"cccc\"],\n]");
    }
}
