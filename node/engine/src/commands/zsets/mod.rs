//! Sorted sets, in reading order: what adds, what reads members, ranges and their bounds, what removes, random members,
//! and algebra.

use protocol::listpack::Entry;
use protocol::{ErrorReply, Reply, error, number};

use super::Row;

pub mod add;
pub mod algebra;
mod bounds;
mod pop;
mod random;
mod range;
mod read;
mod remove;
#[cfg(test)]
mod tests;

/// The rows of all files of the family.
pub const ROWS: &[&[Row]] =
    &[add::ROWS, read::ROWS, range::ROWS, remove::ROWS, pop::ROWS, random::ROWS, algebra::ROWS];

/// A score argument.
#[inline]
fn score_arg(arg: &[u8]) -> Result<f64, ErrorReply> {
    number::parse_f64(arg).ok_or(error::NOT_FLOAT)
}

/// How a list of elements is written: RESP3 makes pairs of members and scores, RESP2 a flat list.
#[derive(Clone, Copy)]
struct Listing {
    scores: bool,
    pairs: bool,
}

impl Listing {
    /// The header of `n` elements.
    fn begin(out: &mut Reply, n: usize, scores: bool) -> Listing {
        let pairs = scores && out.resp3;
        out.array(if scores && !pairs { 2 * n } else { n });
        Listing { scores, pairs }
    }

    #[inline]
    fn element(self, out: &mut Reply, member: Entry<'_>, score: f64) {
        if self.pairs {
            out.array(2);
        }
        out.bulk_entry(member);
        if self.scores {
            out.double(score);
        }
    }

    /// Writes all elements.
    fn write<'a>(out: &mut Reply, elements: impl ExactSizeIterator<Item = (Entry<'a>, f64)>, scores: bool) {
        let listing = Listing::begin(out, elements.len(), scores);
        elements.for_each(|(member, score)| listing.element(out, member, score));
    }
}
