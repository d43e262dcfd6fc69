//! CONFIG GET.

use std::collections::HashSet;

use protocol::glob::{Case, is_pattern, matches};

use super::Config;
use super::row::Flags;
use super::rows::ROWS;
use super::table::find;

impl Config {
    /// Names and values of what the patterns cover, each name once.
    ///
    /// An alias is a name of its own. A name without pattern characters is answered in the spelling it was asked in, and is
    /// the only way to see a hidden directive.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(String, Vec<u8>)> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for pattern in patterns {
            if is_pattern(pattern) {
                self.get_covered(pattern, &mut seen, &mut found);
            } else if let Some((row, name)) = find(pattern)
                && seen.insert(name)
            {
                found.push((String::from_utf8_lossy(pattern).into_owned(), row.show(self)));
            }
        }
        found
    }

    fn get_covered(
        &self,
        pattern: &[u8],
        seen: &mut HashSet<&'static str>,
        found: &mut Vec<(String, Vec<u8>)>,
    ) {
        for row in ROWS.iter().filter(|row| !row.flags.has(Flags::HIDDEN)) {
            for name in row.names() {
                if matches(pattern, name.as_bytes(), Case::Ignored) && seen.insert(name) {
                    found.push((name.to_owned(), row.show(self)));
                }
            }
        }
    }
}
