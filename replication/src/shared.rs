//! Bytes that several hold at once: a chunk, or a part of one.

use std::ops::{Deref, Range};
use std::sync::Arc;

/// Part of a shared chunk of bytes. Copies are cheap.
#[derive(Clone)]
pub struct Shared {
    chunk: Arc<Vec<u8>>,
    from: usize,
    to: usize,
}

impl Shared {
    /// A part of this part.
    pub fn part(&self, range: Range<usize>) -> Shared {
        assert!(range.start <= range.end && range.end <= self.len(), "a part lies within the whole");
        Shared { chunk: self.chunk.clone(), from: self.from + range.start, to: self.from + range.end }
    }
}

impl Deref for Shared {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.chunk[self.from..self.to]
    }
}

impl From<Vec<u8>> for Shared {
    /// Nothing is copied.
    fn from(bytes: Vec<u8>) -> Shared {
        Shared { from: 0, to: bytes.len(), chunk: Arc::new(bytes) }
    }
}

impl From<&[u8]> for Shared {
    fn from(bytes: &[u8]) -> Shared {
        bytes.to_vec().into()
    }
}

impl PartialEq for Shared {
    fn eq(&self, other: &Shared) -> bool {
        **self == **other
    }
}

impl Eq for Shared {}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shared({} bytes)", self.len())
    }
}
