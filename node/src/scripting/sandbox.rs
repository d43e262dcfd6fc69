//! What scripts may use.
//!
//! A Lua state has one set of globals for all scripts, so nothing that one script can reach may be changed by it. In stock
//! Lua 5.1 no table can be made read-only, but an assignment to a field that a table *lacks* can be caught. Tables that all
//! scripts share are therefore *sealed*: scripts get an empty table, whose metatable sends reading on to the real one and
//! writing to an error. The functions that go past metatables (`rawset`, `next`, `table.insert`, ..) are replaced by ones
//! that know seals.
//!
//! Further functions are replaced because stock Lua 5.1 has flaws that hostile scripts can use: `load` and `loadstring` take
//! no compiled code and let the collector rest, and `unpack` checks its range. Nothing with a finaliser is offered, so that
//! collecting garbage runs no code.

use std::ffi::{CString, c_int};

use mlua::ffi;

use super::failure;
use super::lua::{
    ALL, Answer, FUNCTION, GLOBALS, NIL, NONE, Native, REGISTRY, Raise, STRING, State, TABLE, here,
};
use super::machine::{Kept, Kind, Machine, machine};
use super::{api, bit, cjson, cmsgpack, random, register, structs};

const READ_ONLY: &str = "Attempt to modify a readonly table";

/// Lua's own globals that scripts find.
const BUILT_IN: [&str; 28] = [
    "_VERSION",
    "assert",
    "collectgarbage",
    "coroutine",
    "error",
    "gcinfo",
    "getmetatable",
    "ipairs",
    "load",
    "loadstring",
    "math",
    "next",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawset",
    "select",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "unpack",
    "xpcall",
    "_G",
    "redis",
];
/// What `lua-enable-deprecated-api` adds. `newproxy` is not among it: it makes finalisers.
const DEPRECATED: [&str; 2] = ["getfenv", "setfenv"];
/// Names under which other servers offer the same.
const ALIASES: [&str; 2] = ["server", "keydb"];

/// The key, in the metatable of a sealed table, of the real one: an address that no script can have.
fn mark() -> usize {
    static MARK: u8 = 0;
    (&raw const MARK).addr()
}

/// A machine with everything that scripts or functions may use.
pub fn furnish(kind: Kind, deprecated: bool, seed: u64) -> Box<Machine> {
    let machine = Machine::bare(kind);
    machine.random.set(seed);
    let l = machine.state();
    l.open("", ffi::luaopen_base);
    l.open("table", ffi::luaopen_table);
    l.open("string", ffi::luaopen_string);
    l.open("math", ffi::luaopen_math);
    remove_others(l, deprecated);
    replace_functions(l);
    libraries(l);
    l.push_table(0, 32);
    api::fill(l);
    if kind == Kind::Eval {
        api::fill_for_eval(l);
    }
    seal(l);
    for alias in ALIASES {
        l.push_copy(-1);
        l.set_field(GLOBALS, alias);
    }
    l.set_field(GLOBALS, "redis");
    for name in ["string", "table", "math", "coroutine"] {
        l.get_field(GLOBALS, name);
        seal(l);
        l.set_field(GLOBALS, name);
    }
    machine.kept.set(close_globals(l, kind));
    machine
}

/// Takes away what is not listed.
fn remove_others(l: State, deprecated: bool) {
    let mut names = Vec::new();
    l.push_nil();
    while l.next(GLOBALS) {
        names.extend(l.bytes(-2).map(<[u8]>::to_vec));
        l.pop(1);
    }
    for name in names {
        let listed = |list: &[&str]| list.iter().any(|n| n.as_bytes() == name);
        let stays = listed(&BUILT_IN) || (deprecated && listed(&DEPRECATED));
        if !stays {
            l.push(&name);
            l.push_nil();
            l.set(GLOBALS);
        }
    }
}

/// Makes the globals what scripts see of them, and returns what the registry keeps.
fn close_globals(l: State, kind: Kind) -> Kept {
    let mut kept = Kept::default();
    // The sealed table comes first: it is one of the globals itself.
    l.push_table(0, 0);
    l.push_copy(-1);
    l.set_field(GLOBALS, "_G");
    l.push_copy(GLOBALS);
    set_missing(l);
    l.push_copy(-1);
    kept.globals = l.keep();
    push_seal(l);
    l.push_copy(-1);
    kept.globals_meta = l.keep();
    l.push_table(0, 1);
    l.push_function(missing, 0);
    l.set_field(-2, "__index");
    seal(l);
    l.set_field(-2, "__metatable");
    l.set_metatable(-2);
    l.replace(GLOBALS);

    // What scripts get for the metatable of strings; its index is the sealed library from now on.
    l.push(b"");
    l.get_metatable(-1);
    l.get_index(REGISTRY, kept.globals);
    l.get_field(-1, "string");
    l.remove(-2);
    l.set_field(-2, "__index");
    seal(l);
    kept.string_meta = l.keep();
    l.pop(1);

    l.push_function(failure::handler, 0);
    kept.handler = l.keep();
    l.push(b"KEYS");
    kept.keys = l.keep();
    l.push(b"ARGV");
    kept.argv = l.keep();
    if kind == Kind::Functions {
        kept.load_globals = load_globals(l);
    }
    l.set_top(0);
    kept
}

