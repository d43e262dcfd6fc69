//! A Lua state of a worker, and what belongs to it. A worker has at most two, made when they are first needed: one for
//! scripts and one for functions, whose globals differ.
#![expect(unsafe_code, reason = "gives functions that Lua calls the way back to what they work with")]

use std::alloc::{Layout, handle_alloc_error};
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

use protocol::{OwnedArgs, Reply};

use super::cjson;
use super::lua::{self, Collect, Raise, State};
use super::register::Loading;
use super::run::Run;

/// What runs in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// EVAL and its like.
    Eval,
    /// FCALL and its like.
    Functions,
}

/// See the [module's page](self).
pub struct Machine {
    state: Cell<Option<State>>,
    pub kind: Kind,
    /// Bytes that Lua has allocated.
    bytes: Cell<usize>,
    /// The script being run: set by [`Machine::during`], for as long as that lasts.
    run: Cell<Option<NonNull<Run<'static>>>>,
    /// The library being loaded, likewise.
    loading: Cell<Option<NonNull<Loading>>>,
    /// What a call of a command needs, kept for the next one.
    pub call: RefCell<CallBuffers>,
    /// The settings of the library `cjson`, by their number in the registry.
    pub cjson: Cell<Option<c_int>>,
    /// A script has changed them.
    pub cjson_touched: Cell<bool>,
    /// State of `math.random`.
    pub random: Cell<u64>,
    /// What the registry keeps for this machine.
    pub kept: Cell<Kept>,
    /// A script has changed the collector's settings.
    pub collector_touched: Cell<bool>,
}

/// Arguments and reply of a command called by a script.
#[derive(Default)]
pub struct CallBuffers {
    pub args: OwnedArgs,
    pub reply: Reply,
}

/// Values that a machine needs at every run, by their numbers in the registry.
#[derive(Clone, Copy, Default)]
pub struct Kept {
    /// The table of globals behind the one that scripts see.
    pub globals: c_int,
    /// The metatable of the one that scripts see.
    pub globals_meta: c_int,
    /// What scripts get for the metatable of strings.
    pub string_meta: c_int,
    /// What globals are while a library is loaded.
    pub load_globals: c_int,
    /// The function that completes errors.
    pub handler: c_int,
    /// The names KEYS and ARGV.
    pub keys: c_int,
    pub argv: c_int,
}

impl Machine {
    /// A machine without any globals; [`super::sandbox`] furnishes it.
    pub fn bare(kind: Kind) -> Box<Machine> {
        let machine = Box::new(Machine {
            state: Cell::new(None),
            kind,
            bytes: Cell::new(0),
            run: Cell::new(None),
            loading: Cell::new(None),
            call: RefCell::default(),
            cjson: Cell::new(None),
            cjson_touched: Cell::new(false),
            random: Cell::new(0),
            kept: Cell::default(),
            collector_touched: Cell::new(false),
        });
        machine.state.set(Some(State::new(allocate, NonNull::from(&*machine).cast())));
        machine
    }

    pub fn state(&self) -> State {
        self.state.get().expect("a machine has its state from the start")
    }

    /// Bytes that Lua has allocated.
    pub fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Whether a script is being run.
    pub fn is_running(&self) -> bool {
        self.run.get().is_some()
    }

    /// Runs `body`, during which functions called by Lua find `run`.
    pub fn during<T>(&self, run: &mut Run<'_>, body: impl FnOnce() -> T) -> T {
        assert!(!self.is_running(), "one script at a time");
        self.run.set(Some(NonNull::from(run).cast()));
        let result = body();
        self.run.set(None);
        result
    }

    /// Runs `body`, during which functions called by Lua find `loading`.
    pub fn while_loading<T>(&self, loading: &mut Loading, body: impl FnOnce() -> T) -> T {
        self.loading.set(Some(NonNull::from(loading)));
        let result = body();
        self.loading.set(None);
        result
    }

    /// Leaves settings as every script should find them.
    #[inline]
    pub fn restore_settings(&self) {
        if self.collector_touched.get() || self.cjson_touched.get() {
            self.restore_now();
        }
    }

    #[cold]
    fn restore_now(&self) {
        let l = self.state();
        if self.cjson_touched.replace(false)
            && let Some(settings) = self.cjson.get()
        {
            l.get_index(lua::REGISTRY, settings);
            l.set_data_at(-1, cjson::Settings::default());
            l.pop(1);
        }
        if self.collector_touched.replace(false) {
            self.state().collect(Collect::Pause(200));
            self.state().collect(Collect::Speed(200));
            self.state().collect(Collect::Restart);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.state().close();
    }
}

/// The machine of a state.
#[inline]
pub fn machine<'a>(l: State) -> &'a Machine {
    // SAFETY: the address was given to the state in `Machine::bare`; the box outlives the state, which its drop closes.
    unsafe { &*l.data().cast::<Machine>() }
}

/// The script that is being run; none while a library is loaded. Only one such borrow may be in use: a function that Lua
/// calls takes it after its arguments are read, and lets go of it before it calls Lua.
#[inline]
pub fn with_run<T>(l: State, work: impl FnOnce(&mut Run<'_>) -> T) -> Option<T> {
    let run = machine(l).run.get()?;
    // SAFETY: `Machine::during` has the exclusive borrow that this pointer was made from, and waits for Lua to return.
    Some(work(unsafe { &mut *run.as_ptr() }))
}

/// The library that is being loaded.
pub fn with_loading<T>(l: State, work: impl FnOnce(&mut Loading) -> T) -> Option<T> {
    let loading = machine(l).loading.get()?;
    // SAFETY: as above, with `Machine::while_loading`.
    Some(work(unsafe { &mut *loading.as_ptr() }))
}

/// What a function says that finds no script being run.
pub fn no_run(what: &str) -> Raise {
    Raise::Text(format!("ERR {what} can only be called inside a script invocation").into_bytes())
}

/// Lua's allocator: memory that is counted apart from that of the data, and never refused.
unsafe extern "C" fn allocate(data: *mut c_void, at: *mut c_void, old: usize, new: usize) -> *mut c_void {
    // SAFETY: `data` is the machine, see `Machine::bare`.
    let bytes = unsafe { &(*data.cast::<Machine>()).bytes };
    bytes.set(bytes.get().wrapping_add(new).wrapping_sub(if at.is_null() { 0 } else { old }));
    if new == 0 {
        // SAFETY: `at` came from below or is null.
        unsafe { libmimalloc_sys::mi_free(at) };
        return std::ptr::null_mut();
    }
    // SAFETY: as above.
    let fresh = unsafe { libmimalloc_sys::mi_realloc(at, new) };
    if fresh.is_null() {
        handle_alloc_error(Layout::from_size_align(new, 16).unwrap_or(Layout::new::<u64>()));
    }
    fresh
}

const _: lua::Allocate = allocate;
