//! Objects against what a live server dumped, and primitives there and back.

use proptest::prelude::*;

use super::*;

#[test]
fn what_redis_dumps_is_read() {
    let rows = recorded();
    assert!(rows.len() > 60);
    rows.iter().for_each(|row| check_content(&row.payload, row));
}

#[test]
fn what_is_written_is_what_redis_writes() {
    for row in recorded() {
        let ours = rewritten(&row.payload, row.compressed);
        if row.compressed {
            // Another compressor finds other matches.
            check_content(&ours, row);
            assert!(ours.len() <= row.payload.len() * 9 / 8, "{} {}", ours.len(), row.payload.len());
        } else {
            assert_eq!(ours, row.payload);
        }
    }
}

#[test]
fn packed_payloads_are_what_we_would_pack() {
    let mut packed = 0;
    for row in recorded() {
        let (kind, mut reader) = dump::open(dump::verify(&row.payload).unwrap()).unwrap();
        let Ok(Object::Hash(Hash::Packed(own)) | Object::Zset(Zset::Packed(own))) =
            read_object(&mut reader, kind)
        else {
            continue;
        };
        let same: Listpack =
            own.iter().map(|entry| entry.to_vec()).fold(Listpack::new(), |mut same, text| {
                same.push_back(&text[..]);
                same
            });
        assert_eq!(same.as_bytes(), own.as_bytes());
        packed += 1;
    }
    assert!(packed >= 6);
}

#[test]
fn sources_read_like_slices() {
    for row in recorded() {
        let object = dump::verify(&row.payload).unwrap();
        let (kind, mut reader) = dump::open(object).unwrap();
        let expected = content(&mut reader, kind).unwrap();
        for len in [None, Some(object.len() as u64)] {
            let mut trickle = Trickle(object);
            let mut reader = Reader::from_source(&mut trickle, len).with_checksum();
            let kind = reader.kind().unwrap();
            assert_eq!(content(&mut reader, kind).unwrap(), expected);
            assert_eq!(reader.checksum(), Some(crate::crc64::checksum(object)));
            assert_eq!((reader.position(), reader.remaining()), (object.len() as u64, len.map(|_| 0)));
            assert_eq!(reader.peek().unwrap(), None);
        }
        let mut short = Trickle(&object[..object.len() - 1]);
        let mut reader = Reader::from_source(&mut short, None);
        let kind = reader.kind().unwrap();
        assert!(content(&mut reader, kind).is_err());
    }
}

#[test]
fn footers_are_verified() {
    let mut payload = b"\x00\x01a".to_vec();
    dump::seal(&mut payload, VERSION);
    assert_eq!(dump::verify(&payload), Some(&b"\x00\x01a"[..]));
    for at in 0..payload.len() {
        let mut damaged = payload.clone();
        damaged[at] ^= 1;
        assert_eq!(dump::verify(&damaged), None);
    }
    assert_eq!(dump::verify(&payload[..9]), None);
    assert_eq!(dump::verify(&payload[3..]), None, "no object");
    let mut newer = b"\x00\x01a".to_vec();
    dump::seal(&mut newer, VERSION_READ_MAX + 1);
    assert_eq!(dump::verify(&newer), None);
}

#[test]
fn lengths_have_four_sizes() {
    for (length, size) in
        [(0, 1), (63, 1), (64, 2), (16383, 2), (16384, 5), (u64::from(u32::MAX), 5), (1 << 32, 9)]
    {
        let mut writer = Writer::new(false);
        writer.length(length);
        assert_eq!(
            (writer.as_bytes().len(), Reader::new(writer.as_bytes()).length().unwrap()),
            (size, length)
        );
    }
}

proptest! {
    #[test]
    fn strings_come_back(text in prop_oneof![
        "-?[0-9]{1,20}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..100),
        ("[ab]{1,5}", 0usize..5000).prop_map(|(text, times)| text.repeat(times).into_bytes()),
    ], compress: bool) {
        let mut writer = Writer::new(compress);
        writer.raw(b"before");
        writer.text(&text);
        let mut reader = Reader::new(&writer.as_bytes()[6..]);
        prop_assert_eq!(reader.bytes().unwrap(), &text[..]);
        prop_assert_eq!(reader.remaining(), Some(0));
    }

    #[test]
    fn integers_come_back(value: i64, shift in 0u32..64) {
        let value = value >> shift;
        let (mut int, mut text, mut digits) = (Writer::new(true), Writer::new(true), Vec::new());
        int.int(value);
        fmt_i64(&mut digits, value);
        text.text(&digits);
        prop_assert_eq!(int.as_bytes(), text.as_bytes());
        prop_assert_eq!(Reader::new(int.as_bytes()).bytes().unwrap(), digits);
    }
}
