//! Zipmap: how hashes were packed before Redis 2.6, met in RDB files of that age. Only read here.
//!
//! ```text
//! zipmap = count:u8  (length field  length free:u8 value unused)*  0xFF      count 254: count them yourself
//! length = u8 below 254 | 0xFE u32le from 254 on                            free: bytes of `unused`
//! ```

use crate::listpack::Listpack;
use crate::malformed::Malformed;

const END: u8 = 0xff;
const WIDE: u8 = 0xfe;
const COUNT_UNKNOWN: u8 = 0xfe;

/// A borrowed zipmap, all of it checked.
#[derive(Debug, Clone, Copy)]
pub struct Zipmap<'a> {
    /// Without count and end mark.
    bytes: &'a [u8],
    len: usize,
}

impl<'a> Zipmap<'a> {
    /// Checks the frame and every pair. Never panics, allocates nothing.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let broken = |offset, rule| Err(Malformed { format: "zipmap", offset, rule });
        let [stated, pairs @ .., END] = bytes else { return broken(0, "no count or no end mark") };
        let (mut rest, mut len) = (pairs, 0);
        while !rest.is_empty() {
            let Some((_, after)) = decode(rest) else {
                return broken(1 + pairs.len() - rest.len(), "pair cut off");
            };
            rest = after;
            len += 1;
        }
        if *stated < COUNT_UNKNOWN && usize::from(*stated) != len {
            return broken(0, "count differs from the pairs");
        }
        Ok(Zipmap { bytes: pairs, len })
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The fields and their values.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (pair, after) = decode(rest)?;
            rest = after;
            Some(pair)
        })
    }

    /// The same pairs as a listpack.
    pub fn to_listpack(&self) -> Listpack {
        let mut listpack = Listpack::with_capacity(self.bytes.len());
        self.iter().for_each(|(field, value)| listpack.push_pair(field, value));
        listpack.shrink_to_fit();
        listpack
    }
}

type Pair<'a> = (&'a [u8], &'a [u8]);

/// Decodes the pair that `bytes` starts with; also returns what follows it.
fn decode(bytes: &[u8]) -> Option<(Pair<'_>, &[u8])> {
    let (len, rest) = decode_length(bytes)?;
    let (field, rest) = rest.split_at_checked(len)?;
    let (len, rest) = decode_length(rest)?;
    let (&free, rest) = rest.split_first()?;
    let (value, rest) = rest.split_at_checked(len)?;
    Some(((field, value), rest.get(usize::from(free)..)?))
}

fn decode_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [END, ..] => None,
        [WIDE, rest @ ..] => {
            let (len, rest) = rest.split_first_chunk()?;
            let len = u32::from_le_bytes(*len) as usize;
            (len >= usize::from(WIDE)).then_some((len, rest))
        }
        [narrow, rest @ ..] => Some((usize::from(*narrow), rest)),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pairs_come_back() {
        let long = [&b"\x01\x01k\xfe\x2c\x01\x00\x00\x00"[..], &[b'v'; 300], b"\xff"].concat();
        assert!(Zipmap::new(&long).unwrap().iter().eq([(&b"k"[..], &[b'v'; 300][..])]));

        let bytes = b"\x02\x03foo\x03\x02barxx\x01a\x00\x00\xff";
        let zipmap = Zipmap::new(bytes).unwrap();
        assert!(zipmap.iter().eq([(&b"foo"[..], &b"bar"[..]), (b"a", b"")]));
        assert_eq!((zipmap.len(), zipmap.to_listpack().len()), (2, 4));
        assert!(Zipmap::new(b"\x00\xff").unwrap().is_empty());
    }

    #[test]
    fn every_rule_is_checked() {
        let good = b"\x02\x03foo\x03\x02barxx\x01a\x00\x00\xff";
        for (at, byte, rule) in [
            (0, 1, "count differs from the pairs"),
            (16, 0, "no count or no end mark"),
            (1, 0xff, "pair cut off"),
            (5, 0xfe, "pair cut off"),
            (6, 8, "pair cut off"),
            (12, 3, "pair cut off"),
        ] {
            let mut bad = *good;
            bad[at] = byte;
            assert_eq!(Zipmap::new(&bad).unwrap_err().rule, rule, "{at}");
        }
        assert!(Zipmap::new(b"\xff").is_err());
        // Nobody writes a short length as a long one: Redis, too, takes it for damage.
        for bytes in
            [&b"\x01\xfe\x01\x00\x00\x00k\x01\x00v\xff"[..], b"\x01\x01k\xfe\x01\x00\x00\x00\x00v\xff"]
        {
            assert_eq!(Zipmap::new(bytes).unwrap_err().rule, "pair cut off");
        }
        assert!(Zipmap::new(b"\xfe\x01a\x00\x00\xff").is_ok());
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(mut bytes in prop::collection::vec(prop_oneof![0u8..6, Just(0xfe), any::<u8>()], 0..40)) {
            bytes.insert(0, 0xfe);
            bytes.push(END);
            if let Ok(zipmap) = Zipmap::new(&bytes) {
                prop_assert_eq!(zipmap.iter().count(), zipmap.len());
            }
        }
    }
}
