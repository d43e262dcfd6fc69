//! The raw interface of Lua 5.1, as far as it is used here, and the only place that calls it.
//!
//! Functions that scripts call are raw C functions, for their speed and because errors must arrive in Lua as the tables
//! that scripts expect. Such a function is a Rust function of a [`State`] that returns how many values it has pushed, or
//! a [`Raise`]. Lua raises errors by jumping over frames, so the jump is made in [`enter`], when everything that has to be
//! dropped has been; what is called before that does not jump: it reads and writes tables without their metamethods, calls
//! functions in protected mode, and memory that cannot be had ends the process, here as everywhere.
#![expect(unsafe_code, reason = "the boundary to C")]

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::NonNull;

use mlua::ffi;

pub use mlua::ffi::{
    LUA_REGISTRYINDEX as REGISTRY, LUA_TBOOLEAN as BOOLEAN, LUA_TFUNCTION as FUNCTION,
    LUA_TLIGHTUSERDATA as LIGHT, LUA_TNIL as NIL, LUA_TNONE as NONE, LUA_TNUMBER as NUMBER,
    LUA_TSTRING as STRING, LUA_TTABLE as TABLE,
};

/// The pseudo-index of the globals of the running thread.
pub const GLOBALS: c_int = ffi::LUA_GLOBALSINDEX;
/// All results of a call.
pub const ALL: c_int = ffi::LUA_MULTRET;
/// The largest text that is compiled, bytes: below that, counts within Lua's lexer cannot overflow.
pub const SOURCE_MAX: usize = 512 << 20;

/// A Lua thread: its stack, through which values are passed. Indexes are those of Lua's own interface: from 1 at the
/// bottom, negative ones from the top. The methods take valid indexes, and those that push need room: a function that
/// Lua calls has some for 20 values, whoever needs more asks with [`State::room`].
#[derive(Clone, Copy)]
pub struct State(*mut ffi::lua_State);

