//! What the driver does for its log on disk: begins and ends it, writes down what happens, has it rewritten.

use std::collections::VecDeque;
use std::rc::Rc;

use engine::active::sync::Export;
use replication::message::{Message, Part};
use replication::origin::Stream;
use replication::overlay::Levels;
use replication::replica::Durable;
use replication::shared::Shared as Bytes;

use super::disk::Disk;
use super::disk::base::Base;
use super::disk::files::Files;
use super::disk::records::Record;
use super::driver::Driver;
use super::frames::PIECE_BYTES;
use super::thread::Shared;
use crate::aof::rewrite;
use crate::process;
use crate::worker::unix_ms;

/// A log being kept.
pub struct Keep {
    /// Tells it from one that was kept before it was turned off and on again.
    id: u64,
    pub disk: Disk,
    files: Files,
    /// Positions in the log, and what may be announced once they are durable.
    marks: VecDeque<(u64, Durable)>,
    /// There is a base: a start finds everything.
    based: bool,
    rewriting: bool,
    /// A rewrite is wanted.
    wanted: bool,
    /// Peers' copies that were merged, and how many of them a base has. Between, nothing new may be announced.
    merges: (u64, u64),
    /// Version of the last groups.
    latest: u64,
    /// Written down last.
    levels: Levels,
    functions: u64,
}

/// A rewrite that has begun.
struct Begun {
    /// Of the log that it is for.
    id: u64,
    number: u64,
    /// Merged copies that are in it.
    merges: u64,
    base: Base,
    levels: Levels,
    started_ms: u64,
}

impl Keep {
    fn put(&self, record: &Record) {
        self.disk.append(|out| record.put(out, false));
    }

    /// Groups of a stream, the last of this version, are about to be carried out, or passed on.
    pub fn groups(&mut self, stream: Stream, seq: u64, version: u64, bytes: &Bytes) {
        self.latest = self.latest.max(version);
        let part = Part { stream, seq, offset: 0, last: true, bytes: bytes.clone() };
        self.put(&Record::Groups(Message::Part(part)));
    }

    /// The members are this far, and the data with them. Written down before it is announced, until all that was written down is
    /// settled: a start that knew of less than the others were told would name elements of lists by what they have forgotten. An
    /// idle log does not grow.
    pub fn levels(&mut self, levels: Levels) {
        if self.levels.agreed < self.latest && self.levels != levels {
            self.levels = levels;
            self.put(&Record::Levels(levels));
        }
    }

    /// A peer's copy has been merged: only another base has it.
    pub fn merged(&mut self) {
        self.put(&Record::Merged);
        self.wanted = true;
        self.merges.0 += 1;
    }
}

impl Driver {
    /// Begins or ends the log as the configuration wants it, and sees to what is due. True if a base should be written now.
    pub fn keep_log(&mut self) -> bool {
        let config = self.server.config.get();
        if !config.appendonly {
            if self.keep.take().is_some() {
                self.server.aof.end_member(self.server);
                self.replica.tune(|options| options.volatile = true);
            }
            return false;
        }
        let is_member = self.server.keyspace.journal.is_on() && self.replica.serves();
        if self.keep.is_none() && is_member && !self.server.keyspace.journal.is_syncing() {
            self.begin_log();
        }
        self.announce();
        self.note_functions();
        let merging = self.server.keyspace.journal.is_merging();
        self.keep.as_ref().is_some_and(|keep| keep.wanted && !keep.rewriting && !merging)
    }

    fn begin_log(&mut self) {
        let config = self.server.config.get();
        let begun = Files::find(&config).and_then(|mut files| {
            // What is there is of a time that this node did not come back from.
            files.remove_all();
            self.open_log(files)
        });
        match begun {
            Ok(()) => {
                if let Some(keep) = &mut self.keep {
                    keep.wanted = true;
                }
                self.server.aof.note(|books| books.rewriting = true);
            }
            Err(e) => self.server.aof.note_error(self.server, Some(process::reason(&e))),
        }
    }

    /// Goes on writing the log that was loaded.
    pub fn resume_log(&mut self) -> Result<(), String> {
        let config = self.server.config.get();
        let fail =
            |e: std::io::Error| format!("Can't open or create a member's log: {}", process::reason(&e));
        let files = Files::find(&config).map_err(fail)?;
        let size = files.size();
        self.open_log(files).map_err(fail)?;
        if let Some(keep) = &mut self.keep {
            keep.based = true;
        }
        self.replica.tune(|options| options.volatile = false);
        self.server.aof.rebased(size);
        Ok(())
    }

    fn open_log(&mut self, mut files: Files) -> std::io::Result<()> {
        let config = self.server.config.get();
        for (set, name) in [
            (config.aof_timestamp_enabled, "aof-timestamp-enabled yes"),
            (config.aof_disable_auto_gc, "aof-disable-auto-gc yes"),
            (!config.aof_use_rdb_preamble, "aof-use-rdb-preamble no"),
        ] {
            if set {
                tracing::warn!("{name} has no effect on the log of a member of a mesh");
            }
        }
        let (_, file) = files.next_log()?;
        let disk = Disk::start(self.server, file)?;
        self.server.aof.begin_member(self.server, &disk.desk);
        self.keep = Some(Keep {
            id: uuid::Uuid::new_v4().as_u64_pair().0,
            disk,
            files,
            marks: VecDeque::new(),
            based: false,
            rewriting: false,
            wanted: false,
            merges: (0, 0),
            latest: 0,
            levels: Levels::default(),
            functions: self.server.libraries.generation(),
        });
        Ok(())
    }

