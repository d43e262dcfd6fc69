//! LZF: the compression of long strings inside RDB files and DUMP payloads.
//!
//! ```text
//! 000lllll                    l + 1 literal bytes follow                                   1 to 32
//! lllooooo oooooooo           copy l + 2 bytes from o + 1 bytes back, l being 1 to 6        3 to 8
//! 111ooooo llllllll oooooooo  copy l + 9 bytes from o + 1 bytes back                       9 to 264
//! ```
//!
//! A copy may overlap what it writes: one byte back, 264 bytes long, is a run. So three bytes become at most 264,
//! and a payload that claims to expand by more than 88 is refused before any memory is set aside.
//!
//! The `lzf` crate implements the format too and is what the tests here compare with. It is not used itself since
//! each call clears half a megabyte of table, which for the short strings of a typical snapshot costs more than all
//! else, and since its offsets are 32 bit signed, wrong from 2 GB on.

use std::cell::RefCell;

use crate::malformed::Malformed;

/// No string of fewer bytes is worth trying, as Redis has it.
pub const WORTH_TRYING: usize = 21;
/// Compressing has to save this many bytes, or the string is stored as it is.
const SAVING_MIN: usize = 4;
/// Longer strings are stored as they are: positions are 32 bits, and so is the format's length in Redis.
const INPUT_MAX: usize = 1 << 30;

const EXPANSION_MAX: usize = 88;
const LITERALS_MAX: usize = 32;
const DISTANCE_MAX: usize = 1 << 13;
const MATCH_MIN: usize = 3;
const MATCH_MAX: usize = 264;

const TABLE_BITS: u32 = 14;

/// Appends to `out` what `input` expands to, which has to be exactly `len` bytes.
///
/// On an error `out` may have got some bytes more. It never grows by more than `len`, nor by more than 88 times
/// the input.
pub fn decompress(input: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let broken = |offset, rule| Err(Malformed { format: "lzf", offset, rule });
    if len > input.len().saturating_mul(EXPANSION_MAX) {
        return broken(0, "cannot expand to the length stated");
    }
    let start = out.len();
    let end = start + len;
    out.reserve_exact(len);
    let mut at = 0;
    while let Some(&control) = input.get(at) {
        at += 1;
        if usize::from(control) < LITERALS_MAX {
            let count = usize::from(control) + 1;
            let Some(literals) = input.get(at..at + count) else { return broken(at, "literals cut off") };
            if out.len() + count > end {
                return broken(at, "longer than stated");
            }
            out.extend_from_slice(literals);
            at += count;
            continue;
        }
        let Some((count, distance, size)) = reference(control, &input[at..]) else {
            return broken(at, "copy cut off");
        };
        at += size;
        if distance > out.len() - start {
            return broken(at, "copy from before the start");
        }
        if out.len() + count > end {
            return broken(at, "longer than stated");
        }
        copy_back(out, distance, count);
    }
    if out.len() == end { Ok(()) } else { broken(at, "shorter than stated") }
}

/// How much to copy, from how far back, and how many bytes after the control byte said so.
fn reference(control: u8, rest: &[u8]) -> Option<(usize, usize, usize)> {
    let high = usize::from(control & 0x1f) << 8;
    match usize::from(control >> 5) {
        7 => Some((usize::from(*rest.first()?) + 9, (high | usize::from(*rest.get(1)?)) + 1, 2)),
        count => Some((count + 2, (high | usize::from(*rest.first()?)) + 1, 1)),
    }
}

fn copy_back(out: &mut Vec<u8>, distance: usize, count: usize) {
    let from = out.len() - distance;
    if distance >= count {
        out.extend_from_within(from..from + count);
    } else {
        for at in from..from + count {
            out.push(out[at]);
        }
    }
}

thread_local! {
    /// 64 KB, made when the thread first compresses. There may be many who write a little, but few threads.
    static COMPRESSOR: RefCell<Compressor> = RefCell::new(Compressor::new());
}

