//! `bind`: where to listen.

use super::{joined, texts, word_line};
use crate::config::row::{Origin, Row};
use crate::config::value::Value;

/// Most addresses on the line.
const ADDRESSES_MAX: usize = 16;

/// Addresses as written, a leading `-` included: failing to bind such a one is no error. Empty: no TCP listener at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindAddresses(pub Vec<String>);

impl Value for BindAddresses {
    fn take(&mut self, _: &Row, words: &[&[u8]], _: Origin) -> Result<(), String> {
        if words.len() > ADDRESSES_MAX {
            return Err("Too many bind addresses specified.".into());
        }
        self.0 = texts(words)?;
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        joined(&self.0)
    }

    fn lines(&self, _: &Row) -> Vec<Vec<u8>> {
        vec![word_line(&self.0)]
    }

    fn syntax(_: &Row) -> String {
        "addresses".into()
    }
}
