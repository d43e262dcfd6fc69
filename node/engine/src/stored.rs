//! Values as RDB holds them, in DUMP payloads and in files: from the engine's types to [`protocol::rdb`]'s objects and back.
//!
//! What is packed in memory is packed in the same way in RDB and is copied as it is; the rest is written element by
//! element. Reading takes every form that any Redis has written and makes of it what this node would have made under its
//! own limits. What the format of Redis 7.0 has no place for, deadlines of members, tags of strings and what is late for groups, stands in auxiliary
//! fields behind the object ([`write_facts`]), where all readers look for facts they may ignore.

use protocol::listpack::Entry;
use protocol::number::parse_u64;
use protocol::rdb::{self, DatedPair, Error, Kind, Object, Reader, Text, Writer, read_object};
use protocol::{Malformed, rdb::Node};

use crate::effect::Outcome;
use crate::load;
use crate::tuning::Tuning;
use crate::types::quicklist::Container;
use crate::types::zset::Builder;
use crate::types::{Hash, Job, List, Set, Stream, Zset, hash, set, string, zset};
use crate::value::{Value, ValueRef};

/// Auxiliary fields after a hash or set, in pairs: a field or member, and when it expires, unix ms.
pub const SUBKEY: &[u8] = b"keydb-subexpire-key";
pub const SUBKEY_DEADLINE: &[u8] = b"keydb-subexpire-when";
/// Auxiliary field after a string: its tag.
pub const TAG: &[u8] = b"everwrite-tag";

/// Auxiliary fields after a stream, in pairs: a group, and the ids of entries that are late for it, with spaces between.
pub const LATE_GROUP: &[u8] = b"everwrite-late-group";
pub const LATE: &[u8] = b"everwrite-late";

/// The latest deadline of a member: a double, which is how others keep it, is exact up to here.
pub(crate) const DEADLINE_MAX: u64 = 1 << 53;

/// The kind that a value is written as. `due`: members with deadlines up to this are left out.
pub fn kind(value: ValueRef<'_>, due: u64) -> Kind {
    match value {
        ValueRef::Int(_) | ValueRef::Bytes(_) | ValueRef::Raw(_) | ValueRef::Tagged(_) => Kind::String,
        ValueRef::List(_) => Kind::ListQuicklist2,
        ValueRef::Set(set) if set.intset().is_some() => Kind::SetIntset,
        ValueRef::Set(_) => Kind::Set,
        ValueRef::Zset(zset) if zset.listpack().is_some() => Kind::ZsetListpack,
        ValueRef::Zset(_) => Kind::Zset,
        ValueRef::Hash(hash) if hash.listpack().is_some() && !hash.live(due).has_due() => Kind::HashListpack,
        ValueRef::Hash(_) => Kind::Hash,
        ValueRef::Stream(_) => Kind::Stream2,
    }
}

/// Writes a value, whose [`kind`] has been written with the same `due`.
pub fn write(value: ValueRef<'_>, due: u64, out: &mut Writer) {
    match value {
        ValueRef::Int(n) => out.int(n),
        ValueRef::Bytes(bytes) => out.text(bytes),
        ValueRef::Raw(bytes) => out.text(bytes),
        ValueRef::Tagged(v) => out.text(&v.bytes),
        ValueRef::List(list) => write_list(list, out),
        ValueRef::Set(set) => write_set(set, due, out),
        ValueRef::Zset(zset) => write_zset(zset, due, out),
        ValueRef::Hash(hash) => write_hash(hash, due, out),
        ValueRef::Stream(stream) => stream.write(out),
    }
}

/// Writes what a value has beyond its object, behind that: deadlines of members that are not due, a tag, what is late for
/// groups.
pub fn write_facts(value: ValueRef<'_>, due: u64, out: &mut Writer) {
    let deadlines = match value {
        ValueRef::Tagged(string) => return out.aux(TAG, itoa::Buffer::new().format(string.tag).as_bytes()),
        ValueRef::Stream(stream) => return write_late(stream, out),
        collection => collection.deadlines(),
    };
    for (member, at) in deadlines.into_iter().flat_map(|d| d.iter()).filter(|(_, at)| *at > due) {
        out.aux(SUBKEY, member.text(&mut itoa::Buffer::new()));
        out.aux(SUBKEY_DEADLINE, itoa::Buffer::new().format(at).as_bytes());
    }
}

fn write_late(stream: &Stream, out: &mut Writer) {
    for group in stream.groups() {
        let ids: Vec<String> = stream.late(group).map(|id| id.to_string()).collect();
        if !ids.is_empty() {
            out.aux(LATE_GROUP, &group.name);
            out.aux(LATE, ids.join(" ").as_bytes());
        }
    }
}

