//! Wait for a condition, with a deadline. Tests never sleep for a guessed time.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Asks `probe` again and again, with growing pauses of 1 to 50 ms, until it gives something or `limit` has passed.
pub fn wait_for<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(50));
    }
}

/// [`wait_for`] a condition to hold. Panics with `what` when it does not within `limit`.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    if wait_for(limit, || holds().then_some(())).is_none() {
        panic!("waited {limit:?} in vain for: {what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_what_the_probe_finds() {
        let mut asked = 0;
        let found = wait_for(Duration::from_secs(5), || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(found, Some(3));
    }

    #[test]
    fn gives_up_at_the_deadline() {
        let began = Instant::now();
        assert_eq!(wait_for(Duration::from_millis(20), || None::<()>), None);
        assert!(began.elapsed() >= Duration::from_millis(20));
    }
}
