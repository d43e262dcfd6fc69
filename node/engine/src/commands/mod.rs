//! The data commands, one file or folder per family. A command is one function and one [`Row`] at the end of its
//! family's file; what is known about it (arity, flags, keys, categories) stands in [`crate::command`].

use protocol::{Args, ErrorReply, Reply};

use crate::ctx::Ctx;
use crate::value::Kind;

/// What a command did, beyond its reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Flow {
    /// The reply is written.
    Done,
    /// Nothing is written: the client waits.
    Block(Block),
}

/// What a blocked client waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Indexes of the arguments that are the keys waited on.
    pub keys: Vec<usize>,
    /// The kind of value that wakes it.
    pub kind: Kind,
    /// How long, ms; `None`: for ever.
    pub timeout_ms: Option<u64>,
    /// The command may have something to do although no key was written to: it is to be run again after so many ms.
    pub again_ms: Option<u64>,
    /// Woken too when a key goes away or changes type: group reads on streams.
    pub wake_on_removal: bool,
    /// Arguments that would mean something else later, by index, with what to put in their place when the command is run
    /// again: XREAD's `$`.
    pub resolved: Vec<(usize, Vec<u8>)>,
    /// The reply where a client may not wait: in a transaction or a script. When its time is up, it is the null array,
    /// whatever the command.
    pub refusal: NullReply,
}

/// The two nulls of RESP2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullReply {
    Null,
    Array,
}

/// A command's function. It runs with the shards of its keys held. An error reply must come before any other output.
pub type Run = fn(&mut Ctx<'_>, Args<'_>, &mut Reply) -> Result<Flow, ErrorReply>;

/// Which shards a command holds while it runs.
#[derive(Clone, Copy)]
pub enum Locking {
    /// Those of its keys.
    Keys,
    /// All of them.
    All,
    /// None: it takes what it needs by itself.
    Own,
}

/// A command: its name in the table of facts and its function.
#[derive(Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    pub run: Run,
    pub locking: Locking,
}

/// A row of a command that holds the shards of its keys.
pub const fn row(name: &'static str, run: Run) -> Row {
    Row { name, run, locking: Locking::Keys }
}

/// A row of a command that holds the whole keyspace.
pub const fn row_all(name: &'static str, run: Run) -> Row {
    Row { name, run, locking: Locking::All }
}

/// A row of a command that takes shards by itself.
pub const fn row_own(name: &'static str, run: Run) -> Row {
    Row { name, run, locking: Locking::Own }
}

/// All data commands.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [
        generic::ROWS,
        strings::ROWS,
        bitmaps::ROWS,
        hyperloglog::ROWS,
        hashes::ROWS,
        lists::ROWS,
        sets::ROWS,
        member_expiry::ROWS,
        field_expiry::ROWS,
        throttle::ROWS,
        jobs::ROWS,
        zsets::ROWS,
        geo::ROWS,
        streams::ROWS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .flatten()
}

pub mod bitmaps;
mod blocking;
mod field_expiry;
pub mod generic;
pub mod geo;
pub mod hashes;
pub mod hyperloglog;
pub mod jobs;
pub mod lists;
mod member_expiry;
mod random;
mod scan;
pub mod sets;
pub mod streams;
pub mod strings;
#[cfg(test)]
pub mod testing;
mod throttle;
pub mod zsets;

/// An integer argument.
pub fn int(arg: &[u8]) -> Result<i64, ErrorReply> {
    protocol::number::parse_i64(arg).ok_or(protocol::error::NOT_INTEGER)
}

/// The number of a database as an argument.
pub fn database(ctx: &Ctx<'_>, arg: &[u8]) -> Result<usize, ErrorReply> {
    let number = i32::try_from(int(arg)?).map_err(|_| protocol::error::OUT_OF_RANGE_I32)?;
    let in_range = usize::try_from(number).ok().filter(|db| *db < ctx.keyspace.databases());
    in_range.ok_or(protocol::error::DB_OUT_OF_RANGE)
}

/// Whether an argument is a keyword, in any case.
#[inline]
pub fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// `Ok(Flow::Done)`, the usual end of a command.
pub const DONE: Result<Flow, ErrorReply> = Ok(Flow::Done);
