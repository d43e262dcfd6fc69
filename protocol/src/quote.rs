//! Words with quotes, as inline commands and configuration lines have them.

/// Splits a line into words. Double quotes take `\n \r \t \b \a \xHH` and escaped characters, single quotes only `\'`.
/// `None` if a quote is not closed or is closed in mid-word.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        while at < line.len() && is_space(line[at]) {
            at += 1;
        }
        if at >= line.len() || line[at] == 0 {
            return Some(words);
        }
        let mut word = Vec::new();
        at = split_word(line, at, &mut word)?;
        words.push(word);
    }
}

/// A word in double quotes that [`split`] reads back: printable ASCII as it is, the rest as `\n` and its like or `\xHH`.
pub fn quoted(word: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(word.len() + 2);
    text.push(b'"');
    for &b in word {
        match b {
            b'\\' | b'"' => text.extend([b'\\', b]),
            b'\n' => text.extend(b"\\n"),
            b'\r' => text.extend(b"\\r"),
            b'\t' => text.extend(b"\\t"),
            7 => text.extend(b"\\a"),
            8 => text.extend(b"\\b"),
            b' '..=b'~' => text.push(b),
            _ => text.extend(format!("\\x{b:02x}").bytes()),
        }
    }
    text.push(b'"');
    text
}

fn is_space(b: u8) -> bool {
    b.is_ascii_whitespace() || b == 0x0b
}

/// Reads one word from `at`; returns the index after it.
fn split_word(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Option<usize> {
    while at < line.len() {
        match line[at] {
            b if is_space(b) || b == 0 => return Some(at),
            quote @ (b'"' | b'\'') => {
                at = split_quoted(line, at + 1, quote, word)?;
                // A closing quote must end the word.
                return if at == line.len() || is_space(line[at]) || line[at] == 0 { Some(at) } else { None };
            }
            b => word.push(b),
        }
        at += 1;
    }
    Some(at)
}

fn split_quoted(line: &[u8], mut at: usize, quote: u8, word: &mut Vec<u8>) -> Option<usize> {
    while at < line.len() {
        let b = line[at];
        if b == quote {
            return Some(at + 1);
        }
        if b != b'\\' || at + 1 >= line.len() || (quote == b'\'' && line[at + 1] != b'\'') {
            word.push(b);
            at += 1;
            continue;
        }
        let hex = |i: usize| line.get(i).and_then(|b| (*b as char).to_digit(16));
        if let (b'x', Some(high), Some(low)) = (line[at + 1], hex(at + 2), hex(at + 3)) {
            word.push((high * 16 + low) as u8);
            at += 4;
            continue;
        }
        word.push(match line[at + 1] {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'a' => 7,
            other => other,
        });
        at += 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quoted_as_redis_quotes() {
        assert_eq!(quoted(b"a b\x01\xff\"\n\\"), b"\"a b\\x01\\xff\\\"\\n\\\\\"");
        assert_eq!(quoted(b""), b"\"\"");
    }

    proptest! {
        #[test]
        fn split_reads_what_quoted_writes(words: Vec<Vec<u8>>) {
            let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(&b' ');
            prop_assert_eq!(split(&line), Some(words));
        }
    }
}
