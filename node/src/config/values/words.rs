//! Lists of words without further meaning here.

use super::{joined, texts, word_line};
use crate::config::row::{Flags, Origin, Row};
use crate::config::value::Value;

/// Words in the order given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl Value for Words {
    fn take(&mut self, _: &Row, words: &[&[u8]], _: Origin) -> Result<(), String> {
        self.0 = texts(words)?;
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        joined(&self.0)
    }

    fn lines(&self, row: &Row) -> Vec<Vec<u8>> {
        if self.0.is_empty() && row.flags.has(Flags::OMIT_EMPTY) {
            Vec::new()
        } else {
            vec![word_line(&self.0)]
        }
    }

    fn syntax(_: &Row) -> String {
        "words".into()
    }
}
