//! What is asked of the operating system beyond the standard library.
#![expect(unsafe_code, reason = "system calls that the standard library does not wrap")]

/// Raises the limit of open files to `wanted`; if that is not allowed, as far as it goes, which is the error.
pub fn raise_file_limit(wanted: u64) -> Result<(), u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call only writes to the struct it is given.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 || limit.rlim_cur >= wanted {
        return Ok(());
    }
    for (cur, max) in [(wanted, limit.rlim_max.max(wanted)), (limit.rlim_max.min(wanted), limit.rlim_max)] {
        let new = libc::rlimit { rlim_cur: cur, rlim_max: max };
        // SAFETY: the call only reads the struct it is given.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &new) } == 0 {
            return if cur >= wanted { Ok(()) } else { Err(cur) };
        }
    }
    Err(limit.rlim_cur)
}
