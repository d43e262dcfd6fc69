//! What a worker has compiled.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_int;
use std::rc::Rc;
use std::sync::Arc;

use protocol::ErrorReply;

use super::libraries::Library;
use super::machine::{Kind, Machine};
use super::register;
use super::sandbox;
use super::scripts::{self, Script, Sha};
use super::text;
use crate::worker::Worker;

/// Scripts that a worker keeps compiled; with one more it begins anew.
const SCRIPTS_MAX: usize = 10_000;

/// See the [module's page](self).
#[derive(Default)]
pub struct Cache {
    eval: RefCell<Option<Rc<Scripting>>>,
    functions: RefCell<Option<Rc<Calling>>>,
}

/// A state for scripts, and the functions that they have become.
pub struct Scripting {
    pub machine: Box<Machine>,
    generation: u64,
    compiled: RefCell<HashMap<Sha, Rc<Compiled>, ahash::RandomState>>,
}

/// A script as a function of a state.
pub struct Compiled {
    pub script: Arc<Script>,
    pub function: c_int,
}

/// A state for functions, and those of the libraries that have been loaded into it.
pub struct Calling {
    pub machine: Box<Machine>,
    flushes: u64,
    libraries: RefCell<HashMap<String, Rc<Loaded>>>,
    functions: RefCell<HashMap<Vec<u8>, Rc<Callable>, ahash::RandomState>>,
}

/// A library in a state.
struct Loaded {
    library: Arc<Library>,
    functions: Vec<c_int>,
}

/// A function in a state.
pub struct Callable {
    pub library: Arc<Library>,
    pub nth: usize,
    pub function: c_int,
    /// Of the libraries, when this was known to be right.
    generation: u64,
}

fn furnish(worker: &Worker, kind: Kind) -> Box<Machine> {
    let deprecated = worker.config.borrow().lua_enable_deprecated_api;
    sandbox::furnish(kind, deprecated, uuid::Uuid::new_v4().as_u64_pair().1)
}

/// An error reply about a text that does not compile.
fn bad_text(text: impl std::fmt::Display) -> ErrorReply {
    ErrorReply::err(text.to_string())
}

impl Cache {
    /// The state for scripts. A flush since it was made means another one.
    pub fn scripting(&self, worker: &Worker) -> Rc<Scripting> {
        let generation = worker.server.scripts.generation();
        let mut eval = self.eval.borrow_mut();
        if let Some(scripting) = &*eval
            && scripting.generation == generation
            && scripting.compiled.borrow().len() < SCRIPTS_MAX
        {
            return scripting.clone();
        }
        let machine = furnish(worker, Kind::Eval);
        let scripting = Rc::new(Scripting { machine, generation, compiled: RefCell::default() });
        *eval = Some(scripting.clone());
        worker.stats.note_lua(Kind::Eval, scripting.machine.bytes());
        scripting
    }

    /// The state for functions.
    pub fn calling(&self, worker: &Worker) -> Rc<Calling> {
        let flushes = worker.server.libraries.flushes();
        let mut functions = self.functions.borrow_mut();
        if let Some(calling) = &*functions
            && calling.flushes == flushes
        {
            return calling.clone();
        }
        let calling = Rc::new(Calling {
            machine: furnish(worker, Kind::Functions),
            flushes,
            libraries: RefCell::default(),
            functions: RefCell::default(),
        });
        *functions = Some(calling.clone());
        worker.stats.note_lua(Kind::Functions, calling.machine.bytes());
        calling
    }

    /// Gives back states that are out of date. Not to be called while a script runs on this worker.
    pub fn tidy(&self, worker: &Worker) {
        if self.eval.borrow().as_ref().is_some_and(|s| s.generation != worker.server.scripts.generation()) {
            *self.eval.borrow_mut() = None;
            worker.stats.note_lua(Kind::Eval, 0);
        }
        if self.functions.borrow().as_ref().is_some_and(|c| c.flushes != worker.server.libraries.flushes()) {
            *self.functions.borrow_mut() = None;
            worker.stats.note_lua(Kind::Functions, 0);
        }
    }
}

