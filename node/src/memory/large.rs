//! Blocks of a kilobyte and more have a heap of their own, in memory without huge pages.
//!
//! Entries and the buckets of tables are small and reached at random: in pages of 2 MiB their addresses are found with
//! a tenth to a quarter less CPU per command. Packed collections, nodes of lists and long strings are read from one end
//! to the other and gain nothing; for them huge pages only mean that memory is there before it is used (the rest of the
//! runs that blocks are cut from, the whole of the last page) and that the first touch of one waits for 2 MiB of zeros.
//! Blocks with an alignment of more than [`ALIGN_MAX`] are tables' and stay with the small ones.
//!
//! There is a heap for each of some reserved ranges of addresses, together longer than the machine's memory: mimalloc
//! takes no range of 16 GiB. Blocks come from one until it is full, then from the next. When all are used up, or before
//! [`begin`], they come from the common heap: everything works, only the kind of page differs.
#![expect(unsafe_code, reason = "calls the allocator")]

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::*};

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
/// The length of one heap's range, bytes.
const RANGE: usize = 8 << 30;
/// Heaps at most: 2 TiB.
const HEAPS_MAX: usize = 256;

static HEAPS: [AtomicPtr<mi::mi_heap_t>; HEAPS_MAX] = [const { AtomicPtr::new(null_mut()) }; HEAPS_MAX];
/// How many of them there are.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// The one that blocks come from.
static CURRENT: AtomicUsize = AtomicUsize::new(0);

/// Sets the allocator up: once, before there are other threads. Without it everything works, with huge pages only.
pub fn begin() {
    let wanted = (crate::system::total_memory() as usize / RANGE + 2).min(HEAPS_MAX);
    // SAFETY: the call has no conditions.
    unsafe { mi::mi_option_set(OPTION_PURGE_DELAY, PURGE_DELAY_MS) };
    for at in &HEAPS[..wanted] {
        let mut arena = null_mut();
        // SAFETY: the calls have no conditions. A heap, once made, is there for good.
        unsafe {
            if mi::mi_reserve_os_memory_ex(RANGE, false, false, true, &mut arena) != 0 {
                return;
            }
            at.store(mi::mi_heap_new_in_arena(arena), Release);
        }
        COUNT.fetch_add(1, Release);
    }
}

/// What `make` gets from the heap in use, or from the first other one that has room; null if there is none.
#[inline]
fn from_heap(make: impl Fn(*mut mi::mi_heap_t) -> *mut c_void) -> *mut c_void {
    let current = CURRENT.load(Relaxed);
    let heap = HEAPS[current].load(Acquire);
    let block = if heap.is_null() { null_mut() } else { make(heap) };
    if block.is_null() { from_another(current, make) } else { block }
}

#[cold]
fn from_another(full: usize, make: impl Fn(*mut mi::mi_heap_t) -> *mut c_void) -> *mut c_void {
    let count = COUNT.load(Acquire);
    for next in (1..count).map(|step| (full + step) % count) {
        let block = make(HEAPS[next].load(Acquire));
        if !block.is_null() {
            CURRENT.store(next, Relaxed);
            return block;
        }
    }
    null_mut()
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
    // SAFETY: heaps are there for good; sizes are not 0 and alignments are what every block has.
    let block = from_heap(|heap| unsafe { mi::mi_heap_malloc(heap, layout.size()) });
    // SAFETY: the caller's promises.
    if block.is_null() { unsafe { MiMalloc.alloc(layout) } } else { block.cast() }
}

/// [`alloc`], all zeros.
pub fn alloc_zeroed(layout: Layout) -> *mut u8 {
    // SAFETY: as above.
    let block = from_heap(|heap| unsafe { mi::mi_heap_zalloc(heap, layout.size()) });
    // SAFETY: as above.
    if block.is_null() { unsafe { MiMalloc.alloc_zeroed(layout) } } else { block.cast() }
}

/// Makes a block a large one of `size` bytes.
///
/// # Safety
/// As [`GlobalAlloc::realloc`].
pub unsafe fn realloc(at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
    // SAFETY: the caller's promises; the block may be of another heap of mimalloc's. It stays as it is if null comes back.
    let block = from_heap(|heap| unsafe { mi::mi_heap_realloc(heap, at.cast(), size) });
    // SAFETY: the caller's promises.
    if block.is_null() { unsafe { MiMalloc.realloc(at, layout, size) } } else { block.cast() }
}

/// Gives memory that is not used back to the system: all of it by `force`, else what has not been used for long.
pub fn collect(force: bool) {
    // SAFETY: may be called at any time; it concerns the calling thread's part of the heaps and what no thread owns.
    unsafe {
        for heap in &HEAPS[..COUNT.load(Acquire)] {
            mi::mi_heap_collect(heap.load(Acquire), force);
        }
        mi::mi_collect(force);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_up() {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(begin);
    }

    #[test]
    fn blocks_keep_their_bytes_from_heap_to_heap_and_thread_to_thread() {
        set_up();
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
    fn ranges_are_reserved_for_all_of_memory() {
        set_up();
        assert!(COUNT.load(Acquire) * RANGE > crate::system::total_memory() as usize);
        for heap in &HEAPS[..COUNT.load(Acquire)] {
            // SAFETY: the heap is there for good, and the block is freed once.
            unsafe {
                let block = mi::mi_heap_malloc(heap.load(Acquire), 9000);
                assert!(!block.is_null());
                mi::mi_free(block);
            }
        }
    }

    #[test]
    fn tables_are_not_large_blocks() {
        assert!(is_large_of(LARGE, 1) && is_large_of(1 << 20, 16));
        assert!(!is_large_of(LARGE - 1, 1) && !is_large_of(4096, 64));
    }
}
