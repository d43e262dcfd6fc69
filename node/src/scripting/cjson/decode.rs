//! From JSON to Lua values.

use super::super::lua::{Answer, Raise, State, argument, here};
use super::super::number::leading;
use super::settings::{Settings, settings};

/// Values that one level may take on the stack.
const ROOM: usize = 4;

pub fn decode(l: State) -> Answer {
    if l.top() != 1 {
        return argument(1, "expected 1 argument");
    }
    let text = l.need_text(1)?;
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return here("JSON parser does not support UTF-16 or UTF-32");
    }
    let mut decoder = Decoder { l, settings: settings(l), text, at: 0, depth: 0, string: Vec::new() };
    let first = decoder.token();
    decoder.value(first)?;
    let last = decoder.token();
    match last.kind {
        Kind::End => Ok(1),
        _ => decoder.refuse("the end", &last),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Kind {
    fn shown(self) -> &'static str {
        match self {
            Kind::ObjectBegin => "T_OBJ_BEGIN",
            Kind::ObjectEnd => "T_OBJ_END",
            Kind::ArrayBegin => "T_ARR_BEGIN",
            Kind::ArrayEnd => "T_ARR_END",
            Kind::String => "T_STRING",
            Kind::Number(_) => "T_NUMBER",
            Kind::Boolean(_) => "T_BOOLEAN",
            Kind::Null => "T_NULL",
            Kind::Colon => "T_COLON",
            Kind::Comma => "T_COMMA",
            Kind::End => "T_END",
            Kind::Error(text) => text,
        }
    }
}

/// A token, and where it begins; an error, and where it is.
struct Token {
    kind: Kind,
    at: usize,
}

struct Decoder<'a> {
    l: State,
    settings: Settings,
    text: &'a [u8],
    at: usize,
    depth: i32,
    /// The last string token.
    string: Vec<u8>,
}

