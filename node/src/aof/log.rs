//! One file of commands, being written.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use engine::journal::feed;

/// See the [module's page](self).
pub struct Log {
    file: File,
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
}

impl Log {
    /// Opens a file to append to, or makes it.
    pub fn open(path: &Path) -> io::Result<Log> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Log {
            file,
            size,
            buffer: Vec::new(),
            selected: None,
            unsynced: false,
            synced: Instant::now(),
            noted_s: 0,
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

    /// Writes what is to be written. After a failure nothing of it is in the file, and it can be tried again.
    pub fn write(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if let Err(e) = self.file.write_all(&self.buffer) {
            // What was written of it goes again: the file ends with a whole record.
            self.file.set_len(self.size)?;
            return Err(e);
        }
        self.size += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(1 << 20);
        self.unsynced = true;
        Ok(())
    }

    /// Makes durable what was written.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.file.sync_data()?;
            self.unsynced = false;
        }
        self.synced = Instant::now();
        Ok(())
    }

    pub fn since_sync(&self) -> std::time::Duration {
        self.synced.elapsed()
    }
}
