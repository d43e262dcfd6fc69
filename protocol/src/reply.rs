//! Writes replies straight into a connection's output buffer, in RESP2 or RESP3. There is no intermediate tree: a reply is
//! bytes written once. An aggregate's length comes before its parts, so a command that cannot know it in advance reserves
//! a place with [`Reply::deferred`] and fills it in.

use std::ops::Range;

use crate::error::ErrorReply;
use crate::listpack::Entry;
use crate::number;
use crate::stream_id::StreamId;

/// An output buffer and the protocol its client speaks.
#[derive(Debug, Default)]
pub struct Reply {
    pub buf: Vec<u8>,
    pub resp3: bool,
    /// A longer reply, bytes, is never sent: its client is closed. 0: any is.
    pub limit: usize,
}

/// A place kept for an aggregate's header, see [`Reply::deferred`].
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Deferred(usize);

impl Reply {
    pub fn new(resp3: bool) -> Reply {
        Reply { resp3, ..Reply::default() }
    }

    #[inline]
    fn header(&mut self, kind: u8, n: i64) {
        let mut text = itoa::Buffer::new();
        let digits = text.format(n).as_bytes();
        self.buf.reserve(digits.len() + 3);
        self.buf.push(kind);
        self.buf.extend_from_slice(digits);
        self.buf.extend_from_slice(b"\r\n");
    }

    pub fn ok(&mut self) {
        self.buf.extend_from_slice(b"+OK\r\n");
    }

    /// A status line; `text` must have no line break.
    pub fn simple(&mut self, text: &str) {
        self.buf.push(b'+');
        self.buf.extend_from_slice(text.as_bytes());
        self.buf.extend_from_slice(b"\r\n");
    }

    /// An error line; line breaks in it are turned into spaces, as a line must stay one.
    pub fn error(&mut self, error: &ErrorReply) {
        self.buf.push(b'-');
        for char in error.text().chars() {
            match char {
                '\r' | '\n' => self.buf.push(b' '),
                // A byte of the client's own.
                '\0'..='\u{ff}' => self.buf.push(char as u8),
                _ => self.buf.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        self.buf.extend_from_slice(b"\r\n");
    }

    #[inline]
    pub fn int(&mut self, n: i64) {
        match n {
            0 => self.buf.extend_from_slice(b":0\r\n"),
            1 => self.buf.extend_from_slice(b":1\r\n"),
            n => self.header(b':', n),
        }
    }

    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.header(b'$', bytes.len() as i64);
        self.buf.reserve(bytes.len() + 2);
        self.buf.extend_from_slice(bytes);
        self.buf.extend_from_slice(b"\r\n");
    }

    pub fn bulk_str(&mut self, text: &str) {
        self.bulk(text.as_bytes());
    }

    /// An integer as a bulk string.
    pub fn bulk_int(&mut self, n: i64) {
        let mut text = itoa::Buffer::new();
        self.bulk(text.format(n).as_bytes());
    }

    /// A number without sign as a bulk string.
    pub fn bulk_u64(&mut self, n: u64) {
        let mut text = itoa::Buffer::new();
        self.bulk(text.format(n).as_bytes());
    }

    /// The id of a stream entry as a bulk string.
    #[inline]
    pub fn stream_id(&mut self, id: StreamId) {
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (ms, seq) = (ms.format(id.ms), seq.format(id.seq));
        self.header(b'$', (ms.len() + 1 + seq.len()) as i64);
        self.buf.extend_from_slice(ms.as_bytes());
        self.buf.push(b'-');
        self.buf.extend_from_slice(seq.as_bytes());
        self.buf.extend_from_slice(b"\r\n");
    }

    /// An element of a packed collection as a bulk string.
    #[inline]
    pub fn bulk_entry(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Str(bytes) => self.bulk(bytes),
            Entry::Int(n) => self.bulk_int(n),
        }
    }

    /// [`Reply::bulk_entry`]; returns where in the buffer the element's text has come to lie.
    pub fn bulk_entry_at(&mut self, entry: Entry<'_>) -> Range<usize> {
        self.bulk_entry(entry);
        let end = self.buf.len() - b"\r\n".len();
        end - entry.text_len()..end
    }

