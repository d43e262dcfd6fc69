//! Parses requests: RESP arrays of bulk strings and inline commands.
//!
//! Many frames are parsed from one read into a [`Batch`]; arguments are spans of the read buffer, so nothing is copied.
//! A frame that has not arrived whole is remembered ([`Parser`] keeps how far it got) and resumed when more bytes are
//! there, so a large request that trickles in is scanned once.

use crate::args::{Args, Span};
use crate::quote;

/// Longest inline command and longest length line, in bytes.
const INLINE_MAX: usize = 64 * 1024;
/// Most arguments of one command, and what a client may send before it has authenticated.
const ARGS_MAX: i64 = i32::MAX as i64;
const ARGS_MAX_UNAUTHENTICATED: i64 = 10;
const BULK_MAX_UNAUTHENTICATED: i64 = 16 * 1024;

/// What a client is allowed to send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `proto-max-bulk-len`, bytes.
    pub bulk_max: i64,
    pub authenticated: bool,
}

/// Why a connection must be closed: the text after `-ERR Protocol error: `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolError(pub String);

/// One parsed command: a range of the batch's spans.
#[derive(Clone, Copy, Debug)]
struct Frame {
    first: u32,
    count: u32,
    /// The spans lie in the batch's scratch buffer: an inline command with quotes.
    in_scratch: bool,
    /// End of the frame in the read buffer.
    end: u32,
}

/// Arguments for which a connection keeps room, at most.
const PARTIAL_KEPT: usize = 256;
/// Arguments for which there is room in a batch all the time, at most.
const SPANS_KEPT: usize = 16 * 1024;

/// Commands parsed from one read buffer, in order.
#[derive(Debug, Default)]
pub struct Batch {
    spans: Vec<Span>,
    frames: Vec<Frame>,
    scratch: Vec<u8>,
}

impl Batch {
    pub fn clear(&mut self) {
        self.spans.clear();
        self.frames.clear();
        self.scratch.clear();
    }

    /// Gives back what only a command with very many arguments needed.
    #[inline]
    pub fn trim(&mut self) {
        if self.spans.capacity() > SPANS_KEPT {
            *self = Batch::default();
        }
    }

    pub fn len(&self) -> usize {
        self.frames.len()
    }

    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The arguments of command `i`; `buf` is the buffer that was parsed.
    #[inline]
    pub fn args<'a>(&'a self, i: usize, buf: &'a [u8]) -> Args<'a> {
        let f = self.frames[i];
        let spans = &self.spans[f.first as usize..(f.first + f.count) as usize];
        Args::new(if f.in_scratch { &self.scratch } else { buf }, spans)
    }

    /// Where command `i` ends in the read buffer.
    pub fn end(&self, i: usize) -> usize {
        self.frames[i].end as usize
    }
}

/// How far the frame at the front of the buffer has been read.
#[derive(Debug, Default)]
pub struct Parser {
    /// Spans of the unfinished frame, relative to its first byte.
    partial: Vec<Span>,
    /// Next byte to look at, relative to the frame's first byte.
    at: usize,
    /// Arguments still to come; 0: at the start of a frame.
    args_left: i64,
    /// Length of the argument being read, -1: its length line comes next.
    bulk_len: i64,
}

enum Step {
    Done,
    NeedMore,
}

impl Parser {
    pub fn new() -> Parser {
        Parser { bulk_len: -1, ..Parser::default() }
    }

    /// Parses up to `max` whole commands from the front of `buf` into `batch`. Returns how many bytes they take: the
    /// caller removes them from the buffer before the next call. An error comes after the commands parsed before it.
    pub fn parse(
        &mut self,
        buf: &[u8],
        limits: Limits,
        max: usize,
        batch: &mut Batch,
    ) -> (usize, Option<ProtocolError>) {
        let mut start = 0;
        while batch.frames.len() < max && start < buf.len() {
            let frame = &buf[start..];
            let step = if self.args_left == 0 && frame[0] != b'*' {
                self.inline(frame, start, batch)
            } else {
                self.multibulk(frame, start, limits, batch)
            };
            match step {
                Ok(Step::Done) => {
                    start += self.at;
                    self.reset();
                }
                Ok(Step::NeedMore) => break,
                Err(text) => return (start, Some(ProtocolError(text))),
            }
        }
        (start, None)
    }

    /// Whether the parser is at the start of a frame.
    pub fn is_fresh(&self) -> bool {
        self.at == 0 && self.args_left == 0
    }

    /// Bytes of the unfinished argument that are still to come: how much room the next read should have.
    pub fn wanted(&self, buffered: usize) -> usize {
        if self.bulk_len < 0 { 0 } else { (self.at + self.bulk_len as usize + 2).saturating_sub(buffered) }
    }

