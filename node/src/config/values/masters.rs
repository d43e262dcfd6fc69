//! `replicaof`: whom to follow.

use super::{texts, word_line};
use crate::config::number;
use crate::config::row::{Origin, Row};
use crate::config::value::Value;

/// A node to follow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Master {
    pub host: String,
    pub port: u16,
}

/// The masters in the order they were given, without repetition.
///
/// While a file is read every line adds one, and `no one` forgets those before it; without multi-master only the last
/// remains in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masters(pub Vec<Master>);

impl Value for Masters {
    fn take(&mut self, _: &Row, words: &[&[u8]], from: Origin) -> Result<(), String> {
        if from == Origin::Default {
            return Ok(());
        }
        let [host, port] = words else { return Err(crate::config::row::WRONG_COUNT.into()) };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            return {
                self.0.clear();
                Ok(())
            };
        }
        let port =
            number::integer(port).and_then(|port| u16::try_from(port).ok()).ok_or("Invalid master port")?;
        let host = texts(&[host])?.remove(0);
        let master = Master { host, port };
        self.0.retain(|known| *known != master);
        self.0.push(master);
        Ok(())
    }

    /// The last one: Redis knows no more, and KeyDB lists the others in INFO.
    fn show(&self, _: &Row) -> Vec<u8> {
        self.0.last().map_or(Vec::new(), |m| format!("{} {}", m.host, m.port).into())
    }

    fn lines(&self, _: &Row) -> Vec<Vec<u8>> {
        self.0.iter().map(|m| word_line(&[m.host.clone(), m.port.to_string()])).collect()
    }

    fn syntax(_: &Row) -> String {
        "host port".into()
    }
}
