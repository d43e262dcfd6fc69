//! HyperLogLog: how many distinct elements were added, from 16384 small registers instead of the elements.
//!
//! An element's hash selects a register by its low 14 bits; the position of the lowest one among the other 50 is a
//! number that is seldom large, and the register keeps the largest it has seen. So adding is a maximum per register:
//! it commutes, repeats do nothing, and two sets are united by taking maxima. The estimate follows from how many
//! registers hold each number, with a standard error of 0.81 %.
//!
//! A value is a string in the format that Redis defines, for it is seen by GET, DUMP and in files:
//!
//! ```text
//!  0  "HYLL"
//!  4  encoding       0 dense, 1 sparse
//!  5  three bytes that nobody looks at
//!  8  the last estimate, u64, little endian; its top bit says that it is out of date
//! 16  registers
//! ```
//! Dense registers are 6 bits each, [`dense`]; sparse ones are runs, [`sparse`].

use crate::ctx::KeyMut;
use crate::effect::Outcome;
use crate::types::string;
use crate::value::{Value, ValueRef};

pub mod dense;
mod estimate;
mod hash;
pub mod sparse;

pub use estimate::estimate;
pub use hash::place_of;

/// Bits of a hash that select the register.
pub const INDEX_BITS: u32 = 14;
/// Registers of a value.
pub const REGISTERS: usize = 1 << INDEX_BITS;
/// The largest number that a hash can give.
pub const RANK_MAX: u8 = 64 - INDEX_BITS as u8 + 1;

const HEAD: usize = 16;
const MAGIC: &[u8; 4] = b"HYLL";
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
/// In the last byte of the kept estimate.
const OUT_OF_DATE: u8 = 0x80;

/// The registers are not what the encoding says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// How many registers hold each number. Damaged dense values may have numbers up to 63.
pub type Histogram = [u32; 64];

/// A number for one register: a register holds the largest it was given.
pub type Rank = (u16, u8);

/// A value whose head is well formed. Its registers may not be.
#[derive(Clone, Copy)]
pub struct Hll<'a>(&'a [u8]);

impl<'a> Hll<'a> {
    /// `None` if the bytes are no HyperLogLog.
    pub fn of(bytes: &'a [u8]) -> Option<Hll<'a>> {
        let head = bytes.get(..HEAD)?;
        let encoding_fits = head[4] == SPARSE || (head[4] == DENSE && bytes.len() == HEAD + dense::BYTES);
        (head.starts_with(MAGIC) && encoding_fits).then_some(Hll(bytes))
    }

    pub fn is_dense(&self) -> bool {
        self.0[4] == DENSE
    }

    pub fn registers(&self) -> &'a [u8] {
        &self.0[HEAD..]
    }

    /// The estimate, if the one kept is up to date.
    pub fn kept_estimate(&self) -> Option<u64> {
        let kept: [u8; 8] = self.0[8..HEAD].try_into().ok()?;
        (kept[7] & OUT_OF_DATE == 0).then(|| u64::from_le_bytes(kept))
    }

    pub fn histogram(&self) -> Result<Histogram, Corrupt> {
        if self.is_dense() {
            Ok(dense::histogram(self.registers()))
        } else {
            sparse::histogram(self.registers())
        }
    }

    /// Raises each of `all`, one byte per register, to what is here.
    pub fn raise_all(&self, all: &mut [u8; REGISTERS]) -> Result<(), Corrupt> {
        let raise = |index: usize, rank: u8| all[index] = all[index].max(rank);
        if self.is_dense() {
            dense::each(self.registers(), raise);
            return Ok(());
        }
        sparse::each(self.registers(), raise)
    }

    /// Whether register `index` can be found.
    pub fn reaches(&self, index: u16) -> bool {
        self.is_dense() || sparse::reaches(self.registers(), usize::from(index))
    }
}

/// An empty value, sparse.
fn empty() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + 8);
    bytes.extend_from_slice(MAGIC);
    bytes.resize(HEAD, 0);
    bytes[4] = SPARSE;
    bytes[HEAD - 1] = OUT_OF_DATE;
    sparse::Op::zeros(REGISTERS).write(&mut bytes);
    bytes
}

/// Makes a sparse value dense. Its head stays, so that the kept estimate does.
fn make_dense(bytes: &mut Vec<u8>) -> Result<(), Corrupt> {
    let mut registers = vec![0; dense::BYTES];
    sparse::each(&bytes[HEAD..], |index, rank| {
        if rank > 0 {
            dense::raise(&mut registers, index, rank);
        }
    })?;
    bytes.truncate(HEAD);
    bytes.reserve_exact(dense::BYTES);
    bytes.extend_from_slice(&registers);
    bytes[4] = DENSE;
    Ok(())
}

