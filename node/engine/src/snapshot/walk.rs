//! The way of a snapshot through one table.

use std::sync::Arc;

use super::{Cut, Encoder};
use crate::db::{Detached, walk_segment};
use crate::entry::{Entry, EntryRef};
use crate::table::Table;

/// Bytes copied aside that make a piece. Each table gathers one, so they must be small beside the data of a table.
const PIECE: usize = 8 * 1024;

/// See the [module's page](super).
pub struct Walk {
    cut: Arc<Cut>,
    /// The database's number at the cut.
    number: usize,
    /// All entries before this position have been seen.
    at: u64,
    /// Entries that were about to change.
    aside: Encoder,
    scratch: Vec<Entry>,
}

impl Walk {
    pub(super) fn new(cut: Arc<Cut>, number: usize) -> Walk {
        let aside = Encoder::new(&cut.options);
        Walk { cut, number, at: 0, aside, scratch: Vec::new() }
    }

    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Writes an entry that is about to change and that the walk has not come by.
    pub(crate) fn copy(&mut self, entry: EntryRef<'_>) {
        if self.cut.is_aborted() {
            return;
        }
        self.aside.entry(entry);
        if self.aside.len() >= PIECE {
            self.cut.put(self.number, &mut self.aside, true);
        }
    }

    /// Goes on by one segment, or until `out` holds more than `room` bytes. False at the end of the table.
    pub(crate) fn on(&mut self, table: &Table<Entry>, epoch: bool, out: &mut Encoder, room: usize) -> bool {
        let aborted = self.cut.is_aborted();
        let next = walk_segment(table, self.at, epoch, &mut self.scratch, |entry| {
            if !aborted {
                out.entry(entry);
            }
            out.len() <= room
        });
        match next {
            Some(at) => self.at = at,
            None => self.cut.put(self.number, &mut self.aside, true),
        }
        next.is_some()
    }

    /// The table is emptied: what it held waits for the snapshot.
    pub(crate) fn leave_behind(self: Box<Self>, table: Detached, epoch: bool) {
        let cut = self.cut.clone();
        cut.leave_behind(LeftBehind { table, epoch, walk: self });
    }
}

/// A table that was emptied before its walk was over.
pub(super) struct LeftBehind {
    table: Detached,
    epoch: bool,
    walk: Box<Walk>,
}

impl LeftBehind {
    pub fn number(&self) -> usize {
        self.walk.number
    }

    /// See [`Walk::on`].
    pub fn on(&mut self, out: &mut Encoder, room: usize) -> bool {
        self.walk.on(self.table.table(), self.epoch, out, room)
    }
}
