//! Blocks of a kilobyte and more have a heap of their own, in memory without huge pages.
//!
//! Entries and the buckets of tables are small and reached at random: in pages of 2 MiB their addresses are found with
//! a tenth to a quarter less CPU per command. Packed collections, nodes of lists and long strings are read from one end
//! to the other and gain nothing; for them huge pages only mean that memory is there before it is used (the rest of the
//! runs that blocks are cut from, the whole of the last page) and that the first touch of one waits for 2 MiB of zeros.
//! Blocks with an alignment of more than [`ALIGN_MAX`] are tables' and stay with the small ones.
//!
//! The heap lives in one reserved range of addresses, as long as the machine's memory. When that is used up, or before [`begin`],
//! blocks come from the common heap: everything works, only the kind of page differs.
#![expect(unsafe_code, reason = "calls the allocator")]

use std::alloc::{GlobalAlloc, Layout};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use libmimalloc_sys as mi;
use mimalloc::MiMalloc;

/// The least size of a large block, bytes.
const LARGE: usize = 1024;
/// What every block is aligned to.
const ALIGN_MAX: usize = 16;
/// How long memory that was freed is kept for the next who wants some, ms: as long as with Redis's allocator.
const PURGE_DELAY_MS: i64 = 10_000;
/// The number of mimalloc's option `purge_delay`.
const OPTION_PURGE_DELAY: mi::mi_option_t = 15;
/// The heap's range is a multiple of this, bytes, and at least this.
const RANGE_UNIT: usize = 1 << 30;

static HEAP: AtomicPtr<mi::mi_heap_t> = AtomicPtr::new(null_mut());

/// Sets the allocator up: once, before there are other threads. Without it everything works, with huge pages only.
pub fn begin() {
    let mut arena = null_mut();
    let range = (crate::system::total_memory() as usize).max(1).next_multiple_of(RANGE_UNIT);
    // SAFETY: the calls have no conditions. A heap, once made, is there for good.
    unsafe {
        mi::mi_option_set(OPTION_PURGE_DELAY, PURGE_DELAY_MS);
        if mi::mi_reserve_os_memory_ex(range, false, false, true, &mut arena) == 0 {
            HEAP.store(mi::mi_heap_new_in_arena(arena), Ordering::Release);
        }
    }
}

#[inline]
pub fn is_large(layout: Layout) -> bool {
    is_large_of(layout.size(), layout.align())
}

#[inline]
pub fn is_large_of(size: usize, align: usize) -> bool {
    size >= LARGE && align <= ALIGN_MAX
}

/// A block with these properties, which are those of a large one, or null.
pub fn alloc(layout: Layout) -> *mut u8 {
    let heap = HEAP.load(Ordering::Acquire);
    // SAFETY: the heap is there for good; sizes are not 0 and alignments are what every block has.
    unsafe {
        let block = if heap.is_null() { null_mut() } else { mi::mi_heap_malloc(heap, layout.size()) };
        if block.is_null() { MiMalloc.alloc(layout) } else { block.cast() }
    }
}

/// [`alloc`], all zeros.
pub fn alloc_zeroed(layout: Layout) -> *mut u8 {
    let heap = HEAP.load(Ordering::Acquire);
    // SAFETY: as above.
    unsafe {
        let block = if heap.is_null() { null_mut() } else { mi::mi_heap_zalloc(heap, layout.size()) };
        if block.is_null() { MiMalloc.alloc_zeroed(layout) } else { block.cast() }
    }
}

/// Makes a block a large one of `size` bytes.
///
/// # Safety
/// As [`GlobalAlloc::realloc`].
pub unsafe fn realloc(at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
    let heap = HEAP.load(Ordering::Acquire);
    // SAFETY: the caller's promises; the block may be of another heap of mimalloc's.
    unsafe {
        let block = if heap.is_null() { null_mut() } else { mi::mi_heap_realloc(heap, at.cast(), size) };
        if block.is_null() { MiMalloc.realloc(at, layout, size) } else { block.cast() }
    }
}

/// Gives memory that is not used back to the system: all of it by `force`, else what has not been used for long.
pub fn collect(force: bool) {
    let heap = HEAP.load(Ordering::Acquire);
    // SAFETY: may be called at any time; it concerns the calling thread's part of the heaps and what no thread owns.
    unsafe {
        if !heap.is_null() {
            mi::mi_heap_collect(heap, force);
        }
        mi::mi_collect(force);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_their_bytes_from_heap_to_heap_and_thread_to_thread() {
        begin();
        let grown = std::thread::spawn(|| {
            let mut blocks: Vec<Vec<u8>> = (0..200).map(|i| vec![i as u8; 100]).collect();
            for block in &mut blocks {
                let first = block[0];
                block.resize(5000, first);
            }
            blocks
        });
        let mut blocks = grown.join().expect("no panic");
        for (i, block) in blocks.iter_mut().enumerate() {
            assert!(block.len() == 5000 && block.iter().all(|b| *b == i as u8));
            block.truncate(50);
            block.shrink_to_fit();
            assert!(block.len() == 50 && block.iter().all(|b| *b == i as u8));
        }
        assert_eq!(vec![0u8; 9000].iter().filter(|b| **b != 0).count(), 0);
        drop(blocks);
        collect(true);
    }

    #[test]
    fn tables_are_not_large_blocks() {
        assert!(is_large_of(LARGE, 1) && is_large_of(1 << 20, 16));
        assert!(!is_large_of(LARGE - 1, 1) && !is_large_of(4096, 64));
    }
}