/// Raises one register; whether that changed it. A sparse value that would be longer than `sparse_max` bytes, or whose
/// runs cannot hold the number, becomes dense.
fn raise(bytes: &mut Vec<u8>, (index, rank): Rank, sparse_max: usize) -> Result<bool, Corrupt> {
    let index = usize::from(index);
    if bytes[4] == SPARSE {
        match sparse::raise(bytes, HEAD, index, rank, sparse_max)? {
            sparse::Raised::Yes => return Ok(true),
            sparse::Raised::No => return Ok(false),
            sparse::Raised::DoesNotFit => make_dense(bytes)?,
        }
    }
    Ok(dense::raise(&mut bytes[HEAD..], index, rank))
}

/// Raises registers, making an absent key first, and the value dense if that is asked for. What cannot be done to a
/// damaged value is left undone: the command has looked for damage before.
pub(crate) fn apply_registers(key: &mut KeyMut<'_, '_>, ranks: &[Rank], dense: bool) -> Outcome {
    let created = !key.exists();
    if created {
        key.put_value(Value::Raw(Box::new(empty())));
    }
    let sparse_max = key.env.tuning.hll_sparse_max_bytes;
    let Some(bytes) = string::boxed(key, 0).filter(|bytes| Hll::of(bytes).is_some()) else {
        return Outcome::Unchanged;
    };
    let densified = dense && bytes[4] == SPARSE && make_dense(bytes).is_ok();
    let mut raised = false;
    for rank in ranks {
        raised |= raise(bytes, *rank, sparse_max).unwrap_or(false);
    }
    if raised {
        bytes[HEAD - 1] |= OUT_OF_DATE;
    }
    match (created, raised || densified) {
        (true, _) => Outcome::Created,
        (false, true) => Outcome::Changed,
        (false, false) => Outcome::Unchanged,
    }
}

/// A value after its registers were raised; one that is absent (empty) is made first, one that is no HyperLogLog stays.
pub(crate) fn raised(old: &[u8], ranks: &[Rank], dense: bool, sparse_max: usize) -> Vec<u8> {
    let mut bytes = if old.is_empty() { empty() } else { old.to_vec() };
    if Hll::of(&bytes).is_none() {
        return bytes;
    }
    if dense && bytes[4] == SPARSE {
        let _ = make_dense(&mut bytes);
    }
    let mut raised = false;
    for rank in ranks {
        raised |= raise(&mut bytes, *rank, sparse_max).unwrap_or(false);
    }
    if raised {
        bytes[HEAD - 1] |= OUT_OF_DATE;
    }
    bytes
}

/// Keeps an estimate in the value, or forgets the one that is kept. No effect: it says nothing that the registers do not,
/// and peers make their own.
pub fn keep_estimate(key: &mut KeyMut<'_, '_>, estimate: Option<u64>) {
    if estimate.is_some() && key.is_shared() {
        return;
    }
    let Some(ValueRef::Bytes(_) | ValueRef::Raw(_) | ValueRef::Tagged(_)) = key.value() else { return };
    let Some(bytes) = string::boxed(key, 0).filter(|bytes| bytes.len() >= HEAD) else { return };
    match estimate {
        Some(estimate) => bytes[8..HEAD].copy_from_slice(&estimate.to_le_bytes()),
        None => bytes[HEAD - 1] |= OUT_OF_DATE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn registers(bytes: &[u8]) -> Vec<u8> {
        let mut all = Box::new([0; REGISTERS]);
        Hll::of(bytes).unwrap().raise_all(&mut all).unwrap();
        all.to_vec()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn both_encodings_keep_maxima(
            ranks in prop::collection::vec((prop_oneof![0u16..40, 0u16..16384], 1u8..34), 0..400),
            sparse_max in 0usize..600,
        ) {
            let mut model = vec![0u8; REGISTERS];
            let mut bytes = empty();
            for (index, rank) in ranks {
                let slot = &mut model[usize::from(index)];
                prop_assert_eq!(raise(&mut bytes, (index, rank), sparse_max), Ok(rank > *slot));
                *slot = rank.max(*slot);
            }
            prop_assert_eq!(&registers(&bytes), &model);
            let mut histogram = [0u32; 64];
            model.iter().for_each(|rank| histogram[usize::from(*rank)] += 1);
            prop_assert_eq!(Hll::of(&bytes).unwrap().histogram(), Ok(histogram));
            let mut dense = bytes.clone();
            if dense[4] == SPARSE {
                make_dense(&mut dense).unwrap();
            }
            prop_assert_eq!(&registers(&dense), &model);
        }

        #[test]
        fn damage_is_told_and_never_read_past(
            runs in prop::collection::vec(any::<u8>(), 0..200), index in 0u16..16384, rank in 1u8..40,
        ) {
            let mut bytes = empty();
            bytes.truncate(HEAD);
            bytes.extend_from_slice(&runs);
            let hll = Hll::of(&bytes).unwrap();
            let sound = hll.histogram().is_ok();
            prop_assert_eq!(hll.raise_all(&mut [0; REGISTERS]).is_ok(), sound);
            let reached = hll.reaches(index);
            let raised = raise(&mut bytes, (index, rank), 3000);
            prop_assert!(raised.is_err() || reached);
        }
    }
}
