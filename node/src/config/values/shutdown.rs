//! `shutdown-on-sigint` and `-sigterm`: how to leave.

use crate::config::choice::one_of;
use crate::config::row::{Origin, Row};
use crate::config::value::Value;

/// Options of SHUTDOWN. None of them: save if there are save rules, and wait for replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownFlags {
    pub save: bool,
    pub nosave: bool,
    pub now: bool,
    pub force: bool,
}

const WORDS: &[&str] = &["default", "save", "nosave", "now", "force"];

impl Value for ShutdownFlags {
    fn take(&mut self, _: &Row, words: &[&[u8]], _: Origin) -> Result<(), String> {
        let mut flags = ShutdownFlags::default();
        for word in words {
            match word.to_ascii_lowercase().as_slice() {
                b"default" => {}
                b"save" => flags.save = true,
                b"nosave" => flags.nosave = true,
                b"now" => flags.now = true,
                b"force" => flags.force = true,
                _ => return Err(one_of(WORDS)),
            }
        }
        if words.is_empty() {
            return Err(one_of(WORDS));
        }
        if flags.save && flags.nosave {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
        }
        *self = flags;
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        let given = [self.save, self.nosave, self.now, self.force];
        let words: Vec<&str> =
            WORDS[1..].iter().zip(given).filter(|(_, given)| *given).map(|(word, _)| *word).collect();
        if words.is_empty() { WORDS[0].into() } else { words.join(" ").into() }
    }

    fn syntax(_: &Row) -> String {
        WORDS.join(", ")
    }
}
