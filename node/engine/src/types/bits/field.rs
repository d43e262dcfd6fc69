//! Integers of 1 to 64 bits at any place in a string, and what happens when they overflow.

use smallvec::SmallVec;

/// An integer inside a string: `width` bits from bit `offset` on, the first being the highest. Unsigned ones have at most
/// 63, so that every value fits an `i64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub offset: usize,
    pub width: u32,
    pub signed: bool,
}

/// What becomes of a result outside the field's range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// It keeps its low bits.
    #[default]
    Wrap,
    /// It becomes the nearest value in range.
    Saturate,
    /// There is no result.
    Fail,
}

impl Field {
    /// The last bit.
    pub fn last(&self) -> usize {
        self.offset + self.width as usize - 1
    }

    /// The value in a string.
    pub fn read(&self, bytes: &[u8]) -> i64 {
        let first = self.offset / 8;
        // The field lies within nine bytes; take sixteen, the highest first.
        let mut window = [0; 16];
        let there = bytes.get(first..).unwrap_or(&[]);
        let len = there.len().min(9);
        window[..len].copy_from_slice(&there[..len]);
        self.value_of((u128::from_be_bytes(window) >> self.shift()) as u64)
    }

    /// The bytes from `offset / 8` on that hold the field, once `value` is written to a string.
    pub fn patch(&self, bytes: &[u8], value: i64) -> SmallVec<[u8; 16]> {
        let first = self.offset / 8;
        let len = self.last() / 8 - first + 1;
        let mut window = [0; 16];
        let there = bytes.get(first..).unwrap_or(&[]);
        let given = there.len().min(len);
        window[..given].copy_from_slice(&there[..given]);
        let mask = u128::from(self.mask()) << self.shift();
        let bits = (u128::from(value as u64) << self.shift()) & mask;
        let word = u128::from_be_bytes(window) & !mask | bits;
        SmallVec::from_slice(&word.to_be_bytes()[..len])
    }

    /// What `value + delta` is in this field; `None` if it overflows and that fails. For an unsigned field `value` may
    /// be any 64 bits: negative ones stand for numbers from 2^63 on. (Redis's own check overflows where a signed field is
    /// set to a number near -2^63 and then takes it for too high; here it is too low.)
    pub fn add(&self, value: i64, delta: i64, overflow: Overflow) -> Option<i64> {
        let value = if self.signed { i128::from(value) } else { i128::from(value as u64) };
        let (sum, min, max) = (value + i128::from(delta), self.min(), self.max());
        if (min..=max).contains(&sum) {
            return Some(sum as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.value_of(sum as u64)),
            Overflow::Saturate => Some(sum.clamp(min, max) as i64),
            Overflow::Fail => None,
        }
    }

    fn min(&self) -> i128 {
        if self.signed { -(1 << (self.width - 1)) } else { 0 }
    }

    fn max(&self) -> i128 {
        if self.signed { (1 << (self.width - 1)) - 1 } else { (1 << self.width) - 1 }
    }

    /// Where the field's last bit stands in a window of 128 bits that begins at its first byte.
    fn shift(&self) -> u32 {
        128 - (self.offset % 8) as u32 - self.width
    }

    fn mask(&self) -> u64 {
        u64::MAX >> (64 - self.width)
    }

    /// The value of the low bits of a word.
    fn value_of(self, bits: u64) -> i64 {
        let unused = 64 - self.width;
        let top = (bits << unused) as i64;
        if self.signed { top >> unused } else { (top as u64 >> unused) as i64 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::get;
    use super::*;
    use proptest::prelude::*;

    fn field() -> impl Strategy<Value = Field> {
        (0usize..200, 1u32..=64, any::<bool>()).prop_map(|(offset, width, signed)| Field {
            offset,
            width: if signed { width } else { width.min(63) },
            signed,
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(field in field(), value: i64, mut bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let value = field.add(value, 0, Overflow::Wrap).unwrap();
            let before = bytes.clone();
            let (first, patch) = (field.offset / 8, field.patch(&bytes, value));
            bytes.resize(bytes.len().max(first + patch.len()), 0);
            bytes[first..first + patch.len()].copy_from_slice(&patch);
            prop_assert_eq!(field.read(&bytes), value);
            for at in (0..bytes.len() * 8).filter(|at| !(field.offset..=field.last()).contains(at)) {
                prop_assert_eq!(get(&bytes, at), get(&before, at), "bit {} beside the field", at);
            }
        }

        #[test]
        fn sums_stay_in_range(field in field(), value: i64, delta: i64) {
            let value = field.add(value, 0, Overflow::Wrap).unwrap();
            let exact = i128::from(value) + i128::from(delta);
            let fits = (field.min()..=field.max()).contains(&exact);
            let failing = field.add(value, delta, Overflow::Fail);
            prop_assert_eq!(failing.map(i128::from), fits.then_some(exact));
            let saturated = i128::from(field.add(value, delta, Overflow::Saturate).unwrap());
            prop_assert_eq!(saturated, exact.clamp(field.min(), field.max()));
            let wrapped = i128::from(field.add(value, delta, Overflow::Wrap).unwrap());
            prop_assert!((field.min()..=field.max()).contains(&wrapped));
            prop_assert_eq!((wrapped - exact) % (1 << field.width), 0);
        }
    }
}
