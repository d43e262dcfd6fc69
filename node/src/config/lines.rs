//! Lines of configuration text, and what goes wrong with them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::quote;

/// Product and version, as shown above a fatal error.
pub const PRODUCT: &str = concat!("Everwrite ", env!("CARGO_PKG_VERSION"));

/// A line that says something: not empty and no comment.
#[derive(Clone, Debug)]
pub struct Line {
    /// From 1. Standard input and the command line count on from the end of the file, as in Redis.
    pub number: usize,
    /// The file, if it was included by another.
    pub included: Option<Arc<Path>>,
    /// Without blanks at its ends.
    pub text: Vec<u8>,
    /// The words it consists of, the first being a name.
    pub words: Vec<Vec<u8>>,
}

/// Why the node cannot start with this configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// A file could not be read.
    Unreadable { path: PathBuf, reason: String },
    /// A line is wrong.
    Line { number: usize, included: Option<Arc<Path>>, text: String, reason: String },
    /// The lines contradict each other.
    Whole(String),
}

impl Line {
    /// This line is wrong, and why.
    pub fn error(&self, reason: impl Into<String>) -> LoadError {
        line_error(self.number, &self.included, &self.text, reason)
    }

    /// The first word, as written.
    pub fn name(&self) -> &[u8] {
        self.words.first().map_or(b"", Vec::as_slice)
    }

    /// The words after the first.
    pub fn values(&self) -> Vec<&[u8]> {
        self.words.iter().skip(1).map(Vec::as_slice).collect()
    }
}

fn line_error(
    number: usize,
    included: &Option<Arc<Path>>,
    text: &[u8],
    reason: impl Into<String>,
) -> LoadError {
    let text = String::from_utf8_lossy(text).into_owned();
    LoadError::Line { number, included: included.clone(), text, reason: reason.into() }
}

/// The lines of `text` that say something.
pub fn lines_of(text: &[u8], included: Option<Arc<Path>>) -> impl Iterator<Item = Result<Line, LoadError>> {
    text.split(|&b| b == b'\n').enumerate().filter_map(move |(index, text)| {
        let text = text.trim_ascii();
        if text.is_empty() || text[0] == b'#' {
            return None;
        }
        let number = index + 1;
        let Some(words) = quote::split(text) else {
            return Some(Err(line_error(number, &included, text, "Unbalanced quotes in configuration line")));
        };
        let line = Line { number, included: included.clone(), text: text.to_vec(), words };
        (!line.words.is_empty()).then_some(Ok(line))
    })
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Unreadable { path, reason } => {
                write!(f, "Fatal error, can't open config file '{}': {reason}", path.display())
            }
            LoadError::Line { number, included, text, reason } => {
                write!(f, "\n*** FATAL CONFIG FILE ERROR ({PRODUCT}) ***\n")?;
                write!(f, "Reading the configuration file, at line {number}")?;
                if let Some(path) = included {
                    write!(f, " of {}", path.display())?;
                }
                write!(f, "\n>>> '{text}'\n{reason}")
            }
            LoadError::Whole(reason) => {
                write!(f, "\n*** FATAL CONFIG FILE ERROR ({PRODUCT}) ***\n{reason}")
            }
        }
    }
}

impl std::error::Error for LoadError {}