/// Keeps the globals of a library being loaded.
fn load_globals(l: State) -> c_int {
    l.push_table(0, 1);
    l.push_table(0, 16);
    api::fill_for_load(l);
    l.push_function(register::register_function, 0);
    l.set_field(-2, "register_function");
    set_missing(l);
    seal(l);
    for alias in ALIASES {
        l.push_copy(-1);
        l.set_field(-3, alias);
    }
    l.set_field(-2, "redis");
    set_missing(l);
    l.keep()
}

/// Gives the table on top a metatable that makes an error of reading what is not there.
fn set_missing(l: State) {
    l.push_table(0, 1);
    l.push_function(missing, 0);
    l.set_field(-2, "__index");
    l.set_metatable(-2);
}

fn missing(l: State) -> Answer {
    let name = String::from_utf8_lossy(l.text(2).unwrap_or_default()).into_owned();
    here(format!("Script attempted to access nonexistent global variable '{name}'"))
}

/// Replaces the table on top by a sealed one.
fn seal(l: State) {
    push_seal(l);
    l.push_table(0, 0);
    l.insert(-2);
    l.set_metatable(-2);
}

/// Replaces the table on top by the metatable of a seal on it.
fn push_seal(l: State) {
    l.push_table(0, 4);
    l.push_light(mark());
    l.push_copy(-3);
    l.set(-3);
    l.insert(-2);
    l.set_field(-2, "__index");
    l.push_function(refuse, 0);
    l.set_field(-2, "__newindex");
}

fn refuse(_: State) -> Answer {
    here(READ_ONLY)
}

fn refused() -> Answer {
    Err(Raise::Text(READ_ONLY.into()))
}

/// Whether a value is a sealed table; the real one is pushed then.
fn unseal(l: State, index: c_int) -> bool {
    if l.kind(index) != TABLE || !l.get_metatable(index) {
        return false;
    }
    l.push_light(mark());
    l.get(-2);
    l.remove(-2);
    if l.kind(-1) == NIL {
        l.pop(1);
        return false;
    }
    true
}

fn is_sealed(l: State, index: c_int) -> bool {
    let sealed = unseal(l, index);
    if sealed {
        l.pop(1);
    }
    sealed
}

/// Puts the real table in the place of a sealed first argument.
fn look_behind(l: State) {
    if unseal(l, 1) {
        l.replace(1);
    }
}

// -- functions in the place of Lua's own, which are their first upvalue

fn original(l: State) -> Native {
    l.native(l.upvalue(1)).expect("a function stands in for another")
}

/// Puts a function in the place of a field of the table at `table`.
fn replace<F: Fn(State) -> Answer + Copy>(l: State, table: c_int, name: &str, function: F) {
    l.get_field(table, name);
    l.push_function(function, 1);
    l.set_field(table, name);
}

fn replace_functions(l: State) {
    l.push_copy(GLOBALS);
    let globals = l.top();
    replace(l, globals, "next", next);
    l.get_field(globals, "pairs");
    l.get_field(globals, "next");
    l.push_function(pairs, 2);
    l.set_field(globals, "pairs");
    replace(l, globals, "rawget", raw_get);
    replace(l, globals, "rawset", raw_set);
    replace(l, globals, "getmetatable", get_metatable);
    replace(l, globals, "setmetatable", set_metatable);
    replace(l, globals, "pcall", protected_call);
    replace(l, globals, "unpack", unpack);
    replace(l, globals, "load", load);
    replace(l, globals, "loadstring", load_string);
    replace(l, globals, "collectgarbage", collect_garbage);
    l.get_field(globals, "table");
    let table = l.top();
    replace(l, table, "insert", insert);
    replace(l, table, "foreach", for_each);
    l.get_field(globals, "math");
    let math = l.top();
    replace(l, math, "random", random::random);
    replace(l, math, "randomseed", random::randomseed);
    l.set_top(globals - 1);
}

fn next(l: State) -> Answer {
    look_behind(l);
    l.go_on_as(original(l))
}

fn pairs(l: State) -> Answer {
    if l.kind(1) != TABLE {
        return l.go_on_as(original(l));
    }
    l.push_copy(l.upvalue(2));
    l.push_copy(1);
    l.push_nil();
    Ok(3)
}

fn raw_get(l: State) -> Answer {
    look_behind(l);
    l.go_on_as(original(l))
}

