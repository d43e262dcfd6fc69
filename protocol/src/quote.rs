//! Words with quotes, as inline commands and configuration lines have them, and bytes in quotes, as MONITOR and
//! configuration files show them.
//!
//! ```text
//! word    = (byte | quoted)*        a quoted part ends the word; a blank, a line end or a NUL does too
//! "..."   \n \r \t \b \a \xHH stand for bytes, \ and any other byte for that byte
//! '...'   \' stands for a quote; nothing else is special
//! ```

/// Splits a line into words. `None` if a quote is not closed, or is closed in mid-word.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    // A line is a C string in Redis: it ends with the first NUL.
    let line = &line[..memchr::memchr(0, line).unwrap_or(line.len())];
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let blanks = rest.iter().take_while(|byte| is_blank(**byte)).count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return Some(words);
        }
        let mut word = Vec::new();
        rest = split_word(rest, &mut word)?;
        words.push(word);
    }
}

/// What may stand between words.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// What ends a word: not every blank does.
fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Reads one word; returns what follows it.
fn split_word<'l>(mut line: &'l [u8], word: &mut Vec<u8>) -> Option<&'l [u8]> {
    loop {
        match *line {
            [] => return Some(line),
            [byte, ..] if ends_word(byte) => return Some(line),
            [quote @ (b'"' | b'\''), ref rest @ ..] => {
                let rest =
                    if quote == b'"' { double_quoted(rest, word)? } else { single_quoted(rest, word)? };
                return rest.first().is_none_or(|byte| is_blank(*byte)).then_some(rest);
            }
            [byte, ref rest @ ..] => {
                word.push(byte);
                line = rest;
            }
        }
    }
}

/// Reads up to and with the closing quote; returns what follows it.
fn double_quoted<'l>(mut line: &'l [u8], word: &mut Vec<u8>) -> Option<&'l [u8]> {
    loop {
        let (byte, rest) = match *line {
            [] => return None,
            [b'"', ref rest @ ..] => return Some(rest),
            [b'\\', b'x', high, low, ref rest @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hex_digit(high) << 4 | hex_digit(low), rest)
            }
            [b'\\', escaped, ref rest @ ..] => (unescape(escaped), rest),
            [byte, ref rest @ ..] => (byte, rest),
        };
        word.push(byte);
        line = rest;
    }
}

/// Reads up to and with the closing quote; returns what follows it.
fn single_quoted<'l>(mut line: &'l [u8], word: &mut Vec<u8>) -> Option<&'l [u8]> {
    loop {
        let (byte, rest) = match *line {
            [] => return None,
            [b'\'', ref rest @ ..] => return Some(rest),
            [b'\\', b'\'', ref rest @ ..] => (b'\'', rest),
            [byte, ref rest @ ..] => (byte, rest),
        };
        word.push(byte);
        line = rest;
    }
}

fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

/// A word in double quotes that [`split`] reads back: printable ASCII as it is, the rest as `\n` and its like or `\xHH`.
pub fn quoted(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len() + 2);
    write_quoted(&mut out, word);
    out
}

/// Appends a word in double quotes.
pub fn write_quoted(out: &mut Vec<u8>, word: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            7 => out.extend_from_slice(b"\\a"),
            8 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'x', high, low]);
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unhex(text: &str) -> Vec<u8> {
        let pairs = text.as_bytes().chunks_exact(2);
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// Answers of a live redis-server 7.0.15; `testdata/record_quotes.py` made them.
    #[test]
    fn splits_as_redis_does() {
        let recorded = include_str!("../testdata/splits.tsv");
        assert!(recorded.lines().count() > 400);
        for row in recorded.lines() {
            let (line, words) = row.split_once('\t').unwrap();
            let line = unhex(line);
            let expected = match words {
                "!" => None,
                "" => Some(Vec::new()),
                words => Some(words.split(' ').map(|word| unhex(word.trim_matches('-'))).collect()),
            };
            assert_eq!(split(&line), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn quotes_as_redis_does() {
        let mut out = quoted(&(1..=255).collect::<Vec<u8>>());
        out.push(b'\n');
        assert_eq!(out, include_bytes!("../testdata/monitor.txt"));
        assert_eq!(quoted(b"a\0b"), br#""a\x00b""#);
    }

    #[test]
    fn a_nul_ends_the_line() {
        assert_eq!(split(b"a b\0c"), Some(vec![b"a".to_vec(), b"b".to_vec()]));
        assert_eq!(split(b"\"a\0\""), None);
    }

    proptest! {
        #[test]
        fn what_is_quoted_splits(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 0..5)) {
            let mut line = Vec::new();
            for word in &words {
                write_quoted(&mut line, word);
                line.push(b' ');
            }
            prop_assert_eq!(split(&line), Some(words));
        }

        #[test]
        fn nothing_panics(line in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), Just(b'x'), any::<u8>()], 0..30)) {
            let _ = split(&line);
        }
    }
}