/// An error to be raised in Lua.
pub enum Raise {
    /// The value on top of the stack.
    Top,
    /// A text, after the place in the script that called.
    Here(Cow<'static, str>),
    /// A text as it is.
    Text(Vec<u8>),
    /// What is wrong with an argument, by its number.
    Argument(c_int, Cow<'static, str>),
}

/// What a function that Lua calls comes to: how many of the values on top of the stack are its results.
pub type Answer = Result<c_int, Raise>;

/// A function as Lua's own libraries have them.
pub type Native = ffi::lua_CFunction;

/// Frees or allocates for a state, see [`State::new`].
pub type Allocate = ffi::lua_Alloc;

/// A raised error at the place of the script that called the function.
pub fn here<T>(text: impl Into<Cow<'static, str>>) -> Result<T, Raise> {
    Err(Raise::Here(text.into()))
}

/// A raised error about an argument.
pub fn argument<T>(number: c_int, text: impl Into<Cow<'static, str>>) -> Result<T, Raise> {
    Err(Raise::Argument(number, text.into()))
}

/// Called by Lua in the place of `F`, which has no size.
unsafe extern "C-unwind" fn enter<F: Fn(State) -> Answer + Copy>(l: *mut ffi::lua_State) -> c_int {
    const { assert!(size_of::<F>() == 0, "a function that Lua calls has nothing but its code") };
    // SAFETY: a value without size is read from any address that is aligned.
    let function = unsafe { NonNull::<F>::dangling().as_ptr().read() };
    let state = State(l);
    match function(state) {
        Ok(count) => return count,
        Err(Raise::Top) => {}
        Err(Raise::Here(text)) => {
            state.push_place(1);
            state.push(text.as_bytes());
            state.concat(2);
        }
        Err(Raise::Text(text)) => state.push(&text),
        Err(Raise::Argument(number, text)) => {
            state.push(text.replace('\0', "?").as_bytes());
            drop(text);
            // SAFETY: the string on top ends with a zero byte; nothing is left to drop.
            unsafe { ffi::luaL_argerror(l, number, ffi::lua_tolstring(l, -1, std::ptr::null_mut())) };
        }
    }
    // SAFETY: the error is on top of the stack, and nothing is left to drop.
    unsafe { ffi::lua_error(l) }
}

/// Called by Lua between instructions, in the place of `F`. An error that it answers with ends what runs.
unsafe extern "C-unwind" fn enter_hook<F: Fn(State) -> Result<(), Raise> + Copy>(
    l: *mut ffi::lua_State,
    _: *mut ffi::lua_Debug,
) {
    const { assert!(size_of::<F>() == 0, "a hook has nothing but its code") };
    // SAFETY: a value without size is read from any address that is aligned.
    let function = unsafe { NonNull::<F>::dangling().as_ptr().read() };
    let state = State(l);
    match function(state) {
        Ok(()) => return,
        Err(Raise::Top) => {}
        Err(Raise::Here(text) | Raise::Argument(_, text)) => state.push(text.as_bytes()),
        Err(Raise::Text(text)) => state.push(&text),
    }
    // SAFETY: the error is on top of the stack, and nothing is left to drop.
    unsafe { ffi::lua_error(l) }
}

/// Where a running function is.
pub struct Place {
    pub source: Vec<u8>,
    pub line: c_int,
    /// It is no function of a script.
    pub native: bool,
}

impl State {
    /// A new state without any library. `data` comes back as [`State::data`] and goes to every call of `allocate`.
    pub fn new(allocate: Allocate, data: NonNull<c_void>) -> State {
        // SAFETY: `allocate` keeps the contract of an allocator, see its own note.
        let l = unsafe { ffi::lua_newstate(allocate, data.as_ptr()) };
        assert!(!l.is_null(), "a Lua state needs a little memory");
        State(l)
    }

    /// Ends the state. No copy of it may be used any more.
    pub fn close(self) {
        // SAFETY: the owner's promise.
        unsafe { ffi::lua_close(self.0) }
    }

    /// What was given to [`State::new`].
    #[inline]
    pub fn data(self) -> *mut c_void {
        let mut data = std::ptr::null_mut();
        // SAFETY: writes to `data` only.
        unsafe { ffi::lua_getallocf(self.0, &mut data) };
        data
    }

    /// Whether there is room for `n` more values, after making some.
    pub fn room(self, n: usize) -> bool {
        let Ok(n) = c_int::try_from(n) else { return false };
        // SAFETY: answers 0 rather than raise an error when the stack may not grow further.
        unsafe { ffi::lua_checkstack(self.0, n) != 0 }
    }

    #[inline]
    pub fn top(self) -> c_int {
        // SAFETY: reads a number.
        unsafe { ffi::lua_gettop(self.0) }
    }

    #[inline]
    pub fn set_top(self, index: c_int) {
        // SAFETY: a valid index.
        unsafe { ffi::lua_settop(self.0, index) }
    }

    #[inline]
    pub fn pop(self, n: c_int) {
        self.set_top(-n - 1);
    }

    /// An index from the top as one from the bottom.
    pub fn absolute(self, index: c_int) -> c_int {
        if index < 0 && index > REGISTRY { self.top() + 1 + index } else { index }
    }

    pub fn push_copy(self, index: c_int) {
        // SAFETY: a valid index, and room.
        unsafe { ffi::lua_pushvalue(self.0, index) }
    }

    pub fn remove(self, index: c_int) {
        // SAFETY: a valid index.
        unsafe { ffi::lua_remove(self.0, index) }
    }

    /// Moves the top value to `index`.
    pub fn insert(self, index: c_int) {
        // SAFETY: a valid index.
        unsafe { ffi::lua_insert(self.0, index) }
    }

    /// Pops the top value into `index`.
    pub fn replace(self, index: c_int) {
        // SAFETY: a valid index.
        unsafe { ffi::lua_replace(self.0, index) }
    }

    // -- reading

    /// The type of a value; [`NONE`] beyond the top.
    #[inline]
    pub fn kind(self, index: c_int) -> c_int {
        // SAFETY: any acceptable index.
        unsafe { ffi::lua_type(self.0, index) }
    }

    pub fn kind_name(self, kind: c_int) -> &'static str {
        // SAFETY: names of types are static ASCII.
        unsafe { CStr::from_ptr(ffi::lua_typename(self.0, kind)).to_str().unwrap_or("value") }
    }

    pub fn is_table(self, index: c_int) -> bool {
        self.kind(index) == TABLE
    }

    pub fn bool(self, index: c_int) -> bool {
        // SAFETY: any acceptable index.
        unsafe { ffi::lua_toboolean(self.0, index) != 0 }
    }

    /// The number at `index`, 0 if it is none.
    #[inline]
    pub fn number(self, index: c_int) -> f64 {
        // SAFETY: any acceptable index.
        unsafe { ffi::lua_tonumber(self.0, index) }
    }

    /// Whether the value is a number or a string that can be read as one.
    pub fn is_number(self, index: c_int) -> bool {
        // SAFETY: any acceptable index.
        unsafe { ffi::lua_isnumber(self.0, index) != 0 }
    }

    /// The bytes of a string; `None` if the value is none. They live as long as the value stays where it is, which is for
    /// the caller to see to.
    #[inline]
    pub fn bytes<'a>(self, index: c_int) -> Option<&'a [u8]> {
        if self.kind(index) != STRING { None } else { self.text(index) }
    }

    /// As [`State::bytes`]; a number becomes a string, where it lies.
    pub fn text<'a>(self, index: c_int) -> Option<&'a [u8]> {
        let mut len = 0;
        // SAFETY: the pointer is to `len` bytes within the string, which is on the stack and so not collected.
        unsafe {
            let text = ffi::lua_tolstring(self.0, index, &mut len);
            (!text.is_null()).then(|| std::slice::from_raw_parts(text.cast(), len))
        }
    }

    /// Length of a table's array part, without metamethods, or of a string.
    pub fn len(self, index: c_int) -> usize {
        // SAFETY: any acceptable index.
        unsafe { ffi::lua_objlen(self.0, index) }
    }

    /// The address of a table, function or thread: its identity.
    pub fn address(self, index: c_int) -> *const c_void {
        // SAFETY: any acceptable index.
        unsafe { ffi::lua_topointer(self.0, index) }
    }

    pub fn same(self, a: c_int, b: c_int) -> bool {
        // SAFETY: any acceptable indexes.
        unsafe { ffi::lua_rawequal(self.0, a, b) != 0 }
    }

    /// The address that a light userdata is.
    pub fn light(self, index: c_int) -> *mut c_void {
        // SAFETY: any acceptable index.
        unsafe { ffi::lua_touserdata(self.0, index) }
    }

    /// The address of a C function.
    pub fn native(self, index: c_int) -> Option<Native> {
        // SAFETY: any acceptable index.
        unsafe { ffi::lua_tocfunction(self.0, index) }
    }

    /// The number that an argument must be.
    pub fn need_number(self, index: c_int) -> Result<f64, Raise> {
        if self.is_number(index) { Ok(self.number(index)) } else { self.type_error(index, "number") }
    }

    /// The string that an argument must be, or number that becomes one.
    pub fn need_text<'a>(self, index: c_int) -> Result<&'a [u8], Raise> {
        if matches!(self.kind(index), STRING | NUMBER) {
            return Ok(self.text(index).unwrap_or_default());
        }
        self.type_error(index, "string")
    }

    /// What Lua's own functions say of an argument of the wrong type.
    fn type_error<T>(self, index: c_int, wanted: &str) -> Result<T, Raise> {
        let kind = self.kind(index);
        let got = if kind == NONE { "no value" } else { self.kind_name(kind) };
        argument(index, format!("{wanted} expected, got {got}"))
    }

    /// Whether an argument is missing or nil.
    pub fn is_absent(self, index: c_int) -> bool {
        matches!(self.kind(index), NIL | NONE)
    }

    // -- pushing

    #[inline]
    pub fn push(self, bytes: &[u8]) {
        // SAFETY: copies the bytes; there is room.
        unsafe { ffi::lua_pushlstring_(self.0, bytes.as_ptr().cast(), bytes.len()) }
    }

    #[inline]
    pub fn push_number(self, number: f64) {
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnumber(self.0, number) }
    }

