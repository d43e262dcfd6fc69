//! Memory that small blocks are about to come from is made ready by a thread of its own.
//!
//! Small blocks live in huge pages. The first touch of one waits for 2 MiB of zeros: a tenth of a millisecond on bare metal,
//! several where a host gives its guests memory only as they touch it. While the data grows, every one of them would be a
//! pause for all clients of a worker. So a thread touches the pages of the ranges that mimalloc cuts small blocks from, in
//! order, as far ahead as the data is growing in [`NOTICE`]. The first range is the one that mimalloc has got before main
//! begins, which it fills first; all others it is given from here.
//!
//! mimalloc fills a range from its start, but for its own bookkeeping and what is fragmented: how far it has come is
//! guessed from what is in use, and learned from pages that are there without having been made ready. A wrong guess costs
//! a pause or some megabytes of memory. Without any range everything works as the system does it.
#![expect(unsafe_code, reason = "reserves memory and asks the kernel for its pages")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering::*};
use std::thread::Thread;
use std::time::{Duration, Instant};

use libmimalloc_sys as mi;

/// Bytes of a huge page.
const PAGE: usize = 2 << 20;
/// Bytes of a page as the kernel counts them for mincore(2), at the least.
const SMALL_PAGE: usize = 4096;
/// Length of a range, bytes: mimalloc takes none of 16 GiB.
const RANGE: usize = 8 << 30;
/// What a range is aligned to.
const ALIGN: usize = 32 << 20;
/// Within this much of what has been made ready others may have touched pages: mimalloc's chunks.
const WINDOW: usize = 32 << 20;
/// Growth for which memory is kept ready.
const NOTICE: Duration = Duration::from_millis(40);
/// The least and the most that is kept ready, bytes.
const AHEAD: std::ops::RangeInclusive<i64> = (2 << 20)..=(64 << 20);
/// Nothing is done before this much is in use, and growth is looked at at least this often, bytes.
const STRIDE: i64 = 8 << 20;

/// Small blocks in use, bytes, from which the thread has something to do.
static MARK: AtomicI64 = AtomicI64::new(i64::MAX);
static FIRST: OnceLock<Range> = OnceLock::new();
static THREAD: OnceLock<Thread> = OnceLock::new();

/// Looks whether the thread has something to do, with what is in use in small blocks now.
#[inline]
pub fn grown(small: i64) {
    if small >= MARK.load(Relaxed) {
        wake();
    }
}

#[cold]
fn wake() {
    // One of those who see it wakes the thread.
    if MARK.swap(i64::MAX, Relaxed) != i64::MAX
        && let Some(thread) = THREAD.get()
    {
        thread.unpark();
    }
}

/// Finds the first range. Once, before there are other threads.
pub fn begin() {
    if let Some(range) = Range::first() {
        let _ = FIRST.set(range);
    }
}

/// Starts the thread: once, in the process that stays. `small` tells what is in use in small blocks, bytes.
pub fn start(small: fn() -> i64) {
    let Some(first) = FIRST.get().copied() else { return };
    let started = std::thread::Builder::new().name("memory".into()).spawn(move || {
        let mut ready = Ready::new(first);
        let mut last = (Instant::now(), small());
        loop {
            ready.step(small, &mut last);
            std::thread::park();
        }
    });
    if let Ok(handle) = started {
        let _ = THREAD.set(handle.thread().clone());
    }
}

/// Addresses that mimalloc cuts blocks from.
#[derive(Clone, Copy, Debug)]
struct Range {
    start: usize,
    len: usize,
}

impl Range {
    /// The mapping that small blocks come from now.
    fn first() -> Option<Range> {
        let block = Box::new(0u8);
        Range::around(std::ptr::from_ref(&*block).addr())
    }

    /// The whole huge pages of the mapping that an address is in, as the kernel tells it.
    fn around(at: usize) -> Option<Range> {
        let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
        let (from, to) = maps.lines().find_map(|line| {
            let (from, to) = line.split(' ').next()?.split_once('-')?;
            let ends = (usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?);
            (ends.0..ends.1).contains(&at).then_some(ends)
        })?;
        let start = from.next_multiple_of(PAGE);
        let len = to.saturating_sub(start) / PAGE * PAGE;
        (len >= WINDOW).then_some(Range { start, len })
    }

    fn reserve() -> Option<Range> {
        // Where all memory must be there when it is reserved, it is better asked for as needed.
        let strict = std::fs::read("/proc/sys/vm/overcommit_memory").is_ok_and(|mode| mode.starts_with(b"2"));
        if strict {
            return None;
        }
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: new addresses, of the kernel's choice.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), RANGE + ALIGN, access, flags, -1, 0) };
        if at == libc::MAP_FAILED {
            return None;
        }
        let start = (at as usize).next_multiple_of(ALIGN);
        let mut arena = std::ptr::null_mut();
        // SAFETY: the range was just mapped, is all zeros, nobody else knows it, and it stays for good.
        let taken = unsafe {
            libc::madvise(start as *mut _, RANGE, libc::MADV_HUGEPAGE);
            mi::mi_manage_os_memory_ex(start as *const _, RANGE, true, false, true, -1, false, &mut arena)
        };
        if !taken {
            // SAFETY: as above: nobody has it.
            unsafe { libc::munmap(at, RANGE + ALIGN) };
        }
        taken.then_some(Range { start, len: RANGE })
    }
}

