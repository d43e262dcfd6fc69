//! CLIENT: connections, seen and ruled by one another.
//!
//! A command about another connection reads what that one's worker shows in its [`crate::client::Client`], or puts
//! something into its mailbox; the connection itself is touched by its own worker only.

mod about;
mod filter;
mod kill;
pub mod list;
mod pause;
mod tracking;

use protocol::ErrorReply;

use super::NodeRow;
use crate::client::{Class, Client, flag};
use crate::dispatch::Next;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

/// The kinds of clients that CLIENT LIST and KILL tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Normal,
    Master,
    Replica,
    Pubsub,
}

impl Kind {
    fn named(word: &[u8]) -> Result<Kind, ErrorReply> {
        match word.to_ascii_lowercase().as_slice() {
            b"normal" => Ok(Kind::Normal),
            b"master" => Ok(Kind::Master),
            b"replica" | b"slave" => Ok(Kind::Replica),
            b"pubsub" => Ok(Kind::Pubsub),
            _ => Err(ErrorReply::err(format!(
                "Unknown client type '{}'",
                protocol::error::shown(word, usize::MAX)
            ))),
        }
    }

    fn of(client: &Client) -> Kind {
        match client.class() {
            _ if client.has(flag::MASTER) => Kind::Master,
            Class::Replica => Kind::Replica,
            Class::Pubsub => Kind::Pubsub,
            Class::Normal => Kind::Normal,
        }
    }
}

pub const ROWS: &[&[NodeRow]] = &[about::ROWS, kill::ROWS, list::ROWS, pause::ROWS, tracking::ROWS];
