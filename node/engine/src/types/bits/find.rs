//! Finding the first bit of a value.

use super::mask_between;

/// The first bit in `first..=last` that is `bit`. The range lies within the string.
pub fn find_between(bytes: &[u8], bit: bool, first: usize, last: usize) -> Option<usize> {
    let (from, to) = (first / 8, last / 8);
    // A byte with a one for each bit that is sought.
    let sought = |at: usize| if bit { bytes[at] } else { !bytes[at] };
    let head = sought(from) & mask_between(first % 8, if from == to { last % 8 } else { 7 });
    if head != 0 {
        return Some(from * 8 + head.leading_zeros() as usize);
    }
    if from == to {
        return None;
    }
    let at = from + 1 + skip(&bytes[from + 1..to], if bit { 0 } else { 0xff });
    let byte = sought(at) & if at == to { mask_between(0, last % 8) } else { 0xff };
    (byte != 0).then(|| at * 8 + byte.leading_zeros() as usize)
}

/// How many bytes at the start are `byte`.
fn skip(bytes: &[u8], byte: u8) -> usize {
    // 64 bytes at a time, so that the comparison is done in vectors.
    let (blocks, _) = bytes.as_chunks::<64>();
    let same = blocks.iter().take_while(|block| **block == [byte; 64]).count() * 64;
    same + bytes[same..].iter().take_while(|other| **other == byte).count()
}

#[cfg(test)]
mod tests {
    use super::super::get;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn finds_as_one_by_one(bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(255), any::<u8>()], 1..300),
                               a: usize, b: usize, bit: bool) {
            let (a, b) = (a % (bytes.len() * 8), b % (bytes.len() * 8));
            let (first, last) = (a.min(b), a.max(b));
            let expected = (first..=last).find(|at| get(&bytes, *at) == bit);
            prop_assert_eq!(find_between(&bytes, bit, first, last), expected);
        }
    }

    #[test]
    fn long_runs_are_skipped() {
        let mut bytes = vec![0xff; 1000];
        assert_eq!(find_between(&bytes, false, 3, 7999), None);
        bytes[777] = 0xfe;
        assert_eq!(find_between(&bytes, false, 3, 7999), Some(777 * 8 + 7));
        assert_eq!(find_between(&bytes, false, 3, 777 * 8 + 6), None);
    }
}
