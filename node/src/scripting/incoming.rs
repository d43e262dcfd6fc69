//! A command's reply as a Lua value.

use super::failure;
use super::lua::State;

/// Values that one level of a reply may take on the stack.
const ROOM: usize = 6;

/// Pushes the value of a whole reply. False: it is nested too deeply, and nothing is pushed.
#[inline]
pub fn push_reply(l: State, reply: &[u8]) -> bool {
    let top = l.top();
    let whole = Reader { l, rest: reply }.value();
    if !whole {
        l.set_top(top);
    }
    whole
}

struct Reader<'a> {
    l: State,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// What follows the type, up to the end of the line.
    #[inline]
    fn line(&mut self) -> (u8, &'a [u8]) {
        let end = memchr::memchr(b'\r', self.rest).expect("a reply is made of lines");
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 2..];
        (line[0], &line[1..])
    }

    #[inline]
    fn bulk(&mut self, len: usize) -> &'a [u8] {
        let (bulk, rest) = self.rest.split_at(len);
        self.rest = &rest[2..];
        bulk
    }

    fn value(&mut self) -> bool {
        if !self.l.room(ROOM) {
            return false;
        }
        let l = self.l;
        let (kind, line) = self.line();
        match kind {
            b'+' => self.wrapped("ok", |l| l.push(line)),
            b'-' => failure::push_reply(l, line),
            b':' => l.push_number(number(line) as f64),
            b'$' | b'*' if line == b"-1" => l.push_bool(false),
            b'$' => {
                let bulk = self.bulk(number(line) as usize);
                l.push(bulk);
            }
            b'*' | b'>' => return self.array(number(line) as usize),
            b'%' => return self.map(number(line) as usize),
            b'~' => return self.set(number(line) as usize),
            b'_' => l.push_nil(),
            b'#' => l.push_bool(line == b"t"),
            b',' => self.wrapped("double", |l| l.push_number(double(line))),
            b'(' => self.wrapped("big_number", |l| l.push(line)),
            b'=' => {
                let text = self.bulk(number(line) as usize);
                self.wrapped("verbatim_string", |l| {
                    l.push_table(0, 2);
                    l.push(&text[4..]);
                    l.set_field(-2, "string");
                    l.push(&text[..3]);
                    l.set_field(-2, "format");
                });
            }
            b'|' => {
                // Attributes say something about the reply that follows; scripts do not see them.
                let top = l.top();
                for _ in 0..2 * number(line) {
                    if !self.value() {
                        return false;
                    }
                    l.set_top(top);
                }
                return self.value();
            }
            other => unreachable!("a reply of type {other}"),
        }
        true
    }

    /// A table with one field.
    fn wrapped(&self, field: &str, push: impl FnOnce(State)) {
        self.l.push_table(0, 1);
        push(self.l);
        self.l.set_field(-2, field);
    }

    fn array(&mut self, n: usize) -> bool {
        self.l.push_table(n, 0);
        for i in 1..=n {
            if !self.value() {
                return false;
            }
            self.l.set_index(-2, i as i32);
        }
        true
    }

    fn map(&mut self, n: usize) -> bool {
        let l = self.l;
        l.push_table(0, 1);
        l.push_table(0, n);
        for _ in 0..n {
            if !(self.value() && self.value()) {
                return false;
            }
            l.set(-3);
        }
        l.set_field(-2, "map");
        true
    }

    fn set(&mut self, n: usize) -> bool {
        let l = self.l;
        l.push_table(0, 1);
        l.push_table(0, n);
        for _ in 0..n {
            if !self.value() {
                return false;
            }
            l.push_bool(true);
            l.set(-3);
        }
        l.set_field(-2, "set");
        true
    }
}

fn number(digits: &[u8]) -> i64 {
    protocol::number::parse_i64(digits).unwrap_or(0)
}

fn double(text: &[u8]) -> f64 {
    std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()).unwrap_or(f64::NAN)
}
