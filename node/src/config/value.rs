//! The types a directive may have, and the plain ones: numbers, yes and no, text.
//!
//! A type knows how to read itself from words, show itself to CONFIG GET and write itself into a file. Types that only
//! one directive has are in [`values`](super::values), those with a fixed list of words in [`choice`](super::choice).

use protocol::quote::quoted;

use super::number;
use super::row::{Flags, Origin, Row, Spec};

/// A type of directive.
pub trait Value: Clone + Default + PartialEq {
    /// Reads `words` into this value. On an error the value may be half changed; the caller throws it away.
    fn take(&mut self, row: &Row, words: &[&[u8]], from: Origin) -> Result<(), String>;

    /// As CONFIG GET shows it.
    fn show(&self, row: &Row) -> Vec<u8>;

    /// As a file says it: the words after the name, once for each line.
    fn lines(&self, row: &Row) -> Vec<Vec<u8>> {
        vec![self.show(row)]
    }

    /// What may be written, for the reference page.
    fn syntax(row: &Row) -> String;
}

impl Value for bool {
    fn take(&mut self, row: &Row, words: &[&[u8]], from: Origin) -> Result<(), String> {
        let word = words[0].to_ascii_lowercase();
        *self = match (word.as_slice(), &row.spec) {
            (b"yes", Spec::YesNoAtBoot(reason)) if from == Origin::Live => return Err((*reason).into()),
            (b"yes", _) | (b"true", Spec::Switch) => true,
            (b"no", _) | (b"false", Spec::Switch) => false,
            _ => return Err("argument must be 'yes' or 'no'".into()),
        };
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        if *self { b"yes".to_vec() } else { b"no".to_vec() }
    }

    fn syntax(_: &Row) -> String {
        "yes or no".into()
    }
}

/// Reads a number as its row says; the result is within the row's bounds.
fn read_number(row: &Row, text: &[u8]) -> Result<i128, String> {
    let within = |value: i128, min: i128, max: i128| {
        if value < min || value > max {
            return Err(format!("argument must be between {min} and {max} inclusive"));
        }
        Ok(value)
    };
    match row.spec {
        Spec::Integer { min, max, settle } => {
            let value = number::integer(text).ok_or("argument couldn't be parsed into an integer")?;
            Ok(within(value.into(), min, max)?.clamp(settle.0, settle.1))
        }
        Spec::Memory { min, max, least } => {
            let value = number::memory(text).ok_or("argument must be a memory value")?;
            Ok(within(value.into(), min, max)?.max(least))
        }
        Spec::Octal { max } => {
            let value = number::octal(text).ok_or("argument couldn't be parsed as an octal number")?;
            if value < 0 || value > max.into() {
                return Err(format!("argument must be between 0 and {max:o} inclusive"));
            }
            Ok(value.into())
        }
        _ => unreachable!("{} is a number without bounds", row.name),
    }
}

/// Writes a number as CONFIG GET shows it.
fn number_text(row: &Row, value: i128) -> Vec<u8> {
    if let Spec::Octal { .. } = row.spec { format!("{value:o}").into() } else { value.to_string().into() }
}

fn number_syntax(row: &Row) -> String {
    let bound = |value: i128| match value {
        v if v == i128::from(i32::MAX) || v >= i128::from(u32::MAX) => String::new(),
        v if v == i128::from(i32::MIN) => String::new(),
        v => v.to_string(),
    };
    match row.spec {
        Spec::Integer { min, max, .. } => match (bound(min), bound(max)) {
            (min, max) if max.is_empty() && min.is_empty() => "integer".into(),
            (min, max) if max.is_empty() => format!("integer, from {min}"),
            (min, max) => format!("integer, {min} to {max}"),
        },
        Spec::Memory { min, .. } if min > 0 => format!("memory, from {}", number::memory_text(min)),
        Spec::Memory { .. } => "memory".into(),
        Spec::Octal { max } => format!("octal, 0 to {max:o}"),
        _ => unreachable!("{} is a number without bounds", row.name),
    }
}

macro_rules! number_values {
    ($($ty:ty),+) => {$(
        impl Value for $ty {
            fn take(&mut self, row: &Row, words: &[&[u8]], _: Origin) -> Result<(), String> {
                let value = read_number(row, words[0])?;
                *self = <$ty>::try_from(value).expect("a row's bounds fit its type");
                Ok(())
            }

            fn show(&self, row: &Row) -> Vec<u8> {
                number_text(row, *self as i128)
            }

            fn lines(&self, row: &Row) -> Vec<Vec<u8>> {
                match row.spec {
                    Spec::Memory { .. } => vec![number::memory_text(*self as i128).into()],
                    _ => vec![self.show(row)],
                }
            }

            fn syntax(row: &Row) -> String {
                number_syntax(row)
            }
        }
    )+};
}

number_values!(u16, u32, u64, usize, i32, i64);

impl Value for String {
    fn take(&mut self, row: &Row, words: &[&[u8]], _: Origin) -> Result<(), String> {
        let text = std::str::from_utf8(words[0]).map_err(|_| "argument must be valid UTF-8")?;
        if let Spec::Text(check) = row.spec {
            check(row, text)?;
        }
        *self = text.to_owned();
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn lines(&self, row: &Row) -> Vec<Vec<u8>> {
        quoted_line(self.as_bytes(), row)
    }

    fn syntax(_: &Row) -> String {
        "text".into()
    }
}

/// One quoted word, or no line at all where an empty value means none.
pub(super) fn quoted_line(text: &[u8], row: &Row) -> Vec<Vec<u8>> {
    if text.is_empty() && row.flags.has(Flags::OMIT_EMPTY) { Vec::new() } else { vec![quoted(text)] }
}
