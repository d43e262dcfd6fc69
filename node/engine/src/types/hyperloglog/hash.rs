//! From an element to a register and a number: MurmurHash2 in its 64-bit form, with the seed that Redis's values are made
//! with. Values made elsewhere can only be added to with the same hash.

use super::{INDEX_BITS, REGISTERS, Rank};

const SEED: u64 = 0xadc8_3b19;
const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
const SHIFT: u32 = 47;

/// The register of an element and the number it is to hold at least: one more than the zeros below the lowest one of the
/// hash's upper bits, 51 if they are all zeros.
pub fn place_of(element: &[u8]) -> Rank {
    let hash = murmur(element);
    let index = hash as usize & (REGISTERS - 1);
    let rest = hash >> INDEX_BITS | 1 << (64 - INDEX_BITS);
    (index as u16, rest.trailing_zeros() as u8 + 1)
}

fn murmur(bytes: &[u8]) -> u64 {
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        let mixed = mix(u64::from_le_bytes(*word).wrapping_mul(FACTOR));
        hash = (hash ^ mixed.wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
    }
    if !tail.is_empty() {
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(FACTOR);
    }
    mix(mix(hash).wrapping_mul(FACTOR))
}

fn mix(word: u64) -> u64 {
    word ^ word >> SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PFDEBUG DECODE of a live redis-server: zeros before the register, and its number.
    #[test]
    fn places_are_those_of_redis() {
        assert_eq!(place_of(b"a"), (12711, 2));
        assert_eq!(place_of(b""), (5938, 2));
        assert_eq!(place_of(b"1234567"), (10327, 3));
        assert_eq!(place_of(b"12345678"), (10579, 3));
        assert_eq!(place_of(b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5"), (10620, 2));
        assert_eq!(place_of("x".repeat(100).as_bytes()), (15288, 1));
    }
}