/// [`Compressor::compress`] with a table of the thread's.
pub fn compress(input: &[u8], out: &mut Vec<u8>) -> bool {
    COMPRESSOR.with_borrow_mut(|compressor| compressor.compress(input, out))
}

/// Compresses one string after the other with one table.
pub struct Compressor {
    /// Where a hash of three bytes was last seen, as a position plus `base`.
    table: Box<[u32]>,
    /// Grows by more than the window with each string, so that what the table holds of earlier ones is too far
    /// away to be taken for a match, and nothing needs to be cleared.
    base: u32,
}

impl Default for Compressor {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compressor")
    }
}

impl Compressor {
    pub fn new() -> Self {
        Compressor { table: vec![0; 1 << TABLE_BITS].into_boxed_slice(), base: DISTANCE_MAX as u32 + 1 }
    }

    /// Appends the compressed `input` to `out`; false, and `out` as it was, if that saves fewer than four bytes.
    pub fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
        if input.len() < WORTH_TRYING || input.len() > INPUT_MAX {
            return false;
        }
        let start = out.len();
        let limit = start + input.len() - SAVING_MIN;
        let shrunk = self.compress_within(input, limit, out) && out.len() <= limit;
        if !shrunk {
            out.truncate(start);
        }
        self.advance(input.len());
        shrunk
    }

    /// False if `out` would exceed `limit` for sure; true does not promise the contrary.
    fn compress_within(&mut self, input: &[u8], limit: usize, out: &mut Vec<u8>) -> bool {
        let (mut at, mut unwritten) = (0, 0);
        while at + MATCH_MIN <= input.len() {
            let Some((count, distance)) = self.look_back(input, at) else {
                at += 1;
                if out.len() + (at - unwritten) > limit {
                    return false;
                }
                continue;
            };
            write_literals(&input[unwritten..at], out);
            write_reference(count, distance, out);
            at += count;
            unwritten = at;
            self.note(input, at - 1);
            self.note(input, at - 2);
        }
        write_literals(&input[unwritten..], out);
        true
    }

    /// The longest copy found for what is at `at`; notes the position.
    fn look_back(&mut self, input: &[u8], at: usize) -> Option<(usize, usize)> {
        let here = self.base + at as u32;
        let slot = &mut self.table[hash(input, at)?];
        let distance = (here - std::mem::replace(slot, here)) as usize;
        if distance > DISTANCE_MAX || distance > at {
            return None;
        }
        let longest = &input[at..input.len().min(at + MATCH_MAX)];
        let earlier = &input[at - distance..];
        let count = longest.iter().zip(earlier).take_while(|(one, other)| one == other).count();
        (count >= MATCH_MIN).then_some((count, distance))
    }

    fn note(&mut self, input: &[u8], at: usize) {
        if let Some(slot) = hash(input, at) {
            self.table[slot] = self.base + at as u32;
        }
    }

    /// Puts the strings so far out of reach.
    fn advance(&mut self, len: usize) {
        let next = u64::from(self.base) + len as u64 + DISTANCE_MAX as u64 + 1;
        if next + INPUT_MAX as u64 > u64::from(u32::MAX) {
            *self = Self::new();
        } else {
            self.base = next as u32;
        }
    }
}

/// The table slot for the three bytes at `at`, if they are there.
fn hash(input: &[u8], at: usize) -> Option<usize> {
    let [a, b, c] = *input.get(at..)?.first_chunk()?;
    let three = u32::from_le_bytes([a, b, c, 0]);
    Some((three.wrapping_mul(0x9e37_79b1) >> (32 - TABLE_BITS)) as usize)
}

