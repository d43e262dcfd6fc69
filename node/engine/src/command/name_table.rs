//! A hash table from names to commands, in any case of letters, made for the hot path: every command line pays for one
//! search.
//!
//! A name of up to 16 bytes fits into two machine words. They are folded to upper case eight letters at a time, multiplied
//! together, and looked up in slots that hold those same words, so that a hit is a few comparisons in one cache line. The
//! few longer names, two in Redis and those that `rename-command` makes, are searched one by one.

use super::CommandId;

/// The longest name that fits into [`Words`].
const SHORT: usize = 16;

/// A short name in upper case, little-endian, padded with zeros.
type Words = [u64; 2];

/// Open addressing over `N` slots, a power of two well above the number of names.
#[derive(Debug)]
pub(super) struct NameTable<const N: usize> {
    slots: Box<[Slot; N]>,
    long: Vec<(u16, Vec<u8>, Found)>,
}

/// What a name leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub id: CommandId,
    pub container: bool,
}

/// A place for a short name. With its length, `SHORT` at most, so that trailing zeros count; an empty slot's is larger.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Slot {
    words: Words,
    len: u16,
    parent: u16,
    found: Found,
}

const EMPTY: Slot =
    Slot { words: [0; 2], len: u16::MAX, parent: 0, found: Found { id: CommandId(0), container: false } };

impl<const N: usize> NameTable<N> {
    pub fn new() -> NameTable<N> {
        const { assert!(N.is_power_of_two() && N >= 2) };
        NameTable { slots: Box::new([EMPTY; N]), long: Vec::new() }
    }

    /// Where to begin looking. The high bits of a product are the good ones; the factors were found by trial, such that
    /// nearly every command, and each common one, lies where its search begins.
    #[inline]
    fn place(parent: u16, words: Words) -> usize {
        let a = (words[0] ^ u64::from(parent) << 48).wrapping_mul(0x8999_18A7_6EC1_5D39);
        let b = words[1].wrapping_mul(0x0C6E_5973_286B_EF29);
        ((a ^ b) >> (64 - N.trailing_zeros())) as usize
    }

    /// What `name` leads to under the container number `parent`, 0 for commands.
    #[inline]
    pub fn get(&self, parent: u16, name: &[u8]) -> Option<Found> {
        let Some(words) = words(name) else {
            return self.get_long(parent, name);
        };
        let mut at = Self::place(parent, words);
        loop {
            let slot = &self.slots[at & (N - 1)];
            if slot.words == words && slot.len == name.len() as u16 && slot.parent == parent {
                return Some(slot.found);
            }
            if slot.len == EMPTY.len {
                return None;
            }
            at += 1;
        }
    }

    #[cold]
    fn get_long(&self, parent: u16, name: &[u8]) -> Option<Found> {
        let same = |long: &&(u16, Vec<u8>, Found)| long.0 == parent && long.1.eq_ignore_ascii_case(name);
        self.long.iter().find(same).map(|(_, _, found)| *found)
    }

    /// Adds a name that is not there. At least one slot must stay empty.
    pub fn insert(&mut self, parent: u16, name: &[u8], id: CommandId) {
        let found = Found { id, container: id.facts().is_container() };
        let Some(words) = words(name) else {
            return self.long.push((parent, name.to_vec(), found));
        };
        let mut at = Self::place(parent, words);
        while self.slots[at & (N - 1)].len != EMPTY.len {
            at += 1;
        }
        self.slots[at & (N - 1)] = Slot { words, len: name.len() as u16, parent, found };
    }
}

/// A short name as words. Two loads that may overlap fetch it, whatever its length.
#[inline]
fn words(name: &[u8]) -> Option<Words> {
    let n = name.len();
    if n > SHORT {
        return None;
    }
    if let (Some(first), Some(last)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        // Shifted in two steps, as the whole word is shifted out when there are just eight bytes.
        return Some([upper(first), upper(last >> (4 * (16 - n)) >> (4 * (16 - n)))]);
    }
    if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return Some([upper(u64::from(first) | u64::from(last) << (8 * (n - 4))), 0]);
    }
    let byte = |i: usize| u64::from(name[i]) << (8 * i);
    Some([if n == 0 { 0 } else { upper(byte(0) | byte(n / 2) | byte(n - 1)) }, 0])
}

/// Eight bytes with `a` to `z` turned to upper case, all at once: adding to the low seven bits carries into the eighth
/// where a byte is at least `a`, respectively beyond `z`; bytes that had it set are no letters.
#[inline]
const fn upper(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * EACH;
    let low = word & !HIGH;
    let from_a = low + (0x80 - b'a' as u64) * EACH;
    let beyond_z = low + (0x7f - b'z' as u64) * EACH;
    let lower = (from_a ^ beyond_z) & !word & HIGH;
    word ^ (lower >> 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn folding_is_ascii_upper_case(bytes: [u8; 8]) {
            let want = bytes.map(|b| b.to_ascii_uppercase());
            prop_assert_eq!(upper(u64::from_le_bytes(bytes)).to_le_bytes(), want);
        }

        #[test]
        fn words_hold_the_upper_case_name(name in prop::collection::vec(any::<u8>(), 0..=SHORT)) {
            let mut want = [0; SHORT];
            want[..name.len()].copy_from_slice(&name.to_ascii_uppercase());
            let words = words(&name).unwrap();
            prop_assert_eq!([words[0].to_le_bytes(), words[1].to_le_bytes()].concat(), want);
        }

        #[test]
        fn a_name_is_found_and_no_other(
            names in prop::collection::hash_set("[A-C\\x00]{0,20}", 1..40),
            other in "[a-cA-C\\x00]{0,20}",
        ) {
            let mut table = NameTable::<64>::new();
            for (i, name) in names.iter().enumerate() {
                table.insert(0, name.as_bytes(), CommandId(i as u16));
            }
            for (i, name) in names.iter().enumerate() {
                let found = table.get(0, name.to_lowercase().as_bytes());
                prop_assert_eq!(found.map(|f| f.id), Some(CommandId(i as u16)));
                prop_assert!(table.get(1, name.as_bytes()).is_none());
            }
            let known = names.contains(&other.to_uppercase());
            prop_assert_eq!(table.get(0, other.as_bytes()).is_some(), known);
        }
    }

    #[test]
    fn common_commands_lie_where_their_search_begins() {
        let mut table = NameTable::<1024>::new();
        for facts in super::super::ALL.iter().filter(|f| f.parent.is_none()) {
            table.insert(0, facts.name.as_bytes(), facts.id);
        }
        let common = "GET SET DEL INCR INCRBY EXPIRE TTL EXISTS MGET MSET SETEX HGET HSET HGETALL HMGET HINCRBY LPUSH \
                      RPUSH LPOP RPOP LRANGE BLPOP SADD SREM SISMEMBER SMEMBERS ZADD ZRANGE ZSCORE XADD XREAD PUBLISH \
                      EVAL EVALSHA MULTI EXEC PING";
        for name in common.split_whitespace() {
            let words = words(name.as_bytes()).unwrap();
            let at = NameTable::<1024>::place(0, words) & 1023;
            assert_eq!(table.slots[at].words, words, "{name}");
        }
    }

    #[test]
    fn an_empty_table_has_nothing() {
        assert!(NameTable::<2>::new().get(0, b"").is_none());
        assert!(NameTable::<2>::new().get(0, &[b'x'; 40]).is_none());
    }
}
