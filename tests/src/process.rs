//! What the kernel says a process has used: CPU time and resident memory, from `/proc`.

use std::fs;
use std::io;
use std::time::Duration;

/// Clock ticks per second in `/proc/PID/stat`. It is 100 on every Linux that Rust's standard library supports.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time of all threads so far, dead ones included; in steps of 10 ms.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    ticks(&stat)
        .map(|t| Duration::from_millis(t * 1000 / TICKS_PER_SECOND))
        .ok_or_else(|| io::Error::other(format!("unexpected /proc/{pid}/stat: {stat}")))
}

/// utime + stime. The name in parentheses may itself contain spaces and parentheses, so fields count from the last `)`.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Time on a CPU of all living threads, in nanoseconds: fine enough for an idle process.
pub fn cpu_nanos(pid: u32) -> io::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        sum += text.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(sum)
}

/// Resident memory in bytes.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.map(|k| k * 1024).ok_or_else(|| io::Error::other(format!("no VmRSS in /proc/{pid}/status")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_parentheses_do_not_shift_the_fields() {
        let stat = "7 (a) b) R 1 2 3 4 5 6 7 8 9 10 200 50 0 0";
        assert_eq!(ticks(stat), Some(250));
    }

    #[test]
    fn reads_this_process() {
        let pid = std::process::id();
        assert!(cpu_time(pid).is_ok());
        assert!(resident_bytes(pid).unwrap() > 100_000);
    }
}
