//! The two ends of a list.

use protocol::ErrorReply;
use protocol::error::SYNTAX;

use crate::commands::is;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Head,
    Tail,
}

impl End {
    /// LEFT or RIGHT.
    pub fn parse(arg: &[u8]) -> Result<End, ErrorReply> {
        if is(arg, "LEFT") {
            Ok(End::Head)
        } else if is(arg, "RIGHT") {
            Ok(End::Tail)
        } else {
            Err(SYNTAX)
        }
    }

    /// The event of elements taken from here.
    pub fn pop_event(self) -> &'static str {
        match self {
            End::Head => "lpop",
            End::Tail => "rpop",
        }
    }

    /// The event of elements added here.
    pub fn push_event(self) -> &'static str {
        match self {
            End::Head => "lpush",
            End::Tail => "rpush",
        }
    }

    /// The index that an element pushed to a list of `len` gets. Above 0 at the tail, for nodes that push to a list which neither of them has
    /// yet: there it matters which end was meant.
    pub fn place(self, len: usize) -> usize {
        match self {
            End::Head => 0,
            End::Tail => len.max(1),
        }
    }
}
