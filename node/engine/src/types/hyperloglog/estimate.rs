//! The estimator of Otmar Ertl ("New cardinality estimation algorithms for HyperLogLog sketches", 2017, section 2.4): one
//! formula for all ranges, without the tables and thresholds of earlier ones.

use super::{Histogram, RANK_MAX, REGISTERS};

/// 1 / (2 ln 2), the limit of the bias factor for many registers.
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// How many distinct elements were added, most likely.
pub fn estimate(histogram: &Histogram) -> u64 {
    let m = REGISTERS as f64;
    let last = usize::from(RANK_MAX);
    let mut z = m * tau((m - f64::from(histogram[last])) / m);
    for count in histogram[1..last].iter().rev() {
        z = (z + f64::from(*count)) * 0.5;
    }
    z += m * sigma(f64::from(histogram[0]) / m);
    (ALPHA * m * m / z).round() as u64
}

/// What registers that are full add.
fn tau(x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut x, mut y, mut z) = (x, 1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        y *= 0.5;
        let before = z;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

/// What registers that are empty add.
fn sigma(x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut x, mut y, mut z) = (x, 1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::place_of;
    use super::*;

    fn after_adding(count: u32) -> u64 {
        let mut registers = vec![0u8; REGISTERS];
        for n in 0..count {
            let (index, rank) = place_of(&n.to_le_bytes());
            let slot = &mut registers[usize::from(index)];
            *slot = rank.max(*slot);
        }
        let mut histogram = [0; 64];
        registers.iter().for_each(|rank| histogram[usize::from(*rank)] += 1);
        estimate(&histogram)
    }

    #[test]
    fn estimates_are_near() {
        assert_eq!(after_adding(0), 0);
        assert_eq!(after_adding(1), 1);
        for count in [100, 1_000, 10_000, 100_000] {
            let error = after_adding(count) as f64 / f64::from(count) - 1.0;
            // Four standard errors.
            assert!(error.abs() < 4.0 * 1.04 / 128.0, "{count}: {error}");
        }
    }

    #[test]
    fn full_registers_do_not_break_it() {
        let mut histogram = [0; 64];
        histogram[usize::from(RANK_MAX)] = REGISTERS as u32;
        assert!(estimate(&histogram) > 1 << 60);
    }
}
