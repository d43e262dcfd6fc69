//! `client-output-buffer-limit`: how much may wait unsent for a client.

use crate::config::number::{self, memory_text};
use crate::config::row::{Origin, Row};
use crate::config::value::Value;

/// The classes of clients that have limits of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientClass {
    Normal,
    Replica,
    Pubsub,
}

/// Limits of one class; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// Disconnect above so many bytes,
    pub hard: u64,
    /// or above so many
    pub soft: u64,
    /// for so many seconds.
    pub soft_seconds: u64,
}

/// The limits of all classes. A line or a CONFIG SET changes the classes it names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimits([OutputLimit; 3]);

/// Names by class, as CONFIG GET has them; files say `replica`.
const CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

impl OutputLimits {
    #[inline]
    pub fn of(&self, class: ClientClass) -> OutputLimit {
        self.0[class as usize]
    }

    /// The least hard limit of any class, `u64::MAX` if none has one.
    pub fn least_hard(&self) -> u64 {
        self.0.iter().map(|limit| limit.hard).filter(|hard| *hard > 0).min().unwrap_or(u64::MAX)
    }

    fn take_class(&mut self, name: &[u8], limits: [&[u8]; 3]) -> Result<(), String> {
        let name = if name.eq_ignore_ascii_case(b"replica") { b"slave" } else { name };
        let Some(class) = CLASSES.iter().position(|class| name.eq_ignore_ascii_case(class.as_bytes())) else {
            return Err("Invalid client class specified in buffer limit configuration.".into());
        };
        let seconds = |word| number::integer(word).and_then(|seconds| u64::try_from(seconds).ok());
        let limit = (number::memory(limits[0]), number::memory(limits[1]), seconds(limits[2]));
        let (Some(hard), Some(soft), Some(soft_seconds)) = limit else {
            return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.".into());
        };
        self.0[class] = OutputLimit { hard, soft, soft_seconds };
        Ok(())
    }
}

impl Value for OutputLimits {
    fn take(&mut self, _: &Row, words: &[&[u8]], _: Origin) -> Result<(), String> {
        if !words.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        for group in words.chunks_exact(4) {
            self.take_class(group[0], [group[1], group[2], group[3]])?;
        }
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        let class = |(name, limit): (&&str, &OutputLimit)| {
            format!("{name} {} {} {}", limit.hard, limit.soft, limit.soft_seconds)
        };
        CLASSES.iter().zip(&self.0).map(class).collect::<Vec<_>>().join(" ").into()
    }

    fn lines(&self, _: &Row) -> Vec<Vec<u8>> {
        let class = |(name, limit): (&str, &OutputLimit)| {
            let (hard, soft) = (memory_text(limit.hard.into()), memory_text(limit.soft.into()));
            format!("{name} {hard} {soft} {}", limit.soft_seconds).into()
        };
        ["normal", "replica", "pubsub"].into_iter().zip(&self.0).map(class).collect()
    }

    fn syntax(_: &Row) -> String {
        "class hard soft seconds, repeated".into()
    }
}
