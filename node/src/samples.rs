//! How much happens per second at the moment: `instantaneous_ops_per_sec` and its like. The mean over the last
//! [`SAMPLES`] readings.

use std::time::Instant;

use parking_lot::Mutex;

/// Readings that the mean is taken over; at ten a second, 1.6 seconds.
const SAMPLES: usize = 16;

/// Totals at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub at: Instant,
    pub commands: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// Per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    pub commands: f64,
    pub bytes_in: f64,
    pub bytes_out: f64,
}

#[derive(Default)]
struct Ring {
    last: Option<Reading>,
    rates: [Rates; SAMPLES],
    next: usize,
}

/// See the [module's page](self).
#[derive(Default)]
pub struct Samples(Mutex<Ring>);

impl Samples {
    /// Adds a reading.
    pub fn take(&self, reading: Reading) {
        let mut ring = self.0.lock();
        if let Some(last) = ring.last.replace(reading) {
            let seconds = reading.at.duration_since(last.at).as_secs_f64().max(1e-6);
            // Totals fall when they are reset.
            let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
            let at = ring.next;
            ring.rates[at] = Rates {
                commands: rate(reading.commands, last.commands),
                bytes_in: rate(reading.bytes_in, last.bytes_in),
                bytes_out: rate(reading.bytes_out, last.bytes_out),
            };
            ring.next = (at + 1) % SAMPLES;
        }
    }

    /// The mean of the last readings.
    pub fn rates(&self) -> Rates {
        let ring = self.0.lock();
        let mean = |of: fn(&Rates) -> f64| ring.rates.iter().map(of).sum::<f64>() / SAMPLES as f64;
        Rates {
            commands: mean(|r| r.commands),
            bytes_in: mean(|r| r.bytes_in),
            bytes_out: mean(|r| r.bytes_out),
        }
    }

    /// Forgets all readings.
    pub fn reset(&self) {
        *self.0.lock() = Ring::default();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rates_are_per_second_and_survive_a_reset_of_totals() {
        let (samples, start) = (Samples::default(), Instant::now());
        for i in 0..=SAMPLES as u64 {
            let at = start + Duration::from_millis(100 * i);
            samples.take(Reading { at, commands: 50 * i, bytes_in: 0, bytes_out: 1000 * i });
        }
        let rates = samples.rates();
        assert!((rates.commands - 500.0).abs() < 1e-6, "{rates:?}");
        assert!((rates.bytes_out - 10_000.0).abs() < 1e-6);
        samples.take(Reading { at: start + Duration::from_secs(9), commands: 0, bytes_in: 0, bytes_out: 0 });
        assert!(samples.rates().commands < 500.0);
    }
}
