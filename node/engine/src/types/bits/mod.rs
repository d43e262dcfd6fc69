//! Strings as arrays of bits. Bit 0 is the highest bit of the first byte, and bits past the end are zero.

mod combine;
mod count;
mod field;
mod find;

pub use combine::{Combine, combine, shift_left, shift_right};
pub use count::{count_ones, count_ones_between};
pub use field::{Field, Overflow};
pub use find::find_between;

/// The bit at `at`.
#[inline]
pub fn get(bytes: &[u8], at: usize) -> bool {
    bytes.get(at / 8).is_some_and(|byte| byte & mask(at) != 0)
}

/// The byte that holds bit `at`, with that bit as given.
#[inline]
pub fn byte_with(bytes: &[u8], at: usize, bit: bool) -> u8 {
    let byte = bytes.get(at / 8).copied().unwrap_or(0);
    if bit { byte | mask(at) } else { byte & !mask(at) }
}

#[inline]
fn mask(at: usize) -> u8 {
    0x80 >> (at % 8)
}

/// The bits of a byte that lie in `first..=last`, positions in the byte.
fn mask_between(first: usize, last: usize) -> u8 {
    (0xff >> first) & (0xff << (7 - last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_count_from_the_top() {
        assert!(get(b"\x80", 0) && !get(b"\x80", 7) && !get(b"\x80", 8));
        assert_eq!(byte_with(b"\x01", 0, true), 0x81);
        assert_eq!(byte_with(b"\x01", 7, false), 0);
        assert_eq!(byte_with(b"\x01", 9, true), 0x40);
        assert_eq!(mask_between(0, 7), 0xff);
        assert_eq!(mask_between(3, 4), 0x18);
    }
}
