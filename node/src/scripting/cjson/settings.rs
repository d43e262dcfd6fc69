//! The settings of a module, and the functions that read and change them.

use super::super::lua::{Answer, BOOLEAN, Raise, State, argument};
use super::super::machine::machine;

/// See the [module's page](self).
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A table with many holes becomes an object rather than an error.
    pub sparse_convert: i32,
    /// It has many if its largest index is more than so many times the number of its elements ..
    pub sparse_ratio: i32,
    /// .. and more than this.
    pub sparse_safe: i32,
    pub encode_max_depth: i32,
    pub decode_max_depth: i32,
    /// Significant digits of numbers.
    pub precision: i32,
    /// Has no effect: buffers are always kept within bounds.
    pub keep_buffer: i32,
    /// What becomes of numbers that JSON does not have: 0 an error, 1 their names, 2 null.
    pub encode_invalid: i32,
    pub decode_invalid: i32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            sparse_convert: 0,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_max_depth: 1000,
            decode_max_depth: 1000,
            precision: 14,
            keep_buffer: 1,
            encode_invalid: 0,
            decode_invalid: 1,
        }
    }
}

/// The settings of the module that the running function belongs to.
pub fn settings(l: State) -> Settings {
    l.data_at(l.upvalue(1))
}

/// One setting of several.
type Place = fn(&mut Settings) -> &mut i32;

/// At most `most` arguments.
fn check_count(l: State, most: i32) -> Result<(), Raise> {
    if l.top() > most { argument(most + 1, "found too many arguments") } else { Ok(()) }
}

fn change(l: State, place: Place, value: i32) {
    let mut all = settings(l);
    *place(&mut all) = value;
    l.set_data_at(l.upvalue(1), all);
    machine(l).cjson_touched.set(true);
}

fn current(l: State, place: Place) -> i32 {
    *place(&mut settings(l))
}

/// Changes a number if one is given, and pushes what it is.
fn number(l: State, index: i32, place: Place, least: i32, most: i32) -> Result<(), Raise> {
    if !l.is_absent(index) {
        let value = l.need_number(index)? as i64;
        match i32::try_from(value).ok().filter(|value| (least..=most).contains(value)) {
            Some(value) => change(l, place, value),
            None => return argument(1, format!("expected integer between {least} and {most}")),
        }
    }
    l.push_number(f64::from(current(l, place)));
    Ok(())
}

/// Changes a choice if one is given, and pushes what it is.
fn choice(l: State, index: i32, place: Place, words: &[&str]) -> Result<(), Raise> {
    if l.kind(index) == BOOLEAN {
        change(l, place, i32::from(l.bool(index)));
    } else if !l.is_absent(index) {
        let word = l.need_text(index)?;
        match words.iter().position(|w| w.as_bytes() == word) {
            Some(value) => change(l, place, value as i32),
            None => return argument(index, format!("invalid option '{}'", String::from_utf8_lossy(word))),
        }
    }
    match current(l, place) {
        value @ 0..=1 => l.push_bool(value == 1),
        value => l.push(words[value as usize].as_bytes()),
    }
    Ok(())
}

const ON_OFF: &[&str] = &["off", "on"];

pub fn encode_sparse_array(l: State) -> Answer {
    check_count(l, 3)?;
    l.set_top(3);
    choice(l, 1, |s| &mut s.sparse_convert, ON_OFF)?;
    number(l, 2, |s| &mut s.sparse_ratio, 0, i32::MAX)?;
    number(l, 3, |s| &mut s.sparse_safe, 0, i32::MAX)?;
    Ok(3)
}

fn one_number(l: State, place: Place, most: i32) -> Answer {
    check_count(l, 1)?;
    number(l, 1, place, 1, most)?;
    Ok(1)
}

fn one_choice(l: State, place: Place, words: &[&str]) -> Answer {
    check_count(l, 1)?;
    choice(l, 1, place, words)?;
    Ok(1)
}

pub fn encode_max_depth(l: State) -> Answer {
    one_number(l, |s| &mut s.encode_max_depth, i32::MAX)
}

pub fn decode_max_depth(l: State) -> Answer {
    one_number(l, |s| &mut s.decode_max_depth, i32::MAX)
}

pub fn encode_number_precision(l: State) -> Answer {
    one_number(l, |s| &mut s.precision, 14)
}

pub fn encode_keep_buffer(l: State) -> Answer {
    one_choice(l, |s| &mut s.keep_buffer, ON_OFF)
}

pub fn encode_invalid_numbers(l: State) -> Answer {
    one_choice(l, |s| &mut s.encode_invalid, &["off", "on", "null"])
}

pub fn decode_invalid_numbers(l: State) -> Answer {
    one_choice(l, |s| &mut s.decode_invalid, ON_OFF)
}
