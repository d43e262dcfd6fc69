//! A timer for what is done over and over by a thread that otherwise sleeps.
//!
//! The runtime's timers are kept in wheels: one that is more than 64 ms away wakes its thread twice, once only to move to
//! a finer wheel. That makes up half of what an idle server costs, so what never ends is woken by a timer of the kernel.
#![expect(unsafe_code, reason = "registers a descriptor with the runtime")]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::system;

pub struct Pulse {
    timer: AsyncFd<OwnedFd>,
}

impl Pulse {
    /// To be called within a runtime that has I/O. An error: the process has no descriptor left.
    pub fn new() -> io::Result<Pulse> {
        // SAFETY: the descriptor is owned by what is registered, and stays open until that is dropped.
        let timer = unsafe { AsyncFd::register_with_interest(system::timer()?, Interest::READABLE) }?;
        Ok(Pulse { timer })
    }

    /// Waits for `period`, which counts from now on. Who gives up waiting loses nothing.
    pub async fn after(&mut self, period: Duration) -> io::Result<()> {
        system::set_timer(self.timer.get_ref().as_fd(), period)?;
        loop {
            let mut ready = self.timer.readable().await?;
            let fired = system::has_fired(self.timer.get_ref().as_fd())?;
            ready.clear_ready();
            // Not if all there was is left of an earlier period.
            if fired {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_period_lasts_as_long_as_asked() {
        let mut pulse = Pulse::new().unwrap();
        for period in [Duration::from_millis(3), Duration::ZERO, Duration::from_millis(20)] {
            let began = Instant::now();
            pulse.after(period).await.unwrap();
            assert!(began.elapsed() >= period, "{period:?}");
        }
    }

    #[tokio::test]
    async fn who_gave_up_waits_a_whole_period_next_time() {
        let mut pulse = Pulse::new().unwrap();
        let early =
            tokio::time::timeout(Duration::from_millis(5), pulse.after(Duration::from_secs(3600))).await;
        assert!(early.is_err());
        let _ = tokio::time::timeout(Duration::ZERO, pulse.after(Duration::from_millis(1))).await;
        std::thread::sleep(Duration::from_millis(5));
        let began = Instant::now();
        pulse.after(Duration::from_millis(20)).await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(20));
    }
}
