//! Sets against a plain set, across the limits of the small form; algebra against the oracle's.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 8;

type Oracle = BTreeSet<Vec<u8>>;

fn rng(seed: u64) -> impl FnMut() -> u64 {
    let mut x = seed.wrapping_mul(2) + 1;
    move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// A set of these members, added in any order: the oracle's.
fn of(members: &Oracle) -> Set {
    let mut set = Set::default();
    assert!(members.iter().all(|member| set.add(member, LIMIT)));
    set
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (-30..30i64).prop_map(|n| n.to_string().into_bytes()),
        1 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        1 => Just(i64::MAX.to_string().into_bytes()),
    ]
}

fn any_text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => text(),
        2 => "[ab0]{0,2}".prop_map(String::into_bytes),
        1 => (250..260usize).prop_map(|len| vec![b'x'; len]),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<u8>),
    Remove(Vec<u8>),
    ExpireAt(Vec<u8>, Option<u64>),
    Wait(u64),
    Reclaim(usize),
    Copy,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => text().prop_map(Step::Add),
        2 => any_text().prop_map(Step::Add),
        8 => any_text().prop_map(Step::Remove),
        1 => (any_text(), prop::option::weighted(0.8, 0..60u64)).prop_map(|(m, at)| Step::ExpireAt(m, at)),
        1 => (0..8u64).prop_map(Step::Wait),
        1 => (0..4usize).prop_map(Step::Reclaim),
        2 => Just(Step::Copy),
    ]
}

