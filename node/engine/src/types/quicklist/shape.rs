//! How much goes into a node.

use crate::tuning::Tuning;

/// The settings that shape the nodes of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of a packed node of more than one element.
    pub(super) bytes_max: usize,
    /// Elements of a packed node.
    pub(super) count_max: usize,
    /// Nodes at either end that are never squeezed; 0: no node is.
    pub(super) depth: usize,
    /// An element of this many bytes gets a plain node.
    pub(super) plain_bytes: usize,
}

/// Node sizes that a negative `list-max-listpack-size` names, -1 first.
const SIZES: [usize; 5] = [4096, 8192, 16_384, 32_768, 65_536];
/// What is made of the two small sizes. The allocator cuts blocks of up to 8 KB out of runs of 64 KiB that begin with
/// its own notes, so blocks of 8 KiB fit in seven times and an eighth of the run is lost; blocks of 7 KiB fit nine times, those of
/// 3.5 KiB eighteen times.
const PACKING: [(usize, usize); 2] = [(4096, 3584), (8192, 7168)];
/// A limit in elements is one in bytes too.
const COUNTED_BYTES_MAX: usize = 8192;
/// The largest limit in elements.
const COUNT_MAX: usize = (1 << 15) - 1;

impl Shape {
    /// From `list-max-listpack-size`, `list-compress-depth` and the least size of plain elements.
    pub fn new(listpack_size: i32, depth: u32, plain_bytes: usize) -> Self {
        let (bytes_max, count_max) = match usize::try_from(listpack_size) {
            Ok(count) => (COUNTED_BYTES_MAX, count.clamp(1, COUNT_MAX)),
            Err(_) => (SIZES[(listpack_size.unsigned_abs() as usize).min(SIZES.len()) - 1], usize::MAX),
        };
        let packing = PACKING.iter().find(|(named, _)| *named == bytes_max);
        let bytes_max = packing.map_or(bytes_max, |(_, bytes)| *bytes);
        Self { bytes_max, count_max, depth: depth as usize, plain_bytes }
    }
}

impl From<&Tuning> for Shape {
    fn from(tuning: &Tuning) -> Self {
        Self::new(tuning.list_max_listpack_size, tuning.list_compress_depth, tuning.list_packed_threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listpack_sizes_mean_bytes_or_elements() {
        let limits = |size| {
            let shape = Shape::new(size, 0, 1 << 30);
            (shape.bytes_max, shape.count_max)
        };
        assert_eq!(limits(-1), (3584, usize::MAX));
        assert_eq!(limits(-2), (7168, usize::MAX));
        assert_eq!(limits(-5), (65_536, usize::MAX));
        assert_eq!(limits(-6), limits(-5));
        assert_eq!(limits(i32::MIN), limits(-5));
        assert_eq!(limits(0), (7168, 1));
        assert_eq!(limits(128), (7168, 128));
        assert_eq!(limits(i32::MAX), (7168, 32_767));
    }
}