/// Reads what [`write_facts`] has written behind the object, if anything has.
pub fn read_facts(reader: &mut Reader<'_>, mut value: Value) -> Value {
    // A member, or a group, that the next fact is about.
    let mut member = Vec::new();
    while let Some((name, fact)) = reader.next_aux() {
        match (&name[..], parse_u64(&fact)) {
            (SUBKEY, _) => member = fact,
            (SUBKEY_DEADLINE, Some(at)) if at <= DEADLINE_MAX => {
                load::expire_member(&mut value, &member, at);
            }
            (TAG, Some(tag)) => value = load::tag(value, tag),
            (LATE_GROUP, _) => member = fact,
            (LATE, _) => load::late(&mut value, &member, &fact),
            _ => {}
        }
    }
    value
}

pub(crate) fn text(entry: Entry<'_>, out: &mut Writer) {
    match entry {
        Entry::Str(bytes) => out.text(bytes),
        Entry::Int(n) => out.int(n),
    }
}

fn write_list(list: &List, out: &mut Writer) {
    let nodes = list.stored();
    out.length(nodes.len() as u64);
    for node in nodes {
        match node.container {
            Container::Plain => out.big_node(&node.payload.bytes()),
            Container::Packed => out.packed_node(&node.payload.bytes()),
        }
    }
}

fn write_set(set: &Set, due: u64, out: &mut Writer) {
    if let Some(ints) = set.intset() {
        return out.text(ints.as_bytes());
    }
    let members = set.live(due);
    out.length(members.len() as u64);
    members.iter().for_each(|member| text(member, out));
}

fn write_zset(zset: &Zset, due: u64, out: &mut Writer) {
    if let Some(packed) = zset.listpack() {
        return out.text(packed.as_bytes());
    }
    let live = zset.live(due);
    out.length(live.len() as u64);
    // The highest first: who builds a skip list of it then always adds at its front.
    for (member, score) in live.walk(0..live.len(), true) {
        text(member, out);
        out.double(score);
    }
}

fn write_hash(hash: &Hash, due: u64, out: &mut Writer) {
    let fields = hash.live(due);
    if let Some(packed) = hash.listpack().filter(|_| !fields.has_due()) {
        return out.text(packed.as_bytes());
    }
    out.length(fields.len() as u64);
    for (field, value) in fields.iter() {
        text(field, out);
        text(value, out);
    }
}

/// Reads a value of a kind. The input is taken to be hostile.
pub fn read(reader: &mut Reader<'_>, kind: Kind, tuning: &Tuning) -> Result<Value, Error> {
    Ok(match read_object(reader, kind)? {
        Object::String(Text::Int(n)) => Value::Int(n),
        Object::String(Text::Bytes(bytes)) => match string::as_int(&bytes) {
            Some(n) => Value::Int(n),
            None => Value::Bytes(bytes),
        },
        Object::List(list) => Value::List(Box::new(read_list(list, tuning)?)),
        Object::Set(set) => Value::Set(Box::new(read_set(set, tuning)?)),
        Object::Zset(zset) => Value::Zset(Box::new(read_zset(zset, tuning)?)),
        Object::Hash(hash) => Value::Hash(Box::new(read_hash(hash, tuning)?)),
        Object::Stream(stream) => Value::Stream(Box::new(Stream::from_stored(*stream)?)),
        Object::Job(job) => read_job(*job).to_value(),
    })
}

/// KeyDB's files do not tell that a job is to run only once, nor do its servers know it after they have loaded one.
fn read_job(job: rdb::Job) -> Job {
    let rdb::Job { script, start_ms, interval_ms: interval, keys, arguments } = job;
    let due = start_ms.saturating_add(interval);
    Job { repeats: true, due, interval, owner: 0, script, keys, arguments }
}

/// An element twice in a collection that has each once.
fn twice(format: &'static str) -> Error {
    Malformed { format, offset: 0, rule: "an element occurs twice" }.into()
}

fn read_list(list: rdb::List<'_, '_>, tuning: &Tuning) -> Result<List, Error> {
    let mut result = List::default();
    match list {
        rdb::List::Elements(mut elements) => {
            while let Some(element) = elements.next()? {
                result.push(tuning, element);
            }
        }
        rdb::List::Nodes(mut nodes) => {
            while let Some(node) = nodes.next()? {
                match node {
                    Node::Big(element) => result.push_plain(tuning, element),
                    Node::Packed(listpack) => result.push_node(tuning, listpack),
                }
            }
        }
    }
    Ok(result)
}

