//! The error of every decoder here: bytes that are not what they claim to be.

use std::fmt;

/// Bytes that break the rules of their format; met when a payload from outside is hostile or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// The format's name, for example `listpack`.
    pub format: &'static str,
    /// Where in the payload the trouble was noticed, in bytes from its start.
    pub offset: usize,
    /// Which rule was broken.
    pub rule: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed {} at byte {}: {}", self.format, self.offset, self.rule)
    }
}

impl std::error::Error for Malformed {}
