//! The bounds of ranges as clients write them.

use std::ops::Range;

use protocol::error::{RANGE_NOT_FLOAT, RANGE_NOT_LEX};
use protocol::{ErrorReply, number};

use crate::commands::int;
use crate::types::zset::{LexBound, LexRange, ScoreRange};

/// Scores from `min` to `max`; a bound after `(` is left out itself.
pub fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, ErrorReply> {
    let bound = |text: &[u8]| {
        let (excluded, number) = match text {
            [b'(', rest @ ..] => (true, rest),
            all => (false, all),
        };
        number::parse_f64_loose(number).map(|bound| (bound, excluded)).ok_or(RANGE_NOT_FLOAT)
    };
    let ((min, min_excluded), (max, max_excluded)) = (bound(min)?, bound(max)?);
    Ok(ScoreRange { min, max, min_excluded, max_excluded })
}

/// Members from `min` to `max`: `-`, `+`, `[member` or `(member`.
pub fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, ErrorReply> {
    let bound = |text: &'a [u8]| match text {
        b"-" => Ok(LexBound::Lowest),
        b"+" => Ok(LexBound::Highest),
        [b'[', member @ ..] => Ok(LexBound::Included(member)),
        [b'(', member @ ..] => Ok(LexBound::Excluded(member)),
        _ => Err(RANGE_NOT_LEX),
    };
    Ok(LexRange { min: bound(min)?, max: bound(max)? })
}

/// Positions from `start` to `stop`, both included; negative ones count from the end.
#[derive(Clone, Copy, Debug)]
pub struct Positions {
    start: i64,
    stop: i64,
}

impl Positions {
    pub fn parse(start: &[u8], stop: &[u8]) -> Result<Positions, ErrorReply> {
        Ok(Positions { start: int(start)?, stop: int(stop)? })
    }

    /// The positions that exist in a row of `len`.
    pub fn within(self, len: usize) -> Range<usize> {
        let from_start = |at: i64| if at < 0 { at.saturating_add(len as i64) } else { at };
        let start = from_start(self.start).max(0) as usize;
        let end = from_start(self.stop).saturating_add(1).clamp(0, len as i64) as usize;
        start.min(end)..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_cut_to_what_exists() {
        for (start, stop, range) in [
            (0, -1, 0..5),
            (1, 2, 1..3),
            (-2, -1, 3..5),
            (-9, 1, 0..2),
            (5, 9, 5..5),
            (3, 1, 2..2),
            (0, -9, 0..0),
            (i64::MIN, i64::MAX, 0..5),
            (i64::MAX, i64::MIN, 0..0),
        ] {
            assert_eq!(Positions { start, stop }.within(5), range, "{start} {stop}");
            assert!(Positions { start, stop }.within(0).is_empty());
        }
    }
}
