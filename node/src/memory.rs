//! The allocator, and how much the process has allocated: what `used_memory` and `maxmemory` are about.
//!
//! Each thread counts for itself and adds its count to the shared total only when it has changed by [`FLUSH`] bytes, so
//! an allocation touches no shared line.
#![expect(unsafe_code, reason = "implements the global allocator")]

mod ahead;
mod large;

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use mimalloc::MiMalloc;

/// A thread's uncounted change, bytes, beyond which it is added to the total.
const FLUSH: i64 = 16 * 1024;

/// The same for large blocks.
const FLUSH_LARGE: i64 = 256 * 1024;

static USED: AtomicI64 = AtomicI64::new(0);
/// Of these, in large blocks.
static LARGE: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

thread_local! {
    static PENDING: Cell<i64> = const { Cell::new(0) };
    static PENDING_LARGE: Cell<i64> = const { Cell::new(0) };
    /// What this thread has added to the total.
    static ADDED: Cell<i64> = const { Cell::new(0) };
}

/// mimalloc, counted.
pub struct Counted;

#[inline]
fn count(bytes: i64) {
    // During a thread's end its cell may be gone: then straight to the total.
    let counted = PENDING.try_with(|pending| {
        let sum = pending.get() + bytes;
        if sum.abs() < FLUSH {
            pending.set(sum);
        } else {
            pending.set(0);
            flush(sum);
        }
    });
    if counted.is_err() {
        flush(bytes);
    }
}

#[cold]
fn flush(bytes: i64) {
    let _ = ADDED.try_with(|added| added.set(added.get() + bytes));
    let used = USED.fetch_add(bytes, Relaxed) + bytes;
    ahead::grown(used - LARGE.load(Relaxed));
    if used > PEAK.load(Relaxed) {
        PEAK.fetch_max(used, Relaxed);
    }
}

/// Counts what is in large blocks, beside [`count`].
#[inline]
fn count_large(bytes: i64) {
    let sum = PENDING_LARGE.try_with(Cell::get).unwrap_or(0) + bytes;
    let whole = if sum.abs() < FLUSH_LARGE { 0 } else { sum };
    let _ = PENDING_LARGE.try_with(|pending| pending.set(sum - whole));
    if whole != 0 {
        LARGE.fetch_add(whole, Relaxed);
    }
}

/// Sets the allocator up: once, before there are other threads. Without it everything works, but large blocks are in huge
/// pages, too.
pub fn begin() {
    large::begin();
    ahead::begin();
}

/// From now on the memory that data is about to grow into is made ready by a thread: once, in the process that stays.
pub fn keep_ready() {
    ahead::start(|| USED.load(Relaxed) - LARGE.load(Relaxed));
}

/// The size of the block that the allocator uses for `size` bytes: multiples of 16 up to 64, then four steps for each
/// doubling.
#[inline]
pub fn block_size(size: usize) -> usize {
    if size <= 8 {
        return 8;
    }
    if size <= 64 {
        return (size + 15) & !15;
    }
    let step = 1usize << ((usize::BITS - 1 - (size - 1).leading_zeros()) - 2);
    (size + step - 1) & !(step - 1)
}