    /// Bytes of the unfinished command that have become arguments, or headers of some.
    pub fn taken(&self) -> usize {
        if self.args_left > 0 { self.at } else { 0 }
    }

    fn reset(&mut self) {
        self.at = 0;
        self.args_left = 0;
        self.bulk_len = -1;
    }

    fn multibulk(
        &mut self,
        f: &[u8],
        start: usize,
        limits: Limits,
        batch: &mut Batch,
    ) -> Result<Step, String> {
        let first = batch.spans.len();
        if self.args_left == 0 {
            let Some((n, next)) =
                length_line(f, 1, "too big mbulk count string", "invalid multibulk length")?
            else {
                return Ok(Step::NeedMore);
            };
            if n > ARGS_MAX {
                return Err("invalid multibulk length".into());
            }
            if n > ARGS_MAX_UNAUTHENTICATED && !limits.authenticated {
                return Err("unauthenticated multibulk length".into());
            }
            self.at = next;
            if n <= 0 {
                return Ok(Step::Done);
            }
            self.args_left = n;
            self.bulk_len = -1;
        } else {
            // Resuming: what was parsed of this frame comes first.
            let base = start as u32;
            batch
                .spans
                .extend(self.partial.drain(..).map(|s| Span { start: s.start + base, end: s.end + base }));
            if self.partial.capacity() > PARTIAL_KEPT {
                self.partial = Vec::new();
            }
        }
        while self.args_left > 0 {
            if self.bulk_len < 0 {
                if self.at < f.len() && f[self.at] != b'$' {
                    return Err(format!("expected '$', got '{}'", f[self.at] as char));
                }
                let line = length_line(f, self.at + 1, "too big bulk count string", "invalid bulk length")?;
                let Some((n, next)) = line else {
                    return Ok(self.suspend(first, start, batch));
                };
                if n < 0 || n > limits.bulk_max || n > i64::from(u32::MAX) / 2 {
                    return Err("invalid bulk length".into());
                }
                if n > BULK_MAX_UNAUTHENTICATED && !limits.authenticated {
                    return Err("unauthenticated bulk length".into());
                }
                self.at = next;
                self.bulk_len = n;
            }
            let len = self.bulk_len as usize;
            if f.len() < self.at + len + 2 {
                return Ok(self.suspend(first, start, batch));
            }
            batch.spans.push(Span::new(start + self.at, len));
            self.at += len + 2;
            self.bulk_len = -1;
            self.args_left -= 1;
        }
        batch.frames.push(Frame {
            first: first as u32,
            count: (batch.spans.len() - first) as u32,
            in_scratch: false,
            end: (start + self.at) as u32,
        });
        Ok(Step::Done)
    }

    fn suspend(&mut self, first: usize, start: usize, batch: &mut Batch) -> Step {
        let base = start as u32;
        self.partial.clear();
        self.partial
            .extend(batch.spans.drain(first..).map(|s| Span { start: s.start - base, end: s.end - base }));
        Step::NeedMore
    }

    fn inline(&mut self, f: &[u8], start: usize, batch: &mut Batch) -> Result<Step, String> {
        let Some(newline) = memchr::memchr(b'\n', f) else {
            return if f.len() > INLINE_MAX {
                Err("too big inline request".into())
            } else {
                Ok(Step::NeedMore)
            };
        };
        let line = f[..newline].strip_suffix(b"\r").unwrap_or(&f[..newline]);
        let first = batch.spans.len();
        let in_scratch = line.iter().any(|b| matches!(b, b'"' | b'\'' | 0));
        if in_scratch {
            let words = quote::split(line).ok_or("unbalanced quotes in request")?;
            for word in words {
                batch.spans.push(Span::new(batch.scratch.len(), word.len()));
                batch.scratch.extend_from_slice(&word);
            }
        } else {
            let mut at = 0;
            while at < line.len() {
                if line[at].is_ascii_whitespace() {
                    at += 1;
                    continue;
                }
                let len = line[at..].iter().position(u8::is_ascii_whitespace).unwrap_or(line.len() - at);
                batch.spans.push(Span::new(start + at, len));
                at += len;
            }
        }
        self.at = newline + 1;
        let count = (batch.spans.len() - first) as u32;
        if count > 0 {
            batch.frames.push(Frame {
                first: first as u32,
                count,
                in_scratch,
                end: (start + self.at) as u32,
            });
        }
        Ok(Step::Done)
    }
}

