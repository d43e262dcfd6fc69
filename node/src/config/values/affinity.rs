//! `server-thread-affinity`: which worker runs on which core.

use crate::config::number;
use crate::config::row::{Origin, Row};
use crate::config::value::Value;

/// Cores of the workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Affinity {
    /// The system places them.
    #[default]
    Off,
    /// The first worker on this core, the next one on the next.
    From(u32),
}

impl Value for Affinity {
    fn take(&mut self, _: &Row, words: &[&[u8]], _: Origin) -> Result<(), String> {
        *self = match words[0].to_ascii_lowercase().as_slice() {
            b"no" | b"false" => Affinity::Off,
            b"yes" | b"true" => Affinity::From(0),
            other => match number::integer(other).map(u32::try_from) {
                Some(Ok(core)) => Affinity::From(core),
                _ => return Err("argument must be 'true', 'false' or a core number".into()),
            },
        };
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        match self {
            Affinity::Off => "no".into(),
            Affinity::From(core) => core.to_string().into(),
        }
    }

    fn syntax(_: &Row) -> String {
        "true, false or a core".into()
    }
}
