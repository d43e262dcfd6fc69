//! What can be wrong with an RDB value.

use std::fmt;
use std::io;

use crate::malformed::Malformed;

/// Why a value could not be read.
#[derive(Debug)]
pub enum Error {
    /// The source failed.
    Io(io::Error),
    /// The bytes break the format's rules, or end too early.
    Malformed(Malformed),
    /// A file that does not begin like RDB.
    NotRdb,
    /// A file of a version that cannot be read.
    Version(u16),
    /// A file that was damaged.
    Checksum { stated: u64, computed: u64 },
    /// A kind of object that no Redis up to 8.0 writes, no Valkey up to 9.0, and no KeyDB.
    UnknownKind(u8),
    /// A value of a module's type; its name is known if the format tells it.
    Module { name: String },
    /// A collection without elements, which must not be a key. All its bytes were read: a loader can drop the key
    /// and go on.
    Empty,
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Error::Malformed(malformed)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Io(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(error) => write!(f, "reading failed: {error}"),
            Error::Malformed(malformed) => malformed.fmt(f),
            Error::NotRdb => f.write_str("not an RDB file"),
            Error::Version(version) => write!(f, "RDB version {version} cannot be read"),
            Error::Checksum { stated, computed } => {
                write!(f, "RDB file is damaged: its checksum is {computed:016x}, not {stated:016x}")
            }
            Error::UnknownKind(kind) => write!(f, "unknown kind of object: {kind}"),
            Error::Module { name } => {
                write!(f, "value of module type '{name}': modules' types are not supported")
            }
            Error::Empty => f.write_str("collection without elements"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(error) => Some(error),
            Error::Malformed(malformed) => Some(malformed),
            _ => None,
        }
    }
}