impl Decoder<'_> {
    fn refuse<T>(&self, expected: &str, found: &Token) -> Result<T, Raise> {
        here(format!("Expected {expected} but found {} at character {}", found.kind.shown(), found.at + 1))
    }

    /// The byte at a place; 0 at the end, which a zero byte is taken for, too.
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn token(&mut self) -> Token {
        while matches!(self.byte(self.at), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let at = self.at;
        let single = |kind| (kind, 1);
        let (kind, len) = match self.byte(at) {
            b'{' => single(Kind::ObjectBegin),
            b'}' => single(Kind::ObjectEnd),
            b'[' => single(Kind::ArrayBegin),
            b']' => single(Kind::ArrayEnd),
            b':' => single(Kind::Colon),
            b',' => single(Kind::Comma),
            0 => (Kind::End, 0),
            b'"' => return self.string_token(),
            _ => self.word(),
        };
        self.at += len;
        Token { kind, at }
    }

    /// A number or a name.
    fn word(&self) -> (Kind, usize) {
        let rest = &self.text[self.at..];
        let lax = self.settings.decode_invalid != 0;
        if rest[0] == b'-' || rest[0].is_ascii_digit() {
            if !lax && is_unusual(rest) {
                return (Kind::Error("invalid number"), 0);
            }
            return number(rest);
        }
        for (word, kind) in
            [("true", Kind::Boolean(true)), ("false", Kind::Boolean(false)), ("null", Kind::Null)]
        {
            if rest.starts_with(word.as_bytes()) {
                return (kind, word.len());
            }
        }
        if lax && is_unusual(rest) { number(rest) } else { (Kind::Error("invalid token"), 0) }
    }

    fn string_token(&mut self) -> Token {
        let begin = self.at;
        self.string.clear();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let plain = memchr::memchr3(b'"', b'\\', 0, rest).unwrap_or(rest.len());
            self.string.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match self.byte(self.at) {
                b'"' => {
                    self.at += 1;
                    return Token { kind: Kind::String, at: begin };
                }
                b'\\' => {
                    if let Err(text) = self.escape() {
                        return Token { kind: Kind::Error(text), at: self.at };
                    }
                }
                _ => return Token { kind: Kind::Error("unexpected end of string"), at: self.at },
            }
        }
    }

    /// What a backslash begins.
    fn escape(&mut self) -> Result<(), &'static str> {
        let byte = match self.byte(self.at + 1) {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'f' => 12,
            b'r' => b'\r',
            b'u' => {
                let (character, len) = self.unicode().ok_or("invalid unicode escape code")?;
                self.string.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                self.at += len;
                return Ok(());
            }
            _ => return Err("invalid escape code"),
        };
        self.string.push(byte);
        self.at += 2;
        Ok(())
    }

    /// The character of one `\uXXXX`, or of two that are halves of one.
    fn unicode(&self) -> Option<(char, usize)> {
        let unit = |at: usize| {
            let digits = self.text.get(at + 2..at + 6)?;
            digits.iter().try_fold(0u32, |n, d| Some(n << 4 | char::from(*d).to_digit(16)?))
        };
        let first = unit(self.at)?;
        if first & 0xf800 != 0xd800 {
            return Some((char::from_u32(first)?, 6));
        }
        let at = self.at + 6;
        if first & 0x400 != 0 || self.byte(at) != b'\\' || self.byte(at + 1) != b'u' {
            return None;
        }
        let second = unit(at)?;
        if second & 0xfc00 != 0xdc00 {
            return None;
        }
        let code = ((first & 0x3ff) << 10 | (second & 0x3ff)) + 0x1_0000;
        Some((char::from_u32(code)?, 12))
    }

    /// Pushes the value that begins with `token`.
    fn value(&mut self, token: Token) -> Result<(), Raise> {
        match token.kind {
            Kind::String => self.l.push(&self.string),
            Kind::Number(number) => self.l.push_number(number),
            Kind::Boolean(value) => self.l.push_bool(value),
            Kind::Null => self.l.push_light(0),
            Kind::ObjectBegin => return self.object(),
            Kind::ArrayBegin => return self.array(),
            _ => return self.refuse("value", &token),
        }
        Ok(())
    }

    fn descend(&mut self) -> Result<(), Raise> {
        self.depth += 1;
        if self.depth > self.settings.decode_max_depth || !self.l.room(ROOM) {
            let (depth, at) = (self.depth, self.at);
            return here(format!("Found too many nested data structures ({depth}) at character {at}"));
        }
        Ok(())
    }

    fn object(&mut self) -> Result<(), Raise> {
        self.descend()?;
        self.l.push_table(0, 0);
        let mut token = self.token();
        if token.kind == Kind::ObjectEnd {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            if token.kind != Kind::String {
                return self.refuse("object key string", &token);
            }
            self.l.push(&self.string);
            token = self.token();
            if token.kind != Kind::Colon {
                return self.refuse("colon", &token);
            }
            token = self.token();
            self.value(token)?;
            self.l.set(-3);
            token = self.token();
            match token.kind {
                Kind::ObjectEnd => break,
                Kind::Comma => token = self.token(),
                _ => return self.refuse("comma or object end", &token),
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self) -> Result<(), Raise> {
        self.descend()?;
        self.l.push_table(0, 0);
        let mut token = self.token();
        if token.kind == Kind::ArrayEnd {
            self.depth -= 1;
            return Ok(());
        }
        for n in 1.. {
            self.value(token)?;
            self.l.set_index(-2, n);
            token = self.token();
            match token.kind {
                Kind::ArrayEnd => break,
                Kind::Comma => token = self.token(),
                _ => return self.refuse("comma or array end", &token),
            }
        }
        self.depth -= 1;
        Ok(())
    }
}

fn number(text: &[u8]) -> (Kind, usize) {
    match leading(text) {
        (_, 0) => (Kind::Error("invalid number"), 0),
        (number, len) => (Kind::Number(number), len),
    }
}

/// Whether a text is a number of C but not of JSON.
fn is_unusual(text: &[u8]) -> bool {
    if text[0] == b'+' {
        return true;
    }
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let starts = |word: &[u8]| text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word);
    match text {
        [b'0', b'x' | b'X' | b'0'..=b'9', ..] => true,
        _ => starts(b"inf") || starts(b"nan"),
    }
}
