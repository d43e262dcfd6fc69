use std::collections::BTreeMap;

use proptest::prelude::*;
use protocol::listpack::Entry;
use protocol::rdb::{Reader, Writer};
use protocol::{OwnedArgs, StreamId};

use super::*;
use crate::types::stream::{Keep, Trim};

const LIMITS: NodeLimits = NodeLimits { bytes: 4096, entries: 5 };

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn id(n: u64) -> StreamId {
    StreamId { ms: n / 7, seq: n % 7 }
}

fn add(stream: &mut Stream, id: StreamId, fields: &Fields) -> bool {
    let pairs = fields.iter().map(|(field, value)| (Entry::Str(field), Entry::Str(value)));
    stream.add(id, pairs, LIMITS)
}

fn shown(entry: StreamEntry<'_>) -> (StreamId, Fields) {
    (entry.id, entry.pairs().map(|(field, value)| (field.to_vec(), value.to_vec())).collect())
}

/// Fields that are mostly the same, as in life.
fn fields(n: u64) -> Fields {
    let value = |i: u64| (n * i).to_string().into_bytes();
    match n % 5 {
        0 => vec![(b"other".to_vec(), value(3)), (b"17".to_vec(), vec![b'x'; n as usize % 90])],
        1 => vec![(b"a".to_vec(), value(1))],
        _ => vec![(b"a".to_vec(), value(1)), (b"b".to_vec(), value(2))],
    }
}

fn check(stream: &Stream, model: &BTreeMap<StreamId, Fields>) {
    assert_eq!(stream.len(), model.len() as u64);
    assert_eq!(stream.first_id(), model.keys().next().copied().unwrap_or_default());
    assert!(stream.iter().map(shown).eq(model.iter().map(|(id, fields)| (*id, fields.clone()))));
    assert!(stream.iter().rev().map(|e| e.id).eq(model.keys().rev().copied()));
    for n in (0..300).step_by(23) {
        let (from, to) = (id(n), id(n + 60));
        let wanted: Vec<_> = model.range(from..=to).map(|(id, _)| *id).collect();
        assert!(stream.range(from, to).map(|e| e.id).eq(wanted.iter().copied()));
        assert!(stream.range(from, to).rev().map(|e| e.id).eq(wanted.iter().rev().copied()));
        assert_eq!(stream.count(from, to, 9), wanted.len().min(9));
        assert_eq!(stream.get(from).map(shown), model.get(&from).map(|fields| (from, fields.clone())));
    }
}

fn stored(stream: &Stream) -> Vec<u8> {
    let mut out = Writer::new(true);
    stream.write(&mut out);
    out.as_bytes().to_vec()
}

