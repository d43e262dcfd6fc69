//! `oom-score-adj-values`: scores for the kernel's out-of-memory killer.

use crate::config::number;
use crate::config::row::{Origin, Row, WRONG_COUNT};
use crate::config::value::Value;

/// Scores for a master, a replica and a background child, from -2000 to 2000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OomScores(pub [i32; 3]);

impl Value for OomScores {
    fn take(&mut self, _: &Row, words: &[&[u8]], _: Origin) -> Result<(), String> {
        if words.len() != self.0.len() {
            return Err(WRONG_COUNT.into());
        }
        for (score, word) in self.0.iter_mut().zip(words) {
            *score = match number::integer(word) {
                Some(value @ -2000..=2000) => value as i32,
                _ => {
                    return Err(
                        "Invalid oom-score-adj-values, elements must be between -2000 and 2000.".into()
                    );
                }
            };
        }
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        let [master, replica, child] = self.0;
        format!("{master} {replica} {child}").into()
    }

    fn syntax(_: &Row) -> String {
        "three integers".into()
    }
}
