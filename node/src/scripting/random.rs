//! `math.random` and `math.randomseed`: the generator of 48 bits that POSIX calls `lrand48`, so that a seed gives the
//! same numbers here as in Redis.

use super::lua::{Answer, State, argument, here};
use super::machine::machine;

const MULTIPLIER: u64 = 0x5_deec_e66d;
const INCREMENT: u64 = 0xb;
const MASK: u64 = (1 << 48) - 1;
/// What the low bits of a fresh seed are.
const LOW: u64 = 0x330e;
const LARGEST: u64 = i32::MAX as u64;

fn draw(l: State) -> f64 {
    let state = &machine(l).random;
    let next = state.get().wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
    state.set(next);
    ((next >> 17) % LARGEST) as f64 / LARGEST as f64
}

pub fn random(l: State) -> Answer {
    let number = |index| l.need_number(index).map(|number| number as i64 as i32);
    let r = draw(l);
    match l.top() {
        0 => l.push_number(r),
        1 => {
            let upper = number(1)?;
            if upper < 1 {
                return argument(1, "interval is empty");
            }
            l.push_number((r * f64::from(upper)).floor() + 1.0);
        }
        2 => {
            let (lower, upper) = (number(1)?, number(2)?);
            if lower > upper {
                return argument(2, "interval is empty");
            }
            l.push_number(
                (r * f64::from(upper.wrapping_sub(lower).wrapping_add(1))).floor() + f64::from(lower),
            );
        }
        _ => return here("wrong number of arguments"),
    }
    Ok(1)
}

pub fn randomseed(l: State) -> Answer {
    let seed = l.need_number(1)? as i64 as u32;
    machine(l).random.set(u64::from(seed) << 16 | LOW);
    Ok(0)
}
