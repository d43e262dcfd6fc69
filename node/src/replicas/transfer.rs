//! A snapshot on its way to several replicas while it is being made.
//!
//! One writes, every replica reads at its own pace. What all have read is let go of; when the slowest is too far behind
//! the writer waits for it, so little memory is taken however large the data are. One that takes nothing for
//! `repl-timeout` is given up by others, and when none is left the writer fails.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::link::Link;
use crate::persist::snapshot::Job;

/// Bytes that the slowest replica may be behind.
const WINDOW: usize = 8 << 20;
/// Bytes of a piece: smaller ones are gathered.
const PIECE: usize = 128 << 10;
/// How long the writer waits between two looks whether the snapshot is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// See the [module's page](self).
pub struct Transfer {
    state: Mutex<State>,
    room: Condvar,
    /// Bytes that the slowest replica may be behind.
    window: usize,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Arc<[u8]>>,
    /// Bytes in `pieces`.
    bytes: usize,
    /// The number of the first piece.
    first: usize,
    readers: Vec<Place>,
    /// Replicas may read: until then the writer does not wait for any.
    open: bool,
    end: Option<End>,
}

struct Place {
    link: Arc<Link>,
    /// The piece it wants next.
    next: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Complete,
    Failed,
}

/// What there is to read.
pub enum Next {
    Piece(Arc<[u8]>),
    /// Not yet.
    Wait,
    End,
    /// The rest will never come.
    Broken,
}

impl Transfer {
    pub fn new() -> Arc<Transfer> {
        Transfer::of_window(WINDOW)
    }

    fn of_window(window: usize) -> Arc<Transfer> {
        Arc::new(Transfer { state: Mutex::default(), room: Condvar::new(), window })
    }

    /// A replica reads from the beginning. Only before the writer has begun to wait for others.
    pub fn reader(self: &Arc<Self>, link: &Arc<Link>) -> Reader {
        let mut state = self.state.lock();
        assert_eq!(state.first, 0, "nothing has been let go of");
        state.readers.push(Place { link: link.clone(), next: 0 });
        Reader { transfer: self.clone(), link: link.clone() }
    }

    /// All who read are there: from now on the writer waits for them.
    pub fn open(&self) {
        self.state.lock().open = true;
    }

    /// Replicas that are still there.
    pub fn readers(&self) -> usize {
        self.state.lock().readers.len()
    }

    /// There will be no more: all is there, or it never will be.
    pub fn end(&self, complete: bool) {
        let mut state = self.state.lock();
        state.end = Some(if complete { End::Complete } else { End::Failed });
        state.readers.iter().for_each(|place| place.link.wake());
    }

    /// What writes into it. `job`: a snapshot that may be ended early; then it fails.
    pub fn writer(self: &Arc<Self>, job: Option<Arc<Job>>) -> TransferWriter {
        TransferWriter { transfer: self.clone(), job, gathered: Vec::new() }
    }

    fn push(&self, piece: Arc<[u8]>, is_over: impl Fn() -> bool) -> io::Result<()> {
        let mut state = self.state.lock();
        while state.open && state.bytes >= self.window && !state.readers.is_empty() {
            if is_over() {
                return Err(io::Error::other("the snapshot was ended"));
            }
            self.room.wait_for(&mut state, LOOK);
        }
        if state.open && state.readers.is_empty() {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "no replica is left"));
        }
        state.bytes += piece.len();
        state.pieces.push_back(piece);
        state.readers.iter().for_each(|place| place.link.wake());
        Ok(())
    }
}

impl State {
    /// Lets go of what all have read.
    fn trim(&mut self) {
        let Some(least) = self.readers.iter().map(|place| place.next).min() else {
            self.first += self.pieces.len();
            self.pieces.clear();
            self.bytes = 0;
            return;
        };
        while self.first < least
            && let Some(piece) = self.pieces.pop_front()
        {
            self.bytes -= piece.len();
            self.first += 1;
        }
    }
}

/// One replica's view of a transfer; it counts until it is dropped.
pub struct Reader {
    transfer: Arc<Transfer>,
    link: Arc<Link>,
}

impl Reader {
    /// The next piece, which is then read.
    pub fn next(&self) -> Next {
        let mut guard = self.transfer.state.lock();
        let state = &mut *guard;
        let end = state.end;
        let Some(place) = state.readers.iter_mut().find(|place| Arc::ptr_eq(&place.link, &self.link)) else {
            return Next::Broken;
        };
        if end == Some(End::Failed) {
            return Next::Broken;
        }
        match state.pieces.get(place.next - state.first).cloned() {
            Some(piece) => {
                place.next += 1;
                state.trim();
                self.transfer.room.notify_all();
                Next::Piece(piece)
            }
            None if end.is_some() => Next::End,
            None => Next::Wait,
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.transfer.state.lock();
        state.readers.retain(|place| !Arc::ptr_eq(&place.link, &self.link));
        state.trim();
        self.transfer.room.notify_all();
    }
}

/// Gathers what is written into pieces.
pub struct TransferWriter {
    transfer: Arc<Transfer>,
    job: Option<Arc<Job>>,
    gathered: Vec<u8>,
}

impl Write for TransferWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let piece = self.gathered.as_slice().into();
        self.gathered.clear();
        let job = &self.job;
        self.transfer.push(piece, || job.as_ref().is_some_and(|job| job.is_aborted()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::handshake::Handshake;
    use super::*;
    use crate::client::Client;

    fn link() -> Arc<Link> {
        let client = Client::new(1, 0, "1.2.3.4:5".into(), "1.2.3.4:6".into(), 7, 0);
        Arc::new(Link::new(Arc::new(client), Handshake::default(), 0))
    }

    fn read(reader: &Reader) -> Option<usize> {
        match reader.next() {
            Next::Piece(piece) => Some(piece.len()),
            _ => None,
        }
    }

    #[test]
    fn the_writer_waits_for_the_slowest() {
        let transfer = Transfer::of_window(2 * PIECE);
        let (a, b) = (transfer.reader(&link()), transfer.reader(&link()));
        transfer.open();
        let mut writer = transfer.writer(None);
        (0..2).for_each(|_| writer.write_all(&vec![0; PIECE]).unwrap());
        let more = std::thread::spawn(move || writer.write_all(&vec![0; PIECE]));
        while read(&a).is_some() {}
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(!more.is_finished());
        assert_eq!(read(&b), Some(PIECE));
        more.join().unwrap().unwrap();
        drop(b);
        assert_eq!(read(&a), Some(PIECE));
        transfer.end(true);
        assert!(matches!(a.next(), Next::End));
    }

    #[test]
    fn without_replicas_the_writer_fails() {
        let transfer = Transfer::new();
        let mut writer = transfer.writer(None);
        writer.write_all(&vec![0; PIECE]).unwrap();
        let reader = transfer.reader(&link());
        transfer.open();
        drop(reader);
        assert!(writer.write_all(&vec![0; PIECE]).is_err());
    }
}