    /// Null: `$-1` in RESP2, `_` in RESP3.
    #[inline]
    pub fn null(&mut self) {
        self.buf.extend_from_slice(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// Null in the place of an array: `*-1` in RESP2, `_` in RESP3.
    pub fn null_array(&mut self) {
        self.buf.extend_from_slice(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    pub fn array(&mut self, n: usize) {
        self.header(b'*', n as i64);
    }

    /// A map of `pairs` key-value pairs; an array of twice as many in RESP2.
    pub fn map(&mut self, pairs: usize) {
        if self.resp3 { self.header(b'%', pairs as i64) } else { self.header(b'*', 2 * pairs as i64) }
    }

    /// A set; an array in RESP2.
    pub fn set(&mut self, n: usize) {
        self.header(if self.resp3 { b'~' } else { b'*' }, n as i64);
    }

    /// An out-of-band push; an array in RESP2.
    pub fn push(&mut self, n: usize) {
        self.header(if self.resp3 { b'>' } else { b'*' }, n as i64);
    }

    /// A boolean; `:1` or `:0` in RESP2.
    pub fn bool(&mut self, value: bool) {
        let text: &[u8] = match (self.resp3, value) {
            (true, true) => b"#t\r\n",
            (true, false) => b"#f\r\n",
            (false, true) => b":1\r\n",
            (false, false) => b":0\r\n",
        };
        self.buf.extend_from_slice(text);
    }

    /// A double already formatted; a bulk string in RESP2.
    pub fn double_text(&mut self, text: &[u8]) {
        if self.resp3 {
            self.buf.push(b',');
            self.buf.extend_from_slice(text);
            self.buf.extend_from_slice(b"\r\n");
        } else {
            self.bulk(text);
        }
    }

    /// A double; a bulk string in RESP2.
    pub fn double(&mut self, value: f64) {
        self.numeral(|buf| number::fmt_f64(buf, value));
    }

    /// A double as a bulk string, in RESP3 too.
    pub fn double_bulk(&mut self, value: f64) {
        self.numeral_bulk(|buf| number::fmt_f64(buf, value));
    }

    /// A double without exponent, as coordinates are written; a bulk string in RESP2.
    pub fn double_human(&mut self, value: f64) {
        self.numeral(|buf| number::fmt_f64_human(buf, value));
    }

    fn numeral(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.resp3 {
            self.buf.push(b',');
            write(&mut self.buf);
            self.buf.extend_from_slice(b"\r\n");
        } else {
            self.numeral_bulk(write);
        }
    }

    fn numeral_bulk(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        // The length comes first: most numbers have one digit of length, others are moved.
        let start = self.buf.len();
        self.buf.extend_from_slice(b"$0\r\n");
        write(&mut self.buf);
        let len = self.buf.len() - start - 4;
        if len < 10 {
            self.buf[start + 1] = b'0' + len as u8;
        } else {
            let mut text = itoa::Buffer::new();
            self.buf.splice(start + 1..start + 2, text.format(len).bytes());
        }
        self.buf.extend_from_slice(b"\r\n");
    }

    /// A text with a three-letter format (`txt`, `mkd`); a bulk string in RESP2.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        if self.resp3 {
            self.header(b'=', text.len() as i64 + 4);
            self.buf.extend_from_slice(format.as_bytes());
            self.buf.push(b':');
            self.buf.extend_from_slice(text);
            self.buf.extend_from_slice(b"\r\n");
        } else {
            self.bulk(text);
        }
    }

    /// A big number; a bulk string in RESP2.
    pub fn big_number(&mut self, digits: &str) {
        if self.resp3 {
            self.buf.push(b'(');
            self.buf.extend_from_slice(digits.as_bytes());
            self.buf.extend_from_slice(b"\r\n");
        } else {
            self.bulk(digits.as_bytes());
        }
    }

    /// Bytes that are a reply already.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// Marks the place of an aggregate whose length is not known yet.
    pub fn deferred(&mut self) -> Deferred {
        Deferred(self.buf.len())
    }

    /// Puts an array header of `n` where `place` was marked. Moves what was written since: for short replies.
    pub fn fill_array(&mut self, place: Deferred, n: usize) {
        self.fill(place, b'*', n as i64);
    }

    /// Puts an array header of `n` before what was written from `start` on. Moves that: for replies that are not long.
    pub fn array_before(&mut self, start: usize, n: usize) {
        self.fill(Deferred(start), b'*', n as i64);
    }

    pub fn fill_set(&mut self, place: Deferred, n: usize) {
        self.fill(place, if self.resp3 { b'~' } else { b'*' }, n as i64);
    }

    pub fn fill_map(&mut self, place: Deferred, pairs: usize) {
        if self.resp3 {
            self.fill(place, b'%', pairs as i64)
        } else {
            self.fill(place, b'*', 2 * pairs as i64)
        }
    }

    fn fill(&mut self, place: Deferred, kind: u8, n: i64) {
        let mut text = itoa::Buffer::new();
        let digits = text.format(n).as_bytes();
        let head = std::iter::once(kind).chain(digits.iter().copied()).chain(*b"\r\n");
        self.buf.splice(place.0..place.0, head);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_have_their_length_in_resp2_and_none_in_resp3() {
        for (value, resp2, resp3) in [
            (5.0, "$1\r\n5\r\n", ",5\r\n"),
            (123456789.0, "$9\r\n123456789\r\n", ",123456789\r\n"),
            (1234567890.0, "$10\r\n1234567890\r\n", ",1234567890\r\n"),
            (0.1, "$19\r\n0.10000000000000001\r\n", ",0.10000000000000001\r\n"),
            (f64::NEG_INFINITY, "$4\r\n-inf\r\n", ",-inf\r\n"),
        ] {
            for (is_resp3, expected) in [(false, resp2), (true, resp3)] {
                let mut out = Reply::new(is_resp3);
                out.int(1);
                out.double(value);
                assert_eq!(
                    out.buf.escape_ascii().to_string(),
                    format!(":1\r\n{expected}").escape_default().to_string()
                );
            }
        }
    }
}
