//! One file of commands, being written.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::journal::feed;

use crate::system;

/// Space that is set aside on the disk behind the end of the file: as much as there is of it already, within these bounds.
const AHEAD_MIN: u64 = 256 << 10;
const AHEAD_MAX: u64 = 16 << 20;
/// What `st_blocks` counts in, bytes.
const BLOCK: u64 = 512;

/// Room that is kept for what is to be written, bytes.
const KEEP: usize = 1 << 20;

/// See the [module's page](self).
pub struct Log {
    file: Arc<File>,
    /// Bytes in the file, all of whole records.
    size: u64,
    /// What is to be written.
    buffer: Vec<u8>,
    /// The database that a reader has selected at the end.
    selected: Option<u32>,
    /// Something was written since the last synchronisation.
    unsynced: bool,
    synced: Instant,
    /// The last second that was annotated.
    noted_s: u64,
    /// Up to where space on the disk has been set aside; `u64::MAX`: that can't be done.
    reserved: u64,
}

impl Log {
    /// Opens a file to append to, or makes it.
    pub fn open(path: &Path) -> io::Result<Log> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let data = file.metadata()?;
        let size = data.len();
        if data.blocks() * BLOCK > size + AHEAD_MIN / 2 {
            // Whoever wrote it before was killed: what was set aside goes back.
            file.set_len(size)?;
        }
        Ok(Log {
            file: Arc::new(file),
            size,
            buffer: Vec::new(),
            selected: None,
            unsynced: false,
            synced: Instant::now(),
            noted_s: 0,
            reserved: 0,
        })
    }

    /// Bytes written, and to be written.
    pub fn size(&self) -> u64 {
        self.size + self.buffer.len() as u64
    }

    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// Adds a group; more than one command are a transaction. `now_s`: annotate the time, if that second was not yet.
    pub fn append(&mut self, group: &[u8], now_s: Option<u64>) {
        if let Some(now_s) = now_s.filter(|now_s| *now_s > self.noted_s) {
            self.noted_s = now_s;
            self.buffer.extend_from_slice(format!("#TS:{now_s}\r\n").as_bytes());
        }
        feed::pass_on(&mut self.buffer, group, &mut self.selected, |op| op.changes);
    }

    /// Sets space aside on the disk for what is to be written and more, so that synchronising need not record for each write
    /// which blocks are the file's. Its size stays. Only a hint: where there is no space, writing says so.
    pub fn reserve(&mut self) {
        let end = self.size();
        if end <= self.reserved || self.buffer.is_empty() {
            return;
        }
        let ahead = end.clamp(AHEAD_MIN, AHEAD_MAX);
        let done = system::set_aside(self.file.as_raw_fd(), self.size, end - self.size + ahead);
        self.reserved = if done { end + ahead } else { u64::MAX };
    }

    /// Gives back what was set aside.
    pub fn trim(&mut self) {
        if self.reserved > self.size && self.reserved < u64::MAX {
            let _ = self.file.set_len(self.size);
            self.reserved = 0;
        }
    }

    /// Writes what is to be written. After a failure the file ends with a whole record if that can be had, and it can be
    /// tried again.
    pub fn write(&mut self) -> io::Result<()> {
        let mut written = 0;
        while written < self.buffer.len() {
            match (&*self.file).write(&self.buffer[written..]) {
                Ok(0) => return self.take_back(written, io::ErrorKind::WriteZero.into()),
                Ok(n) => written += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return self.take_back(written, e),
            }
        }
        self.done(written);
        self.buffer.clear();
        self.buffer.shrink_to(KEEP);
        Ok(())
    }

    /// Writing has failed after so many bytes, which go again with the rest. If the file can't be cut they stay.
    #[cold]
    fn take_back(&mut self, written: usize, e: io::Error) -> io::Result<()> {
        self.reserved = 0;
        if written > 0 && self.file.set_len(self.size).is_err() {
            self.done(written);
            self.buffer.drain(..written);
        }
        Err(e)
    }

    fn done(&mut self, written: usize) {
        self.size += written as u64;
        self.unsynced |= written > 0;
    }

    /// Makes durable what was written.
    pub fn sync(&mut self) -> io::Result<()> {
        match self.to_sync() {
            Some(file) => file.sync_data().inspect_err(|_| self.unsynced = true),
            None => Ok(()),
        }
    }

    /// The file, if something was written to it that whoever takes it is to make durable.
    pub fn to_sync(&mut self) -> Option<Arc<File>> {
        self.synced = Instant::now();
        std::mem::take(&mut self.unsynced).then(|| self.file.clone())
    }

    /// Whether all is in the file, and whoever took it last makes that durable.
    pub fn is_handed_over(&self) -> bool {
        self.buffer.is_empty() && !self.unsynced
    }

    /// A synchronisation has failed: all is to be made durable again.
    pub fn sync_again(&mut self) {
        self.unsynced = true;
    }

    /// Whether it is time for another synchronisation.
    pub fn is_due(&self, every: Duration) -> bool {
        self.unsynced && self.synced.elapsed() >= every
    }

    /// There will be none before that much time has passed again.
    pub fn put_off(&mut self) {
        self.synced = Instant::now();
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.trim();
    }
}
