//! `save`: when a snapshot is taken by itself.

use crate::config::number;
use crate::config::row::{Origin, Row};
use crate::config::value::Value;

/// Save when `changes` keys changed within `seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveRule {
    pub seconds: u64,
    pub changes: u64,
}

/// The rules, any of which is enough. None: never.
///
/// Lines of a file add up; the first of them takes the place of the defaults, and `save ""` of all before it. CONFIG SET
/// takes the place of everything.
#[derive(Clone, Debug, Default)]
pub struct SaveRules {
    rules: Vec<SaveRule>,
    /// Only the defaults so far.
    untouched: bool,
}

impl PartialEq for SaveRules {
    fn eq(&self, other: &SaveRules) -> bool {
        self.rules == other.rules
    }
}

impl SaveRules {
    pub fn rules(&self) -> &[SaveRule] {
        &self.rules
    }
}

fn read_rules(words: &[&[u8]]) -> Option<Vec<SaveRule>> {
    if !words.len().is_multiple_of(2) {
        return None;
    }
    let number =
        |word: &[u8], least| number::integer(word).filter(|value| *value >= least).map(|value| value as u64);
    let rule = |pair: &[&[u8]]| Some(SaveRule { seconds: number(pair[0], 1)?, changes: number(pair[1], 0)? });
    words.chunks_exact(2).map(rule).collect()
}

impl Value for SaveRules {
    fn take(&mut self, _: &Row, words: &[&[u8]], from: Origin) -> Result<(), String> {
        let rules = read_rules(words).ok_or("Invalid save parameters")?;
        if from != Origin::Boot || self.untouched || words.is_empty() {
            self.rules.clear();
        }
        self.rules.extend(rules);
        self.untouched = from == Origin::Default;
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        let rule = |rule: &SaveRule| format!("{} {}", rule.seconds, rule.changes);
        self.rules.iter().map(rule).collect::<Vec<_>>().join(" ").into()
    }

    fn lines(&self, _: &Row) -> Vec<Vec<u8>> {
        if self.rules.is_empty() {
            return vec![b"\"\"".to_vec()];
        }
        self.rules.iter().map(|rule| format!("{} {}", rule.seconds, rule.changes).into()).collect()
    }

    fn syntax(_: &Row) -> String {
        "seconds changes, repeated".into()
    }
}