/// `set` may hold members that are due; the oracle, of deadlines by member, does not.
fn check(set: &Set, oracle: &BTreeMap<Vec<u8>, Option<u64>>, now: u64) {
    let live = set.live(now);
    assert_eq!((live.len(), live.is_empty()), (oracle.len(), oracle.is_empty()));
    assert_eq!(live.iter().count(), oracle.len());
    assert!(live.iter().map(|m| m.to_vec()).collect::<Oracle>().iter().eq(oracle.keys()));
    // `has` is asked with what sets hand out, an integer as one, and with what sorted sets do, texts only.
    let handed_out = |member: &[u8]| parse_i64(member).map(Entry::Int);
    for (member, deadline) in oracle {
        assert!(live.contains(member) && live.has(Entry::Str(member)));
        assert!(live.has(handed_out(member).unwrap_or(Entry::Str(member))));
        assert_eq!(live.deadline(member), *deadline);
    }
    let random = live.random(rng(1)).map(|m| m.to_vec());
    assert_eq!(random.is_none(), oracle.is_empty());
    assert!(random.is_none_or(|member| oracle.contains_key(&member)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn behaves_like_a_set(steps in prop::collection::vec(step(), 0..150)) {
        let (mut set, mut oracle, mut now) = (Set::default(), BTreeMap::new(), 1);
        let mut was_big = false;
        for step in steps {
            match step {
                Step::Add(member) => {
                    was_big |= parse_i64(&member).is_none();
                    set.drop_if_due(&member, now);
                    prop_assert_eq!(set.add(&member, LIMIT), !oracle.contains_key(&member));
                    oracle.entry(member).or_insert(None);
                }
                Step::Remove(member) => {
                    prop_assert_eq!(set.remove(&member, now), oracle.remove(&member).is_some());
                    prop_assert!(!set.live(now).contains(&member));
                }
                Step::ExpireAt(member, deadline) => if let Some(own) = oracle.get_mut(&member) {
                    prop_assert_eq!(set.expire_at(&member, deadline), *own != deadline);
                    was_big |= deadline.is_some();
                    *own = deadline;
                }
                Step::Wait(ms) => now += ms,
                Step::Reclaim(max) => prop_assert!(set.reclaim(now, max) <= max),
                Step::Copy => set = set.clone(),
            }
            oracle.retain(|_, deadline| deadline.is_none_or(|at| at > now));
            was_big |= set.len() > LIMIT;
            prop_assert_eq!(set.encoding(), if was_big { "hashtable" } else { "intset" });
            check(&set, &oracle, now);
        }
        set.reclaim(now, usize::MAX);
        prop_assert_eq!(set.len(), oracle.len());
        prop_assert_eq!(set.next_deadline(), oracle.values().filter_map(|at| *at).min());
    }

    #[test]
    fn algebra_is_that_of_sets(
        operands in prop::collection::vec(prop::collection::btree_set(any_text(), 0..50), 1..7),
    ) {
        let sets: Vec<Set> = operands.iter().map(of).collect();
        let refs = || sets.iter().map(|set| set.live(0)).collect::<Vec<_>>();
        let collect = |result: &mut Oracle, member: Entry<'_>| assert!(result.insert(member.to_vec()));

        let mut result = Oracle::new();
        algebra::union(&mut refs(), |member| collect(&mut result, member));
        prop_assert_eq!(&result, &operands.iter().flatten().cloned().collect::<Oracle>());

        let mut result = Oracle::new();
        algebra::intersection(&mut refs(), |member| {
            collect(&mut result, member);
            ControlFlow::Continue(())
        });
        let (first, others) = operands.split_first().unwrap();
        let common = |member: &&Vec<u8>| others.iter().all(|other| other.contains(*member));
        prop_assert_eq!(&result, &first.iter().filter(common).cloned().collect::<Oracle>());

        let mut result = Oracle::new();
        algebra::difference(refs()[0], &mut refs()[1..], |member| collect(&mut result, member));
        let left = |member: &&Vec<u8>| !others.iter().any(|other| other.contains(*member));
        prop_assert_eq!(&result, &first.iter().filter(left).cloned().collect::<Oracle>());
    }
}

/// Small first sets among large others, and the reverse, make both ways of each operation run.
#[test]
fn either_way_of_an_operation_gives_the_same() {
    let range = |from: i64, to: i64| (from..to).map(|n| n.to_string().into_bytes()).collect::<Oracle>();
    let lists = [
        vec![range(0, 300), range(100, 110), range(105, 120), range(290, 310), range(5, 6)],
        vec![range(0, 3), range(1, 300), range(2, 200)],
        vec![range(0, 50); 8],
        (0..20).map(|n| range(n * 10, n * 10 + 30)).collect(),
    ];
    for operands in lists {
        let sets: Vec<Set> = operands.iter().map(of).collect();
        let refs = || sets.iter().map(|set| set.live(0)).collect::<Vec<_>>();
        let mut result = Oracle::new();
        algebra::union(&mut refs(), |m| assert!(result.insert(m.to_vec())));
        assert_eq!(result, operands.iter().flatten().cloned().collect::<Oracle>());
        let mut result = Oracle::new();
        algebra::difference(refs()[0], &mut refs()[1..], |m| assert!(result.insert(m.to_vec())));
        let expected = operands[1..].iter().fold(operands[0].clone(), |left, other| &left - other);
        assert_eq!(result, expected);
    }
}

#[test]
fn intsets_give_ascending_results() {
    let set = |members: &[i64]| of(&members.iter().map(|n| n.to_string().into_bytes()).collect());
    let (a, b) = (set(&[-5, 2, 9, i64::MAX]), set(&[-7, 2, 3]));
    let small = [set(&[9]), set(&[8]), set(&[7]), set(&[6]), set(&[5])];
    let mut result = Vec::new();
    algebra::union(&mut [a.live(0), b.live(0)], |member| result.extend(member.as_int()));
    assert_eq!(result, [-7, -5, 2, 3, 9, i64::MAX]);
    result.clear();
    let mut others: Vec<_> = small.iter().map(|set| set.live(0)).collect();
    algebra::difference(a.live(0), &mut others, |member| result.extend(member.as_int()));
    assert_eq!(result, [-5, 2, i64::MAX]);
}

#[test]
fn a_scan_gives_every_member_once_while_others_come_and_go() {
    let mut set = of(&(0..3000).map(|n| n.to_string().into_bytes()).collect());
    let (mut cursor, mut given, mut round) = (0, BTreeMap::<Vec<u8>, u32>::new(), 0);
    loop {
        cursor = set.live(0).scan(cursor, 10, |member| *given.entry(member.to_vec()).or_default() += 1);
        if cursor == 0 {
            break;
        }
        assert!(cursor < 1 << 52);
        round += 1;
        (0..20).for_each(|n| assert!(set.add(format!("extra{}", round * 20 + n).as_bytes(), LIMIT)));
        if round % 3 == 0 {
            (0..60).for_each(|n| {
                set.remove(format!("extra{}", (round - 2) * 20 + n).as_bytes(), 0);
            });
        }
    }
    assert!((0..3000).all(|n| given.get(n.to_string().as_bytes()) == Some(&1)));
    assert!(given.values().all(|times| *times == 1));
}

#[test]
fn random_members_are_different_or_not_as_asked_and_all_as_likely() {
    for members in [7, 200] {
        let set = of(&(0..members).map(|n| n.to_string().into_bytes()).collect());
        let (live, mut rng) = (set.live(0), rng(members as u64));
        for count in [1, members / 4, members - 1, members, members + 9] {
            let mut drawn = Oracle::new();
            live.random_distinct(count, &mut rng, |m| assert!(live.has(m) && drawn.insert(m.to_vec())));
            assert_eq!(drawn.len(), count.min(members));
        }
        let mut times = BTreeMap::<Vec<u8>, u32>::new();
        live.random_repeated(members * 100, &mut rng, |m| *times.entry(m.to_vec()).or_default() += 1);
        for _ in 0..300 {
            live.random_distinct(members / 4, &mut rng, |m| *times.entry(m.to_vec()).or_default() += 1);
        }
        let expected = 100 + 300 * (members / 4) as u32 / members as u32;
        assert_eq!(times.len(), members);
        assert!(times.values().all(|n| (expected / 2..expected * 2).contains(n)), "{times:?}");
    }
    Set::default().live(0).random_repeated(5, || 0, |_| panic!("an empty set has no members"));
}

#[test]
fn a_few_strings_are_packed() {
    let set = of(&(0..PACKED_MAX).map(|n| format!("member{n}").into_bytes()).collect());
    assert!(set.heap_bytes() < PACKED_MAX * 14, "{} bytes", set.heap_bytes());
    assert_eq!((set.encoding(), set.free_effort()), ("hashtable", 1));
    for extra in [vec![b'x'], vec![b'x'; PACKED_LEN_MAX + 1]] {
        let mut set = set.clone();
        assert!(set.remove(b"member0", 0) && set.add(&extra, LIMIT) && set.add(b"member0", LIMIT));
        assert_eq!((set.len(), set.contains(&extra)), (PACKED_MAX + 1, true));
        assert!(matches!(set.0, Form::Big(_)));
    }
}

#[test]
fn integers_cost_no_allocation_each() {
    assert_eq!(size_of::<Set>(), 24);
    let set = of(&(0..200_000).map(|n| n.to_string().into_bytes()).collect());
    let each = set.heap_bytes() as f64 / set.len() as f64;
    assert!(each < 18.0, "{each} bytes per integer");
    assert!(set.free_effort() < 2_000);
}
