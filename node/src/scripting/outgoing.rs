//! What a script returns as a reply.
//!
//! Tables are read without their metamethods. Of the fields that make a table something other than an array, the first one
//! present decides, in the order below.

use protocol::Reply;

use super::failure;
use super::lua::{BOOLEAN, NIL, NUMBER, STRING, State, TABLE};

/// Values that one level of a table may take on the stack.
const ROOM: usize = 6;

/// How a reply is written.
pub struct Writer<'a> {
    pub out: &'a mut Reply,
    /// The script asked for RESP3 itself: its booleans are booleans.
    pub script_resp3: bool,
    /// Codes of errors in the reply that have yet to be counted.
    pub errors: Vec<String>,
    /// The reply as a whole is an error.
    pub failed: bool,
}

impl<'a> Writer<'a> {
    pub fn new(out: &'a mut Reply, script_resp3: bool) -> Writer<'a> {
        Writer { out, script_resp3, errors: Vec::new(), failed: false }
    }

    /// Pops the top value and writes it as the whole reply.
    pub fn whole(&mut self, l: State) {
        let start = self.out.buf.len();
        self.value(l);
        self.failed = self.out.buf.get(start) == Some(&b'-');
    }

    /// Pops the top value and writes it.
    fn value(&mut self, l: State) {
        if !l.room(ROOM) {
            self.error(b"ERR reached lua stack limit", false);
            return l.pop(1);
        }
        match l.kind(-1) {
            STRING => self.out.bulk(l.bytes(-1).unwrap_or_default()),
            NUMBER => self.out.int(whole_number(l.number(-1))),
            BOOLEAN if self.script_resp3 => self.out.bool(l.bool(-1)),
            BOOLEAN if l.bool(-1) => self.out.int(1),
            TABLE => self.table(l),
            _ => self.out.null(),
        }
        l.pop(1);
    }

    fn table(&mut self, l: State) {
        if self.text_field(l, "err", |w, text| w.error(text, failure::is_counted(l, -2))) {
            return;
        }
        if self.text_field(l, "ok", |w, text| w.line(b'+', text)) {
            return;
        }
        l.get_field(-1, "double");
        if l.kind(-1) == NUMBER {
            self.out.double(l.number(-1));
            return l.pop(1);
        }
        l.pop(1);
        l.get_field(-1, "map");
        if l.kind(-1) == TABLE {
            return self.map(l);
        }
        l.pop(1);
        l.get_field(-1, "set");
        if l.kind(-1) == TABLE {
            return self.set(l);
        }
        l.pop(1);
        let big = |w: &mut Self, text: &[u8]| {
            let text = one_line(text);
            w.out.big_number(&String::from_utf8_lossy(&text));
        };
        if self.text_field(l, "big_number", big) {
            return;
        }
        if !self.verbatim(l) {
            self.array(l);
        }
    }

    /// Writes a field of the table on top if it is a string. True if so.
    fn text_field(&mut self, l: State, name: &str, write: impl FnOnce(&mut Self, &[u8])) -> bool {
        l.get_field(-1, name);
        let text = l.bytes(-1);
        if let Some(text) = text {
            write(self, text);
        }
        l.pop(1);
        text.is_some()
    }

    fn error(&mut self, text: &[u8], counted: bool) {
        if !counted {
            self.errors.push(failure::code(text));
        }
        self.line(b'-', text);
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.buf.push(kind);
        self.out.buf.extend_from_slice(&one_line(text));
        self.out.buf.extend_from_slice(b"\r\n");
    }

    /// Writes the pairs of the table on top, and pops it.
    fn map(&mut self, l: State) {
        let place = self.out.deferred();
        let mut pairs = 0;
        l.push_nil();
        while l.next(-2) {
            l.push_copy(-2);
            self.value(l);
            self.value(l);
            pairs += 1;
        }
        l.pop(1);
        self.out.fill_map(place, pairs);
    }

    /// Writes the keys of the table on top, and pops it.
    fn set(&mut self, l: State) {
        let place = self.out.deferred();
        let mut members = 0;
        l.push_nil();
        while l.next(-2) {
            l.pop(1);
            l.push_copy(-1);
            self.value(l);
            members += 1;
        }
        l.pop(1);
        self.out.fill_set(place, members);
    }

    fn verbatim(&mut self, l: State) -> bool {
        l.get_field(-1, "verbatim_string");
        if l.kind(-1) != TABLE {
            l.pop(1);
            return false;
        }
        l.get_field(-1, "format");
        l.get_field(-2, "string");
        let parts = l.bytes(-2).zip(l.bytes(-1));
        if let Some((format, text)) = parts {
            let mut word = [b' '; 3];
            word.iter_mut()
                .zip(format)
                .for_each(|(to, from)| *to = if from.is_ascii() { *from } else { b'?' });
            self.out.verbatim(std::str::from_utf8(&word).unwrap_or("txt"), text);
        }
        l.pop(3);
        parts.is_some()
    }

    /// The elements up to the first that is nil.
    fn array(&mut self, l: State) {
        let place = self.out.deferred();
        let mut n = 0;
        loop {
            l.get_index(-1, n + 1);
            if l.kind(-1) == NIL {
                break l.pop(1);
            }
            self.value(l);
            n += 1;
        }
        self.out.fill_array(place, n as usize);
    }
}

/// A number's whole part, as C converts it: what does not fit is the least of all.
fn whole_number(number: f64) -> i64 {
    if number >= -(2f64.powi(63)) && number < 2f64.powi(63) { number as i64 } else { i64::MIN }
}

fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }).collect()
}
