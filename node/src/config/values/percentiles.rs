//! `latency-tracking-info-percentiles`: what INFO says about each command's latency.

use crate::config::row::{Origin, Row};
use crate::config::value::Value;

/// Percentiles from 0 to 100, in the order given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Percentiles(pub Vec<f64>);

impl Value for Percentiles {
    fn take(&mut self, row: &Row, words: &[&[u8]], _: Origin) -> Result<(), String> {
        let number = |word: &&[u8]| {
            let value: Option<f64> = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
            match value.filter(|value| !value.is_nan()) {
                None => Err(format!("Invalid {} parameters", row.name)),
                Some(value) if !(0.0..=100.0).contains(&value) => {
                    Err(format!("{} parameters should sit between [0.0,100.0]", row.name))
                }
                Some(value) => Ok(value),
            }
        };
        self.0 = words.iter().map(number).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        self.0.iter().map(|value| percentile_text(*value)).collect::<Vec<_>>().join(" ").into()
    }

    fn lines(&self, row: &Row) -> Vec<Vec<u8>> {
        vec![if self.0.is_empty() { b"\"\"".to_vec() } else { self.show(row) }]
    }

    fn syntax(_: &Row) -> String {
        "numbers, 0 to 100".into()
    }
}

/// Six decimals, less the zeros at their end.
pub fn percentile_text(value: f64) -> String {
    format!("{value:.6}").trim_end_matches('0').trim_end_matches('.').to_owned()
}