/// A decimal number from `at` to the next CRLF, and the index after it. `None`: the line has not ended yet.
#[inline]
fn length_line(f: &[u8], at: usize, too_big: &str, invalid: &str) -> Result<Option<(i64, usize)>, String> {
    // The usual line is one to four digits: no search for its end.
    let mut n: i64 = 0;
    let mut i = at;
    while i < f.len() && i < at + 10 && f[i].is_ascii_digit() {
        n = n * 10 + i64::from(f[i] - b'0');
        i += 1;
    }
    if i > at && i + 1 < f.len() && f[i] == b'\r' {
        let leading_zero = f[at] == b'0' && i > at + 1;
        return if leading_zero { Err(invalid.into()) } else { Ok(Some((n, i + 2))) };
    }
    let rest = f.get(at..).unwrap_or(&[]);
    let Some(end) = memchr::memchr(b'\r', rest) else {
        return if rest.len() > INLINE_MAX { Err(too_big.into()) } else { Ok(None) };
    };
    if at + end + 1 >= f.len() {
        return Ok(None);
    }
    let text = std::str::from_utf8(&rest[..end]).map_err(|_| invalid.to_string())?;
    let negative = text.strip_prefix('-').is_some_and(|d| d.starts_with(|c: char| ('1'..='9').contains(&c)));
    if !negative {
        return Err(invalid.into());
    }
    text.parse().map(|n| Some((n, at + end + 2))).map_err(|_| invalid.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Limits = Limits { bulk_max: 512 << 20, authenticated: true };

    fn all(buf: &[u8]) -> (Vec<Vec<Vec<u8>>>, usize, Option<ProtocolError>) {
        let mut batch = Batch::default();
        let (used, error) = Parser::new().parse(buf, OPEN, 1000, &mut batch);
        let frames =
            (0..batch.len()).map(|i| batch.args(i, buf).iter().map(<[u8]>::to_vec).collect()).collect();
        (frames, used, error)
    }

    fn words(frame: &[&str]) -> Vec<Vec<u8>> {
        frame.iter().map(|w| w.as_bytes().to_vec()).collect()
    }

    #[test]
    fn pipelined_arrays_and_inline() {
        let (frames, used, error) =
            all(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING  a\r\n*0\r\n\r\nset \"a b\" '\\''\n*1\r\n$4\r\nPI");
        assert_eq!(error, None);
        assert_eq!(frames, [words(&["GET", "k"]), words(&["PING", "a"]), words(&["set", "a b", "'"])]);
        assert_eq!(used, 50);
    }

    #[test]
    fn any_split_gives_the_same() {
        let whole = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n0123456789\r\n*1\r\n$4\r\nPING\r\n";
        for cut in 0..whole.len() {
            let (mut parser, mut batch, mut got) = (Parser::new(), Batch::default(), Vec::new());
            let mut buf = Vec::new();
            for part in [&whole[..cut], &whole[cut..]] {
                buf.extend_from_slice(part);
                batch.clear();
                let (used, error) = parser.parse(&buf, OPEN, 1000, &mut batch);
                assert_eq!(error, None);
                for i in 0..batch.len() {
                    got.push(batch.args(i, &buf).iter().map(<[u8]>::to_vec).collect::<Vec<_>>());
                }
                buf.drain(..used);
            }
            assert_eq!(got, [words(&["SET", "k", "0123456789"]), words(&["PING"])], "cut at {cut}");
        }
    }

    #[test]
    fn hostile_lengths() {
        let cases: [(&[u8], &str); 8] = [
            (b"*3000000000\r\n", "invalid multibulk length"),
            (b"*abc\r\n", "invalid multibulk length"),
            (b"*1\r\n$-1\r\n", "invalid bulk length"),
            (b"*1\r\n$536870913\r\n", "invalid bulk length"),
            (b"*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
            (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
            (b"set \"a\r\n", "unbalanced quotes in request"),
            (b"*01\r\n", "invalid multibulk length"),
        ];
        for (input, text) in cases {
            assert_eq!(all(input).2, Some(ProtocolError(text.into())), "{input:?}");
        }
        assert_eq!(all(&[b'a'; INLINE_MAX + 1]).2, Some(ProtocolError("too big inline request".into())));
        let mut endless = b"*1\r\n$".to_vec();
        endless.resize(INLINE_MAX + 10, b'1');
        assert_eq!(all(&endless).2, Some(ProtocolError("too big bulk count string".into())));
    }

    #[test]
    fn before_authentication_little_is_taken() {
        let shut = Limits { authenticated: false, ..OPEN };
        let mut batch = Batch::default();
        let (_, error) = Parser::new().parse(b"*11\r\n", shut, 10, &mut batch);
        assert_eq!(error, Some(ProtocolError("unauthenticated multibulk length".into())));
        let (_, error) = Parser::new().parse(b"*1\r\n$16385\r\n", shut, 10, &mut batch);
        assert_eq!(error, Some(ProtocolError("unauthenticated bulk length".into())));
    }
}
