//! Libraries of functions: their code and what they offer, shared by all workers, each of which runs a library's code in its
//! own Lua state when it first calls one of its functions.
//!
//! A payload of FUNCTION DUMP is, as in an RDB file, the code of each library after a byte that says so, with the version
//! and the checksum of a DUMP payload at its end.

use std::collections::{BTreeMap, HashMap};
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::*};

use parking_lot::RwLock;
use protocol::dump;
use protocol::rdb::{Reader, VERSION, Writer};

use super::ledger::{self, Ledger, Mark};
use super::machine::{Kind, Machine};
use super::reach::Habit;
use super::register::{self, Registered};
use super::sandbox;
use super::text::{self, ScriptFlags};

/// Says in a payload that the code of a library follows.
const LIBRARY: u8 = 245;

/// A library.
#[derive(Debug)]
pub struct Library {
    pub name: String,
    /// Its text, first line included.
    pub text: Box<[u8]>,
    pub functions: Vec<Function>,
}

/// One of its functions.
#[derive(Debug)]
pub struct Function {
    pub name: String,
    pub description: Option<Vec<u8>>,
    pub flags: ScriptFlags,
    pub habit: Habit,
}

impl Library {
    pub fn new(name: String, text: &[u8], registered: &[Registered]) -> Library {
        let function = |f: &Registered| Function {
            name: f.name.clone(),
            description: f.description.clone(),
            flags: f.flags,
            habit: Habit::default(),
        };
        Library { name, text: text.into(), functions: registered.iter().map(function).collect() }
    }

    fn bytes(&self) -> usize {
        let function = |f: &Function| {
            size_of::<Function>() + 3 * f.name.len() + f.description.as_ref().map_or(0, Vec::len) + 32
        };
        size_of::<Library>()
            + self.name.len() * 2
            + self.text.len()
            + self.functions.iter().map(function).sum::<usize>()
    }
}

/// All libraries, by name, and where each function is. Names of functions are the same in either case.
#[derive(Clone, Default)]
pub struct Shelf {
    libraries: BTreeMap<String, Arc<Library>>,
    functions: HashMap<String, (Arc<Library>, usize)>,
}

impl Shelf {
    /// Adds a library, in the place of one of its name if `replace` allows that.
    pub fn add(&mut self, library: Arc<Library>, replace: bool) -> Result<(), String> {
        if !replace && self.libraries.contains_key(&library.name) {
            return Err(format!("Library '{}' already exists", library.name));
        }
        for function in &library.functions {
            let taken = self.functions.get(&function.name.to_ascii_lowercase());
            if taken.is_some_and(|(other, _)| other.name != library.name) {
                return Err(format!("Function {} already exists", function.name));
            }
        }
        self.remove(&library.name);
        for (nth, function) in library.functions.iter().enumerate() {
            self.functions.insert(function.name.to_ascii_lowercase(), (library.clone(), nth));
        }
        self.libraries.insert(library.name.clone(), library);
        Ok(())
    }

    pub fn remove(&mut self, name: &str) -> Option<Arc<Library>> {
        let library = self.libraries.remove(name)?;
        for function in &library.functions {
            self.functions.remove(&function.name.to_ascii_lowercase());
        }
        Some(library)
    }

    pub fn libraries(&self) -> impl ExactSizeIterator<Item = &Arc<Library>> {
        self.libraries.values()
    }

    pub fn has(&self, name: &str) -> bool {
        self.libraries.contains_key(name)
    }

    pub fn function_count(&self) -> usize {
        self.functions.len()
    }

    /// The library of a function, and which of its functions it is. The name is in lower case.
    pub fn function(&self, name: &str) -> Option<&(Arc<Library>, usize)> {
        self.functions.get(name)
    }
}

/// What there is, and how it came to be.
#[derive(Default)]
struct State {
    shelf: Shelf,
    ledger: Ledger,
}

/// See the [module's page](self).
#[derive(Default)]
pub struct Libraries {
    /// Rises with every change.
    generation: AtomicU64,
    /// Rises when all are removed: what workers have loaded is given back then.
    flushes: AtomicU64,
    state: RwLock<State>,
}

impl Libraries {
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    pub fn flushes(&self) -> u64 {
        self.flushes.load(Acquire)
    }

    /// Looks at what is there.
    pub fn read<T>(&self, look: impl FnOnce(&Shelf) -> T) -> T {
        look(&self.state.read().shelf)
    }