#[derive(Clone, Debug)]
enum Step {
    Add(u64),
    Remove(u64),
    TrimTo(u64),
    TrimBelow(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1u64..300).prop_map(Step::Add),
        3 => (1u64..300).prop_map(Step::Remove),
        1 => (0u64..60).prop_map(Step::TrimTo),
        1 => (0u64..300).prop_map(Step::TrimBelow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the order in which entries come, as they do from other nodes.
    #[test]
    fn behaves_like_an_ordered_map(steps in prop::collection::vec(step(), 0..200)) {
        let (mut stream, mut model) = (Stream::default(), BTreeMap::new());
        for step in steps {
            match step {
                Step::Add(n) => {
                    let added = add(&mut stream, id(n), &fields(n));
                    prop_assert_eq!(added, !model.contains_key(&id(n)));
                    model.entry(id(n)).or_insert_with(|| fields(n));
                }
                Step::Remove(n) => prop_assert_eq!(stream.remove(id(n)), model.remove(&id(n)).is_some()),
                Step::TrimTo(max) => {
                    let trim = Trim { keep: Keep::MaxLen(max), approximate: false, limit: 0 };
                    if let Some(through) = trim.through(&stream) {
                        stream.trim(through);
                    }
                    while model.len() as u64 > max {
                        model.pop_first();
                    }
                }
                Step::TrimBelow(n) => {
                    let trim = Trim { keep: Keep::MinId(id(n)), approximate: false, limit: 0 };
                    if let Some(through) = trim.through(&stream) {
                        stream.trim(through);
                    }
                    model.retain(|own, _| *own >= id(n));
                }
            }
        }
        check(&stream, &model);
        // What is stored is checked to the last entry when it is read.
        let bytes = stored(&stream);
        let kind = protocol::rdb::Kind::Stream2;
        let mut reader = Reader::new(&bytes).sanitizing(true);
        let protocol::rdb::Object::Stream(read) = protocol::rdb::read_object(&mut reader, kind).unwrap() else {
            panic!("a stream is read as something else");
        };
        let again = Stream::from_stored(*read).unwrap();
        check(&again, &model);
        prop_assert_eq!(stored(&again), bytes);
    }

    /// Parts make the same stream, in any order but for entries and groups, which come first, and the marks, which come last.
    #[test]
    fn a_stream_is_its_parts(entries in prop::collection::btree_set(1u64..300, 0..60), seed: u64) {
        let mut stream = Stream::default();
        entries.iter().for_each(|n| { add(&mut stream, id(*n), &fields(*n)); });
        let mut group = Group::new(b"g", id(seed % 300), (seed % 2 == 0).then_some(seed % 50));
        group.see(b"alice", 5);
        group.see(b"bob", 7);
        for n in entries.iter().filter(|n| *n % 3 == 0) {
            group.give(id(*n), if n % 2 == 0 { b"alice" } else { b"bob" }, *n as i64, *n);
        }
        entries.iter().filter(|n| *n % 3 == 1).for_each(|n| group.note_late(id(*n)));
        stream.add_group(group);
        let mut parts = Vec::new();
        stream.each_part(|part, value| parts.push((part.name(), value)));
        prop_assert_eq!(parts.len(), stream.part_count());
        let rank = |name: &[u8]| b"eg".iter().position(|tag| *tag == name[0]).unwrap_or(2 + usize::from(name[0] == b'm'));
        parts.sort_by_key(|(name, _)| (rank(name), crate::types::member_hash(name) ^ seed));
        let mut again = Stream::of_parts();
        prop_assert!(again.is_nothing());
        for (name, value) in &parts {
            let part = Part::parse(name).unwrap();
            prop_assert_eq!(&part.name(), name);
            again.set_part(part, Some(value), LIMITS).unwrap();
        }
        for (name, value) in &parts {
            let part = Part::parse(name).unwrap();
            prop_assert_eq!(&again.part(part), &Some(value.clone()), "{:?}", part);
        }
        prop_assert_eq!(again.part_count(), parts.len());
        for (name, _) in &parts {
            again.set_part(Part::parse(name).unwrap(), None, LIMITS).unwrap();
        }
        prop_assert!(again.is_nothing());
    }

    #[test]
    fn hostile_parts_do_no_harm(name in prop::collection::vec(any::<u8>(), 0..40), value: Vec<u8>) {
        let mut stream = Stream::default();
        stream.add_group(Group::new(b"g", StreamId::ZERO, None));
        if let Ok(part) = Part::parse(&name) {
            let _ = stream.set_part(part, Some(&value), LIMITS);
            let _ = stream.set_part(part, None, LIMITS);
        }
    }
}

#[test]
fn a_group_delivers_what_came_late() {
    let mut stream = Stream::default();
    for n in [10, 30] {
        add(&mut stream, id(n), &fields(n));
    }
    let mut group = Group::new(b"g", id(30), None);
    group.see(b"alice", 1);
    stream.add_group(group);
    add(&mut stream, id(20), &fields(20));
    add(&mut stream, id(40), &fields(40));
    let late = |stream: &Stream| stream.group(b"g").unwrap().late().collect::<Vec<_>>();
    assert_eq!(late(&stream), [id(20)]);
    // Elsewhere the group has read up to 40, which it did not know of: 40 was not delivered, until that is told.
    let moved = group_value(id(40), None);
    stream.set_part(Part::Group(b"g"), Some(&moved), LIMITS).unwrap();
    assert_eq!(late(&stream), [id(20), id(40)]);
    let given = pending_value(5, 1, b"alice");
    stream.set_part(Part::Pending { group: b"g", id: id(40) }, Some(&given), LIMITS).unwrap();
    assert_eq!(late(&stream), [id(20)]);
}

#[test]
fn fields_come_back_as_they_were_given() {
    let mut stream = Stream::default();
    let args = OwnedArgs::from_slices([&b"a"[..], b"1", b"a", b"01", b"", b"-5", b"\xff", b"x"]);
    let pair = |n: usize| (Entry::Str(args.view().at(2 * n)), Entry::Str(args.view().at(2 * n + 1)));
    for n in 1..9 {
        stream.add(id(n), (0..4).map(pair), LIMITS);
    }
    let wanted: Vec<&[u8]> = args.view().iter().collect();
    for entry in stream.iter() {
        let texts: Vec<Vec<u8>> = entry.pairs().flat_map(|(f, v)| [f.to_vec(), v.to_vec()]).collect();
        assert!(texts.iter().map(|t| &t[..]).eq(wanted.iter().copied()));
    }
    assert_eq!((stream.node_count(), stream.radix_node_count()), (2, 4));
}
