//! Boxed bytes that say themselves how many of them are used: what the owners of packed formats share.

/// Rounds up to a size that allocators have a class for: multiples of 16, above 128 quarters of a power of two.
/// What is rounded would be wasted inside the allocator; like this it is room to grow in.
pub(crate) fn size_class(bytes: usize) -> usize {
    match bytes {
        0..=128 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of(1 << ((bytes - 1).ilog2() - 2)),
    }
}

/// Makes the allocation exactly `size` bytes long, dropping bytes from its end or adding zeros there.
pub(crate) fn reallocate(bytes: &mut Box<[u8]>, size: usize) {
    if size == bytes.len() {
        return;
    }
    let mut unboxed = std::mem::take(bytes).into_vec();
    unboxed.reserve_exact(size.saturating_sub(unboxed.len()));
    unboxed.resize(size, 0);
    *bytes = unboxed.into_boxed_slice();
}

/// Moves what is used behind `end` so that `start..end` becomes `len` bytes, growing the allocation if need be. What
/// gets less may make it shrink; what gets more keeps the room that was made for it.
pub(crate) fn splice(bytes: &mut Box<[u8]>, used: usize, start: usize, end: usize, len: usize) {
    let changed = used - (end - start) + len;
    if changed > bytes.len() {
        reallocate(bytes, size_class(changed));
    }
    if end != start + len {
        bytes.copy_within(end..used, start + len);
    }
    if changed < used && changed < bytes.len() / 2 {
        reallocate(bytes, size_class(changed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_at_most_a_quarter_more() {
        for bytes in 7..10_000 {
            let size = size_class(bytes);
            assert!(size >= bytes && (size < bytes + 16 || size * 4 <= bytes * 5), "{bytes}: {size}");
        }
    }

    #[test]
    fn splicing_moves_what_follows() {
        let mut bytes: Box<[u8]> = (*b"abcdef\0\0").into();
        splice(&mut bytes, 6, 1, 2, 3);
        assert_eq!((&bytes[..1], &bytes[4..8]), (&b"a"[..], &b"cdef"[..]));
        splice(&mut bytes, 8, 1, 8, 1);
        assert_eq!(bytes.len(), 16, "shrinks to the smallest class below half");
        let mut roomy: Box<[u8]> = [0; 64].into();
        splice(&mut roomy, 4, 4, 4, 1);
        assert_eq!(roomy.len(), 64, "room for what is to come stays");
    }
}
