//! Counting set bits.
//!
//! Long runs go through a tree of carry-save adders (Harley and Seal): an adder takes three words and gives, per bit, the
//! sum and the carry; fifteen of them turn sixteen words into one word of sixteens, so that only every sixteenth word is
//! counted bit by bit. The words are vectors of four, which the compiler keeps in two SSE or one AVX register: 20 GB/s
//! from the cache without any processor feature that would have to be asked for (8 GB/s word by word).

use super::mask_between;

/// A vector of words.
type Lanes = [u64; LANES];
const LANES: usize = 4;
/// Bytes of sixteen vectors.
const BLOCK: usize = 16 * LANES * 8;

/// How many bits are set.
pub fn count_ones(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let mut tree = Tree::default();
    blocks.iter().for_each(|block| tree.add(block));
    tree.total() + count_words(rest)
}

/// How many of the bits `first..=last` are set. Both are within the string and in order.
pub fn count_ones_between(bytes: &[u8], first: usize, last: usize) -> u64 {
    let all = count_ones(&bytes[first / 8..=last / 8]);
    let before = bytes[first / 8] & !mask_between(first % 8, 7);
    let after = bytes[last / 8] & !mask_between(0, last % 8);
    all - u64::from(before.count_ones()) - u64::from(after.count_ones())
}

fn count_words(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let in_words: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    in_words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// Words whose set bits stand for one, two, four and eight each, and sixteens that were counted already.
#[derive(Default)]
struct Tree {
    ones: Lanes,
    twos: Lanes,
    fours: Lanes,
    eights: Lanes,
    sixteens: u64,
}

impl Tree {
    #[inline(always)]
    fn add(&mut self, block: &[u8; BLOCK]) {
        let (words, _) = block.as_chunks::<8>();
        let lanes = |i: usize| std::array::from_fn(|lane| u64::from_ne_bytes(words[i * LANES + lane]));
        let mut eights = [Lanes::default(); 2];
        for (half, eight) in eights.iter_mut().enumerate() {
            let mut fours = [Lanes::default(); 2];
            for (quarter, four) in fours.iter_mut().enumerate() {
                let at = half * 8 + quarter * 4;
                let first = carry_save(&mut self.ones, lanes(at), lanes(at + 1));
                let second = carry_save(&mut self.ones, lanes(at + 2), lanes(at + 3));
                *four = carry_save(&mut self.twos, first, second);
            }
            *eight = carry_save(&mut self.fours, fours[0], fours[1]);
        }
        self.sixteens += ones_of(carry_save(&mut self.eights, eights[0], eights[1]));
    }

    fn total(&self) -> u64 {
        let lower = ones_of(self.ones) + 2 * ones_of(self.twos) + 4 * ones_of(self.fours);
        lower + 8 * ones_of(self.eights) + 16 * self.sixteens
    }
}

/// Adds `b` and `c` to `sum` bit by bit; returns the carries.
#[inline(always)]
fn carry_save(sum: &mut Lanes, b: Lanes, c: Lanes) -> Lanes {
    let mut carry = Lanes::default();
    for i in 0..LANES {
        let half = sum[i] ^ b[i];
        carry[i] = (sum[i] & b[i]) | (half & c[i]);
        sum[i] = half ^ c[i];
    }
    carry
}

#[inline(always)]
fn ones_of(lanes: Lanes) -> u64 {
    lanes.iter().map(|word| u64::from(word.count_ones())).sum()
}

#[cfg(test)]
mod tests {
    use super::super::get;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn counts_as_one_by_one(bytes in prop::collection::vec(any::<u8>(), 1..3000), a: usize, b: usize) {
            let (a, b) = (a % (bytes.len() * 8), b % (bytes.len() * 8));
            let (first, last) = (a.min(b), a.max(b));
            let expected = (first..=last).filter(|at| get(&bytes, *at)).count() as u64;
            prop_assert_eq!(count_ones_between(&bytes, first, last), expected);
            prop_assert_eq!(count_ones(&bytes), bytes.iter().map(|b| u64::from(b.count_ones())).sum::<u64>());
        }
    }

    #[test]
    fn full_blocks_do_not_lose_carries() {
        for len in [BLOCK - 1, BLOCK, BLOCK * 37 + 5] {
            assert_eq!(count_ones(&vec![0xff; len]), 8 * len as u64);
        }
    }
}
