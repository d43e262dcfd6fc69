//! Dense registers: 6 bits each, the lowest bits of the first byte first, so that four registers fill three bytes.

use super::{Histogram, REGISTERS};

/// Bytes of all registers.
pub const BYTES: usize = REGISTERS * 6 / 8;
/// Registers and bytes of a group, after which the pattern repeats.
const GROUP: usize = 8;
const GROUP_BYTES: usize = 6;
const MASK: u64 = 0x3f;

/// Raises a register to `rank`; whether that changed it.
pub fn raise(registers: &mut [u8], index: usize, rank: u8) -> bool {
    let (group, shift) = place(index);
    let bytes = &mut registers[group..group + GROUP_BYTES];
    let word = word(bytes);
    if (word >> shift & MASK) as u8 >= rank {
        return false;
    }
    let word = word & !(MASK << shift) | u64::from(rank) << shift;
    bytes.copy_from_slice(&word.to_le_bytes()[..GROUP_BYTES]);
    true
}

/// The first byte of a register's group, and its place in the group's word.
fn place(index: usize) -> (usize, usize) {
    (index / GROUP * GROUP_BYTES, index % GROUP * 6)
}

fn word(group: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..GROUP_BYTES].copy_from_slice(group);
    u64::from_le_bytes(word)
}

/// Calls `each` with every register.
#[inline]
pub fn each(registers: &[u8], mut each: impl FnMut(usize, u8)) {
    for (at, group) in registers.as_chunks::<GROUP_BYTES>().0.iter().enumerate() {
        let word = word(group);
        for i in 0..GROUP {
            each(at * GROUP + i, (word >> (i * 6) & MASK) as u8);
        }
    }
}

pub fn histogram(registers: &[u8]) -> Histogram {
    // Neighbours often hold the same number: counting them in different places keeps one from waiting for the other.
    let mut parts = [[0u32; 64]; 4];
    each(registers, |index, rank| parts[index % 4][usize::from(rank)] += 1);
    std::array::from_fn(|rank| parts.iter().map(|part| part[rank]).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_do_not_touch_their_neighbours() {
        let mut registers = vec![0; BYTES];
        let rank = |index: usize| (index * 7 % 64) as u8;
        for index in (0..REGISTERS).step_by(2).chain((1..REGISTERS).step_by(2)) {
            assert_eq!(raise(&mut registers, index, rank(index)), rank(index) > 0);
            assert!(!raise(&mut registers, index, rank(index)));
        }
        each(&registers, |index, found| assert_eq!(found, rank(index), "register {index}"));
        assert_eq!(histogram(&registers)[5], 256);
    }

    #[test]
    fn low_bits_come_first() {
        let mut registers = vec![0; BYTES];
        raise(&mut registers, 1, 0b100001);
        assert_eq!(registers[..3], [0b0100_0000, 0b0000_1000, 0]);
    }
}
