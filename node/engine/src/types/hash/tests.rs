//! Hashes against a plain map, across the limits of the small form.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { entries: 8, value: 12 };

fn rng(seed: u64) -> impl FnMut() -> u64 {
    let mut x = seed.wrapping_mul(2) + 1;
    move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

fn owned(pair: (Entry<'_>, Entry<'_>)) -> (Vec<u8>, Vec<u8>) {
    (pair.0.to_vec(), pair.1.to_vec())
}

fn filled(fields: usize, limits: Limits) -> Hash {
    let mut hash = Hash::default();
    for n in 0..fields {
        hash.set(format!("field{n}").as_bytes(), format!("{n}").as_bytes(), false, limits, 0);
    }
    hash
}

#[derive(Clone, Debug)]
enum Step {
    Set(Vec<u8>, Vec<u8>, bool),
    Edit(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    ExpireAt(Vec<u8>, Option<u64>),
    Wait(u64),
    Reclaim(usize),
    Copy,
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0..12i64).prop_map(|n| n.to_string().into_bytes()),
        3 => "[a-c]{0,2}".prop_map(String::into_bytes),
        1 => "[a-b]{11,14}".prop_map(String::into_bytes),
        1 => (250..260usize).prop_map(|len| vec![b'x'; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (text(), text(), prop::bool::weighted(0.2)).prop_map(|(f, v, absent)| Step::Set(f, v, absent)),
        1 => (text(), text()).prop_map(|(f, v)| Step::Edit(f, v)),
        3 => text().prop_map(Step::Remove),
        1 => (text(), prop::option::weighted(0.8, 0..60u64)).prop_map(|(f, at)| Step::ExpireAt(f, at)),
        1 => (0..8u64).prop_map(Step::Wait),
        1 => (0..4usize).prop_map(Step::Reclaim),
        1 => Just(Step::Copy),
    ]
}

/// A map of values with deadlines, some of which may have passed.
#[derive(Default)]
struct Oracle {
    fields: HashMap<Vec<u8>, (Vec<u8>, Option<u64>)>,
    now: u64,
}

impl Oracle {
    fn drop_due(&mut self) {
        let now = self.now;
        self.fields.retain(|_, (_, deadline)| deadline.is_none_or(|at| at > now));
    }
}

/// `hash` may hold fields that are due; the oracle does not.
fn check(hash: &Hash, oracle: &Oracle) {
    let live = hash.live(oracle.now);
    assert_eq!((live.len(), live.is_empty()), (oracle.fields.len(), oracle.fields.is_empty()));
    let all: HashMap<_, _> = live.iter().map(owned).collect();
    assert_eq!(live.iter().count(), all.len());
    assert_eq!(all.len(), oracle.fields.len());
    for (field, (value, deadline)) in &oracle.fields {
        assert_eq!(all.get(field), Some(value));
        assert_eq!(live.get(field).map(|v| v.to_vec()).as_ref(), Some(value));
        assert!(live.contains(field));
        assert_eq!(live.deadline(field), *deadline);
    }
    let random = live.random(rng(1)).map(owned);
    assert_eq!(random.is_none(), all.is_empty());
    assert!(random.is_none_or(|(field, value)| all.get(&field) == Some(&value)));
    let mut scanned = HashMap::new();
    assert_eq!(live.scan(0, usize::MAX, |f, v| assert!(scanned.insert(f.to_vec(), v.to_vec()).is_none())), 0);
    assert_eq!(scanned, all);
}

fn apply(hash: &mut Hash, oracle: &mut Oracle, step: Step) {
    let now = oracle.now;
    match step {
        Step::Set(field, value, absent) => {
            let outcome = hash.set(&field, &value, absent, LIMITS, now);
            let there = oracle.fields.contains_key(&field);
            assert_eq!(outcome.created(), !there);
            assert_eq!(outcome == Outcome::Unchanged, there && absent);
            if outcome.changed() {
                oracle.fields.insert(field, (value, None));
            }
        }
        Step::Edit(field, value) => {
            let outcome = hash.edit(&field, &value, LIMITS, now);
            assert_eq!(outcome.created(), !oracle.fields.contains_key(&field));
            oracle.fields.entry(field).or_insert((Vec::new(), None)).0 = value;
        }
        Step::Remove(field) => {
            assert_eq!(hash.remove(&field, now), oracle.fields.remove(&field).is_some());
            assert!(hash.live(now).get(&field).is_none());
        }
        Step::ExpireAt(field, deadline) => {
            if let Some(entry) = oracle.fields.get_mut(&field) {
                assert_eq!(hash.expire_at(&field, deadline), entry.1 != deadline);
                entry.1 = deadline;
            }
        }
        Step::Wait(ms) => oracle.now += ms,
        Step::Reclaim(max) => assert!(hash.reclaim(now, max) <= max),
        Step::Copy => *hash = hash.clone(),
    }
    oracle.drop_due();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn behaves_like_a_map(steps in prop::collection::vec(step(), 0..80)) {
        let (mut hash, mut oracle) = (Hash::default(), Oracle { now: 1, ..Oracle::default() });
        let mut was_big = false;
        for step in steps {
            let long = |text: &[u8]| text.len() > LIMITS.value;
            if let Step::Set(field, value, false) | Step::Edit(field, value) = &step {
                was_big |= long(field) || long(value);
            }
            let encoding = hash.encoding();
            apply(&mut hash, &mut oracle, step);
            was_big |= hash.len() > LIMITS.entries;
            prop_assert!(!was_big || hash.encoding() == "hashtable");
            prop_assert!(encoding != "hashtable" || hash.encoding() == "hashtable");
            check(&hash, &oracle);
        }
        hash.reclaim(oracle.now, usize::MAX);
        prop_assert_eq!(hash.len(), oracle.fields.len());
        prop_assert_eq!(hash.next_deadline(), oracle.fields.values().filter_map(|v| v.1).min());
    }
}

#[test]
fn a_scan_gives_every_field_once_while_others_come_and_go() {
    let mut hash = filled(3000, LIMITS);
    let (mut cursor, mut given, mut round) = (0, BTreeMap::<Vec<u8>, u32>::new(), 0);
    loop {
        cursor = hash.live(0).scan(cursor, 10, |field, _| *given.entry(field.to_vec()).or_default() += 1);
        if cursor == 0 {
            break;
        }
        assert!(cursor < 1 << 52);
        round += 1;
        for n in 0..20 {
            let extra = format!("extra{}", round * 20 + n);
            hash.set(extra.as_bytes(), b"x", false, LIMITS, 0);
        }
        if round % 3 == 0 {
            (0..60).for_each(|n| {
                hash.remove(format!("extra{}", (round - 2) * 20 + n).as_bytes(), 0);
            });
        }
    }
    assert!((0..3000).all(|n| given.get(format!("field{n}").as_bytes()) == Some(&1)));
    assert!(given.values().all(|times| *times == 1));
}

#[test]
fn random_fields_are_different_or_not_as_asked_and_all_as_likely() {
    for fields in [7, 200] {
        let hash = filled(fields, LIMITS);
        let live = hash.live(0);
        let mut rng = rng(fields as u64);
        for count in [1, fields / 4, fields - 1, fields, fields + 9] {
            let mut drawn = BTreeSet::new();
            live.random_distinct(count, &mut rng, |field, value| {
                assert_eq!(hash.get(&field.to_vec()), Some(value));
                assert!(drawn.insert(field.to_vec()));
            });
            assert_eq!(drawn.len(), count.min(fields));
        }
        let mut times = BTreeMap::<Vec<u8>, u32>::new();
        live.random_repeated(fields * 100, &mut rng, |field, _| {
            *times.entry(field.to_vec()).or_default() += 1
        });
        for _ in 0..300 {
            live.random_distinct(fields / 4, &mut rng, |f, _| *times.entry(f.to_vec()).or_default() += 1);
        }
        let expected = 100 + 300 * (fields / 4) as u32 / fields as u32;
        assert_eq!(times.len(), fields);
        assert!(times.values().all(|n| (expected / 2..expected * 2).contains(n)), "{times:?}");
    }
    Hash::default().live(0).random_repeated(5, || 0, |_, _| panic!("an empty hash has no fields"));
}

#[test]
fn listpacks_from_outside_are_checked() {
    let pack = |texts: &[&str]| texts.iter().map(|text| text.as_bytes()).collect::<Listpack>();
    let hash = Hash::from_listpack(pack(&["a", "1", "b", "2"]), LIMITS).unwrap();
    assert_eq!((hash.len(), hash.encoding()), (2, "listpack"));
    let long = Hash::from_listpack(pack(&["a", "more than twelve"]), LIMITS).unwrap();
    assert_eq!((long.len(), long.encoding()), (1, "hashtable"));
    assert_eq!(Hash::from_listpack(pack(&["a"]), LIMITS).err().unwrap().rule, "a field without a value");
    assert!(Hash::from_listpack(pack(&["a", "1", "a", "2"]), LIMITS).is_err());
}

#[test]
fn a_hash_takes_two_words_and_a_field_of_a_big_one_no_more_than_promised() {
    assert_eq!(size_of::<Hash>(), 16);
    let hash = filled(100_000, LIMITS);
    let text: usize = hash.iter().map(|(f, v)| f.text_len() + v.text_len()).sum();
    let overhead = (hash.heap_bytes() - text) as f64 / hash.len() as f64;
    assert!(overhead < 18.0, "{overhead} bytes per field beside its text");
}