fn read_set(stored: rdb::Set<'_, '_>, tuning: &Tuning) -> Result<Set, Error> {
    let limit = set::intset_limit(tuning);
    let mut result = Set::default();
    match stored {
        rdb::Set::Intset(ints) => return Ok(Set::from_intset(ints, limit)),
        rdb::Set::Packed(packed) => {
            for member in packed.iter() {
                if !result.add_entry(member, limit) {
                    return Err(twice("set"));
                }
            }
        }
        rdb::Set::Members(mut members) => {
            while let Some(member) = members.next()? {
                if !result.add(member, limit) {
                    return Err(twice("set"));
                }
            }
        }
    }
    Ok(result)
}

fn read_zset(stored: rdb::Zset<'_, '_>, tuning: &Tuning) -> Result<Zset, Error> {
    let limits = zset::Limits::of(tuning);
    match stored {
        rdb::Zset::Packed(packed) => Ok(Zset::from_listpack(packed, limits)?),
        rdb::Zset::Members(mut members) => {
            let mut result = Builder::default();
            while let Some((member, score)) = members.next()? {
                if !result.put(member, score) {
                    return Err(twice("sorted set"));
                }
            }
            Ok(result.finish(limits))
        }
    }
}

fn read_hash(stored: rdb::Hash<'_, '_>, tuning: &Tuning) -> Result<Hash, Error> {
    let limits = hash::Limits::of(tuning);
    match stored {
        rdb::Hash::Packed(packed) => Ok(Hash::from_listpack(packed, limits)?),
        rdb::Hash::Pairs(mut pairs) => {
            let mut result = Hash::default();
            while let Some((field, value)) = pairs.next()? {
                if result.set(field, value, true, limits, 0) != Outcome::Created {
                    return Err(twice("hash"));
                }
            }
            Ok(result)
        }
        rdb::Hash::PackedDated(packed) => {
            let mut result = Hash::default();
            let (mut field, mut value) = (itoa::Buffer::new(), itoa::Buffer::new());
            let mut entries = packed.iter();
            while let (Some(name), Some(text), Some(at)) = (entries.next(), entries.next(), entries.next()) {
                let at = at.as_int().and_then(|at| u64::try_from(at).ok()).filter(|at| *at > 0);
                put_dated(&mut result, (name.text(&mut field), text.text(&mut value), at), limits)?;
            }
            Ok(result)
        }
        rdb::Hash::Dated(mut pairs) => {
            let mut result = Hash::default();
            while let Some(pair) = pairs.next()? {
                put_dated(&mut result, pair, limits)?;
            }
            Ok(result)
        }
    }
}

