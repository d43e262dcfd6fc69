//! The types that only one or a few directives have.

mod addresses;
mod affinity;
mod dir;
mod masters;
mod memory_share;
mod notify;
mod oom;
mod output_limits;
mod percentiles;
mod save;
mod secret;
mod shutdown;
mod words;

pub use addresses::BindAddresses;
pub use affinity::Affinity;
pub use dir::DataDir;
pub use masters::{Master, Masters};
pub use memory_share::MemoryShare;
pub use notify::NotifyFlags;
pub use oom::OomScores;
pub use output_limits::{ClientClass, OutputLimit, OutputLimits};
pub use percentiles::{Percentiles, percentile_text};
pub use save::{SaveRule, SaveRules};
pub use secret::Secret;
pub use shutdown::ShutdownFlags;
pub use words::Words;

/// Words with single blanks between them.
fn joined<T: AsRef<[u8]>>(words: &[T]) -> Vec<u8> {
    words.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(&b' ')
}

/// Words as text; a configuration in another encoding is refused.
fn texts(words: &[&[u8]]) -> Result<Vec<String>, String> {
    let text = |word: &&[u8]| match std::str::from_utf8(word) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err("argument must be valid UTF-8".to_owned()),
    };
    words.iter().map(text).collect()
}

/// The words of one file line, each quoted if it has to be; `""` if there are none.
fn word_line(words: &[String]) -> Vec<u8> {
    if words.is_empty() {
        return b"\"\"".to_vec();
    }
    let plain = |word: &String| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic() && !b"\"'\\".contains(&b))
    };
    let line: Vec<Vec<u8>> =
        words
            .iter()
            .map(|word| {
                if plain(word) { word.clone().into_bytes() } else { protocol::quote::quoted(word.as_bytes()) }
            })
            .collect();
    joined(&line)
}