// SAFETY: every call is passed on to mimalloc unchanged; its functions for freeing know the blocks of all its heaps.
unsafe impl GlobalAlloc for Counted {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(block_size(layout.size()) as i64);
        if large::is_large(layout) {
            count_large(block_size(layout.size()) as i64);
            return large::alloc(layout);
        }
        // SAFETY: the caller's promises are mimalloc's conditions.
        unsafe { MiMalloc.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(block_size(layout.size()) as i64));
        if large::is_large(layout) {
            count_large(-(block_size(layout.size()) as i64));
        }
        // SAFETY: as above.
        unsafe { MiMalloc.dealloc(at, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(block_size(layout.size()) as i64);
        if large::is_large(layout) {
            count_large(block_size(layout.size()) as i64);
            return large::alloc_zeroed(layout);
        }
        // SAFETY: as above.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(block_size(new_size) as i64 - block_size(layout.size()) as i64);
        if large::is_large(layout) {
            count_large(-(block_size(layout.size()) as i64));
        }
        if large::is_large_of(new_size, layout.align()) {
            count_large(block_size(new_size) as i64);
        }
        // SAFETY: as above.
        unsafe {
            if large::is_large_of(new_size, layout.align()) {
                return large::realloc(at, layout, new_size);
            }
            MiMalloc.realloc(at, layout, new_size)
        }
    }
}

/// Bytes allocated, within [`FLUSH`] for each thread but this one.
#[inline]
pub fn used() -> u64 {
    let here = PENDING.try_with(Cell::get).unwrap_or(0);
    (USED.load(Relaxed) + here).max(0) as u64
}

/// Bytes that this thread has allocated less those it has freed, whoever had allocated them: for differences.
pub fn here() -> i64 {
    ADDED.try_with(Cell::get).unwrap_or(0) + PENDING.try_with(Cell::get).unwrap_or(0)
}

/// The most that [`used`] has been, bytes.
pub fn peak() -> u64 {
    PEAK.load(Relaxed).max(0) as u64
}

/// Starts the peak anew (CONFIG RESETSTAT).
pub fn reset_peak() {
    PEAK.store(USED.load(Relaxed), Relaxed);
}

/// What the allocator holds, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocator {
    /// In use.
    pub allocated: u64,
    /// Reserved for use.
    pub active: u64,
    /// Of these, in physical memory.
    pub resident: u64,
}

impl Allocator {
    /// Asks the allocator; `used` and `rss` are what the process knows by itself.
    pub fn look(used: u64, rss: u64) -> Allocator {
        let (mut commit, mut others) = (0usize, [0usize; 7]);
        let [elapsed, user, system, resident, peak_resident, peak_commit, faults] = &mut others;
        // SAFETY: the call only writes to the places it is given.
        unsafe {
            libmimalloc_sys::mi_process_info(
                elapsed,
                user,
                system,
                resident,
                peak_resident,
                &mut commit,
                peak_commit,
                faults,
            );
        }
        // Committed memory is counted in big steps, and not all of it is there yet.
        let active = (commit as u64).max(used);
        Allocator { allocated: used, active, resident: active.min(rss) }
    }
}

/// The allocator and its version.
pub fn allocator_name() -> String {
    // SAFETY: returns a number.
    let version = unsafe { libmimalloc_sys::mi_version() };
    format!("mimalloc-{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
}

/// The allocator's own report, for people.
pub fn report() -> String {
    use std::ffi::{CStr, c_char, c_void};

    unsafe extern "C" fn add(text: *const c_char, to: *mut c_void) {
        // SAFETY: `to` is the string below, which outlives the call that prints; `text` ends with a zero byte.
        let (to, text) = unsafe { (&mut *to.cast::<String>(), CStr::from_ptr(text)) };
        to.push_str(&text.to_string_lossy());
    }

    let mut text = String::new();
    // SAFETY: `add` is called with the address given here, during this call only.
    unsafe { libmimalloc_sys::mi_stats_print_out(Some(add), (&raw mut text).cast()) };
    text
}

/// Gives unused memory back to the system.
pub fn purge() {
    large::collect(true);
}

/// Gives back what has been unused for long. Called now and then, for an idle thread would never do it.
pub fn purge_old() {
    large::collect(false);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_sizes_are_never_smaller_and_rise() {
        let mut last = 0;
        for size in 1..100_000 {
            let block = block_size(size);
            assert!(block >= size && block >= last && block <= size + 16 + size / 4);
            last = block;
        }
        assert_eq!([64, 65, 81, 129, 1025].map(block_size), [64, 80, 96, 160, 1280]);
    }

    #[test]
    fn what_is_allocated_is_counted() {
        // Far more than what other tests allocate and free meanwhile.
        const SIZE: u64 = 1 << 27;
        let before = used();
        let block = vec![1u8; SIZE as usize];
        assert!(used() >= before + SIZE / 4 * 3);
        drop(block);
        assert!(used() < before + SIZE / 4);
    }
}