fn put_dated(hash: &mut Hash, pair: DatedPair<'_>, limits: hash::Limits) -> Result<(), Error> {
    let (field, value, deadline) = pair;
    if hash.set(field, value, true, limits, 0) != Outcome::Created {
        return Err(twice("hash"));
    }
    hash.expire_at(field, deadline);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::member_hash;

    fn value_ref(value: &Value) -> ValueRef<'_> {
        value.as_ref()
    }

    /// What is in a value, in an order that does not depend on its form.
    fn contents(value: &Value) -> Vec<Vec<u8>> {
        let owned = |entry: Entry<'_>| entry.text(&mut itoa::Buffer::new()).to_vec();
        let mut all = Vec::new();
        match value_ref(value) {
            ValueRef::Int(n) => all.push(n.to_string().into_bytes()),
            ValueRef::Bytes(bytes) => all.push(bytes.to_vec()),
            ValueRef::Raw(bytes) => all.push(bytes.to_vec()),
            ValueRef::Tagged(v) => all.push(v.bytes.clone()),
            ValueRef::List(list) => list.range(0, false, list.len(), |e| all.push(owned(e))),
            ValueRef::Zset(zset) => {
                zset.iter().for_each(|(m, score)| all.extend([owned(m), score.to_le_bytes().to_vec()]));
            }
            ValueRef::Set(set) => all.extend(set.iter().map(owned)),
            ValueRef::Hash(hash) => {
                all.extend(hash.iter().map(|(f, v)| [owned(f), b"=".to_vec(), owned(v)].concat()))
            }
            ValueRef::Stream(_) => {}
        }
        if matches!(value, Value::Set(_) | Value::Hash(_)) {
            all.sort_by_key(|element| member_hash(element));
        }
        all
    }

    fn there_and_back(value: &Value, tuning: &Tuning) -> Value {
        let (mut out, kind) = (Writer::new(true), kind(value_ref(value), 0));
        write(value_ref(value), 0, &mut out);
        let mut reader = Reader::new(out.as_bytes()).sanitizing(true);
        let back = read(&mut reader, kind, tuning).expect("what is written can be read");
        assert_eq!(reader.remaining(), Some(0), "to the last byte");
        back
    }

    /// One value of each type from the same elements.
    fn values(elements: &[Vec<u8>], tuning: &Tuning) -> Vec<Value> {
        let (mut list, mut set, mut hash, mut zset) =
            (List::default(), Set::default(), Hash::default(), Builder::default());
        for (i, element) in elements.iter().enumerate() {
            list.push(tuning, element);
            set.add(element, set::intset_limit(tuning));
            hash.set(element, &elements[elements.len() - 1 - i], false, hash::Limits::of(tuning), 0);
            zset.put(element, i as f64 / 3.0 - 2.0);
        }
        vec![
            Value::string(&elements.concat()),
            Value::List(Box::new(list)),
            Value::Set(Box::new(set)),
            Value::Hash(Box::new(hash)),
            Value::Zset(Box::new(zset.finish(zset::Limits::of(tuning)))),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            elements in prop::collection::vec(
                prop_oneof![
                    any::<i64>().prop_map(|n| n.to_string().into_bytes()),
                    (0i64..50).prop_map(|n| n.to_string().into_bytes()),
                    prop::collection::vec(any::<u8>(), 0..80),
                ],
                1..60,
            ),
            (entries, bytes, later) in (1usize..60, 1usize..80, 1usize..60),
            compress_depth in 0u32..3,
        ) {
            let tuning = |entries| Tuning {
                hash_max_listpack_entries: entries,
                hash_max_listpack_value: bytes,
                zset_max_listpack_entries: entries,
                zset_max_listpack_value: bytes,
                set_max_intset_entries: entries,
                list_max_listpack_size: entries as i32,
                list_compress_depth: compress_depth,
                ..Tuning::default()
            };
            for value in values(&elements, &tuning(entries)) {
                let same = there_and_back(&value, &tuning(entries));
                prop_assert_eq!(contents(&value), contents(&same));
                prop_assert_eq!(value_ref(&value).encoding(), value_ref(&same).encoding());
                // Under other limits it may take another form, but it is the same.
                prop_assert_eq!(contents(&value), contents(&there_and_back(&value, &tuning(later))));
            }
        }
    }

    /// Behind the object stands what it has no place for; members that are due are not there.
    #[test]
    fn facts_are_kept() {
        let (tuning, due) = (Tuning::default(), 10);
        let (mut hash, mut set) = (Hash::default(), Set::default());
        for (member, deadline) in [(&b"a"[..], None), (b"b", Some(5)), (b"7", Some(50))] {
            hash.set(member, b"v", false, hash::Limits::of(&tuning), 0);
            hash.expire_at(member, deadline);
            set.add(member, set::intset_limit(&tuning));
            set.expire_at(member, deadline);
        }
        let tagged = Value::tagged(b"text".to_vec(), 77);
        for value in [Value::Hash(Box::new(hash)), Value::Set(Box::new(set)), tagged] {
            let (mut out, kind) = (Writer::new(true), kind(value_ref(&value), due));
            write(value_ref(&value), due, &mut out);
            write_facts(value_ref(&value), due, &mut out);
            let mut reader = Reader::new(out.as_bytes());
            let back = read(&mut reader, kind, &tuning).unwrap();
            let back = read_facts(&mut reader, back);
            let deadlines = match value_ref(&back) {
                ValueRef::Hash(hash) => hash.deadlines(),
                ValueRef::Set(set) => set.deadlines(),
                ValueRef::Tagged(string) => {
                    assert_eq!((&string.bytes[..], string.tag), (&b"text"[..], 77));
                    continue;
                }
                _ => panic!("something else"),
            };
            let kept: Vec<_> = deadlines.unwrap().iter().map(|(member, at)| (member.to_vec(), at)).collect();
            assert_eq!(kept, [(b"7".to_vec(), 50)]);
            assert_eq!(contents(&back).len(), 2);
        }
    }

    #[test]
    fn members_that_are_due_are_left_behind() {
        let (tuning, mut hash) = (Tuning::default(), Hash::default());
        for (field, deadline) in [(b"a", None), (b"b", Some(5)), (b"c", Some(50))] {
            hash.set(field, b"v", false, hash::Limits::of(&tuning), 0);
            hash.expire_at(field, deadline);
        }
        let value = Value::Hash(Box::new(hash));
        let mut out = Writer::new(true);
        write(value_ref(&value), 10, &mut out);
        let kind = kind(value_ref(&value), 10);
        let back = read(&mut Reader::new(out.as_bytes()), kind, &tuning).unwrap();
        assert_eq!(contents(&back).len(), 2);
    }
}
