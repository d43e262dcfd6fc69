//! What is in a file of commands, one record after the other, with the places where they end.

use std::io::{self, BufRead};

use protocol::OwnedArgs;
use protocol::args::Span;
use protocol::number::parse_u64;

use super::batch::Batch;

/// Longest line before a string or of an annotation.
const LINE_MAX: usize = 1024;
/// How much room is made for a string on its length's word alone.
const TRUST: u64 = 1 << 20;
const STRING_MAX: u64 = 4 << 30;

/// Nothing begins here: what is before, or what was here, is damaged.
pub const NO_COMMAND: &str = "Expected a command, which begins with *";
/// The command before has more words than it says.
pub const LOOSE: &str = "A word that belongs to no command";
/// Arguments are found by offsets of 32 bits.
const TOO_LONG: Stop = Stop::Format("A command that is too long");

#[derive(Debug)]
pub enum Record {
    Command(OwnedArgs),
    /// A line that begins with `#`, without its end.
    Annotation(Vec<u8>),
}

/// Why there is no further record.
#[derive(Debug)]
pub enum Stop {
    /// The end, where one may be.
    End,
    /// The end, in the middle of a record.
    Short,
    /// Something that is no command.
    Format(&'static str),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(e: io::Error) -> Stop {
        if e.kind() == io::ErrorKind::UnexpectedEof { Stop::Short } else { Stop::Io(e) }
    }
}

/// Reads records.
pub struct Records<R> {
    source: R,
    /// Bytes that were read.
    at: u64,
    /// Lines that were read; a string is one.
    lines: u64,
}

impl<R: BufRead> Records<R> {
    /// `at`: where in the file the source begins.
    pub fn new(source: R, at: u64) -> Records<R> {
        Records { source, at, lines: 0 }
    }

    /// Where the next record begins, or, after a failure, about where that was.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Lines before that.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    pub fn read(&mut self) -> Result<Record, Stop> {
        match self.source.fill_buf()?.first().copied() {
            None => Err(Stop::End),
            Some(b'#') => self.line().map(Record::Annotation),
            Some(b'*') => self.command().map(Record::Command),
            Some(b'$') if self.is_loose() => Err(Stop::Format(LOOSE)),
            Some(_) => Err(Stop::Format(NO_COMMAND)),
        }
    }

    /// As [`Records::read`], onto the end of a batch.
    pub fn read_onto(&mut self, batch: &mut Batch) -> Result<(), Stop> {
        let at_hand = self.source.fill_buf()?;
        if let Some(len) = whole(at_hand, batch.bytes.len(), &mut batch.spans) {
            batch.bytes.extend_from_slice(&at_hand[..len]);
            self.source.consume(len);
            self.at += len as u64;
            batch.close(false, self.at);
            return Ok(());
        }
        let (record, annotation) = match self.read()? {
            Record::Command(args) => (args, false),
            Record::Annotation(line) => (OwnedArgs::from_slices([&line[..]]), true),
        };
        if !record.view().iter().all(|word| batch.push(word)) {
            return Err(TOO_LONG);
        }
        batch.close(annotation, self.at);
        Ok(())
    }

    fn command(&mut self) -> Result<OwnedArgs, Stop> {
        let count = self.number(b'*')?;
        if !(1..=u64::from(u32::MAX)).contains(&count) {
            return Err(Stop::Format("A command of no words, or of too many"));
        }
        let (mut args, mut word, mut room) = (OwnedArgs::default(), Vec::new(), u64::from(u32::MAX));
        for _ in 0..count {
            self.word(room, &mut word)?;
            room -= word.len() as u64;
            args.push(&word);
        }
        Ok(args)
    }

    /// Whether a word stands here, and behind it what may follow one.
    fn is_loose(&mut self) -> bool {
        let is_word = self.word(STRING_MAX, &mut Vec::new()).is_ok();
        let next = self.source.fill_buf().ok().map(|bytes| bytes.first().copied());
        is_word && matches!(next, Some(None | Some(b'$' | b'*' | b'#')))
    }

    /// A word of no more than `room` bytes.
    fn word(&mut self, room: u64, word: &mut Vec<u8>) -> Result<(), Stop> {
        let len = self.number(b'$')?;
        if len > STRING_MAX {
            return Err(Stop::Format("A string that is too long"));
        }
        if len > room {
            return Err(TOO_LONG);
        }
        self.bytes(len, word)?;
        let mut end = [0; 2];
        self.source.read_exact(&mut end)?;
        self.at += end.len() as u64;
        if end != *b"\r\n" {
            return Err(Stop::Format("Expected \\r\\n after a string"));
        }
        self.lines += 1;
        Ok(())
    }

    fn number(&mut self, mark: u8) -> Result<u64, Stop> {
        let line = self.line()?;
        match line.split_first() {
            Some((first, digits)) if *first == mark => {
                parse_u64(digits).ok_or(Stop::Format("Expected a number"))
            }
            _ => Err(Stop::Format("Expected a length")),
        }
    }

    fn line(&mut self) -> Result<Vec<u8>, Stop> {
        let mut line = Vec::new();
        let read = io::Read::take(&mut self.source, LINE_MAX as u64 + 2).read_until(b'\n', &mut line)?;
        self.at += read as u64;
        if line.last() != Some(&b'\n') {
            let long = line.len() > LINE_MAX;
            return Err(if long { Stop::Format("A line that is too long") } else { Stop::Short });
        }
        self.lines += 1;
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(line)
    }

    fn bytes(&mut self, len: u64, out: &mut Vec<u8>) -> Result<(), Stop> {
        out.clear();
        out.reserve(len.min(TRUST) as usize);
        let read = io::Read::read_to_end(&mut io::Read::take(&mut self.source, len), out)?;
        self.at += read as u64;
        if (read as u64) < len { Err(Stop::Short) } else { Ok(()) }
    }
}

