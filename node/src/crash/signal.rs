//! The handler of signals that mean a crash, and what it shares with the thread that reports.
#![expect(unsafe_code, reason = "signal handlers, the unwinder and raw writes have no safe interface")]

use std::cell::UnsafeCell;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, Ordering::*};

/// Signals that end a process because it is broken.
const SIGNALS: [i32; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];

/// Frames of the stack that are noted.
pub const FRAMES_MAX: usize = 100;

/// The handler gives up when the report has not grown for so long.
const PATIENCE_MS: u64 = 3000;

/// Room for the handler on threads that prepare for it: the unwinder needs more than the usual few kilobytes.
const STACK: usize = 64 * 1024;

/// Whether a crash is to be reported.
pub static ENABLED: AtomicBool = AtomicBool::new(false);
/// 0: nothing has happened; 1: a crash is being reported; 2: the report is done.
static STATE: AtomicU8 = AtomicU8::new(0);
/// Rises with every part of the report.
static PROGRESS: AtomicU64 = AtomicU64::new(0);
/// The end of the pipe that wakes the reporter.
static WAKE: AtomicI32 = AtomicI32::new(-1);
/// The thread that reports: what it breaks itself is not reported.
static REPORTER: AtomicI32 = AtomicI32::new(0);
static CRASH: Shared = Shared(UnsafeCell::new(Crash::NONE));

/// What is known of a crash.
#[derive(Clone)]
pub struct Crash {
    pub signal: i32,
    /// The address that could not be used; 0 if that is not what happened.
    pub address: usize,
    /// Where a signal comes from that was sent, as a process id.
    pub sender: Option<i32>,
    pub thread: i32,
    /// Its name, ended by a zero.
    pub thread_name: [u8; 16],
    /// Addresses of instructions, innermost first; the first are the handler's own.
    pub frames: [usize; FRAMES_MAX],
    pub depth: usize,
}

impl Crash {
    const NONE: Crash = Crash {
        signal: 0,
        address: 0,
        sender: None,
        thread: 0,
        thread_name: [0; 16],
        frames: [0; FRAMES_MAX],
        depth: 0,
    };
}

struct Shared(UnsafeCell<Crash>);

// SAFETY: it is written once, by the thread that moved STATE from 0 to 1, before a byte is written to the pipe; it is read by
// the thread that has read that byte.
unsafe impl Sync for Shared {}

/// What wakes the reporter.
pub struct Wakes(i32);

impl Wakes {
    /// Sleeps until there is a crash. `None`: there can be none any more.
    pub fn wait(self) -> Option<Crash> {
        // SAFETY: returns a number.
        REPORTER.store(unsafe { libc::syscall(libc::SYS_gettid) } as i32, Relaxed);
        let mut byte = 0u8;
        loop {
            // SAFETY: the call writes at most one byte to where the pointer leads.
            match unsafe { libc::read(self.0, (&raw mut byte).cast(), 1) } {
                1 => break,
                0 => return None,
                _ if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted => return None,
                _ => {}
            }
        }
        // SAFETY: see `Shared`.
        Some(unsafe { (*CRASH.0.get()).clone() })
    }
}

