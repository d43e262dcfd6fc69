//! Bounds on the order of a sorted set: by score, or by member where all scores are equal.

/// Scores between two bounds, each of which may be left out itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    pub min: f64,
    pub max: f64,
    pub min_excluded: bool,
    pub max_excluded: bool,
}

impl ScoreRange {
    /// Scores from `min` up to `max`.
    pub fn inclusive(min: f64, max: f64) -> ScoreRange {
        ScoreRange { min, max, min_excluded: false, max_excluded: false }
    }

    /// Scores from `min` up to but not including `max`.
    pub fn half_open(min: f64, max: f64) -> ScoreRange {
        ScoreRange { max_excluded: true, ..ScoreRange::inclusive(min, max) }
    }

    /// Whether no score can be in the range.
    pub fn is_empty(&self) -> bool {
        self.min > self.max || (self.min == self.max && (self.min_excluded || self.max_excluded))
    }

    /// Whether `score` is at or above the lower bound.
    #[inline]
    pub fn begins_by(&self, score: f64) -> bool {
        if self.min_excluded { score > self.min } else { score >= self.min }
    }

    /// Whether `score` is at or below the upper bound.
    #[inline]
    pub fn reaches(&self, score: f64) -> bool {
        if self.max_excluded { score < self.max } else { score <= self.max }
    }
}

/// A bound on members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// `-`: before all.
    Lowest,
    /// `+`: after all.
    Highest,
    /// `[bytes`
    Included(&'a [u8]),
    /// `(bytes`
    Excluded(&'a [u8]),
}

/// Members between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexRange<'a> {
    pub min: LexBound<'a>,
    pub max: LexBound<'a>,
}

impl LexRange<'_> {
    /// Whether no member can be in the range.
    pub fn is_empty(&self) -> bool {
        use LexBound::*;
        match (self.min, self.max) {
            (Highest, _) | (_, Lowest) => true,
            (Lowest, _) | (_, Highest) => false,
            (Included(min), Included(max)) => min > max,
            (Included(min) | Excluded(min), Included(max) | Excluded(max)) => min >= max,
        }
    }

    /// Whether `member` is at or above the lower bound.
    pub fn begins_by(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Lowest => true,
            LexBound::Highest => false,
            LexBound::Included(bytes) => member >= bytes,
            LexBound::Excluded(bytes) => member > bytes,
        }
    }

    /// Whether `member` is at or below the upper bound.
    pub fn reaches(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Included(bytes) => member <= bytes,
            LexBound::Excluded(bytes) => member < bytes,
        }
    }
}
