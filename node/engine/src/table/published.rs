//! A table's directory as seen without its lock, for prefetching only.
#![expect(unsafe_code, reason = "follows addresses that the owner of the table may be replacing")]

use std::sync::atomic::{AtomicPtr, Ordering::*};

use crossbeam_epoch::Guard;

use super::{ADDRESS, Dir};

/// Shows where items probably are. What it reads may be out of date: it is good for a hint to the cache and nothing else.
#[derive(Debug, Default)]
pub struct Published {
    dir: AtomicPtr<Dir>,
}

impl Published {
    pub(super) fn show(&self, dir: Option<&Dir>) {
        let address = dir.map_or(std::ptr::null_mut(), |d| std::ptr::from_ref(d).cast_mut());
        self.dir.store(address, Release);
    }

    fn dir<'g>(&self, _pinned: &'g Guard) -> Option<&'g Dir> {
        // SAFETY: a directory is only freed through an epoch after another was shown, and `_pinned` keeps this epoch.
        // Its owner changes it through atomics only.
        unsafe { self.dir.load(Acquire).as_ref() }
    }

    /// Brings the bucket of `frac` (the hash shifted left by the table's `skip`) into the cache.
    #[inline]
    pub fn prefetch_bucket(&self, frac: u64, pinned: &Guard) {
        if let Some(dir) = self.dir(pinned) {
            prefetch(dir.segment(frac).home_address(frac));
        }
    }

    /// Brings the item of `hash` into the cache, if its bucket is there already this costs no miss.
    #[inline]
    pub fn prefetch_item(&self, frac: u64, hash: u64, pinned: &Guard) {
        let Some(dir) = self.dir(pinned) else { return };
        for word in dir.segment(frac).candidates(frac, hash as u8) {
            if word != 0 {
                prefetch((word & ADDRESS) as *const u8);
                prefetch(((word & ADDRESS) + 64) as *const u8);
            }
        }
    }
}

/// A hint to bring the line of `address` into the cache; any address will do.
#[inline]
pub fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above; `prfm` is a hint.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}

/// [`prefetch`] of a line that is about to be written: other cores lose it now, not when it is needed.
#[inline]
pub fn prefetch_to_write(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_ET0 }>(address.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above; `prfm` is a hint.
    unsafe {
        std::arch::asm!("prfm pstl1keep, [{0}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}
