//! Checks bytes from outside before they are trusted to be a listpack.

use super::entry::{back_size, decode, read_back};
use super::{COUNT_UNKNOWN, END, HEADER};
use crate::malformed::Malformed;

/// Checks that `bytes` are a listpack; returns the number of entries (as stated, unless counted).
///
/// Without `deep` only the frame is checked: the total, the end mark. With it every entry is: that its encoding is
/// defined, its bytes are there, its back length is right, and that the count in the header is true. Only a deep
/// check makes walking the bytes safe, which is why [`super::Listpack`] is built by nothing less.
///
/// Never panics and allocates nothing; time is linear in the number of entries.
pub fn validate(bytes: &[u8], deep: bool) -> Result<usize, Malformed> {
    let broken = |offset, rule| Err(Malformed { format: "listpack", offset, rule });
    let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
        return broken(0, "shorter than its header");
    };
    let [a, b, c, d, e, f] = *header;
    if u32::from_le_bytes([a, b, c, d]) as usize != bytes.len() {
        return broken(0, "total differs from the length");
    }
    if bytes.len() == HEADER || bytes.last() != Some(&END) {
        return broken(bytes.len(), "no end mark");
    }
    let stated = u16::from_le_bytes([e, f]);
    if !deep {
        return Ok(usize::from(stated));
    }
    let count = count_entries(&bytes[..bytes.len() - 1])?;
    if stated != COUNT_UNKNOWN && usize::from(stated) != count {
        return broken(4, "count differs from the entries");
    }
    Ok(count)
}

/// Walks all entries of a listpack without its end mark.
fn count_entries(bytes: &[u8]) -> Result<usize, Malformed> {
    let (mut at, mut count) = (HEADER, 0);
    while at < bytes.len() {
        let Some(raw) = decode(&bytes[at..]) else {
            return Err(Malformed { format: "listpack", offset: at, rule: "entry undefined or cut off" });
        };
        let size = back_size(raw.len);
        let end = at + raw.len + size;
        if end > bytes.len() || read_back(bytes, end) != Some((raw.len, size)) {
            return Err(Malformed { format: "listpack", offset: at, rule: "wrong back length" });
        }
        at = end;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::super::Listpack;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_rule_is_checked() {
        let good = [11, 0, 0, 0, 2, 0, 5, 1, 0x80, 1, END];
        assert_eq!(validate(&good, true), Ok(2));
        for (at, byte, rule) in [
            (0, 12, "total differs from the length"),
            (10, 0, "no end mark"),
            (4, 1, "count differs from the entries"),
            (6, 0xff, "entry undefined or cut off"),
            (6, 0xf5, "entry undefined or cut off"),
            (8, 0x82, "entry undefined or cut off"),
            (8, 0x81, "wrong back length"),
            (7, 2, "wrong back length"),
        ] {
            let mut bad = good;
            bad[at] = byte;
            assert_eq!(validate(&bad, true).unwrap_err().rule, rule);
        }
        assert_eq!(validate(&good[..5], true).unwrap_err().rule, "shorter than its header");
        assert_eq!(validate(&[6, 0, 0, 0, 0, 0], false).unwrap_err().rule, "no end mark");
        let mut uncounted = good;
        uncounted[4..6].fill(255);
        assert_eq!(validate(&uncounted, true), Ok(2));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(entries in prop::collection::vec(any::<u8>(), 0..60), count: u16) {
            let mut bytes = (entries.len() as u32 + 7).to_le_bytes().to_vec();
            bytes.extend(count.to_le_bytes());
            bytes.extend(&entries);
            bytes.push(END);
            if let Ok(listpack) = Listpack::from_bytes(bytes.clone()) {
                let forward = listpack.iter().count();
                prop_assert_eq!(listpack.iter().rev().count(), forward);
                prop_assert_eq!(listpack.len(), forward);
            }
            let _ = validate(&entries, true);
        }

        #[test]
        fn damage_is_survived(texts in prop::collection::vec("[a-z0-9]{0,9}", 1..9), at: prop::sample::Index, byte: u8) {
            let mut listpack = Listpack::new();
            texts.iter().for_each(|text| listpack.push_back(text.as_bytes()));
            let mut bytes = listpack.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(damaged) = Listpack::from_bytes(bytes) {
                let forward: Vec<_> = damaged.iter().map(|entry| entry.to_vec()).collect();
                let mut backward: Vec<_> = damaged.iter().rev().map(|entry| entry.to_vec()).collect();
                backward.reverse();
                prop_assert_eq!(forward, backward);
            }
        }
    }
}
