//! Layouts that Redis 7.0 does not write: those of its ancestors, and of those that came after it.

use super::*;

#[test]
fn the_layouts_of_old_are_read() {
    let words = texts(&["a", "12", "b", "0.5"]);
    let packed = string(&ziplist::tests::build(&words));
    assert_eq!(read(Kind::ListZiplist, &packed).unwrap(), words);
    assert_eq!(read(Kind::HashZiplist, &packed).unwrap(), words);
    assert_eq!(
        read(Kind::ListQuicklist, &[&[2], &packed[..], &packed].concat()).unwrap(),
        [&words[..], &words].concat()
    );
    assert_eq!(read(Kind::HashZipmap, &string(b"\x02\x01a\x02\x0012\x01b\x03\x000.5\xff")).unwrap(), words);
    assert_eq!(read(Kind::List, b"\x02\x01a\xc0\x0c").unwrap(), texts(&["a", "12"]));

    let scored = texts(&["b", "-3", "a", "12.5"]);
    assert_eq!(read(Kind::ZsetZiplist, &string(&ziplist::tests::build(&scored))).unwrap(), scored);
    assert_eq!(read(Kind::ZsetText, b"\x03\x01c\xfe\x01a\x0412.5\x01b\x02-3").unwrap()[..4], scored);
    assert_eq!(rule(read(Kind::ZsetText, b"\x01\x01c\xfd")), "score is not a number");
    let set: Listpack = texts(&["b", "7"]).iter().map(|text| &text[..]).collect();
    assert_eq!(read(Kind::SetListpack, &string(set.as_bytes())).unwrap(), texts(&["7", "b"]));
}

#[test]
fn streams_of_old_get_their_counters_from_their_nodes() {
    let row = recorded().iter().find(|row| row.kind == "stream" && !row.compressed).unwrap();
    let (_, mut reader) = dump::open(dump::verify(&row.payload).unwrap()).unwrap();
    let Ok(Object::Stream(stream)) = read_object(&mut reader, Kind::Stream2) else { panic!("not a stream") };
    let mut writer = Writer::new(false);
    writer.length(1);
    writer.stream_node(stream.nodes[0].key, stream.nodes[0].entries.as_bytes());
    writer.length(1);
    writer.mark(stream.last_id);
    writer.length(0);
    let Ok(Object::Stream(old)) = read_object(&mut Reader::new(writer.as_bytes()), Kind::Stream1) else {
        panic!("not a stream")
    };
    assert_eq!(old, stream);
}