/// The length of the command that `bytes` begin with, if it is plain and all there; the places of its words, were it put
/// behind `before` bytes, are added to `spans`. `None`: whoever reads it piece by piece finds out what it is.
fn whole(bytes: &[u8], before: usize, spans: &mut Vec<Span>) -> Option<usize> {
    let had = spans.len();
    let len = words(bytes, before, spans);
    if len.is_none() {
        spans.truncate(had);
    }
    len
}

fn words(bytes: &[u8], before: usize, spans: &mut Vec<Span>) -> Option<usize> {
    u32::try_from(before + bytes.len()).ok()?;
    let (count, mut at) = length(bytes, 0, b'*')?;
    for _ in 0..Some(count).filter(|count| *count > 0)? {
        let (len, start) = length(bytes, at, b'$')?;
        let end = start.checked_add(len)?;
        if bytes.get(end..)?.get(..2)? != b"\r\n" {
            return None;
        }
        spans.push(Span::new(before + start, len));
        at = end + 2;
    }
    Some(at)
}

/// The number in the line at `at` that begins with `mark`, and where the line ends.
fn length(bytes: &[u8], at: usize, mark: u8) -> Option<(usize, usize)> {
    const DIGITS: usize = 9;
    let line = bytes.get(at..)?.strip_prefix(&[mark])?;
    let digits = line.iter().take(DIGITS).take_while(|byte| byte.is_ascii_digit()).count();
    let number = line[..digits].iter().fold(0, |n, digit| n * 10 + usize::from(digit - b'0'));
    line[digits..].starts_with(b"\r\n").then_some(())?;
    (digits > 0).then_some((number, at + 1 + digits + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_where_they_stop() {
        let file = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n#TS:12\r\n*1\r\n$4\r\nPING\r\n";
        for cut in 0..=file.len() {
            let mut records = Records::new(&file[..cut], 0);
            let mut ends = vec![0];
            let stop = loop {
                match records.read() {
                    Ok(_) => ends.push(records.position()),
                    Err(stop) => break stop,
                }
            };
            let whole: Vec<u64> = [0, 20, 28, 42].into_iter().filter(|end| *end <= cut as u64).collect();
            assert_eq!(ends, whole, "{cut}");
            let clean = whole.last() == Some(&(cut as u64));
            assert!(
                if clean { matches!(stop, Stop::End) } else { matches!(stop, Stop::Short) },
                "{cut} {stop:?}"
            );
        }
        for bad in [&b"GET k\r\n"[..], b"*x\r\n", b"*1\r\n+4\r\n", b"*1\r\n$4\r\nPINGxx", b"*0\r\n"] {
            assert!(matches!(Records::new(bad, 0).read(), Err(Stop::Format(_))), "{bad:?}");
        }
    }
}
