//! `redis.register_function`: how the code of a library says which functions it has. It runs once on each worker that
//! needs the library; what it registers is gathered here.

use std::ffi::c_int;
use std::time::{Duration, Instant};

use super::failure::{self, raise};
use super::lua::{Answer, FUNCTION, NIL, NUMBER, REGISTRY, Raise, STRING, State, TABLE};
use super::machine::{Kind, Machine, with_loading};
use super::text::{ScriptFlags, check_name};

/// How long the code of a library may run.
const PATIENCE: Duration = Duration::from_millis(500);
/// Instructions between two looks at the clock.
const BETWEEN_LOOKS: c_int = 100_000;

/// A function as its library registers it.
#[derive(Debug)]
pub struct Registered {
    pub name: String,
    pub description: Option<Vec<u8>>,
    pub flags: ScriptFlags,
    /// Its number in the registry.
    pub function: c_int,
}

/// A library being loaded.
pub struct Loading {
    registered: Vec<Registered>,
    began: Instant,
    patience: Option<Duration>,
}

/// Runs the code of a library on a machine. `patient`: however long it takes, because it has been loaded before.
pub fn load(machine: &Machine, code: &[u8], patient: bool) -> Result<Vec<Registered>, String> {
    debug_assert!(machine.kind == Kind::Functions);
    let l = machine.state();
    let kept = machine.kept.get();
    let top = l.top();
    l.get_index(REGISTRY, kept.handler);
    if !l.compile(code, c"@user_function") {
        let text = shown(l.text(-1).unwrap_or_default());
        l.set_top(top);
        return Err(format!("Error compiling function: {text}"));
    }
    let patience = (!patient).then_some(PATIENCE);
    let mut loading = Loading { registered: Vec::new(), began: Instant::now(), patience };
    show_globals(l, kept.globals_meta, kept.load_globals);
    l.every(BETWEEN_LOOKS, interrupt);
    let good = machine.while_loading(&mut loading, || l.call(0, 0, top + 1));
    l.every(0, interrupt);
    show_globals(l, kept.globals_meta, kept.globals);
    let failure = (!good).then(|| failure::take(l));
    l.set_top(top);
    let error = match failure {
        Some(failure) => format!("Error registering functions: {}", shown(&failure.text)),
        None if loading.registered.is_empty() => "No functions registered".into(),
        None => return Ok(loading.registered),
    };
    forget(machine, &loading.registered);
    Err(error)
}

/// Lets go of functions that have been registered.
pub fn forget(machine: &Machine, registered: &[Registered]) {
    registered.iter().for_each(|f| machine.state().drop_kept(f.function));
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Makes `globals` what the code that runs finds.
fn show_globals(l: State, meta: c_int, globals: c_int) {
    l.get_index(REGISTRY, meta);
    l.get_index(REGISTRY, globals);
    l.set_field(-2, "__index");
    l.pop(1);
}

fn interrupt(l: State) -> Result<(), Raise> {
    let late = with_loading(l, |loading| {
        loading.patience.is_some_and(|patience| loading.began.elapsed() > patience)
    });
    if late != Some(true) {
        return Ok(());
    }
    l.every(1, interrupt);
    raise(l, "FUNCTION LOAD timeout")
}

/// What the script gave, before it is checked against what is there.
struct Given {
    name: Vec<u8>,
    description: Option<Vec<u8>>,
    flags: ScriptFlags,
}

/// See the [module's page](self).
pub fn register_function(l: State) -> Answer {
    if with_loading(l, |_| ()).is_none() {
        return raise(l, "redis.register_function can only be called on FUNCTION LOAD command");
    }
    let given = match read(l) {
        Ok(given) => given,
        Err(text) => return raise(l, text),
    };
    // The callback is on top.
    let function = l.keep();
    match add(l, given, function) {
        Ok(()) => Ok(0),
        Err(text) => {
            l.drop_kept(function);
            raise(l, &text)
        }
    }
}

fn add(l: State, given: Given, function: c_int) -> Result<(), String> {
    let name = check_name(&given.name)?;
    let added = with_loading(l, |loading| {
        if loading.registered.iter().any(|f| f.name.eq_ignore_ascii_case(&name)) {
            return Err("Function already exists in the library".to_string());
        }
        loading.registered.push(Registered {
            name,
            description: given.description,
            flags: given.flags.or(ScriptFlags::none_declared()),
            function,
        });
        Ok(())
    });
    added.unwrap_or(Ok(()))
}

/// Reads the arguments, in either form, and leaves the callback on top.
fn read(l: State) -> Result<Given, &'static str> {
    match l.top() {
        1 => read_table(l),
        2 => read_two(l),
        _ => Err("wrong number of arguments to redis.register_function"),
    }
}

fn text<'a>(l: State, index: c_int) -> Option<&'a [u8]> {
    if matches!(l.kind(index), STRING | NUMBER) { l.text(index) } else { None }
}

fn read_two(l: State) -> Result<Given, &'static str> {
    let name = text(l, 1).ok_or("first argument to redis.register_function must be a string")?.to_vec();
    if l.kind(2) != FUNCTION {
        return Err("second argument to redis.register_function must be a function");
    }
    Ok(Given { name, description: None, flags: ScriptFlags::default() })
}

fn read_table(l: State) -> Result<Given, &'static str> {
    if l.kind(1) != TABLE {
        return Err(
            "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
        );
    }
    let (mut name, mut description, mut flags, mut callback) = (None, None, ScriptFlags::default(), false);
    // The callback's place.
    l.push_nil();
    l.push_nil();
    while l.next(1) {
        match l.bytes(-2) {
            Some(b"function_name") => {
                let given = text(l, -1)
                    .ok_or("function_name argument given to redis.register_function must be a string")?;
                name = Some(given.to_vec());
            }
            Some(b"description") => {
                let given = text(l, -1)
                    .ok_or("description argument given to redis.register_function must be a string")?;
                description = Some(given.to_vec());
            }
            Some(b"callback") => {
                if l.kind(-1) != FUNCTION {
                    return Err("callback argument given to redis.register_function must be a function");
                }
                callback = true;
                l.push_copy(-1);
                l.replace(2);
            }
            Some(b"flags") => {
                if l.kind(-1) != TABLE {
                    return Err(
                        "flags argument to redis.register_function must be a table representing function flags",
                    );
                }
                flags = read_flags(l)?;
            }
            Some(_) => return Err("unknown argument given to redis.register_function"),
            None => return Err("named argument key given to redis.register_function is not a string"),
        }
        l.pop(1);
    }
    let name = name.ok_or("redis.register_function must get a function name argument")?;
    if !callback {
        return Err("redis.register_function must get a callback argument");
    }
    Ok(Given { name, description, flags })
}

/// The flags in the table on top.
fn read_flags(l: State) -> Result<ScriptFlags, &'static str> {
    let mut flags = ScriptFlags::default();
    for n in 1.. {
        l.get_index(-1, n);
        let flag = match l.kind(-1) {
            NIL => None,
            _ => Some(text(l, -1).and_then(ScriptFlags::named).ok_or("unknown flag given")?),
        };
        l.pop(1);
        match flag {
            Some(flag) => flags = flags.or(flag),
            None => break,
        }
    }
    Ok(flags)
}
