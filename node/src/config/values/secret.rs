//! Passwords and user names: any bytes, and never in a log.

use std::fmt;
use std::ops::Deref;

use crate::config::row::{Origin, Row};
use crate::config::value::{Value, quoted_line};

/// Bytes that print as dots.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "unset" } else { "..." })
    }
}

impl Value for Secret {
    fn take(&mut self, _: &Row, words: &[&[u8]], _: Origin) -> Result<(), String> {
        self.0 = words[0].to_vec();
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        self.0.clone()
    }

    fn lines(&self, row: &Row) -> Vec<Vec<u8>> {
        quoted_line(&self.0, row)
    }

    fn syntax(_: &Row) -> String {
        "any bytes".into()
    }
}
