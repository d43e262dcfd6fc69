//! What is asked of the operating system beyond the standard library.
#![expect(unsafe_code, reason = "system calls that the standard library does not wrap")]

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

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

/// Has a file that may not get any longer be an error to whoever writes, instead of the end of the process.
pub fn ignore_file_limit() {
    // SAFETY: no handler is installed, the signal is only ignored.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Has the kernel begin to write a part of a file to the disk. Only a hint: the file is synchronised later.
pub fn begin_sync(file: std::os::fd::RawFd, from: u64, bytes: u64) {
    // SAFETY: a call with integers only; a descriptor that is not open is an error, which does not matter here.
    unsafe {
        libc::sync_file_range(file, from as i64, bytes as i64, libc::SYNC_FILE_RANGE_WRITE);
    }
}

/// Sets space on the disk aside for a part of a file, whose size stays as it is. False: that can't be done.
pub fn set_aside(file: std::os::fd::RawFd, from: u64, bytes: u64) -> bool {
    // SAFETY: a call with integers only; a descriptor that is not open is an error.
    unsafe { libc::fallocate(file, libc::FALLOC_FL_KEEP_SIZE, from as i64, bytes as i64) == 0 }
}

/// A timer of the kernel that is not set. Reading it never blocks.
pub fn timer() -> std::io::Result<OwnedFd> {
    // SAFETY: the call takes integers only.
    let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets a timer to fire once, `after` from now; what it was set to before is forgotten.
pub fn set_timer(timer: BorrowedFd<'_>, after: std::time::Duration) -> std::io::Result<()> {
    // A timer set to nothing never fires.
    let after = after.max(std::time::Duration::from_nanos(1));
    let at = libc::timespec { tv_sec: after.as_secs() as _, tv_nsec: after.subsec_nanos().into() };
    let once = libc::itimerspec { it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
    // SAFETY: the call only reads the struct it is given.
    match unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &once, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Whether a timer has fired since it was set or asked last.
pub fn has_fired(timer: BorrowedFd<'_>) -> std::io::Result<bool> {
    let mut times = [0u8; size_of::<u64>()];
    // SAFETY: the call writes no more than the eight bytes it is given.
    if unsafe { libc::read(timer.as_raw_fd(), times.as_mut_ptr().cast(), times.len()) } > 0 {
        return Ok(true);
    }
    match std::io::Error::last_os_error() {
        e if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) => {
            Ok(false)
        }
        e => Err(e),
    }
}

/// Has the calling thread run on one core only; false if that core may not be used.
pub fn pin_to_core(core: usize) -> bool {
    if core >= libc::CPU_SETSIZE as usize {
        return false;
    }
    // SAFETY: a set of cores is plain bits, all zero when empty; the core is within it, and the call only reads it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) == 0
    }
}

/// Processor time that the calling thread has used.
pub fn thread_cpu() -> std::time::Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call only writes to the struct it is given.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) } != 0 {
        return std::time::Duration::ZERO;
    }
    std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Time of all processors since the system started, in ticks: idle, and in all. Zeros if the system does not tell.
pub fn cpu_times() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = first.split_whitespace().skip(1).take(8).filter_map(|w| w.parse().ok()).collect();
    let idle = ticks.get(3).copied().unwrap_or(0) + ticks.get(4).copied().unwrap_or(0);
    (idle, ticks.iter().sum())
}

/// Becomes a child of nobody in a session of its own, with nothing on the standard streams. To be called before any other
/// thread is started: they would not come along.
pub fn daemonize() -> std::io::Result<()> {
    // SAFETY: the process has one thread, so the child has everything that it needs.
    match unsafe { libc::fork() } {
        -1 => return Err(std::io::Error::last_os_error()),
        0 => {}
        _ => std::process::exit(0),
    }
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    // SAFETY: calls on descriptors that are open.
    unsafe {
        libc::setsid();
        for stream in 0..=2 {
            libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&null), stream);
        }
    }
    Ok(())
}

/// Where the kernel finds the command line of this process: address and length. `None` until there is room for a title.
static TITLE: std::sync::OnceLock<(usize, usize)> = std::sync::OnceLock::new();

/// Finds the place for a title: the memory of the command line, and of the environment behind it, which is moved out of
/// the way. To be called before any other thread is started: the environment must not be read meanwhile.
pub fn make_room_for_title() {
    let Some([args, args_end, env, env_end]) = argument_area() else { return };
    let vars: Vec<_> = std::env::vars_os().collect();
    for (name, value) in vars {
        if !name.is_empty() {
            // SAFETY: there is one thread.
            unsafe { std::env::set_var(name, value) };
        }
    }
    let end = if env == args_end { env_end } else { args_end };
    if end > args {
        let _ = TITLE.set((args, end - args));
    }
}

