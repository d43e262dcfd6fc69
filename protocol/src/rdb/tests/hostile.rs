//! Objects that nobody should be able to write, and noise.

use proptest::prelude::*;

use super::*;

#[test]
fn what_cannot_be_read_says_why() {
    for kind in [
        Kind::List,
        Kind::Set,
        Kind::Zset,
        Kind::Hash,
        Kind::ZsetText,
        Kind::ListQuicklist,
        Kind::ListQuicklist2,
    ] {
        assert!(matches!(read(kind, &[0]), Err(Error::Empty)), "{kind:?}");
    }
    let empty = string(Listpack::new().as_bytes());
    for kind in [Kind::HashListpack, Kind::ZsetListpack, Kind::SetListpack] {
        assert!(matches!(read(kind, &empty), Err(Error::Empty)), "{kind:?}");
    }
    assert!(matches!(read(Kind::ListQuicklist2, &[&[1, 2], &empty[..]].concat()), Err(Error::Empty)));
    assert!(matches!(read(Kind::SetIntset, &string(&[2, 0, 0, 0, 0, 0, 0, 0])), Err(Error::Empty)));

    let module = read(Kind::Module2, &[&[0x81][..], &(0x0041_0824_a28a_3cd0u64).to_be_bytes()].concat());
    assert!(matches!(module, Err(Error::Module { name }) if name.len() == 9));

    let odd: Listpack = [1i64, 2, 3].into_iter().collect();
    assert_eq!(rule(read(Kind::HashListpack, &string(odd.as_bytes()))), "odd number of entries in pairs");
    let unscored: Listpack = [Entry::Int(1), Entry::Str(b"x")].into_iter().collect();
    assert_eq!(rule(read(Kind::ZsetListpack, &string(unscored.as_bytes()))), "score is not a number");
    assert_eq!(rule(read(Kind::ListQuicklist2, &[1, 3, 0])), "undefined container of a list node");
    assert_eq!(rule(read(Kind::String, &[0xc4])), "undefined string encoding");
    assert_eq!(rule(read(Kind::String, &[0x82])), "undefined length");
    assert_eq!(rule(read(Kind::Hash, &[0xc0, 1])), "encoding where a length should be");
}

#[test]
fn sanitizing_finds_more() {
    let rule_of = |kind, listpack: Listpack| {
        let bytes = string(listpack.as_bytes());
        assert!(read(kind, &bytes).is_ok());
        rule(content(&mut Reader::new(&bytes).sanitizing(true), kind).map(|(_, content)| content))
    };
    let twice: Listpack = [1i64, 2, 1, 3].into_iter().collect();
    assert_eq!(rule_of(Kind::HashListpack, twice.clone()), "element twice");
    assert_eq!(rule_of(Kind::SetListpack, twice), "element twice");
    let falling: Listpack = [1i64, 5, 2, 3].into_iter().collect();
    assert_eq!(rule_of(Kind::ZsetListpack, falling), "scores out of order");
}

#[test]
fn lengths_are_not_believed() {
    let huge = [0x81, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    for byte in 0..=64 {
        let Ok(kind) = Kind::try_from(byte) else { continue };
        // A string of one byte is a string whatever follows.
        let first = if kind == Kind::String { &[0x41][..] } else { &[1] };
        for bytes in [&huge, first, &[0xc3, 1], &[0xc3, 0x81], &[]] {
            let bytes = [bytes, &huge, &huge].concat();
            assert!(read(kind, &bytes).is_err(), "{kind:?}");
            let mut trickle = Trickle(&bytes);
            assert!(content(&mut Reader::from_source(&mut trickle, None), kind).is_err(), "{kind:?}");
        }
    }
}

proptest! {
    #[test]
    fn random_objects_never_panic(kind in prop_oneof![0u8..22, Just(64)], bytes in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..60)) {
        if let Ok(kind) = Kind::try_from(kind) {
            let _ = read(kind, &bytes);
        }
    }

    #[test]
    fn random_packed_objects_never_panic(kind in 0u8..22, entries in prop::collection::vec(-3i64..9, 0..30)) {
        if let Ok(kind) = Kind::try_from(kind) {
            let listpack: Listpack = entries.into_iter().collect();
            let bytes = string(listpack.as_bytes());
            let _ = read(kind, &bytes);
            let key = StreamId { ms: 1, seq: 1 };
            let _ = check_node(key, listpack.view());
        }
    }

    #[test]
    fn damaged_objects_never_panic(row: prop::sample::Index, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let rows = recorded();
        let mut bytes = rows[row.index(rows.len())].payload.clone();
        bytes.truncate(bytes.len() - 10);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok((kind, mut reader)) = dump::open(&bytes) {
            let mut writer = Writer::new(true);
            let _ = rewrite(&mut reader, kind, &mut writer);
        }
    }
}
