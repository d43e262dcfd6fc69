//! The words of a script's line.

use std::collections::HashMap;

/// A word as written: most stand for themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// These bytes.
    Bytes(Vec<u8>),
    /// `$name`: what `!save name` kept.
    Saved(String),
}

impl Word {
    /// The argument to send.
    pub fn resolve(&self, saved: &HashMap<String, Vec<u8>>) -> Vec<u8> {
        match self {
            Word::Bytes(b) => b.clone(),
            Word::Saved(name) => saved.get(name).cloned().unwrap_or_default(),
        }
    }

    /// With `{i}` replaced by a number.
    pub fn numbered(&self, i: i64) -> Word {
        match self {
            Word::Bytes(b) => match std::str::from_utf8(b) {
                Ok(text) => Word::Bytes(text.replace("{i}", &i.to_string()).into_bytes()),
                Err(_) => self.clone(),
            },
            Word::Saved(_) => self.clone(),
        }
    }
}

/// Splits a line into words.
pub fn split(line: &str) -> Result<Vec<Word>, String> {
    let mut rest = line.trim();
    let mut words = Vec::new();
    while !rest.is_empty() {
        let (word, after) = next(rest)?;
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

fn next(text: &str) -> Result<(Word, &str), String> {
    if let Some(body) = text.strip_prefix('"') {
        return double_quoted(body);
    }
    if let Some(body) = text.strip_prefix('\'') {
        let (literal, after) = body.split_once('\'').ok_or("a ' that is not closed")?;
        return Ok((Word::Bytes(literal.into()), after));
    }
    if let Some((repeated, after)) = repeat(text) {
        return Ok((Word::Bytes(repeated), after));
    }
    let end = text.find(' ').unwrap_or(text.len());
    let (plain, after) = text.split_at(end);
    let word = match plain.strip_prefix('$').filter(|n| n.starts_with(|c: char| c.is_ascii_alphabetic())) {
        Some(name) => Word::Saved(name.to_owned()),
        None => Word::Bytes(plain.into()),
    };
    Ok((word, after))
}

/// `<text*count>`
fn repeat(text: &str) -> Option<(Vec<u8>, &str)> {
    let (body, after) = text.strip_prefix('<')?.split_once('>')?;
    let (unit, count) = body.rsplit_once('*')?;
    Some((unit.repeat(count.parse().ok()?).into_bytes(), after))
}

fn double_quoted(body: &str) -> Result<(Word, &str), String> {
    let mut bytes = Vec::new();
    let mut rest = body;
    loop {
        let at = rest.find(['"', '\\']).ok_or("a \" that is not closed")?;
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        if rest.as_bytes()[at] == b'"' {
            return Ok((Word::Bytes(bytes), &rest[at + 1..]));
        }
        let used = escape(&rest[at + 1..], &mut bytes)?;
        rest = &rest[at + 1 + used..];
    }
}

/// Decodes what follows a backslash; gives how many characters that was.
fn escape(text: &str, bytes: &mut Vec<u8>) -> Result<usize, String> {
    let plain = match text.as_bytes().first() {
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'\\') => b'\\',
        Some(b'"') => b'"',
        Some(b'x') => {
            let hex = text.get(1..3).ok_or("\\x wants two digits")?;
            bytes.push(u8::from_str_radix(hex, 16).map_err(|_| format!("\\x{hex} is no byte"))?);
            return Ok(3);
        }
        _ => return Err(format!("an unknown escape: \\{}", &text[..text.len().min(1)])),
    };
    bytes.push(plain);
    Ok(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(line: &str) -> Vec<Vec<u8>> {
        split(line).unwrap().iter().map(|w| w.resolve(&HashMap::new())).collect()
    }

    #[test]
    fn words_are_split_and_unquoted() {
        assert_eq!(
            bytes(r#"SET  k "a b\r\n\x00" '' '\x' ""#.trim_end_matches(" \"")),
            [&b"SET"[..], b"k", b"a b\r\n\0", b"", b"\\x"]
        );
        assert_eq!(bytes("<ab*3> (1 [a $5"), [&b"ababab"[..], b"(1", b"[a", b"$5"]);
    }

    #[test]
    fn saved_words_are_looked_up() {
        let saved = HashMap::from([("id".to_owned(), b"7".to_vec())]);
        assert_eq!(split("$id").unwrap()[0].resolve(&saved), b"7");
    }

    #[test]
    fn mistakes_are_told() {
        for line in ["\"open", "'open", r#""\q""#, r#""\x0""#] {
            assert!(split(line).is_err(), "{line}");
        }
    }
}
