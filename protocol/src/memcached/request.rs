//! What a client asks for.

use super::meta::Meta;
use super::words::Words;

/// See the [module's page](self).
#[derive(Debug)]
pub enum Request<'a> {
    Get(Retrieval<'a>),
    Store(Storage<'a>),
    /// A value that is too large to be stored, and that will be skipped.
    TooLarge {
        key: &'a [u8],
        /// What was there must not be taken for what was to be stored.
        removes: bool,
        quiet: bool,
    },
    Delete {
        key: &'a [u8],
        quiet: bool,
    },
    /// incr and decr.
    Count {
        key: &'a [u8],
        delta: u64,
        up: bool,
        quiet: bool,
    },
    Touch {
        key: &'a [u8],
        exptime: i64,
        quiet: bool,
    },
    /// flush_all, at once or at an exptime.
    Flush {
        at: i64,
        quiet: bool,
    },
    /// cache_memlimit: megabytes.
    Memory {
        megabytes: u64,
        quiet: bool,
    },
    /// The word behind it, which may be empty.
    Stats(&'a [u8]),
    Version,
    Verbosity {
        quiet: bool,
    },
    Quit,
    Meta(Meta<'a>),
    /// me
    Describe {
        key: std::borrow::Cow<'a, [u8]>,
        shown: &'a [u8],
    },
    /// mn
    Nothing,
}

impl<'a> Request<'a> {
    /// The request with the data that followed its line.
    pub(super) fn with_data(self, data: &'a [u8]) -> Request<'a> {
        match self {
            Request::Store(storage) => Request::Store(Storage { data, ..storage }),
            Request::Meta(meta) => Request::Meta(Meta { data, ..meta }),
            other => other,
        }
    }
}

/// get, gets, gat and gats.
#[derive(Clone, Copy, Debug)]
pub struct Retrieval<'a> {
    pub(super) keys: Words<'a>,
    /// Each value comes with its unique number.
    pub unique: bool,
    /// A new exptime for what is found.
    pub touch: Option<i64>,
}

impl<'a> Retrieval<'a> {
    /// The keys; none is too long.
    pub fn keys(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.keys
    }
}

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Set,
    Add,
    Replace,
    Append,
    Prepend,
    /// If the unique number is still this one.
    Cas(u64),
}

#[derive(Debug)]
pub struct Storage<'a> {
    pub verb: Verb,
    pub key: &'a [u8],
    pub flags: u32,
    pub exptime: i64,
    pub data: &'a [u8],
    pub quiet: bool,
}
