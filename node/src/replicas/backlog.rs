//! The end of the stream, kept for replicas: those that are behind, and those that were cut off and come back.
//!
//! All replicas read the same blocks. A block grows at its end while nobody reads it; then it stays as it is.

use std::collections::VecDeque;
use std::sync::Arc;

/// Room in a block, at least and at most: whole blocks are let go of, so it is a small part of what is to be kept.
const BLOCK_MIN: usize = 4 * 1024;
const BLOCK: usize = 64 * 1024;
/// Blocks that make up what is to be kept.
const BLOCKS: u64 = 16;

/// Bytes that follow each other.
#[derive(Debug)]
pub struct Block {
    /// The number of its first byte.
    start: u64,
    bytes: Vec<u8>,
}

impl Block {
    /// What it holds from a byte on, which must not be before it.
    pub fn from(&self, position: u64) -> &[u8] {
        &self.bytes[((position - self.start) as usize).min(self.bytes.len())..]
    }

    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// See the [module's page](self). Bytes are numbered from 1 on, as PSYNC does.
#[derive(Debug)]
pub struct Backlog {
    blocks: VecDeque<Arc<Block>>,
    /// Room in the next block.
    block: usize,
    first: u64,
    end: u64,
    /// Memory of the blocks.
    memory: u64,
}

/// What a block takes beside its bytes: its head, and its place among the others.
const OVERHEAD: u64 = (size_of::<Block>() + 4 * size_of::<usize>()) as u64;

impl Backlog {
    /// Nothing yet: the first byte will have this number.
    pub fn new(first: u64) -> Backlog {
        Backlog { blocks: VecDeque::new(), block: BLOCK, first, end: first, memory: 0 }
    }

    /// The number of the first byte that is still here, or will be.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next byte will have.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Memory that all this takes, room included.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Bytes that are here.
    pub fn len(&self) -> u64 {
        self.end - self.first
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the stream can be read on from this byte.
    pub fn covers(&self, position: u64) -> bool {
        (self.first..=self.end).contains(&position)
    }

    /// Goes on at the end. `write` appends to what it is given.
    pub fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        // Most commands fit in what is left of a block then.
        let full = self.block / 16 * 15;
        // After a full block there will be another one; else nobody knows how much will come.
        let busy = self.blocks.back().is_some_and(|block| block.bytes.len() >= full);
        let last = self.blocks.back_mut().and_then(Arc::get_mut).filter(|block| block.bytes.len() < full);
        match last {
            Some(block) => {
                let room = block.bytes.capacity();
                write(&mut block.bytes);
                self.memory += (block.bytes.capacity() - room) as u64;
                self.end = block.end();
            }
            None => {
                let bytes = Vec::with_capacity(if busy { self.block } else { 0 });
                let mut block = Block { start: self.end, bytes };
                write(&mut block.bytes);
                self.memory += block.bytes.capacity() as u64 + OVERHEAD;
                self.end = block.end();
                self.blocks.push_back(Arc::new(block));
            }
        }
    }

    /// The block that a byte is in; `None` if it is not here (any more, or yet).
    pub fn at(&self, position: u64) -> Option<Arc<Block>> {
        let next = self.blocks.partition_point(|block| block.end() <= position);
        self.blocks.get(next).filter(|block| block.start <= position).cloned()
    }

    /// So many bytes are to be kept.
    pub fn set_size(&mut self, bytes: u64) {
        self.block = ((bytes / BLOCKS) as usize).clamp(BLOCK_MIN, BLOCK);
    }

    /// Nobody needs what is before this byte. Whole blocks go; of the first that stays only the rest is to be had.
    pub fn trim(&mut self, keep_from: u64) {
        while let Some(block) = self.blocks.pop_front_if(|block| block.end() <= keep_from) {
            self.memory -= block.bytes.capacity() as u64 + OVERHEAD;
        }
        self.first = self.first.max(keep_from.min(self.end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(backlog: &mut Backlog, bytes: &[u8]) {
        backlog.append(|out| out.extend_from_slice(bytes));
    }

    #[test]
    fn bytes_are_found_by_their_numbers() {
        let mut backlog = Backlog::new(1);
        assert!(backlog.at(1).is_none());
        add(&mut backlog, b"hello ");
        // While it is being read a block does not change.
        let read = backlog.at(3).unwrap();
        add(&mut backlog, b"world");
        assert_eq!(read.from(3), b"llo ");
        assert_eq!(backlog.at(7).unwrap().from(7), b"world");
        drop(read);
        add(&mut backlog, b"!");
        assert_eq!(backlog.at(8).unwrap().from(8), b"orld!");
        assert!(backlog.at(13).is_none());
        assert!(backlog.covers(13) && !backlog.covers(14) && !backlog.covers(0));
        assert_eq!(backlog.len(), 12);
    }

    #[test]
    fn what_nobody_needs_goes() {
        let mut backlog = Backlog::new(101);
        (0..4).for_each(|n| add(&mut backlog, &vec![n; BLOCK]));
        backlog.trim(101 + BLOCK as u64 - 1);
        assert_eq!((backlog.first(), backlog.covers(101)), (100 + BLOCK as u64, false));
        assert!(backlog.at(101).is_some(), "it goes with its block");
        backlog.trim(101 + BLOCK as u64);
        assert_eq!((backlog.first(), backlog.len()), (101 + BLOCK as u64, 3 * BLOCK as u64));
        assert!((3 * BLOCK as u64..4 * BLOCK as u64).contains(&backlog.memory()), "{}", backlog.memory());
        assert!(backlog.at(101).is_none());
        assert_eq!(backlog.at(101 + BLOCK as u64).unwrap().from(101 + BLOCK as u64)[0], 1);
        backlog.trim(u64::MAX);
        assert_eq!((backlog.first(), backlog.len(), backlog.memory()), (backlog.end(), 0, 0));
    }
}
