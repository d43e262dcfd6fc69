//! Writing a base: a copy of all data, piece by piece, by a thread of its own.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};

use super::records::{MAGIC, Record};

/// Records that wait to be written at most; then the one who makes them waits.
const ROOM: usize = 4;
const BUFFER: usize = 1 << 20;

/// A base being written.
pub struct Base {
    records: mpsc::Sender<Record>,
    done: oneshot::Receiver<io::Result<()>>,
}

impl Base {
    /// Begins one. `compress`: pieces, where that makes them smaller.
    pub fn begin(path: PathBuf, compress: bool) -> io::Result<Base> {
        let file = File::create(path)?;
        let (records, received) = mpsc::channel(ROOM);
        let (result, done) = oneshot::channel();
        std::thread::Builder::new().name("mesh-base".into()).spawn(move || {
            let _ = result.send(write(file, received, compress));
        })?;
        Ok(Base { records, done })
    }

    /// Adds a record, when there is room. False: it can't be written, [`Base::end`] says why.
    pub async fn put(&self, record: Record) -> bool {
        self.records.send(record).await.is_ok()
    }

    /// All records are there: waits until they are durable.
    pub async fn end(self) -> io::Result<()> {
        drop(self.records);
        self.done.await.unwrap_or_else(|_| Err(io::Error::other("its thread is gone")))
    }
}

fn write(file: File, mut records: mpsc::Receiver<Record>, compress: bool) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(BUFFER, file);
    file.write_all(MAGIC)?;
    let mut bytes = Vec::new();
    while let Some(record) = records.blocking_recv() {
        bytes.clear();
        record.put(&mut bytes, compress);
        file.write_all(&bytes)?;
    }
    file.into_inner().map_err(|e| e.into_error())?.sync_all()
}
