//! `maxmemory-clients`: an amount of memory, or a share of another.

use crate::config::number;
use crate::config::row::{Origin, Row};
use crate::config::value::Value;

/// Bytes, or a percentage of maxmemory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryShare {
    Bytes(u64),
    /// From 1 to 100.
    Percent(u8),
}

impl Default for MemoryShare {
    fn default() -> MemoryShare {
        MemoryShare::Bytes(0)
    }
}

impl MemoryShare {
    /// The amount in bytes when the whole is `whole`.
    pub fn of(self, whole: u64) -> u64 {
        match self {
            MemoryShare::Bytes(bytes) => bytes,
            MemoryShare::Percent(percent) => (u128::from(whole) * u128::from(percent) / 100) as u64,
        }
    }
}

impl Value for MemoryShare {
    fn take(&mut self, _: &Row, words: &[&[u8]], _: Origin) -> Result<(), String> {
        const NEITHER: &str = "argument must be a memory or percent value";
        if let Some(percent) = words[0].strip_suffix(b"%") {
            *self = match number::integer(percent).ok_or(NEITHER)? {
                0 => MemoryShare::Bytes(0),
                percent @ 1..=100 => MemoryShare::Percent(percent as u8),
                101.. => return Err("percentage argument must be less or equal to 100".into()),
                _ => return Err(NEITHER.into()),
            };
            return Ok(());
        }
        let bytes = number::memory(words[0]).ok_or(NEITHER)?;
        if bytes > i64::MAX as u64 {
            return Err(format!("argument must be between 0 and {} inclusive", i64::MAX));
        }
        *self = MemoryShare::Bytes(bytes);
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        match self {
            MemoryShare::Bytes(bytes) => bytes.to_string().into(),
            MemoryShare::Percent(percent) => format!("{percent}%").into(),
        }
    }

    fn syntax(_: &Row) -> String {
        "memory or percentage".into()
    }
}
