//! From Lua values to JSON.

use super::super::lua::{Answer, BOOLEAN, LIGHT, NIL, NUMBER, Raise, STRING, State, TABLE, argument, here};
use super::super::number::general;
use super::settings::{Settings, settings};

/// Values that one level may take on the stack.
const ROOM: usize = 4;

pub fn encode(l: State) -> Answer {
    if l.top() != 1 {
        return argument(1, "expected 1 argument");
    }
    let mut encoder = Encoder { l, settings: settings(l), out: Vec::new() };
    encoder.value(0)?;
    l.push(&encoder.out);
    Ok(1)
}

struct Encoder {
    l: State,
    settings: Settings,
    out: Vec<u8>,
}

impl Encoder {
    /// Writes the value on top.
    fn value(&mut self, depth: i32) -> Result<(), Raise> {
        let l = self.l;
        match l.kind(-1) {
            STRING => self.string(l.bytes(-1).unwrap_or_default()),
            NUMBER => self.number(l.number(-1))?,
            BOOLEAN => self.out.extend_from_slice(if l.bool(-1) { b"true" } else { b"false" }),
            TABLE => self.table(depth + 1)?,
            NIL => self.out.extend_from_slice(b"null"),
            LIGHT if l.light(-1).is_null() => self.out.extend_from_slice(b"null"),
            _ => return self.refuse("type not supported"),
        }
        Ok(())
    }

    /// An error about the value on top.
    fn refuse<T>(&self, reason: &str) -> Result<T, Raise> {
        here(format!("Cannot serialise {}: {reason}", self.l.kind_name(self.l.kind(-1))))
    }

    fn number(&mut self, number: f64) -> Result<(), Raise> {
        if !number.is_finite() {
            match self.settings.encode_invalid {
                0 => return self.refuse("must not be NaN or Inf"),
                1 if number.is_nan() => self.out.extend_from_slice(b"nan"),
                1 => self.out.extend_from_slice(if number > 0.0 { b"inf" } else { b"-inf" }),
                _ => self.out.extend_from_slice(b"null"),
            }
            return Ok(());
        }
        general(&mut self.out, number, self.settings.precision as usize);
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.out.reserve(text.len() + 2);
        self.out.push(b'"');
        for &byte in text {
            match byte {
                b'"' | b'\\' | b'/' => self.out.extend_from_slice(&[b'\\', byte]),
                8 => self.out.extend_from_slice(b"\\b"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                12 => self.out.extend_from_slice(b"\\f"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                0..32 | 127 => {
                    self.out.extend_from_slice(b"\\u00");
                    self.out.push(DIGITS[usize::from(byte >> 4)]);
                    self.out.push(DIGITS[usize::from(byte & 15)]);
                }
                _ => self.out.push(byte),
            }
        }
        self.out.push(b'"');
    }

    fn table(&mut self, depth: i32) -> Result<(), Raise> {
        if depth > self.settings.encode_max_depth || !self.l.room(ROOM) {
            return here(format!("Cannot serialise, excessive nesting ({depth})"));
        }
        match self.array_len()? {
            0 => self.object(depth),
            len => self.array(len, depth),
        }
    }

    /// The largest index, if all keys are indexes and there are few holes; else 0.
    fn array_len(&self) -> Result<i32, Raise> {
        let l = self.l;
        let (mut largest, mut items) = (0i32, 0i64);
        l.push_nil();
        while l.next(-2) {
            l.pop(1);
            let key = l.number(-1);
            if l.kind(-1) != NUMBER || key < 1.0 || key.floor() != key {
                l.pop(1);
                return Ok(0);
            }
            if key > f64::from(largest) {
                // As C converts what does not fit.
                largest = if key <= f64::from(i32::MAX) { key as i32 } else { i32::MIN };
            }
            items += 1;
        }
        let s = &self.settings;
        let sparse = s.sparse_ratio > 0
            && i64::from(largest) > items * i64::from(s.sparse_ratio)
            && largest > s.sparse_safe;
        if sparse && s.sparse_convert == 0 {
            return self.refuse("excessively sparse array");
        }
        Ok(if sparse { 0 } else { largest.max(0) })
    }

    fn array(&mut self, len: i32, depth: i32) -> Result<(), Raise> {
        self.out.push(b'[');
        for i in 1..=len {
            if i > 1 {
                self.out.push(b',');
            }
            self.l.get_index(-1, i);
            self.value(depth)?;
            self.l.pop(1);
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, depth: i32) -> Result<(), Raise> {
        let l = self.l;
        self.out.push(b'{');
        let start = self.out.len();
        l.push_nil();
        while l.next(-2) {
            if self.out.len() > start {
                self.out.push(b',');
            }
            match l.kind(-2) {
                NUMBER => {
                    self.out.push(b'"');
                    self.number(l.number(-2))?;
                    self.out.push(b'"');
                }
                STRING => self.string(l.bytes(-2).unwrap_or_default()),
                _ => {
                    l.pop(1);
                    return self.refuse("table key must be a number or string");
                }
            }
            self.out.push(b':');
            self.value(depth)?;
            l.pop(1);
        }
        self.out.push(b'}');
        Ok(())
    }
}