    /// Looks at how it came to be.
    pub fn ledger<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.state.read().ledger)
    }

    /// Changes what is there. `mark`: when, and by whom; the default if a file does.
    pub fn change<T>(
        &self,
        mark: Mark,
        change: impl FnOnce(&mut Shelf) -> Result<T, String>,
    ) -> Result<T, String> {
        let State { shelf, ledger } = &mut *self.state.write();
        let before = shelf.clone();
        let result = change(shelf)?;
        ledger.note(&before, shelf, mark);
        self.generation.fetch_add(1, Release);
        Ok(result)
    }

    /// Removes everything, which is returned: freeing it may take a while.
    pub fn flush(&self, mark: Mark) -> Shelf {
        let state = &mut *self.state.write();
        state.ledger.note_flush(mark);
        self.emptied(state)
    }

    /// Forgets everything, and that it was ever there: other data take the place of all there are.
    pub fn clear(&self) -> Shelf {
        let state = &mut *self.state.write();
        state.ledger = std::mem::take(&mut state.ledger).cleared();
        self.emptied(state)
    }

    fn emptied(&self, state: &mut State) -> Shelf {
        self.generation.fetch_add(1, Release);
        self.flushes.fetch_add(1, Release);
        std::mem::take(&mut state.shelf)
    }

    /// Adds what a file holds: a text at a time, before or while nobody else changes anything.
    pub fn load(&self, source: &[u8], replace: bool) -> Result<(), String> {
        let machine = sandbox::furnish(Kind::Functions, false, 1);
        let (library, _) = build(&machine, source)?;
        self.change(Mark::default(), |shelf| shelf.add(library, replace))
    }

    /// Takes what another node has told, or this one's own log. An error is why a library cannot be used here.
    pub fn take(&self, told: &[u8]) -> Result<(), String> {
        let (flushed, told) = ledger::read(told).map_err(|e| format!("{e:?}"))?;
        let State { shelf, ledger } = &mut *self.state.write();
        let before = ledger.changes();
        ledger.take_flush(flushed, shelf);
        let mut failed = None;
        for ledger::Told { name, mark, text } in told {
            if !ledger.is_news(&name, mark) {
                continue;
            }
            let library = match text.map(|text| rebuilt(&name, &text)).transpose() {
                Ok(library) => library,
                Err(reason) => {
                    failed = Some(format!("Library {name}: {reason}"));
                    continue;
                }
            };
            ledger.take(name, mark, library, shelf);
        }
        if ledger.changes() != before {
            self.generation.fetch_add(1, Release);
        }
        failed.map_or(Ok(()), Err)
    }

    /// The texts of all libraries, for a file.
    pub fn texts(&self) -> Vec<Vec<u8>> {
        self.read(|shelf| shelf.libraries().map(|library| library.text.to_vec()).collect())
    }

    /// Bytes that the libraries take, their code compiled on workers not counted.
    pub fn bytes(&self) -> usize {
        self.read(|shelf| shelf.libraries.values().map(|library| library.bytes()).sum())
    }
}

/// Runs the code of a library on a machine, which keeps the functions of the numbers returned. The library is on no shelf
/// yet.
pub fn build(machine: &Machine, source: &[u8]) -> Result<(Arc<Library>, Vec<c_int>), String> {
    let header = text::library(source)?;
    if !header.engine.eq_ignore_ascii_case("lua") {
        return Err(format!("Engine '{}' not found", header.engine));
    }
    let registered = register::load(machine, header.code, false)?;
    let numbers = registered.iter().map(|f| f.function).collect();
    Ok((Arc::new(Library::new(header.name, source, &registered)), numbers))
}

/// The library that a text is of, which must have this name.
fn rebuilt(name: &str, text: &[u8]) -> Result<Arc<Library>, String> {
    let machine = sandbox::furnish(Kind::Functions, false, 1);
    let (library, _) = build(&machine, text)?;
    if library.name == name { Ok(library) } else { Err("its text has another name".into()) }
}

/// The texts of libraries as a payload.
pub fn dump(shelf: &Shelf, compress: bool) -> Vec<u8> {
    let mut writer = Writer::new(compress);
    for library in shelf.libraries() {
        writer.raw(&[LIBRARY]);
        writer.text(&library.text);
    }
    let mut payload = std::mem::take(writer.buffer());
    dump::seal(&mut payload, VERSION);
    payload
}

/// The texts in a payload.
pub fn undump(payload: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    const FOOTER: usize = 10;
    // Without any library there is nothing but version and checksum.
    let whole = payload.len() == FOOTER || dump::verify(payload).is_some();
    if !whole || payload.len() < FOOTER {
        return Err("DUMP payload version or checksum are wrong");
    }
    let mut reader = Reader::new(&payload[..payload.len() - FOOTER]);
    let mut texts = Vec::new();
    while reader.remaining().is_some_and(|left| left > 0) {
        if reader.byte().map_err(|_| "failed loading functions data")? != LIBRARY {
            return Err("given type is not a function");
        }
        texts.push(reader.bytes().map_err(|_| "failed loading functions data")?);
    }
    Ok(texts)
}
