//! Going over a stretch of a sorted set, in either direction.

use protocol::listpack::{Entry, View};

use super::packed::score_of;
use crate::thin::{Scored, Thin};
use crate::types::rank_tree;

/// The elements of a range of ranks: member and score.
pub struct Walk<'a>(pub(super) Source<'a>);

pub(super) enum Source<'a> {
    Packed {
        view: View<'a>,
        /// Forward: the position of the next member. In reverse: the position after the next pair.
        at: usize,
        left: usize,
        reverse: bool,
    },
    Big {
        range: rank_tree::Range<'a, Thin<Scored>, 62>,
        reverse: bool,
    },
}

impl<'a> Iterator for Walk<'a> {
    type Item = (Entry<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Source::Big { range, reverse } => {
                let (score, m) = if *reverse { range.next_back()? } else { range.next()? };
                Some((Entry::Str(m.first()), score))
            }
            Source::Packed { view, at, left, reverse } => {
                *left = left.checked_sub(1)?;
                let (member, score) = if *reverse {
                    let score = view.prev(*at)?;
                    *at = view.prev(score)?;
                    (*at, score)
                } else {
                    let member = view.at(*at)?;
                    let score = view.next(member)?;
                    *at = view.next(score).unwrap_or(view.end());
                    (member, score)
                };
                Some((view.get(member), score_of(view.get(score))))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Source::Big { range, .. } => range.size_hint(),
            Source::Packed { left, .. } => (*left, Some(*left)),
        }
    }
}

impl ExactSizeIterator for Walk<'_> {}