    /// What has become durable may be announced.
    fn announce(&mut self) {
        let Some(keep) = self.keep.as_mut().filter(|keep| keep.based) else { return };
        let (appended, durable) = keep.disk.positions();
        while let Some((at, _)) = keep.marks.front()
            && *at <= durable
        {
            if let Some((_, state)) = keep.marks.pop_front() {
                self.replica.persisted_as(state);
            }
        }
        if keep.merges.0 != keep.merges.1 {
            return;
        }
        let state = self.replica.state();
        match keep.marks.back_mut() {
            Some((at, last)) if *at == appended => *last = state,
            _ => keep.marks.push_back((appended, state)),
        }
    }

    /// Functions are no effects: when they change, all there are are written down.
    fn note_functions(&mut self) {
        let libraries = &self.server.libraries;
        let Some(keep) = self.keep.as_mut().filter(|keep| keep.functions != libraries.generation()) else {
            return;
        };
        keep.functions = libraries.generation();
        keep.put(&Record::Libraries(libraries.ledger(|ledger| ledger.record())));
    }

    /// A position that nothing written down leads to.
    pub fn note_position(&self) {
        if let Some(keep) = &self.keep {
            keep.put(&Record::Head(Message::Snapshot(self.replica.head())));
        }
    }

    /// Somebody wants the log rewritten. False: none is kept.
    pub fn want_base(&mut self) -> bool {
        self.keep.as_mut().map(|keep| keep.wanted = true).is_some()
    }

    /// Fixes the moment of a base, and the log that follows it.
    fn begin_base(&mut self) -> Option<(Begun, Record)> {
        let compress = self.server.config.get().rdbcompression;
        let levels = self.data.settled_levels();
        let head = Record::Head(Message::Snapshot(self.replica.head()));
        let keep = self.keep.as_mut()?;
        keep.wanted = false;
        let begun = keep.files.next_log().and_then(|(number, file)| {
            Ok((Base::begin(keep.files.temporary(number), compress)?, number, file))
        });
        match begun {
            Ok((base, number, file)) => {
                keep.rewriting = true;
                keep.disk.turn(file);
                self.server.aof.note(|books| books.rewriting = true);
                tracing::info!("Rewriting the member's log begins");
                Some((
                    Begun { id: keep.id, number, merges: keep.merges.0, base, levels, started_ms: unix_ms() },
                    head,
                ))
            }
            Err(e) => {
                self.failed(&e);
                None
            }
        }
    }

    fn failed(&mut self, e: &std::io::Error) {
        tracing::warn!("Rewriting the member's log failed: {}", process::reason(e));
        self.server.aof.note(|books| {
            books.rewriting = false;
            books.rewrite_ok = false;
            books.failures_in_a_row += 1;
            books.tried_s = unix_ms() / 1000;
            // Without a base the log is worth nothing.
            books.scheduled = true;
        });
    }

    fn end_base(
        &mut self,
        (id, number): (u64, u64),
        merges: u64,
        started_ms: u64,
        result: std::io::Result<()>,
    ) {
        // It may have been turned off meanwhile.
        let Some(keep) = self.keep.as_mut().filter(|keep| keep.id == id) else { return };
        keep.rewriting = false;
        if let Err(e) = result.and_then(|()| keep.files.complete(number)) {
            let _ = std::fs::remove_file(keep.files.temporary(number));
            return self.failed(&e);
        }
        keep.merges.1 = merges;
        let first = !std::mem::replace(&mut keep.based, true);
        let size = keep.files.size();
        if first {
            self.replica.tune(|options| options.volatile = false);
            rewrite::give_way(self.server);
        }
        self.server.aof.rebased(size);
        self.server.aof.note(|books| {
            (books.rewriting, books.rewrite_ok, books.failures_in_a_row) = (false, true, 0);
            books.rewrite_seconds = (unix_ms().saturating_sub(started_ms) / 1000) as i64;
            books.rewrites += 1;
        });
        tracing::info!("The member's log has been rewritten");
    }
}

/// Writes a base, as fast as the disk takes it.
pub async fn write_base(shared: Rc<Shared>) {
    let Some((begun, head)) = shared.driver.borrow_mut().begin_base() else { return };
    let Begun { id, number, merges, base, levels, started_ms } = begun;
    let mut export = Export::default();
    let mut fits = base.put(head).await;
    while fits {
        let piece = shared.driver.borrow_mut().data.next_piece(&mut export, PIECE_BYTES);
        let Some(piece) = piece else { break };
        fits = base.put(Record::Piece(piece)).await;
        tokio::task::yield_now().await;
    }
    drop(export);
    if fits {
        let libraries = shared.server.libraries.ledger(|ledger| ledger.record());
        let _ = base.put(Record::Libraries(libraries)).await;
        let _ = base.put(Record::End(levels)).await;
    }
    let result = base.end().await;
    shared.driver.borrow_mut().end_base((id, number), merges, started_ms, result);
}
