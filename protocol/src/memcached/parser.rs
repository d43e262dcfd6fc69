//! From bytes to requests, one at a time.

use super::request::Request;
use super::words::Words;
use super::{classic, meta};

/// Longest beginning of a line, in bytes, that is kept until its end comes, unless it asks for many keys.
const LINE_MAX: usize = 2048;
/// Longest line there is.
const LONG_LINE_MAX: usize = 1024 * 1024;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest value, bytes.
    pub item_max: usize,
}

/// What is at the front of the bytes.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, on the stack")]
pub enum Step<'a> {
    /// A request; it took so many bytes, and so many behind it are to be skipped, some of which may not be here yet.
    Request { request: Request<'a>, used: usize, skip: u64 },
    /// Something that is answered with an error.
    Refused(Refusal),
    /// Not even a line yet.
    Line,
    /// A line whose data have not all come: it makes no sense to look again before there are so many bytes.
    Need(usize),
    /// No end is in sight, or it is of another protocol. The connection must be closed.
    Foreign,
}

/// An error, and what it takes to get to the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub text: &'static str,
    pub used: usize,
    pub skip: u64,
    /// The client asked for no reply, and this error does not insist.
    pub quiet: bool,
}

/// Why a line is no request, before it is known where it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bad {
    pub text: &'static str,
    pub skip: u64,
    /// The client asked for no reply.
    pub quiet: bool,
}

impl From<&'static str> for Bad {
    fn from(text: &'static str) -> Bad {
        Bad { text, skip: 0, quiet: false }
    }
}

/// A line that was understood.
pub(super) enum Line<'a> {
    Whole(Request<'a>),
    /// Data of this length follow, and a line end.
    Data {
        len: usize,
        quiet: bool,
        request: Request<'a>,
    },
    /// Data follow, but are too long.
    TooLong {
        len: u64,
        request: Request<'a>,
    },
}

/// Looks at the front of `data`. The first `scanned` bytes are known to hold no line end.
pub fn parse(data: &[u8], scanned: usize, limits: Limits) -> Step<'_> {
    let Some(end) = memchr::memchr(b'\n', &data[scanned.min(data.len())..]) else { return unfinished(data) };
    let end = scanned.min(data.len()) + end;
    let (used, line) = (end + 1, data[..end].strip_suffix(b"\r").unwrap_or(&data[..end]));
    let mut words = Words(line);
    let verb = words.next().unwrap_or_default();
    let line = match meta::line(verb, words, limits).or_else(|| classic::line(verb, words, limits)) {
        Some(Ok(line)) => line,
        Some(Err(bad)) => {
            return Step::Refused(Refusal { text: bad.text, used, skip: bad.skip, quiet: bad.quiet });
        }
        // A browser that was made to talk to this port: what follows is an attacker's.
        None if Words(line).last().is_some_and(|word| word.starts_with(b"HTTP/")) => return Step::Foreign,
        None => return Step::Refused(Refusal { text: super::ERROR, used, skip: 0, quiet: false }),
    };
    match line {
        Line::Whole(request) => Step::Request { request, used, skip: 0 },
        Line::TooLong { len, request } => Step::Request { request, used, skip: len.saturating_add(2) },
        Line::Data { len, quiet, request } => {
            let end = used + len + 2;
            match data.get(used..end) {
                None => Step::Need(end),
                Some(block) if block.ends_with(b"\r\n") => {
                    Step::Request { request: request.with_data(&block[..len]), used: end, skip: 0 }
                }
                Some(_) => Step::Refused(Refusal { text: super::BAD_CHUNK, used: end, skip: 0, quiet }),
            }
        }
    }
}

fn unfinished(data: &[u8]) -> Step<'_> {
    let max = if may_be_long(data) { LONG_LINE_MAX } else { LINE_MAX };
    if data.len() > max { Step::Foreign } else { Step::Line }
}

/// Whether it asks for many keys.
fn may_be_long(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    [&b"get "[..], b"gets ", b"gat ", b"gats "].iter().any(|verb| line.starts_with(verb))
}
