//! Sparse registers: runs of equal numbers, most of them zero.
//!
//! ```text
//! 00llllll             1 to 64 zeros
//! 01llllll llllllll    1 to 16384 zeros
//! 1vvvvvll             1 to 4 times a number of 1 to 32
//! ```
//! All lengths and numbers are stored less one. Raising a register splits the run it is in; afterwards runs of the same
//! number that have come to lie side by side are joined, looking no further than five runs from the one before the
//! split. So there are several ways to write the same registers; ours is the one that Redis finds.

use super::{Corrupt, Histogram, REGISTERS};

const ZEROS_SHORT_MAX: usize = 64;
const RANKS_MAX: usize = 4;
/// The largest number that a run can hold.
const RANK_MAX: u8 = 32;
/// Runs that are looked at for joining.
const JOIN_SPAN: usize = 5;

/// A run of `len` registers that hold `rank`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    pub rank: u8,
    pub len: usize,
}

impl Op {
    pub fn zeros(len: usize) -> Op {
        Op { rank: 0, len }
    }

    /// The run at the start of `bytes` and how many of them it takes. `None` if it is cut off.
    fn read(bytes: &[u8]) -> Option<(Op, usize)> {
        match *bytes {
            [first @ 0x80..=0xff, ..] => {
                Some((Op { rank: (first >> 2 & 0x1f) + 1, len: usize::from(first & 3) + 1 }, 1))
            }
            [first @ 0x40..=0x7f, second, ..] => {
                Some((Op::zeros((usize::from(first & 0x3f) << 8 | usize::from(second)) + 1), 2))
            }
            [first @ 0..=0x3f, ..] => Some((Op::zeros(usize::from(first) + 1), 1)),
            _ => None,
        }
    }

    /// Appends the run; one of no length is nothing.
    pub fn write(self, out: &mut impl Extend<u8>) {
        let Some(less_one) = self.len.checked_sub(1) else { return };
        if self.rank > 0 {
            out.extend([0x80 | (self.rank - 1) << 2 | less_one as u8]);
        } else if self.len <= ZEROS_SHORT_MAX {
            out.extend([less_one as u8]);
        } else {
            out.extend([0x40 | (less_one >> 8) as u8, less_one as u8]);
        }
    }
}

/// The runs and their sizes in bytes, up to one that is cut off.
pub fn ops(runs: &[u8]) -> impl Iterator<Item = (Op, usize)> {
    let mut rest = runs;
    std::iter::from_fn(move || {
        let (op, size) = Op::read(rest)?;
        rest = &rest[size..];
        Some((op, size))
    })
}

/// Checks that the runs are whole and cover all registers.
fn check(runs: &[u8]) -> Result<(), Corrupt> {
    let (mut at, mut covered) = (0, 0);
    while at < runs.len() {
        let (op, size) = Op::read(&runs[at..]).ok_or(Corrupt)?;
        (at, covered) = (at + size, covered + op.len);
    }
    if covered == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// Calls `each` with every register that is not zero.
pub fn each(runs: &[u8], mut each: impl FnMut(usize, u8)) -> Result<(), Corrupt> {
    check(runs)?;
    let mut index = 0;
    for (op, _) in ops(runs) {
        if op.rank > 0 {
            (index..index + op.len).for_each(|index| each(index, op.rank));
        }
        index += op.len;
    }
    Ok(())
}

pub fn histogram(runs: &[u8]) -> Result<Histogram, Corrupt> {
    check(runs)?;
    let mut histogram = [0; 64];
    ops(runs).for_each(|(op, _)| histogram[usize::from(op.rank)] += op.len as u32);
    Ok(histogram)
}

/// A run and where it is.
struct Found {
    op: Op,
    /// Offset of the run in the value, of the one before it (or of itself if it is the first), and of the next.
    at: usize,
    before: usize,
    end: usize,
    /// Its first register.
    first: usize,
}

/// The run that holds register `index`, in a value whose runs begin at `start`.
fn find(bytes: &[u8], start: usize, index: usize) -> Option<Found> {
    let (mut at, mut before, mut first) = (start, start, 0);
    loop {
        let (op, size) = Op::read(&bytes[at..])?;
        if first + op.len > index {
            return Some(Found { op, at, before, end: at + size, first });
        }
        (before, at, first) = (at, at + size, first + op.len);
    }
}

/// Whether there is a run for register `index`.
pub fn reaches(runs: &[u8], index: usize) -> bool {
    find(runs, 0, index).is_some()
}

/// What became of a register that was to be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    Yes,
    /// It holds as much already.
    No,
    /// It can only be raised in the dense encoding.
    DoesNotFit,
}

/// Raises register `index` to `rank` in a value whose runs begin at `start`, unless that makes it longer than `max`.
pub fn raise(
    bytes: &mut Vec<u8>,
    start: usize,
    index: usize,
    rank: u8,
    max: usize,
) -> Result<Raised, Corrupt> {
    if rank > RANK_MAX {
        return Ok(Raised::DoesNotFit);
    }
    let Found { op, at, before, end, first } = find(bytes, start, index).ok_or(Corrupt)?;
    if op.rank >= rank {
        return Ok(Raised::No);
    }
    let mut split = smallvec::SmallVec::<[u8; 8]>::new();
    Op { rank: op.rank, len: index - first }.write(&mut split);
    Op { rank, len: 1 }.write(&mut split);
    Op { rank: op.rank, len: first + op.len - 1 - index }.write(&mut split);
    let grown = bytes.len() + split.len() - (end - at);
    if grown > bytes.len() && grown > max {
        return Ok(Raised::DoesNotFit);
    }
    bytes.splice(at..end, split);
    join(bytes, before);
    Ok(Raised::Yes)
}

/// Joins runs of the same number, from the run at `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_SPAN {
        let Some((op, size)) = bytes.get(at..).and_then(Op::read) else { return };
        let next = at + size;
        match bytes.get(next..).and_then(Op::read) {
            Some((other, 1)) if op.rank > 0 && op.rank == other.rank && op.len + other.len <= RANKS_MAX => {
                let mut joined = smallvec::SmallVec::<[u8; 2]>::new();
                Op { rank: op.rank, len: op.len + other.len }.write(&mut joined);
                bytes.splice(at..next + 1, joined);
            }
            _ => at = next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_read_as_written() {
        for op in [(0, 1), (0, 64), (0, 65), (0, 16384), (1, 1), (32, 4)].map(|(rank, len)| Op { rank, len })
        {
            let mut bytes = Vec::new();
            op.write(&mut bytes);
            assert_eq!(Op::read(&bytes), Some((op, bytes.len())));
            assert_eq!(Op::read(&bytes[..bytes.len() - 1]), None, "cut off");
        }
    }

    #[test]
    fn neighbours_are_joined() {
        let mut bytes = Vec::new();
        Op::zeros(REGISTERS).write(&mut bytes);
        for index in [10, 12, 11, 13, 14] {
            assert_eq!(raise(&mut bytes, 0, index, 3, 100), Ok(Raised::Yes));
        }
        let runs: Vec<(u8, usize)> = ops(&bytes).map(|(op, _)| (op.rank, op.len)).collect();
        assert_eq!(runs, [(0, 10), (3, 4), (3, 1), (0, REGISTERS - 15)]);
    }
}