/// What has been made ready: all pages of the ranges before the last, and some of that.
struct Ready {
    last: Range,
    /// Bytes from the start of the last range.
    to: usize,
    /// Bytes in all ranges before it.
    before: usize,
    /// How far small blocks reach beyond what is in use of them: the most that was seen, bytes.
    beyond: i64,
}

impl Ready {
    fn new(first: Range) -> Ready {
        Ready { last: first, to: 0, before: 0, beyond: 0 }
    }

    /// Bytes made ready.
    fn all(&self) -> i64 {
        (self.before + self.to) as i64
    }

    /// Makes ready what is needed soon, and says when to come again.
    fn step(&mut self, small: fn() -> i64, last: &mut (Instant, i64)) {
        let (now, used) = (Instant::now(), small());
        let ahead = ahead(now - last.0, used - last.1);
        *last = (now, used);
        if used >= STRIDE {
            self.learn(used);
            while self.all() < small() + self.beyond + ahead && self.one_more() {}
        }
        let next = (self.all() - self.beyond - ahead / 2).clamp(used + (1 << 20), used + STRIDE);
        MARK.store(next, Relaxed);
        grown(small());
    }

    /// Pages beyond the last one that was made ready may have been touched since.
    fn learn(&mut self, used: i64) {
        while let Some(touched) = self.touched() {
            self.to += touched;
            self.beyond = self.beyond.max(self.all() - used);
        }
    }

    /// How far beyond [`Ready::to`] there are pages, bytes.
    fn touched(&self) -> Option<usize> {
        let window = WINDOW.min(self.last.len - self.to);
        let mut there = vec![0u8; window / SMALL_PAGE];
        // SAFETY: the addresses are mapped for good; there is a byte for each of their pages.
        let asked =
            unsafe { libc::mincore((self.last.start + self.to) as *mut _, window, there.as_mut_ptr()) };
        let last = there.iter().rposition(|page| page & 1 != 0).filter(|_| asked == 0)?;
        Some((last * SMALL_PAGE / PAGE + 1) * PAGE)
    }

    /// False: there is no more to be had.
    fn one_more(&mut self) -> bool {
        if self.to == self.last.len {
            let Some(next) = Range::reserve() else { return false };
            self.before += self.to;
            (self.last, self.to) = (next, 0);
        }
        let at = (self.last.start + self.to) as *mut _;
        // SAFETY: the addresses are mapped for good; what is there stays as it is.
        let done = unsafe { libc::madvise(at, PAGE, libc::MADV_POPULATE_WRITE) } == 0;
        if done {
            self.to += PAGE;
        }
        done
    }
}

/// Bytes to keep ready for who has grown by `by` bytes in `time`.
fn ahead(time: Duration, by: i64) -> i64 {
    let wanted = by.max(0) as f64 * NOTICE.as_secs_f64() / time.as_secs_f64().max(1e-4);
    (wanted as i64).clamp(*AHEAD.start(), *AHEAD.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_ready_follows_the_growth() {
        let (second, mib) = (Duration::from_secs(1), 1 << 20);
        assert_eq!(ahead(second, 100 * mib), 4 * mib);
        assert_eq!(ahead(second, -5), *AHEAD.start());
        assert_eq!(ahead(Duration::ZERO, 100 * mib), *AHEAD.end());
    }

    #[test]
    fn pages_are_made_ready_in_order_and_those_of_others_are_seen() {
        static SMALL: AtomicI64 = AtomicI64::new(0);
        let small = || SMALL.load(Relaxed);
        let Some(range) = Range::reserve() else { return };
        let mut ready = Ready::new(range);
        let mut last = (Instant::now() - Duration::from_secs(10), 0);
        ready.step(small, &mut last);
        assert_eq!(ready.to, 0, "a small node is left alone");

        SMALL.store(3 * STRIDE, Relaxed);
        ready.step(small, &mut last);
        assert!(ready.to as i64 >= 3 * STRIDE + AHEAD.start(), "{}", ready.to);
        assert_eq!(ready.touched(), None);

        // Somebody is further than was thought.
        let ahead_of_us = ready.to + 2 * PAGE;
        // SAFETY: an address of the range, which is mapped; a test's mimalloc has not got that far in it.
        unsafe { ((range.start + ahead_of_us) as *mut u8).write_volatile(0) };
        SMALL.fetch_add(STRIDE, Relaxed);
        ready.step(small, &mut last);
        assert!(ready.to > ahead_of_us && ready.beyond > 0);
    }

    #[test]
    fn the_first_range_is_where_small_blocks_are() {
        let block = Box::new(1u8);
        let at = std::ptr::from_ref(&*block).addr();
        let range = Range::around(at).expect("mimalloc maps more than a window at once");
        assert_eq!((range.start % PAGE, range.len % PAGE), (0, 0));
        // What is before the first whole page is left out.
        assert!((range.start - PAGE..range.start + range.len).contains(&at), "{at:x} {range:x?}");
        let here = 0u8;
        let stack = std::ptr::from_ref(&here).addr();
        assert!(Range::around(stack).is_none_or(|other| other.start != range.start));
    }
}
