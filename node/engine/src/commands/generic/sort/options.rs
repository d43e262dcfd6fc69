//! The options of SORT.

use std::ops::Range;

use protocol::error::{SORT_BY_CONFINED, SORT_GET_CONFINED, SYNTAX};
use protocol::{Args, ErrorReply};

use super::pattern::Pattern;
use crate::commands::{int, is};

/// See the [module's page](self).
pub struct Options<'a> {
    /// What to sort by, if not the elements themselves.
    pub by: Option<Pattern<'a>>,
    /// What to reply with, if not the elements themselves.
    pub get: Vec<Pattern<'a>>,
    pub descending: bool,
    pub alpha: bool,
    pub store: Option<&'a [u8]>,
    offset: i64,
    /// Negative: all.
    count: i64,
}

impl<'a> Options<'a> {
    pub fn parse(args: Args<'a>, may_store: bool, confined: bool) -> Result<Options<'a>, ErrorReply> {
        let mut options = Options {
            by: None,
            get: Vec::new(),
            descending: false,
            alpha: false,
            store: None,
            offset: 0,
            count: -1,
        };
        let mut at = 2;
        while let Some(word) = args.get(at) {
            let value = args.get(at + 1);
            at += match value {
                _ if is(word, "ASC") => {
                    options.descending = false;
                    1
                }
                _ if is(word, "DESC") => {
                    options.descending = true;
                    1
                }
                _ if is(word, "ALPHA") => {
                    options.alpha = true;
                    1
                }
                Some(offset) if is(word, "LIMIT") => {
                    let count = args.get(at + 2).ok_or(SYNTAX)?;
                    (options.offset, options.count) = (int(offset)?, int(count)?);
                    3
                }
                Some(key) if is(word, "STORE") && may_store => {
                    options.store = Some(key);
                    2
                }
                Some(text) if is(word, "BY") => {
                    let by = Pattern::new(text);
                    if confined && by.varies() {
                        return Err(SORT_BY_CONFINED);
                    }
                    options.by = Some(by);
                    2
                }
                Some(_) if is(word, "GET") && confined => return Err(SORT_GET_CONFINED),
                Some(text) if is(word, "GET") => {
                    options.get.push(Pattern::new(text));
                    2
                }
                _ => return Err(SYNTAX),
            };
        }
        Ok(options)
    }

    /// BY something that is the same for all elements: the wish that they be left as they are.
    pub fn unsorted(&self) -> bool {
        self.by.as_ref().is_some_and(|by| !by.varies())
    }

    /// Whether other keys than those among the arguments are needed.
    pub fn looks_up(&self) -> bool {
        self.by.iter().chain(&self.get).any(Pattern::varies)
    }

    /// The part of `len` sorted elements that is wanted.
    pub fn range(&self, len: usize) -> Range<usize> {
        let start = usize::try_from(self.offset.max(0)).map_or(len, |start| start.min(len));
        let count = usize::try_from(self.count).unwrap_or(len);
        start..start.saturating_add(count).min(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_stay_within_what_there_is() {
        let range = |offset, count, len| {
            let options = Options {
                by: None,
                get: Vec::new(),
                descending: false,
                alpha: false,
                store: None,
                offset,
                count,
            };
            options.range(len)
        };
        assert_eq!(range(0, -1, 5), 0..5);
        assert_eq!(range(2, 2, 5), 2..4);
        assert_eq!(range(-3, 2, 5), 0..2);
        assert_eq!(range(4, 9, 5), 4..5);
        assert_eq!(range(9, 1, 5), 5..5);
        assert_eq!(range(1, i64::MIN, 5), 1..5);
        assert_eq!(range(i64::MAX, i64::MAX, 5), 5..5);
        assert_eq!(range(0, 0, 5), 0..0);
    }
}
