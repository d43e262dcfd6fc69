//! Several entries that are put into a listpack in one move.

use smallvec::SmallVec;

use super::entry::Encoded;
use super::{Entry, Listpack};

/// Entries as they will lie in a listpack. Allocates only for more than a few.
#[derive(Debug, Default)]
pub struct Run {
    bytes: SmallVec<[u8; 256]>,
    count: usize,
}

impl Run {
    /// Adds an entry at the end.
    #[inline]
    pub fn push<'e>(&mut self, entry: impl Into<Entry<'e>>) {
        let encoded = Encoded::new(entry.into());
        let start = self.bytes.len();
        self.bytes.resize(start + encoded.size(), 0);
        encoded.write(&mut self.bytes[start..]);
        self.count += 1;
    }
}

impl Listpack {
    /// Inserts entries before the one at `at`, which may be the end.
    pub fn insert_run(&mut self, at: usize, run: &Run) {
        self.splice(at, at, run.bytes.len()).copy_from_slice(&run.bytes);
        self.count(run.count as isize);
    }

    /// Appends entries.
    #[inline]
    pub fn push_run(&mut self, run: &Run) {
        self.insert_run(self.end(), run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_what_its_entries_would_be_one_by_one() {
        let (mut run, mut one_by_one) = (Run::default(), Listpack::new());
        for text in [&b"a"[..], b"12", b"-70000", &[b'x'; 200]] {
            run.push(text);
            one_by_one.push_back(text);
        }
        let mut at_once = Listpack::new();
        at_once.push_run(&run);
        assert_eq!(at_once, one_by_one);
        at_once.insert_run(at_once.seek(1).unwrap(), &run);
        assert_eq!((at_once.len(), at_once.get(at_once.seek(2).unwrap())), (8, Entry::Int(12)));
    }
}
