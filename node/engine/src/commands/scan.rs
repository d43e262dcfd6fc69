//! What SCAN and its kin for the insides of values share: the cursor and the options.

use protocol::error::{INVALID_CURSOR, SYNTAX};
use protocol::glob::{self, Case};
use protocol::listpack::Entry;
use protocol::{Args, ErrorReply, Reply};

use super::{int, is};

/// Elements looked at by one call, if it does not say otherwise.
const COUNT: usize = 10;

/// `[MATCH pattern] [COUNT count]`, and one word more for some commands.
#[derive(Clone, Copy, Debug)]
pub struct ScanOptions<'a> {
    pub count: usize,
    /// `None`: everything.
    pub pattern: Option<&'a [u8]>,
    /// Whether the command's own word (NOVALUES, NOSCORES) was there.
    pub flag: bool,
    /// Only values of this type, in whatever case: for SCAN itself. `None`: of all.
    pub kind: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    /// Reads the arguments after the cursor. `flag` is a word of the command's own.
    pub fn parse(args: Args<'a>, flag: Option<&str>) -> Result<ScanOptions<'a>, ErrorReply> {
        ScanOptions::read(args, flag, false)
    }

    /// Reads the arguments of SCAN after the cursor: `TYPE` is known, too.
    pub fn parse_keys(args: Args<'a>) -> Result<ScanOptions<'a>, ErrorReply> {
        ScanOptions::read(args, None, true)
    }

    fn read(args: Args<'a>, flag: Option<&str>, typed: bool) -> Result<ScanOptions<'a>, ErrorReply> {
        let mut options = ScanOptions { count: COUNT, pattern: None, flag: false, kind: None };
        let mut i = 0;
        while i < args.len() {
            let (word, value) = (args.at(i), args.get(i + 1));
            i += 2;
            match value {
                Some(count) if is(word, "COUNT") => {
                    options.count = usize::try_from(int(count)?).ok().filter(|n| *n > 0).ok_or(SYNTAX)?;
                }
                Some(pattern) if is(word, "MATCH") => {
                    options.pattern = Some(pattern).filter(|p| *p != b"*");
                }
                Some(kind) if typed && is(word, "TYPE") => options.kind = Some(kind),
                _ if flag.is_some_and(|flag| is(word, flag)) => {
                    options.flag = true;
                    i -= 1;
                }
                _ => return Err(SYNTAX),
            }
        }
        Ok(options)
    }

    /// Whether an element may be in the reply.
    pub fn admits(&self, element: Entry<'_>) -> bool {
        let matches = |pattern| glob::matches(pattern, element.text(&mut itoa::Buffer::new()), Case::Matters);
        self.pattern.is_none_or(matches)
    }
}

/// Reads a cursor: any number of 64 bits with whatever sign, as C's `strtoul` does, or nothing for 0.
pub fn cursor_of(text: &[u8]) -> Result<u64, ErrorReply> {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let mut cursor = 0u64;
    for &byte in digits {
        let digit = Some(byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9).ok_or(INVALID_CURSOR)?;
        let shifted = cursor.checked_mul(10).and_then(|c| c.checked_add(u64::from(digit)));
        cursor = shifted.ok_or(INVALID_CURSOR)?;
    }
    if digits.is_empty() && !text.is_empty() {
        return Err(INVALID_CURSOR);
    }
    Ok(if text.starts_with(b"-") { cursor.wrapping_neg() } else { cursor })
}

/// The reply for a key that is not there.
pub fn empty_scan(out: &mut Reply) {
    out.array(2);
    out.bulk(b"0");
    out.array(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_c_does() {
        for (text, cursor) in [("", 0), ("0", 0), ("007", 7), ("+7", 7), ("-1", u64::MAX)] {
            assert_eq!(cursor_of(text.as_bytes()), Ok(cursor), "{text}");
        }
        assert_eq!(cursor_of(b"18446744073709551615"), Ok(u64::MAX));
        for text in ["18446744073709551616", " 1", "1 ", "x", "-", "+", "--1", "1e3", "0x1"] {
            assert_eq!(cursor_of(text.as_bytes()), Err(INVALID_CURSOR), "{text}");
        }
    }
}