fn write_literals(literals: &[u8], out: &mut Vec<u8>) {
    for run in literals.chunks(LITERALS_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn write_reference(count: usize, distance: usize, out: &mut Vec<u8>) {
    let [low, high, ..] = (distance - 1).to_le_bytes();
    match count - 2 {
        count @ 1..7 => out.extend_from_slice(&[(count as u8) << 5 | high, low]),
        count => out.extend_from_slice(&[7 << 5 | high, (count - 7) as u8, low]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expand(input: &[u8], len: usize) -> Result<Vec<u8>, &'static str> {
        let mut out = b"before".to_vec();
        decompress(input, len, &mut out).map(|()| out.split_off(6)).map_err(|error| error.rule)
    }

    /// Text with repetitions near and far.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(
            prop_oneof![
                "[a-z]{1,12}".prop_map(String::into_bytes),
                Just(b"the same again ".to_vec()),
                (1usize..900).prop_map(|len| vec![b'x'; len]),
                prop::collection::vec(any::<u8>(), 0..40),
            ],
            0..40,
        )
        .prop_map(|parts| parts.concat())
    }

    #[test]
    fn every_rule_is_checked() {
        assert_eq!(expand(&[1, 97, 97, 0xe0, 187, 0, 1, 97, 97], 200), Ok(vec![97; 200]));
        for (input, len, rule) in [
            (&[][..], 1, "cannot expand to the length stated"),
            (&[0, 97, 0xe0], 265, "cannot expand to the length stated"),
            (&[2, 97, 97], 3, "literals cut off"),
            (&[0, 97, 0xe0, 1], 11, "copy cut off"),
            (&[0, 97, 0x20], 4, "copy cut off"),
            (&[0, 97, 0x20, 1], 4, "copy from before the start"),
            (&[0, 97, 0x20, 0], 3, "longer than stated"),
            (&[1, 97, 97], 1, "longer than stated"),
            (&[1, 97, 97], 3, "shorter than stated"),
        ] {
            assert_eq!(expand(input, len), Err(rule));
        }
    }

    #[test]
    fn what_does_not_shrink_is_left_alone() {
        let mut out = vec![7];
        let mut compressor = Compressor::new();
        assert!(!compressor.compress(&[b'x'; WORTH_TRYING - 1], &mut out));
        let incompressible: Vec<u8> = (0..=255).collect();
        assert!(!compressor.compress(&incompressible, &mut out));
        assert_eq!(out, [7]);
        assert!(compressor.compress(&[b'x'; WORTH_TRYING], &mut out));
        assert_eq!(out[1..], [0, b'x', 0xe0, 20 - 9, 0]);
    }

    #[test]
    fn a_worn_out_table_is_replaced() {
        let mut compressor = Compressor::new();
        compressor.base = u32::MAX - INPUT_MAX as u32;
        let mut out = Vec::new();
        assert!(compressor.compress(&[b'x'; 100], &mut out));
        assert_eq!(compressor.base, DISTANCE_MAX as u32 + 1);
        assert_eq!(expand(&out, 100), Ok(vec![b'x'; 100]));
    }

    proptest! {
        #[test]
        fn what_is_compressed_expands(texts in prop::collection::vec(text(), 1..4)) {
            let mut compressor = Compressor::new();
            for text in texts {
                let mut out = Vec::new();
                if compressor.compress(&text, &mut out) {
                    prop_assert!(out.len() + SAVING_MIN <= text.len());
                    prop_assert_eq!(lzf::decompress(&out, text.len()).unwrap(), &text[..]);
                    prop_assert_eq!(expand(&out, text.len()), Ok(text));
                }
            }
        }

        #[test]
        fn the_other_implementation_is_understood(text in text()) {
            if let Ok(compressed) = lzf::compress(&text) {
                prop_assert_eq!(expand(&compressed, text.len()), Ok(text));
            }
        }

        #[test]
        fn hostile_bytes_never_panic(input in prop::collection::vec(any::<u8>(), 0..60), len in 0usize..6000) {
            let mut out = Vec::new();
            let result = decompress(&input, len, &mut out);
            prop_assert!(out.capacity() <= len && out.capacity() <= input.len() * EXPANSION_MAX);
            prop_assert_eq!(result.is_ok(), out.len() == len && lzf::decompress(&input, len).is_ok_and(|o| o == out));
        }
    }
}
