//! Pieces of a snapshot on their way to where they are written.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use engine::snapshot::{Piece, Sink};
use parking_lot::{Condvar, Mutex};

/// The share of memory in use that pieces may take, and the least and most they may, bytes.
const SHARE: u64 = 16;
const LEAST: u64 = 1 << 20;
const MOST: u64 = 256 << 20;
/// What a piece takes beside its records, bytes: many are small.
const PIECE: u64 = 96;

/// A bounded queue of pieces. When it is full, who brings another waits, be it a client's worker: so a snapshot never
/// takes more than a tenth of the memory in use, the buffers of its threads included. Its own walks wait when half of it is full, which leaves room for the
/// writers. Nobody waits for a queue that has been closed: what comes is dropped.
pub struct Queue {
    state: Mutex<State>,
    room: Condvar,
    more: Condvar,
    limit: u64,
    /// Bytes that clients' workers have put in before a change, altogether.
    copied: AtomicU64,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Piece>,
    bytes: u64,
    /// Nothing more comes.
    ended: bool,
    /// Nothing more is taken.
    closed: bool,
}

impl Queue {
    /// A queue for a snapshot of data that take so many bytes.
    pub fn new(used: u64) -> Queue {
        let limit = (used / SHARE).clamp(LEAST, MOST);
        let (state, copied) = (Mutex::default(), AtomicU64::new(0));
        Queue { state, room: Condvar::new(), more: Condvar::new(), limit, copied }
    }

    /// The next piece; `None` at the end.
    pub fn take(&self) -> Option<Piece> {
        let mut state = self.state.lock();
        loop {
            if let Some(piece) = state.pieces.pop_front() {
                state.bytes -= weight(&piece);
                self.room.notify_all();
                return Some(piece);
            }
            if state.ended {
                return None;
            }
            self.more.wait(&mut state);
        }
    }

    /// Waits until at least half of the queue is free.
    pub fn wait_for_room(&self) {
        let mut state = self.state.lock();
        while state.bytes > self.limit / 2 && !state.closed {
            self.room.wait(&mut state);
        }
    }

    /// Says that nothing more comes.
    pub fn end(&self) {
        self.state.lock().ended = true;
        self.more.notify_all();
    }

    /// Says that nothing more is taken.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.pieces.clear();
        state.bytes = 0;
        self.room.notify_all();
    }

    /// Bytes that waited here at once, at most, are never more than this and a piece for each writer.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes written because they were about to change.
    pub fn copied(&self) -> u64 {
        self.copied.load(Relaxed)
    }
}

/// The memory that a piece takes.
fn weight(piece: &Piece) -> u64 {
    piece.records.capacity() as u64 + PIECE
}

impl Sink for Queue {
    fn put(&self, piece: Piece) {
        let bytes = weight(&piece);
        if piece.aside {
            self.copied.fetch_add(piece.records.len() as u64, Relaxed);
        }
        let mut state = self.state.lock();
        while state.bytes > 0 && state.bytes + bytes > self.limit && !state.closed {
            self.room.wait(&mut state);
        }
        if !state.closed {
            state.bytes += bytes;
            state.pieces.push_back(piece);
            self.more.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    fn piece(bytes: usize) -> Piece {
        Piece { db: 0, records: vec![0; bytes], keys: 1, aside: true }
    }

    #[test]
    fn who_finds_it_full_waits_until_there_is_room() {
        let queue = Arc::new(Queue::new(0));
        queue.put(piece(LEAST as usize));
        let writer = {
            let queue = queue.clone();
            std::thread::spawn(move || queue.put(piece(1)))
        };
        std::thread::sleep(Duration::from_millis(20));
        assert!(!writer.is_finished());
        assert_eq!(queue.take().map(|p| p.records.len()), Some(LEAST as usize));
        writer.join().unwrap();
        assert_eq!(queue.take().map(|p| p.records.len()), Some(1));
        queue.end();
        assert!(queue.take().is_none());
        assert_eq!(queue.copied(), LEAST + 1);
    }

    #[test]
    fn nobody_waits_for_a_closed_queue() {
        let queue = Queue::new(0);
        queue.put(piece(LEAST as usize));
        queue.close();
        (0..3).for_each(|_| queue.put(piece(LEAST as usize)));
        queue.wait_for_room();
        queue.end();
        assert!(queue.take().is_none());
    }
}