impl Scripting {
    /// A script that this node knows, by its name.
    #[inline]
    pub fn named(&self, worker: &Worker, sha: &Sha) -> Option<Rc<Compiled>> {
        if let Some(compiled) = self.compiled.borrow().get(sha) {
            return Some(compiled.clone());
        }
        let script = worker.server.scripts.get(sha)?;
        let (_, code) = text::script(&script.text).ok()?;
        let function = self.compile(code).ok()?;
        Some(self.remember(script, function))
    }

    /// A script by its text, which this node knows from then on.
    pub fn given(&self, worker: &Worker, text: &[u8]) -> Result<Rc<Compiled>, ErrorReply> {
        let sha = scripts::sha1(text);
        if let Some(compiled) = self.named(worker, &sha) {
            return Ok(compiled);
        }
        let (flags, code) = text::script(text).map_err(bad_text)?;
        let function = self.compile(code)?;
        let script = Script { sha, text: text.into(), flags, habit: Default::default() };
        Ok(self.remember(worker.server.scripts.add(script), function))
    }

    fn compile(&self, code: &[u8]) -> Result<c_int, ErrorReply> {
        let l = self.machine.state();
        if l.compile(code, c"@user_script") {
            return Ok(l.keep());
        }
        let reason = String::from_utf8_lossy(l.text(-1).unwrap_or_default()).into_owned();
        l.pop(1);
        Err(bad_text(format!("Error compiling script (new function): {reason}")))
    }

    fn remember(&self, script: Arc<Script>, function: c_int) -> Rc<Compiled> {
        let compiled = Rc::new(Compiled { script, function });
        self.compiled.borrow_mut().insert(compiled.script.sha, compiled.clone());
        compiled
    }
}

impl Calling {
    /// A function by its name. An error only if its library, which has been loaded before, can't be loaded here.
    pub fn named(&self, worker: &Worker, name: &[u8]) -> Result<Option<Rc<Callable>>, ErrorReply> {
        let libraries = &worker.server.libraries;
        let generation = libraries.generation();
        if let Some(callable) = self.functions.borrow().get(name)
            && callable.generation == generation
        {
            return Ok(Some(callable.clone()));
        }
        let lower = String::from_utf8_lossy(name).to_ascii_lowercase();
        let found = libraries.read(|shelf| shelf.function(&lower).cloned());
        let Some((library, nth)) = found else {
            self.functions.borrow_mut().remove(name);
            return Ok(None);
        };
        let loaded = self.loaded(&library)?;
        let function = *loaded.functions.get(nth).ok_or_else(|| ErrorReply::new("ERR Function not found"))?;
        let callable = Rc::new(Callable { library, nth, function, generation });
        // Names in every possible case are not kept for ever.
        if self.functions.borrow().len() > 2 * libraries.read(|shelf| shelf.function_count()) + 16 {
            self.functions.borrow_mut().clear();
        }
        self.functions.borrow_mut().insert(name.to_vec(), callable.clone());
        Ok(Some(callable))
    }

    fn loaded(&self, library: &Arc<Library>) -> Result<Rc<Loaded>, ErrorReply> {
        if let Some(loaded) = self.libraries.borrow().get(&library.name)
            && Arc::ptr_eq(&loaded.library, library)
        {
            return Ok(loaded.clone());
        }
        let header = text::library(&library.text).map_err(bad_text)?;
        let registered = register::load(&self.machine, header.code, true).map_err(bad_text)?;
        Ok(self.keep(library.clone(), registered.iter().map(|f| f.function).collect()))
    }

    /// Keeps what the code of a library has registered here, in the place of an older one.
    pub fn keep_loaded(&self, library: Arc<Library>, functions: Vec<c_int>) {
        self.keep(library, functions);
    }

    fn keep(&self, library: Arc<Library>, functions: Vec<c_int>) -> Rc<Loaded> {
        let loaded = Rc::new(Loaded { library, functions });
        let older = self.libraries.borrow_mut().insert(loaded.library.name.clone(), loaded.clone());
        if let Some(older) = older {
            older.functions.iter().for_each(|f| self.machine.state().drop_kept(*f));
        }
        loaded
    }
}
