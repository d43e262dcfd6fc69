//! What can go wrong.

use std::fmt;
use std::io;

#[derive(Debug)]
pub enum Error {
    /// Not of the form `s3://bucket/key`.
    Address(String),
    /// There is no such object.
    NotFound(String),
    /// The storage refused, or could not be reached for too long.
    Store(object_store::Error),
    /// A local file.
    Io(io::Error),
    /// What came is not what was announced, bytes.
    Size { expected: u64, got: u64 },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Address(text) => write!(f, "'{text}' is not of the form s3://bucket/key"),
            Error::NotFound(key) => write!(f, "there is no object '{key}' in the bucket"),
            Error::Store(e) => write!(f, "{e}"),
            Error::Io(e) => write!(f, "{e}"),
            Error::Size { expected, got } => write!(f, "{got} bytes came instead of {expected}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<object_store::Error> for Error {
    fn from(e: object_store::Error) -> Error {
        match e {
            object_store::Error::NotFound { path, .. } => Error::NotFound(path),
            e => Error::Store(e),
        }
    }
}

impl From<object_store::path::Error> for Error {
    fn from(e: object_store::path::Error) -> Error {
        Error::Store(e.into())
    }
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        Error::Io(e)
    }
}
