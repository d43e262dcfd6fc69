//! The words of a line.

/// Splits a line at blanks. Several in a row are as good as one.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.0.iter().position(|byte| *byte != b' ')?;
        let rest = &self.0[start..];
        let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.0 = rest;
        Some(word)
    }
}

/// A decimal number without a sign, in 64 bits.
pub(super) fn number(word: &[u8]) -> Option<u64> {
    let digits = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(word).ok()?.parse().ok()).flatten()
}

/// A decimal number that may have a sign, in 64 bits.
pub(super) fn signed(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// The longest value that memcached thinks of: with its line end it is to be counted in 31 bits.
const LENGTH_MAX: u64 = i32::MAX as u64 - 2;

/// How many bytes follow: no number that large is a promise to send them.
pub(super) fn length(word: &[u8]) -> Option<u64> {
    signed(word).and_then(|len| u64::try_from(len).ok()).filter(|len| *len <= LENGTH_MAX)
}

/// Client flags: 32 bits, of whatever number was sent.
pub(super) fn client_flags(word: &[u8]) -> Option<u32> {
    number(word).map(|n| n as u32)
}