    pub fn push_bool(self, value: bool) {
        // SAFETY: there is room.
        unsafe { ffi::lua_pushboolean(self.0, c_int::from(value)) }
    }

    pub fn push_nil(self) {
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnil(self.0) }
    }

    pub fn push_light(self, address: usize) {
        // SAFETY: there is room; the address is a value and is not followed.
        unsafe { ffi::lua_pushlightuserdata(self.0, std::ptr::without_provenance_mut(address)) }
    }

    /// Pushes a value of Rust that needs no dropping.
    pub fn push_data<T: Copy>(self, value: T) {
        const { assert!(align_of::<T>() <= 8, "Lua aligns to eight bytes") };
        // SAFETY: the block is of that size, aligned, and written before anybody reads it.
        unsafe { ffi::lua_newuserdata(self.0, size_of::<T>()).cast::<T>().write(value) }
    }

    /// A value that [`State::push_data`] of the same type has pushed.
    pub fn data_at<T: Copy>(self, index: c_int) -> T {
        assert!(self.len(index) == size_of::<T>(), "data of this type");
        // SAFETY: the callers look where they have put data of this type.
        unsafe { ffi::lua_touserdata(self.0, index).cast::<T>().read() }
    }

    /// Changes such a value, in all places that have it.
    pub fn set_data_at<T: Copy>(self, index: c_int, value: T) {
        assert!(self.len(index) == size_of::<T>(), "data of this type");
        // SAFETY: as above.
        unsafe { ffi::lua_touserdata(self.0, index).cast::<T>().write(value) }
    }

    /// Pushes a function, with the top `upvalues` values as its own.
    pub fn push_function<F: Fn(State) -> Answer + Copy>(self, _: F, upvalues: c_int) {
        // SAFETY: `enter` is such a function.
        unsafe { ffi::lua_pushcclosure(self.0, enter::<F>, upvalues) }
    }

    /// Pushes one of Lua's own functions.
    pub fn push_native(self, function: Native) {
        // SAFETY: such a function comes from [`State::native`].
        unsafe { ffi::lua_pushcclosure(self.0, function, 0) }
    }

    /// Goes on as the function of Lua's own that this one stands in for. It may jump: nothing may be left to drop.
    pub fn go_on_as(self, function: Native) -> Answer {
        // SAFETY: such a function comes from [`State::native`] and finds its arguments on the stack.
        Ok(unsafe { function(self.0) })
    }

    /// The pseudo-index of a function's own value.
    pub fn upvalue(self, n: c_int) -> c_int {
        ffi::lua_upvalueindex(n)
    }

    /// Pushes `source:line: ` of the function at a level of the call stack, or an empty string.
    pub fn push_place(self, level: c_int) {
        // SAFETY: pushes a string; there is room.
        unsafe { ffi::luaL_where(self.0, level) }
    }

    /// Joins the top `n` strings.
    pub fn concat(self, n: c_int) {
        // SAFETY: they are strings, so no metamethod is called.
        unsafe { ffi::lua_concat(self.0, n) }
    }

    // -- tables

    /// Pushes a new table with room for so many elements.
    #[inline]
    pub fn push_table(self, array: usize, others: usize) {
        let fit = |n: usize| c_int::try_from(n.min(1 << 24)).unwrap_or(0);
        // SAFETY: there is room.
        unsafe { ffi::lua_createtable(self.0, fit(array), fit(others)) }
    }

    /// Replaces the key on top by its value in the table.
    #[inline]
    pub fn get(self, table: c_int) {
        // SAFETY: a table, without metamethods.
        unsafe { ffi::lua_rawget_(self.0, table) }
    }

    /// Pushes the value of a name.
    pub fn get_field(self, table: c_int, name: &str) {
        let table = self.absolute(table);
        self.push(name.as_bytes());
        self.get(table);
    }

    #[inline]
    pub fn get_index(self, table: c_int, n: c_int) {
        // SAFETY: a table, without metamethods.
        unsafe { ffi::lua_rawgeti_(self.0, table, n) }
    }

    /// Pops a value and, below it, its key, into the table. The key is neither nil nor NaN.
    #[inline]
    pub fn set(self, table: c_int) {
        // SAFETY: a table, without metamethods; a key that is allowed.
        unsafe { ffi::lua_rawset(self.0, table) }
    }

    /// Pops a value into a field.
    pub fn set_field(self, table: c_int, name: &str) {
        let table = self.absolute(table);
        self.push(name.as_bytes());
        self.insert(-2);
        self.set(table);
    }

    /// Pops a value into an array's place.
    #[inline]
    pub fn set_index(self, table: c_int, n: c_int) {
        // SAFETY: a table, without metamethods.
        unsafe { ffi::lua_rawseti_(self.0, table, n) }
    }

    /// Replaces a key by the next one and its value; pops it at the end of the table. The key is one of the table's.
    pub fn next(self, table: c_int) -> bool {
        // SAFETY: a table, and a key that comes from the step before.
        unsafe { ffi::lua_next(self.0, table) != 0 }
    }

    /// Pushes the metatable, if there is one.
    pub fn get_metatable(self, index: c_int) -> bool {
        // SAFETY: any acceptable index.
        unsafe { ffi::lua_getmetatable(self.0, index) != 0 }
    }

    /// Pops a table and makes it the metatable.
    pub fn set_metatable(self, index: c_int) {
        // SAFETY: a table is on top.
        unsafe { ffi::lua_setmetatable(self.0, index) };
    }

    /// Pops a value and keeps it; the number brings it back from the registry.
    pub fn keep(self) -> c_int {
        // SAFETY: there is a value.
        unsafe { ffi::luaL_ref(self.0, REGISTRY) }
    }

    pub fn drop_kept(self, number: c_int) {
        // SAFETY: the number comes from `keep`.
        unsafe { ffi::luaL_unref(self.0, REGISTRY, number) }
    }

    // -- running

    /// Compiles a text and pushes the function; false: pushes the error. Text only: what is no text, such as compiled
    /// code, is a syntax error. The collector rests meanwhile: what the compiler works on is not all reachable.
    pub fn compile(self, source: &[u8], name: &CStr) -> bool {
        struct Source<'a>(&'a [u8], bool);

        unsafe extern "C-unwind" fn read(
            _: *mut ffi::lua_State,
            data: *mut c_void,
            size: *mut usize,
        ) -> *const c_char {
            // SAFETY: `data` is the source below, during this call only.
            let source = unsafe { &mut *data.cast::<Source<'_>>() };
            let part = if std::mem::take(&mut source.1) { b" " } else { std::mem::take(&mut source.0) };
            // SAFETY: the place of the size is the caller's.
            unsafe { *size = part.len() };
            part.as_ptr().cast()
        }

        if source.len() > SOURCE_MAX {
            self.push(b"the source is too long");
            return false;
        }
        // Compiled code is known by its first byte; after a space it is not.
        let mut source = Source(source, source.first() == Some(&0x1b));
        // SAFETY: errors of the compiler are caught within, and `source` outlives the call.
        unsafe {
            ffi::lua_gc(self.0, ffi::LUA_GCSTOP, 0);
            let status = ffi::lua_load(self.0, read, (&raw mut source).cast(), name.as_ptr());
            ffi::lua_gc(self.0, ffi::LUA_GCRESTART, 0);
            status == 0
        }
    }

    /// Calls a function that lies below its arguments. False: the error is pushed in the place of results, after the
    /// function at `handler` (0: none) has seen it.
    pub fn call(self, arguments: c_int, results: c_int, handler: c_int) -> bool {
        // SAFETY: function and arguments are there.
        unsafe { ffi::lua_pcall(self.0, arguments, results, handler) == 0 }
    }

    /// Opens one of Lua's own libraries.
    pub fn open(self, name: &str, open: Native) {
        self.push_native(open);
        self.push(name.as_bytes());
        assert!(self.call(1, 0, 0), "Lua's own libraries open");
    }

    /// The function at a level of the call stack: 0 is the one that runs.
    pub fn place(self, level: c_int) -> Option<Place> {
        // SAFETY: the record is written by the first call and completed by the second.
        unsafe {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(self.0, level, &mut record) == 0 {
                return None;
            }
            ffi::lua_getinfo(self.0, c"Sl".as_ptr(), &mut record);
            Some(Place {
                source: CStr::from_ptr(record.source).to_bytes().to_vec(),
                line: record.currentline,
                native: CStr::from_ptr(record.what).to_bytes() == b"C",
            })
        }
    }

    /// Has `hook` called after every so many instructions of this thread and those it makes; 0: no longer.
    #[inline]
    pub fn every<F: Fn(State) -> Result<(), Raise> + Copy>(self, instructions: c_int, _: F) {
        // SAFETY: the hook is a function that may be called at any instruction.
        unsafe {
            if instructions == 0 {
                ffi::lua_sethook(self.0, None, 0, 0);
            } else {
                ffi::lua_sethook(self.0, Some(enter_hook::<F>), ffi::LUA_MASKCOUNT, instructions);
            }
        }
    }

    /// One of the collector's services.
    pub fn collect(self, what: Collect) -> c_int {
        let (what, data) = match what {
            Collect::Restart => (ffi::LUA_GCRESTART, 0),
            Collect::Pause(percent) => (ffi::LUA_GCSETPAUSE, percent),
            Collect::Speed(percent) => (ffi::LUA_GCSETSTEPMUL, percent),
            Collect::Step(size) => (ffi::LUA_GCSTEP, size),
        };
        // SAFETY: nothing that scripts made has a finaliser, so collecting runs no code.
        unsafe { ffi::lua_gc(self.0, what, data) }
    }
}

/// What the collector is asked for.
pub enum Collect {
    Restart,
    /// How much memory may grow before it begins anew, percent.
    Pause(c_int),
    /// How fast it is compared with allocation, percent.
    Speed(c_int),
    Step(c_int),
}
