//! The books about saves: when the last was, how it ended, and whether it is time for another.

use parking_lot::Mutex;

use crate::config::values::SaveRules;

/// Seconds after a failed save before another is tried.
const RETRY_S: u64 = 5;

/// See the [module's page](self).
#[derive(Default)]
pub struct Saves(Mutex<Books>);

/// What is known about saves.
#[derive(Clone, Debug)]
pub struct Books {
    /// When the data were last saved, unix seconds; at first, when the server started.
    pub last_s: u64,
    /// When a background save was last tried.
    pub tried_s: u64,
    /// How the last background save ended.
    pub ok: bool,
    /// How long it took; -1: there was none.
    pub seconds: i64,
    /// Saves that were begun.
    pub count: u64,
    /// The sum of changes at the last save.
    pub changes: u64,
    /// Another is to begin as soon as possible.
    pub scheduled: bool,
    /// Bytes that were copied aside during the last one.
    pub copied: u64,
}

impl Default for Books {
    fn default() -> Books {
        Books {
            last_s: 0,
            tried_s: 0,
            ok: true,
            seconds: -1,
            count: 0,
            changes: 0,
            scheduled: false,
            copied: 0,
        }
    }
}

impl Saves {
    pub fn books(&self) -> Books {
        self.0.lock().clone()
    }

    pub fn note(&self, note: impl FnOnce(&mut Books)) {
        note(&mut self.0.lock());
    }
}

impl Books {
    /// Whether a rule says that it is time to save, `changes` being the sum of all changes so far.
    pub fn is_due(&self, rules: &SaveRules, changes: u64, now_s: u64) -> bool {
        let (since, made) = (now_s.saturating_sub(self.last_s), changes.saturating_sub(self.changes));
        let may = self.ok || now_s.saturating_sub(self.tried_s) > RETRY_S;
        may && rules.rules().iter().any(|rule| made >= rule.changes && since > rule.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_rule_wants_changes_and_time() {
        let rules = Config::new(std::path::Path::new("")).save;
        let mut books = Books { last_s: 1_000, changes: 50, ..Books::default() };
        // 60 10000, 300 100, 3600 1
        for (changes, after, due) in [
            (10_050, 61, true),
            (10_049, 61, false),
            (10_050, 60, false),
            (150, 301, true),
            (51, 3_601, true),
            (50, 9_999, false),
        ] {
            assert_eq!(books.is_due(&rules, changes, 1_000 + after), due, "{changes} {after}");
        }
        books.ok = false;
        books.tried_s = 1_060;
        assert!(!books.is_due(&rules, 10_050, 1_061));
        assert!(books.is_due(&rules, 10_050, 1_066));
    }
}
