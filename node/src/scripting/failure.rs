//! Errors of scripts: from where they are raised to the line that the client gets.

use std::ffi::c_int;

use super::lua::{Answer, NUMBER, Raise, STRING, State, TABLE};

/// The field that says an error has been counted already.
const COUNTED: &str = "ignore_error_stats_update";

/// An error that ended a script.
#[derive(Debug, Default)]
pub struct Failure {
    pub text: Vec<u8>,
    /// `source:line` where it was raised.
    pub place: Option<Vec<u8>>,
    /// It stands in the statistics already.
    pub counted: bool,
}

/// Pushes the table for an error. `-CODE text` is taken as it is, and anything else becomes `ERR text`.
pub fn push_error(l: State, text: &[u8], counted: bool) {
    let mut whole = Vec::with_capacity(text.len() + 4);
    match text.strip_prefix(b"-") {
        Some(rest) if rest.contains(&b' ') => whole.extend_from_slice(rest),
        other => {
            whole.extend_from_slice(b"ERR ");
            whole.extend_from_slice(other.unwrap_or(text));
        }
    }
    push_table(l, whole.trim_ascii_end(), counted);
}

/// Pushes the table for an error reply, given without its `-`.
pub fn push_reply(l: State, line: &[u8]) {
    push_table(l, line, true);
}

fn push_table(l: State, text: &[u8], counted: bool) {
    l.push_table(0, 2);
    l.push(text);
    l.set_field(-2, "err");
    if counted {
        l.push_bool(true);
        l.set_field(-2, COUNTED);
    }
}

/// A raised error, as the table that scripts expect.
pub fn raise<T>(l: State, text: &str) -> Result<T, Raise> {
    push_error(l, text.as_bytes(), false);
    Err(Raise::Top)
}

/// The function that sees every error of a script where it is raised: makes it a table and notes the place.
pub fn handler(l: State) -> Answer {
    let first = l.place(1);
    let place = if first.as_ref().is_some_and(|p| p.native) { l.place(2) } else { first };
    if l.kind(1) != TABLE {
        let mut text = b"ERR ".to_vec();
        push_shown(l, 1);
        text.extend_from_slice(l.bytes(-1).unwrap_or_default());
        l.push_table(0, 3);
        l.push(&text);
        l.set_field(-2, "err");
    } else {
        l.push_copy(1);
    }
    if let Some(place) = place {
        l.push(&place.source);
        l.set_field(-2, "source");
        l.push_number(f64::from(place.line));
        l.set_field(-2, "line");
    }
    Ok(1)
}

/// Pushes a value as a text, without metamethods.
fn push_shown(l: State, index: c_int) {
    match l.kind(index) {
        STRING | NUMBER => {
            l.push_copy(index);
            l.text(-1);
        }
        super::lua::BOOLEAN => l.push(if l.bool(index) { b"true" } else { b"false" }),
        super::lua::NIL | super::lua::NONE => l.push(b"nil"),
        kind => l.push(format!("{}: {:p}", l.kind_name(kind), l.address(index)).as_bytes()),
    }
}

/// Pops the error of a script.
pub fn take(l: State) -> Failure {
    let mut failure = Failure::default();
    if let Some(text) = l.text(-1) {
        failure.text = text.to_vec();
    } else if l.is_table(-1) {
        l.get_field(-1, "err");
        failure.text = l.text(-1).map_or_else(|| b"ERR unknown error".to_vec(), <[u8]>::to_vec);
        l.pop(1);
        l.get_field(-1, "source");
        l.get_field(-2, "line");
        if let (Some(source), Some(line)) = (l.text(-2), l.text(-1)) {
            failure.place = Some([source, b":", line].concat());
        }
        l.pop(2);
        failure.counted = is_counted(l, -1);
    } else {
        failure.text = b"ERR unknown error".to_vec();
    }
    l.pop(1);
    failure
}

/// Whether the error table at `index` stands in the statistics already.
pub fn is_counted(l: State, index: c_int) -> bool {
    l.get_field(index, COUNTED);
    let counted = l.bool(-1);
    l.pop(1);
    counted
}

impl Failure {
    /// The error line for the client of a script called `name`.
    pub fn line(&self, name: &str) -> Vec<u8> {
        let mut line = self.text.clone();
        if let Some(place) = &self.place {
            line.extend_from_slice(format!(" script: {name}, on ").as_bytes());
            line.extend_from_slice(place);
            line.push(b'.');
        }
        line
    }

    /// The code that it is counted under.
    pub fn code(&self) -> String {
        code(&self.text)
    }
}

/// The code of an error line without its `-`.
pub fn code(line: &[u8]) -> String {
    let word = line.split(|b| *b == b' ').next().unwrap_or(line);
    String::from_utf8_lossy(word).into_owned()
}
