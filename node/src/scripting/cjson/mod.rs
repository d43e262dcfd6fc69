//! The library `cjson`: JSON, with the settings and the error texts of its namesake.
//!
//! What a script sets holds until that script ends: workers have a state each, and a call must not depend on which of them
//! it comes to. A module made by `cjson.new` has settings of its own.

mod decode;
mod encode;
mod settings;

pub use settings::Settings;

use super::lua::{Answer, State};
use super::machine::machine;

/// Fills the table on top of the stack, and has the machine keep the module's settings.
pub fn open(l: State) {
    let settings = fill(l);
    l.push_copy(settings);
    machine(l).cjson.set(Some(l.keep()));
    l.remove(settings);
}

/// Fills the table on top of the stack. Its settings lie below it afterwards, at the index returned.
fn fill(l: State) -> i32 {
    l.push_data(Settings::default());
    l.insert(-2);
    let settings = l.top() - 1;
    function(l, settings, "encode", encode::encode);
    function(l, settings, "decode", decode::decode);
    function(l, settings, "encode_sparse_array", settings::encode_sparse_array);
    function(l, settings, "encode_max_depth", settings::encode_max_depth);
    function(l, settings, "decode_max_depth", settings::decode_max_depth);
    function(l, settings, "encode_number_precision", settings::encode_number_precision);
    function(l, settings, "encode_keep_buffer", settings::encode_keep_buffer);
    function(l, settings, "encode_invalid_numbers", settings::encode_invalid_numbers);
    function(l, settings, "decode_invalid_numbers", settings::decode_invalid_numbers);
    function(l, settings, "new", new);
    l.push_light(0);
    l.set_field(-2, "null");
    for (name, text) in [("_NAME", "cjson"), ("_VERSION", "2.1.0")] {
        l.push(text.as_bytes());
        l.set_field(-2, name);
    }
    settings
}

/// Puts a function that knows the module's settings into the table on top.
fn function<F: Fn(State) -> Answer + Copy>(l: State, settings: i32, name: &str, body: F) {
    l.push_copy(settings);
    l.push_function(body, 1);
    l.set_field(-2, name);
}

fn new(l: State) -> Answer {
    l.set_top(0);
    l.push_table(0, 16);
    fill(l);
    Ok(1)
}
