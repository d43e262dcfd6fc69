//! The small form: pairs of member and score in one listpack, in order.
//!
//! Scores are entries as Redis writes them: integers as integers, other numbers as 17 digits of text. So -0 becomes 0.

use std::cmp::Ordering;
use std::ops::Range;

use protocol::listpack::{Entry, Listpack, View};
use protocol::{Malformed, number};

use super::walk::{Source, Walk};
use super::{LexRange, ScoreRange};
use crate::effect::{Outcome, ScoreCondition};

/// Room for a score as text and its frame.
const SCORE_BYTES_MAX: usize = 32;
/// Integers of a larger magnitude are written as text.
const INT_MAX: f64 = (1i64 << 62) as f64;

#[derive(Clone, Default)]
pub(super) struct Packed(Listpack);

/// The score that an entry spells.
#[inline]
pub(super) fn score_of(entry: Entry<'_>) -> f64 {
    match entry {
        Entry::Int(n) => n as f64,
        // It is known to be a number: Rust's own parser is enough, but for hexadecimal ones that came from outside.
        Entry::Str(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .or_else(|| number::parse_f64(text))
            .unwrap_or(0.0),
    }
}

/// Hands over a score as the entry to be stored.
fn with_entry<R>(score: f64, then: impl FnOnce(Entry<'_>) -> R) -> R {
    if score.trunc() == score && score.abs() <= INT_MAX {
        return then(Entry::Int(score as i64));
    }
    let mut text = Vec::with_capacity(SCORE_BYTES_MAX);
    number::fmt_f64(&mut text, score);
    then(Entry::Str(&text))
}

/// How an element of the set compares with (score, member).
fn compare(own: (Entry<'_>, f64), score: f64, member: &[u8]) -> Ordering {
    let by_score = own.1.partial_cmp(&score).unwrap_or(Ordering::Equal);
    by_score.then_with(|| own.0.text(&mut itoa::Buffer::new()).cmp(member))
}

impl Packed {
    pub fn from_listpack(listpack: Listpack) -> Result<Packed, Malformed> {
        let broken = |rule| Err(Malformed { format: "sorted set", offset: 0, rule });
        if !listpack.len().is_multiple_of(2) {
            return broken("a member without a score");
        }
        let scores_ok = |(_, score): (Entry<'_>, Entry<'_>)| match score {
            Entry::Int(_) => true,
            Entry::Str(text) => number::parse_f64(text).is_some(),
        };
        if !listpack.pairs().all(scores_ok) {
            return broken("a score that is no number");
        }
        let packed = Packed(listpack);
        if !packed
            .walk(0..packed.len(), false)
            .is_sorted_by(|a, b| compare(*a, b.1, b.0.text(&mut itoa::Buffer::new())) == Ordering::Less)
        {
            return broken("elements out of order");
        }
        Ok(packed)
    }

    pub fn listpack(&self) -> &Listpack {
        &self.0
    }

    pub fn len(&self) -> usize {
        self.0.len() / 2
    }

    pub fn has_room_for(&self, member: &[u8]) -> bool {
        self.0.has_room_for(member.len() + SCORE_BYTES_MAX)
    }

    /// The position of a member.
    pub fn find(&self, member: &[u8]) -> Option<usize> {
        self.0.find_first(member, 1)
    }

    pub fn contains(&self, member: &[u8]) -> bool {
        self.find(member).is_some()
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.0.find_value(member).map(score_of)
    }

    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let rank = self.0.pairs().position(|(own, _)| own.is_text(member))?;
        Some((rank, self.score(member)?))
    }

    /// `ranks` must exist.
    pub fn walk(&self, ranks: Range<usize>, reverse: bool) -> Walk<'_> {
        let view = self.0.view();
        let edge = if reverse { ranks.end } else { ranks.start };
        let at = view.seek(2 * edge as i64).unwrap_or(view.end());
        Walk(Source::Packed { view, at, left: ranks.len(), reverse })
    }

    pub fn ranks_of_scores(&self, range: &ScoreRange) -> Range<usize> {
        self.ranks(|_, score| range.begins_by(score), |_, score| range.reaches(score))
    }

    pub fn ranks_of_members(&self, range: &LexRange<'_>) -> Range<usize> {
        self.ranks(|member, _| range.begins_by(member), |member, _| range.reaches(member))
    }

    /// The ranks from the first element that `begins` on, as far as it `reaches`.
    fn ranks(
        &self,
        begins: impl Fn(&[u8], f64) -> bool,
        reaches: impl Fn(&[u8], f64) -> bool,
    ) -> Range<usize> {
        let mut start = None;
        for (rank, (member, score)) in self.walk(0..self.len(), false).enumerate() {
            let mut digits = itoa::Buffer::new();
            let member = member.text(&mut digits);
            if start.is_none() && begins(member, score) {
                start = Some(rank);
            }
            if let Some(start) = start
                && !reaches(member, score)
            {
                return start..rank;
            }
        }
        start.unwrap_or(self.len())..self.len()
    }

    /// See [`super::Zset::set`]; `found` is what [`Packed::find`] says.
    pub fn set(&mut self, found: Option<usize>, member: &[u8], score: f64, only: ScoreCondition) -> Outcome {
        let outcome = match found {
            None => Outcome::Created,
            Some(at) => {
                let old = self.0.next(at).map_or(0.0, |at| score_of(self.0.get(at)));
                if old == score || !only.permits(old, score) {
                    return Outcome::Unchanged;
                }
                self.0.remove_from(at, 2);
                Outcome::Changed
            }
        };
        let at = self.place(score, member);
        with_entry(score, |score| self.0.insert_pair(at, member, score));
        outcome
    }

    pub fn remove(&mut self, member: &[u8]) -> bool {
        let found = self.find(member);
        if let Some(at) = found {
            self.0.remove_from(at, 2);
        }
        found.is_some()
    }

    /// Adds an element behind all others.
    pub fn push(&mut self, member: &[u8], score: f64) {
        with_entry(score, |score| self.0.push_pair(member, score));
    }

    /// Where (score, member) belongs.
    fn place(&self, score: f64, member: &[u8]) -> usize {
        let view = self.0.view();
        // Much is added in order: times, counters.
        if last(view).is_none_or(|own| compare(own, score, member) == Ordering::Less) {
            return view.end();
        }
        let mut at = view.first();
        while let Some(here) = at {
            let Some(next) = view.next(here) else { break };
            if compare((view.get(here), score_of(view.get(next))), score, member) != Ordering::Less {
                return here;
            }
            at = view.next(next);
        }
        view.end()
    }
}

fn last(view: View<'_>) -> Option<(Entry<'_>, f64)> {
    let (member, score) = view.pairs().next_back()?;
    Some((member, score_of(score)))
}