/// The addresses that the kernel notes: begin and end of the arguments, begin and end of the environment.
fn argument_area() -> Option<[usize; 4]> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in the second field may hold blanks: count from behind its closing parenthesis.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().collect();
    let field = |n: usize| fields.get(n - 3)?.parse().ok();
    Some([field(48)?, field(49)?, field(50)?, field(51)?])
}

/// Shows a title in the process list, as much of it as there is room for.
pub fn set_title(title: &str) {
    let Some(&(at, room)) = TITLE.get() else { return };
    let shown = &title.as_bytes()[..title.len().min(room - 1)];
    // SAFETY: the kernel put the arguments there, in this process's writable memory, and `room` bytes of it belong to
    // nobody else any more: the environment was moved, the arguments have been read. The last byte stays zero, so whoever
    // still holds an address in it finds an end.
    unsafe {
        let place = at as *mut u8;
        std::ptr::write_bytes(place, 0, room);
        std::ptr::copy_nonoverlapping(shown.as_ptr(), place, shown.len());
    }
}

/// Crashes by reading memory that is not there.
pub fn segfault() {
    // SAFETY: none; it is meant to crash. No page is mapped at this address, so nothing but the signal can come of it.
    unsafe { std::ptr::read_volatile(8 as *const u8) };
}

/// Processor time used.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime {
    pub system: std::time::Duration,
    pub user: std::time::Duration,
}

fn rusage(who: libc::c_int) -> Option<libc::rusage> {
    // SAFETY: zeros are a valid value of this struct of numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the call only writes to the struct it is given.
    (unsafe { libc::getrusage(who, &mut usage) } == 0).then_some(usage)
}

fn usage(who: libc::c_int) -> CpuTime {
    let time = |t: libc::timeval| std::time::Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    let of = |usage: libc::rusage| CpuTime { system: time(usage.ru_stime), user: time(usage.ru_utime) };
    rusage(who).map_or(CpuTime::default(), of)
}

/// How often the calling thread has waited for something other than a processor.
pub fn waits() -> i64 {
    rusage(libc::RUSAGE_THREAD).map_or(0, |usage| usage.ru_nvcsw)
}

/// Of all threads.
pub fn cpu_own() -> CpuTime {
    usage(libc::RUSAGE_SELF)
}

/// Of children that have ended.
pub fn cpu_children() -> CpuTime {
    usage(libc::RUSAGE_CHILDREN)
}

/// Of the main thread, which accepts connections.
pub fn cpu_main_thread() -> CpuTime {
    let path = format!("/proc/self/task/{}/stat", std::process::id());
    let stat = std::fs::read_to_string(path).unwrap_or_default();
    let fields: Vec<u64> = stat
        .rsplit_once(')')
        .map_or("", |(_, fields)| fields)
        .split_ascii_whitespace()
        .map(|word| word.parse().unwrap_or(0))
        .collect();
    // SAFETY: returns a number.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as f64;
    // Fields 14 and 15, counted from the third.
    let time = |at: usize| {
        std::time::Duration::from_secs_f64(fields.get(at).copied().unwrap_or(0) as f64 / per_second)
    };
    CpuTime { user: time(11), system: time(12) }
}

/// Unix time, us.
pub fn unix_us() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}

/// Bytes of this process in physical memory.
pub fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    pages * page_size()
}

fn page_size() -> u64 {
    // SAFETY: returns a number.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(0) as u64
}

/// Bytes of physical memory that the machine has.
pub fn total_memory() -> u64 {
    // SAFETY: returns a number.
    unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) }.max(0) as u64 * page_size()
}

/// Bytes of it that can be had without swapping, as the system estimates. `None`: it does not say.
pub fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The operating system: name, release, machine.
pub fn os_name() -> String {
    // SAFETY: zeros are a valid value of this struct of texts.
    let mut names: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the call only writes to the struct it is given, texts that end with a zero byte.
    let text = |field: &[libc::c_char]| unsafe {
        std::ffi::CStr::from_ptr(field.as_ptr()).to_string_lossy().into_owned()
    };
    // SAFETY: as above.
    if unsafe { libc::uname(&mut names) } != 0 {
        return String::new();
    }
    format!("{} {} {}", text(&names.sysname), text(&names.release), text(&names.machine))
}
