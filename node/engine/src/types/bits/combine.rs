//! Combining several strings bit by bit, and shifting one.
//!
//! A result is as long as the longest source; shorter ones count as followed by zeros.

/// How bits are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    And,
    Or,
    Xor,
    /// Of one source.
    Not,
    /// In the first and in none of the others.
    Diff,
    /// In some of the others and not in the first.
    Diff1,
    /// In the first and in some of the others.
    AndOr,
    /// In exactly one.
    One,
}

/// The combination of `sources`, of which there is at least one.
pub fn combine(how: Combine, sources: &[&[u8]]) -> Vec<u8> {
    let len = sources.iter().map(|s| s.len()).max().unwrap_or(0);
    let (first, others) = sources.split_first().map_or((&[][..], sources), |(first, rest)| (*first, rest));
    match how {
        Combine::And => others.iter().fold(padded(first, len), |out, other| merge(out, other, |a, b| a & b)),
        Combine::Or => any_of(sources, len),
        Combine::Xor => others.iter().fold(padded(first, len), |out, other| merge(out, other, |a, b| a ^ b)),
        Combine::Not => first.iter().map(|byte| !byte).collect(),
        Combine::Diff => merge(any_of(others, len), first, |others, first| first & !others),
        Combine::Diff1 => merge(any_of(others, len), first, |others, first| others & !first),
        Combine::AndOr => merge(any_of(others, len), first, |others, first| others & first),
        Combine::One => exactly_one(sources, len),
    }
}

fn padded(bytes: &[u8], len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(bytes);
    out.resize(len, 0);
    out
}

/// Changes every byte of `out` by the one of `other` at its place, or zero.
#[inline(always)]
fn merge(mut out: Vec<u8>, other: &[u8], change: impl Fn(u8, u8) -> u8) -> Vec<u8> {
    let (both, beyond) = out.split_at_mut(other.len());
    both.iter_mut().zip(other).for_each(|(byte, other)| *byte = change(*byte, *other));
    beyond.iter_mut().for_each(|byte| *byte = change(*byte, 0));
    out
}

fn any_of(sources: &[&[u8]], len: usize) -> Vec<u8> {
    let (first, others) = sources.split_first().map_or((&[][..], sources), |(first, rest)| (*first, rest));
    let mut out = padded(first, len);
    for other in others {
        out.iter_mut().zip(*other).for_each(|(byte, other)| *byte |= other);
    }
    out
}

fn exactly_one(sources: &[&[u8]], len: usize) -> Vec<u8> {
    let (mut once, mut more) = (vec![0; len], vec![0; len]);
    for source in sources {
        for ((once, more), byte) in once.iter_mut().zip(&mut more).zip(*source) {
            *more |= *once & byte;
            *once ^= byte;
        }
    }
    merge(once, &more, |once, more| once & !more)
}

/// The string as a number whose first byte is the lowest, times `2^by`: longer by the bytes that `by` bits begin.
pub fn shift_left(bytes: &[u8], by: usize) -> Vec<u8> {
    let (whole, part) = (by / 8, by % 8);
    let mut out = vec![0; bytes.len() + by.div_ceil(8)];
    for (at, byte) in bytes.iter().enumerate() {
        let shifted = u16::from(*byte) << part;
        out[at + whole] |= shifted as u8;
        if part != 0 {
            out[at + whole + 1] |= (shifted >> 8) as u8;
        }
    }
    out
}

/// The string as a number whose first byte is the lowest, over `2^by`: shorter by the bytes that `by` bits fill.
pub fn shift_right(bytes: &[u8], by: usize) -> Vec<u8> {
    let kept = bytes.get(by / 8..).unwrap_or(&[]);
    let above = kept.iter().skip(1).chain([&0]);
    kept.iter()
        .zip(above)
        .map(|(low, high)| ((u16::from(*high) << 8 | u16::from(*low)) >> (by % 8)) as u8)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Combine; 8] = [
        Combine::And,
        Combine::Or,
        Combine::Xor,
        Combine::Not,
        Combine::Diff,
        Combine::Diff1,
        Combine::AndOr,
        Combine::One,
    ];

    fn bit_of(how: Combine, bits: &[bool]) -> bool {
        let ones = bits.iter().filter(|b| **b).count();
        let others = bits[1..].iter().any(|b| *b);
        match how {
            Combine::And => ones == bits.len(),
            Combine::Or => ones > 0,
            Combine::Xor => ones % 2 == 1,
            Combine::Not => !bits[0],
            Combine::Diff => bits[0] && !others,
            Combine::Diff1 => !bits[0] && others,
            Combine::AndOr => bits[0] && others,
            Combine::One => ones == 1,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn each_bit_is_combined_for_itself(
            sources in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..5),
        ) {
            let slices: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            for how in ALL {
                let slices = if how == Combine::Not { &slices[..1] } else { &slices[..] };
                let out = combine(how, slices);
                prop_assert_eq!(out.len(), slices.iter().map(|s| s.len()).max().unwrap());
                for at in 0..out.len() * 8 {
                    let bits: Vec<bool> = slices.iter().map(|s| super::super::get(s, at)).collect();
                    prop_assert_eq!(super::super::get(&out, at), bit_of(how, &bits), "{:?} bit {}", how, at);
                }
            }
        }

        #[test]
        fn shifts_undo_each_other(bytes in prop::collection::vec(any::<u8>(), 0..40), by in 0usize..100) {
            let back = shift_right(&shift_left(&bytes, by), by);
            prop_assert_eq!(&back[..bytes.len()], &bytes[..]);
            prop_assert!(back[bytes.len()..].iter().all(|b| *b == 0));
        }
    }

    /// KeyDB's own answers.
    #[test]
    fn shifts_begin_at_the_first_byte() {
        assert_eq!(shift_left(b"abcdefg", 8), b"\0abcdefg");
        assert_eq!(shift_left(b"\xaa", 4), b"\xa0\x0a");
        assert_eq!(shift_left(b"\xff", 1), b"\xfe\x01");
        assert_eq!(shift_right(b"\xaa", 3), b"\x15");
        assert_eq!(shift_right(b"\x00\xff", 1), b"\x80\x7f");
        assert_eq!(shift_right(b" ", 1).len(), 1);
        assert_eq!(shift_right(b" ", 8), b"");
        assert_eq!(shift_right(b" ", 65), b"");
    }
}