fn raw_set(l: State) -> Answer {
    if is_sealed(l, 1) { refused() } else { l.go_on_as(original(l)) }
}

fn get_metatable(l: State) -> Answer {
    if l.kind(1) == STRING {
        l.get_index(REGISTRY, machine(l).kept.get().string_meta);
        return Ok(1);
    }
    if is_sealed(l, 1) {
        l.get_metatable(1);
        l.get_field(-1, "__metatable");
        return Ok(1);
    }
    l.go_on_as(original(l))
}

fn set_metatable(l: State) -> Answer {
    if is_sealed(l, 1) { refused() } else { l.go_on_as(original(l)) }
}

fn insert(l: State) -> Answer {
    let in_order = l.top() == 2 || (l.top() == 3 && l.is_number(2));
    if in_order && is_sealed(l, 1) { refused() } else { l.go_on_as(original(l)) }
}

fn for_each(l: State) -> Answer {
    look_behind(l);
    l.go_on_as(original(l))
}

/// `pcall`: of an error that is a table, its text is returned.
fn protected_call(l: State) -> Answer {
    if l.top() == 0 {
        return l.go_on_as(original(l));
    }
    let arguments = l.top() - 1;
    let good = l.call(arguments, ALL, 0);
    if !good && l.is_table(-1) {
        l.get_field(-1, "err");
        if l.text(-1).is_some() { l.replace(-2) } else { l.pop(1) }
    }
    if !l.room(1) {
        l.set_top(0);
        l.push_bool(false);
        l.push(b"stack overflow");
        return Ok(2);
    }
    l.push_bool(good);
    l.insert(1);
    Ok(l.top())
}

fn unpack(l: State) -> Answer {
    let number = |index: c_int| matches!(l.kind(index), NIL | NONE) || l.is_number(index);
    if l.kind(1) == TABLE && number(2) && number(3) {
        let given = |index: c_int, or: i64| if l.is_number(index) { as_int(l.number(index)) } else { or };
        let (from, to) = (given(2, 1), given(3, l.len(1) as i64));
        if from > to {
            return Ok(0);
        }
        let count = (to - from) as usize + 1;
        if count >= c_int::MAX as usize || !l.room(count) {
            return here("too many results to unpack");
        }
        for n in 0..count as i64 {
            l.get_index(1, (from + n) as c_int);
        }
        return Ok(count as c_int);
    }
    l.go_on_as(original(l))
}

/// A number as C's `int`.
fn as_int(number: f64) -> i64 {
    i64::from(number as i64 as i32)
}

fn load_string(l: State) -> Answer {
    let Some(source) = l.text(1) else { return l.go_on_as(original(l)) };
    let name = match l.text(2) {
        Some(name) => name,
        None if matches!(l.kind(2), NIL | NONE) => source,
        None => return l.go_on_as(original(l)),
    };
    finish_load(l, source, name)
}

/// `load`: the text comes in pieces from a function.
fn load(l: State) -> Answer {
    if l.kind(1) != FUNCTION {
        return l.go_on_as(original(l));
    }
    let mut source = Vec::new();
    let failed = loop {
        l.push_copy(1);
        if !l.call(0, 1, 0) {
            break true;
        }
        match l.text(-1) {
            Some(piece) if !piece.is_empty() && source.len() <= super::lua::SOURCE_MAX => {
                source.extend_from_slice(piece)
            }
            Some(_) => break false,
            None if l.kind(-1) == NIL => break false,
            None => {
                l.push(b"reader function must return a string");
                break true;
            }
        }
        l.pop(1);
    };
    if failed {
        l.push_nil();
        l.insert(-2);
        return Ok(2);
    }
    let name = l.text(2).unwrap_or(b"=(load)");
    finish_load(l, &source, name)
}

fn finish_load(l: State, source: &[u8], name: &[u8]) -> Answer {
    let name = name.split(|b| *b == 0).next().and_then(|name| CString::new(name).ok()).unwrap_or_default();
    if l.compile(source, &name) {
        return Ok(1);
    }
    l.push_nil();
    l.insert(-2);
    Ok(2)
}

/// `collectgarbage`: what a script sets holds for that script.
fn collect_garbage(l: State) -> Answer {
    if matches!(l.bytes(1), Some(b"stop" | b"restart" | b"setpause" | b"setstepmul")) {
        machine(l).collector_touched.set(true);
    }
    l.go_on_as(original(l))
}

/// Adds the libraries that are not Lua's own.
fn libraries(l: State) {
    for (name, open) in [
        ("bit", bit::open as fn(State)),
        ("cjson", cjson::open),
        ("cmsgpack", cmsgpack::open),
        ("struct", structs::open),
    ] {
        l.push_table(0, 16);
        open(l);
        seal(l);
        l.set_field(GLOBALS, name);
    }
}
