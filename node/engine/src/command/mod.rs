//! What is known about every command without running it: one generated table, and what derives from it.
//!
//! A command is a row of [`Facts`] under a dense [`CommandId`]; so is a subcommand (`CONFIG GET`), whose container
//! (`CONFIG`) is a row too. The table holds Redis 7.0.15's commands and, after them, names from elsewhere; which of them
//! this server answers is for dispatch to say.
//!
//! In reading order: [`model`] is the shape of a row, [`flags`] the sets of bits in it, [`facts`] the table; [`lookup`]
//! finds a row by name, [`absent`] says why some have no function, [`keys`] finds the keys of a command line; [`reply`] answers COMMAND and [`help`] HELP, [`page`] is the
//! reference page.

pub mod model;

pub mod flags;

#[rustfmt::skip]
pub mod facts;

pub mod lookup;
mod name_table;

pub mod absent;

mod key_rules;
mod key_specs;
pub mod keys;

mod docs;
pub mod help;
mod info;
pub mod page;
pub mod reply;
pub mod usage;

pub use facts::{ALL, BEYOND, FACTS, id};
pub use flags::{Categories, Flags, KeyFlags};
pub use lookup::{Lookup, Miss, RenameError};
pub use model::{CommandId, Facts, Group, KeyRule, Origin};

#[cfg(test)]
mod tests;