/// Sets the handler up.
pub fn install() -> io::Result<Wakes> {
    let (read, write) = io::pipe()?;
    WAKE.store(write.as_raw_fd(), Relaxed);
    // It stays open as long as the process.
    let _ = write.into_raw_fd();
    for signal in SIGNALS {
        // SAFETY: zeros are a valid value of this struct; the handler has the signature that SA_SIGINFO asks for and uses only
        // what may be used in a handler.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction =
                on_crash as extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            libc::sigemptyset(&mut action.sa_mask);
            if libc::sigaction(signal, &action, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(Wakes(read.into_raw_fd()))
}

/// Gives the calling thread a stack for the handler on which there is room enough, also when its own has run over.
pub fn prepare_thread() {
    // SAFETY: the memory is new, as long as is said, and never given back: the thread runs as long as the process.
    unsafe {
        let at = libc::mmap(
            std::ptr::null_mut(),
            STACK,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if at != libc::MAP_FAILED {
            libc::sigaltstack(
                &libc::stack_t { ss_sp: at, ss_flags: 0, ss_size: STACK },
                std::ptr::null_mut(),
            );
        }
    }
}

/// A part of the report is written.
pub fn progress() {
    PROGRESS.fetch_add(1, Relaxed);
}

/// The report is written.
pub fn finish() {
    STATE.store(2, Release);
}

extern "C" fn on_crash(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: returns a number.
    let thread = unsafe { libc::syscall(libc::SYS_gettid) } as i32;
    let first = ENABLED.load(Relaxed)
        && thread != REPORTER.load(Relaxed)
        && STATE.compare_exchange(0, 1, Acquire, Relaxed).is_ok();
    if first {
        // SAFETY: see `Shared`; the kernel hands a valid `info` to a handler with SA_SIGINFO.
        unsafe { note(&mut *CRASH.0.get(), signal, thread, &*info) };
        say(b"\n=== EVERWRITE BUG REPORT START: crashed by signal ");
        say(&digits(signal));
        say(b" ===\n");
        // SAFETY: writes one byte that is there; a descriptor that is not open is an error, which is no worse than no report.
        unsafe { libc::write(WAKE.load(Relaxed), [1u8].as_ptr().cast(), 1) };
        if !wait() {
            say(b"\n(the rest of the report can't be had)\n=== EVERWRITE BUG REPORT END ===\n");
        }
    } else if STATE.load(Relaxed) == 1 && thread != REPORTER.load(Relaxed) {
        // Another thread has crashed as well: the process ends with the report about the first.
        wait();
    }
    // SAFETY: both calls are allowed in handlers; the signal now does what it does by itself.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// # Safety
/// `info` is what the kernel says about a signal.
unsafe fn note(crash: &mut Crash, signal: i32, thread: i32, info: &libc::siginfo_t) {
    let faults = info.si_code > 0 && signal != libc::SIGABRT;
    // SAFETY: these fields are valid for signals of a fault and for signals that were sent.
    unsafe {
        crash.address = if faults { info.si_addr() as usize } else { 0 };
        let sent = info.si_code == libc::SI_USER && info.si_pid() != libc::getpid();
        crash.sender = sent.then(|| info.si_pid());
        libc::prctl(libc::PR_GET_NAME, crash.thread_name.as_mut_ptr());
        (crash.signal, crash.thread) = (signal, thread);
        _Unwind_Backtrace(on_frame, std::ptr::from_mut(crash).cast());
    }
}

unsafe extern "C" {
    // The unwinder that panics use: it is part of every program.
    fn _Unwind_Backtrace(
        each: extern "C" fn(*mut libc::c_void, *mut libc::c_void) -> i32,
        state: *mut libc::c_void,
    ) -> i32;
    fn _Unwind_GetIP(frame: *mut libc::c_void) -> usize;
}

/// Notes a frame; another value than 0 ends the walk.
extern "C" fn on_frame(frame: *mut libc::c_void, state: *mut libc::c_void) -> i32 {
    const GO_ON: i32 = 0;
    const END: i32 = 5;
    // SAFETY: the state is the crash that `note` passes, whose only user this is; the frame is the unwinder's.
    unsafe {
        let crash = &mut *state.cast::<Crash>();
        let Some(place) = crash.frames.get_mut(crash.depth) else { return END };
        *place = _Unwind_GetIP(frame);
        crash.depth += 1;
    }
    GO_ON
}

/// Waits for the report; false if it stops growing.
fn wait() -> bool {
    let (mut seen, mut idle) = (PROGRESS.load(Relaxed), 0);
    while STATE.load(Acquire) != 2 {
        let pause = libc::timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        // SAFETY: allowed in handlers; only reads the struct.
        unsafe { libc::nanosleep(&pause, std::ptr::null_mut()) };
        idle += 10;
        let now = PROGRESS.load(Relaxed);
        if now != seen {
            (seen, idle) = (now, 0);
        }
        if idle >= PATIENCE_MS {
            return false;
        }
    }
    true
}

/// Writes to the log without anybody's help.
pub fn say(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the call reads no more than the slice has; allowed in handlers.
        let written = unsafe { libc::write(crate::log::descriptor(), bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(n) if n > 0 => bytes = &bytes[n.min(bytes.len())..],
            _ => return,
        }
    }
}

/// A number of two digits.
fn digits(n: i32) -> [u8; 2] {
    [b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8]
}
