//! How long the mesh waits before it looks at the journal again: a lone write leaves at once, a flood is gathered into
//! batches, for each batch costs every link a frame, a system call and an acknowledgement. And how long until the next beat:
//! what was written is remembered until beats have gone to and fro, so they come more often while much is.

use std::time::{Duration, Instant};

/// Bytes a second from which writes are gathered for a moment, and from which for longer.
const BRISK: f64 = 1e6;
const RUSH: f64 = 5e6;
const FLOOD: f64 = 12e6;
const BRISK_PAUSE: Duration = Duration::from_micros(300);
const RUSH_PAUSE: Duration = Duration::from_millis(1);
const FLOOD_PAUSE: Duration = Duration::from_millis(2);

/// Between beats.
const BEAT: Duration = Duration::from_millis(50);
/// The same, per link, while much is written: each link gets what all members say.
const BEAT_PER_LINK: Duration = Duration::from_millis(5);
/// Groups between two beats from which that is much.
const MANY: u64 = 500;

/// How long until the next beat, with so many links, and after so many groups since the last one.
pub fn until_beat(links: usize, groups: u64) -> Duration {
    if groups < MANY { BEAT } else { (BEAT_PER_LINK * links as u32).min(BEAT) }
}

/// See the [module's page](self).
pub struct Pace {
    last: Instant,
    /// Of the journal, smoothed.
    bytes_per_s: f64,
}

impl Pace {
    pub fn begin() -> Pace {
        Pace { last: Instant::now(), bytes_per_s: 0.0 }
    }

    /// The journal has been looked at, and gave so many bytes.
    pub fn took(&mut self, bytes: usize, now: Instant) {
        let span = now.duration_since(self.last).as_secs_f64().max(1e-5);
        // What came in a long time weighs more than what came in a short one: about 4 ms are remembered.
        let weight = (span / 0.004).min(1.0);
        self.bytes_per_s += (bytes as f64 / span - self.bytes_per_s) * weight;
        self.last = now;
    }

    /// How long to wait before the next look.
    pub fn pause(&self, now: Instant) -> Duration {
        let wanted = match self.bytes_per_s {
            rate if rate >= FLOOD => FLOOD_PAUSE,
            rate if rate >= RUSH => RUSH_PAUSE,
            rate if rate >= BRISK => BRISK_PAUSE,
            _ => Duration::ZERO,
        };
        wanted.saturating_sub(now.duration_since(self.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_come_more_often_while_much_is_written_and_the_links_are_few() {
        let ms = |links, groups| until_beat(links, groups).as_millis();
        assert_eq!((ms(2, 0), ms(2, 10_000), ms(9, 10_000), ms(50, 10_000)), (50, 10, 45, 50));
    }

    fn after(rate: f64, every: Duration) -> Duration {
        let mut pace = Pace::begin();
        let mut now = pace.last;
        for _ in 0..1_000 {
            now += every;
            pace.took((rate * every.as_secs_f64()) as usize, now);
        }
        pace.pause(now)
    }

    #[test]
    fn lone_writes_do_not_wait_and_floods_do() {
        assert_eq!(after(80_000.0, Duration::from_millis(1)), Duration::ZERO);
        assert_eq!(after(4e6, Duration::from_micros(300)), BRISK_PAUSE);
        assert_eq!(after(8e6, Duration::from_millis(1)), RUSH_PAUSE);
        assert_eq!(after(30e6, Duration::from_millis(2)), FLOOD_PAUSE);
    }

    #[test]
    fn the_first_write_after_a_flood_does_not_wait() {
        let mut pace = Pace::begin();
        pace.bytes_per_s = 30e6;
        let later = pace.last + Duration::from_millis(5);
        assert_eq!(pace.pause(later), Duration::ZERO);
    }
}