#[test]
fn active_times_are_kept_where_they_can_be() {
    let id = StreamId { ms: 5, seq: 1 };
    let consumer = Consumer { name: b"c".to_vec(), seen_ms: 70, active_ms: 60, pending: vec![id] };
    let pending = vec![Pending { id, delivered_ms: 9, deliveries: 2 }];
    let group =
        Group { name: b"g".to_vec(), last_id: id, entries_read: None, pending, consumers: vec![consumer] };
    let mut stream = Stream { last_id: id, entries_added: 1, groups: vec![group], ..Stream::default() };
    let read_back = |stream: &Stream, kind| {
        let mut writer = Writer::new(true);
        stream.write(&mut writer, kind);
        match read_object(&mut Reader::new(writer.as_bytes()), kind) {
            Ok(Object::Stream(stream)) => *stream,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(read_back(&stream, Kind::Stream3), stream);
    let older = read_back(&stream, Kind::Stream2);
    stream.groups[0].consumers[0].active_ms = 70;
    assert_eq!(older, stream);
}

#[test]
fn jobs_of_keydb_are_read() {
    let times = [&70i64.to_le_bytes()[..], &5i64.to_le_bytes()].concat();
    let job = [&b"\x06return"[..], &times, b"\x01\x01k\x02\x01a\xc0\x07"].concat();
    assert_eq!(read(Kind::Job, &job).unwrap(), texts(&["70", "5", "return", "k", "a", "7"]));
    for end in 0..job.len() {
        assert!(read(Kind::Job, &job[..end]).is_err());
    }
    let never = [&b"\x06return"[..], &[0; 16], b"\x00\x00"].concat();
    assert_eq!(rule(read(Kind::Job, &never)), "job without an interval");
}

#[test]
fn fields_with_deadlines_are_read() {
    let earliest = 1000i64.to_le_bytes();
    // The second field's deadline is 5 ms behind the earliest, the third has none.
    let dated = [&earliest[..], b"\x03\x01\x01a\xc0\x07\x06\x01b\x01x\x00\x01c\x00"].concat();
    let expected = texts(&["a", "7@1000", "b", "x@1005", "c", "@0"]);
    assert_eq!(read(Kind::HashDated, &dated).unwrap(), expected);
    let packed: Listpack =
        texts(&["a", "7", "1000", "b", "x", "1005", "c", "", "0"]).iter().map(|text| &text[..]).collect();
    let packed = [&earliest[..], &string(packed.as_bytes())].concat();
    assert_eq!(read(Kind::HashListpackDated, &packed).unwrap(), expected);
    let valkey = [
        &b"\x03\x01a\xc0\x07"[..],
        &1000i64.to_le_bytes(),
        b"\x01b\x01x",
        &1005i64.to_le_bytes(),
        b"\x01c\x00",
        &(-1i64).to_le_bytes(),
    ]
    .concat();
    assert_eq!(read(Kind::HashDatedValkey, &valkey).unwrap(), expected);
    for (kind, bytes) in
        [(Kind::HashDated, dated), (Kind::HashListpackDated, packed), (Kind::HashDatedValkey, valkey)]
    {
        for end in 0..bytes.len() {
            assert!(read(kind, &bytes[..end]).is_err(), "{kind:?} {end}");
        }
    }
}

#[test]
fn deadlines_of_fields_are_in_range() {
    let late = [&i64::MAX.to_le_bytes()[..], b"\x01\x02\x01a\x01x"].concat();
    assert_eq!(rule(read(Kind::HashDated, &late)), "deadline of a field out of range");
    let before = [&b"\x01\x01a\x01x"[..], &(-2i64).to_le_bytes()].concat();
    assert_eq!(rule(read(Kind::HashDatedValkey, &before)), "deadline of a field out of range");
    for at in ["-1", "soon", "9007199254740993"] {
        let packed: Listpack = texts(&["a", "x", at]).iter().map(|text| &text[..]).collect();
        let bytes = [&[0; 8][..], &string(packed.as_bytes())].concat();
        assert_eq!(rule(read(Kind::HashListpackDated, &bytes)), "deadline of a field out of range");
    }
    let odd: Listpack = texts(&["a", "x"]).iter().map(|text| &text[..]).collect();
    let bytes = [&[0; 8][..], &string(odd.as_bytes())].concat();
    assert!(read(Kind::HashListpackDated, &bytes).is_err());
}

/// One byte, two makers: the version tells whose it is.
#[test]
fn valkeys_kind_is_in_valkeys_payloads_alone() {
    let object = [&b"\x16\x01\x01a\x01x"[..], &5i64.to_le_bytes()].concat();
    for (version, known) in [(12, false), (VERSION_VALKEY, true), (13, false), (81, false)] {
        let mut payload = object.clone();
        dump::seal(&mut payload, version);
        assert_eq!(dump::verify(&payload).is_some(), known, "{version}");
        let valkey = version >= 80;
        let head = if valkey { format!("VALKEY{version:03}") } else { format!("REDIS{version:04}") };
        let file = [head.as_bytes(), b"\x16\x01k"].concat();
        let first = File::open(Reader::new(&file), false).and_then(|mut file| file.next_record());
        assert_eq!(first.is_ok(), known, "{version}");
    }
}
