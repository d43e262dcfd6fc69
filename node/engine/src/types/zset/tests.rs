//! Sorted sets against an oracle: a vector kept in order, through both forms and the change from one to the other.

use proptest::prelude::*;

use super::*;
use crate::keyspace::Keyspace;

type Model = Vec<(f64, Vec<u8>)>;

const LIMITS: Limits = Limits { entries: 12, value: 20 };

#[derive(Clone, Debug)]
enum Op {
    Set(Vec<u8>, f64, ScoreCondition),
    Remove(Vec<u8>),
    RemoveAt(usize),
    Clone,
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0u32..40).prop_map(|n| format!("member:{n}").into_bytes()),
        3 => (-20i64..20).prop_map(|n| n.to_string().into_bytes()),
        1 => Just(Vec::new()),
        1 => (0usize..30).prop_map(|len| vec![0xff; len]),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        5 => (-5i32..5).prop_map(f64::from),
        3 => -10.0..10.0f64,
        1 => prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, 5e-324, 4e18, 5e18]),
    ]
}

fn condition() -> impl Strategy<Value = ScoreCondition> {
    prop::sample::select(vec![
        ScoreCondition::default(),
        ScoreCondition::default(),
        ScoreCondition { absent: true, ..Default::default() },
        ScoreCondition { greater: true, ..Default::default() },
        ScoreCondition { less: true, ..Default::default() },
    ])
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (member(), score(), condition()).prop_map(|(m, s, c)| Op::Set(m, s, c)),
        2 => member().prop_map(Op::Remove),
        2 => any::<usize>().prop_map(Op::RemoveAt),
        1 => Just(Op::Clone),
    ]
}

fn put(model: &mut Model, member: &[u8], score: f64) {
    let at = model.partition_point(|(s, m)| *s < score || (*s == score && m[..] < *member));
    model.insert(at, (score, member.to_vec()));
}

fn set(model: &mut Model, member: &[u8], score: f64, only: ScoreCondition) -> Outcome {
    let Some(at) = model.iter().position(|(_, m)| m == member) else {
        put(model, member, score);
        return Outcome::Created;
    };
    let old = model[at].0;
    if old == score || only.absent || (only.greater && score < old) || (only.less && score > old) {
        return Outcome::Unchanged;
    }
    model.remove(at);
    put(model, member, score);
    Outcome::Changed
}

fn listed(walk: live::LiveWalk<'_>) -> Model {
    let size = walk.len();
    let all: Model = walk.map(|(member, score)| (score, member.to_vec())).collect();
    assert_eq!(all.len(), size);
    all
}

fn check(zset: LiveZset<'_>, model: &Model) {
    assert_eq!(listed(zset.iter()), *model);
    assert_eq!((zset.len(), zset.is_empty()), (model.len(), model.is_empty()));
    let half = model.len() / 3..model.len() * 2 / 3;
    assert_eq!(listed(zset.walk(half.clone(), false)), model[half.clone()]);
    let reversed: Model = model[half.clone()].iter().rev().cloned().collect();
    assert_eq!(listed(zset.walk(half, true)), reversed);
    for (rank, (score, member)) in model.iter().enumerate() {
        assert_eq!(zset.rank(member), Some((rank, *score)));
        assert_eq!(zset.score(member), Some(*score));
        assert_eq!(zset.at(rank).map(|(m, s)| (s, m.to_vec())), Some((*score, member.clone())));
    }
    assert!(
        zset.at(model.len()).is_none() && zset.score(b"nobody").is_none() && zset.rank(b"nobody").is_none()
    );
    let mut scanned = Vec::new();
    let mut cursor = 0;
    loop {
        cursor = zset.scan(cursor, 3, |member, score| scanned.push((score, member.to_vec())));
        if cursor == 0 {
            break;
        }
    }
    scanned.sort_by(|a, b| a.partial_cmp(b).unwrap());
    assert_eq!(scanned, *model);
}

fn check_scores(zset: LiveZset<'_>, model: &Model, range: ScoreRange) {
    let above = |s: f64| if range.min_excluded { s > range.min } else { s >= range.min };
    let below = |s: f64| if range.max_excluded { s < range.max } else { s <= range.max };
    let expected: Model = model.iter().filter(|(s, _)| above(*s) && below(*s)).cloned().collect();
    assert_eq!(listed(zset.walk(zset.ranks_of_scores(&range), false)), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn behaves_as_a_sorted_vector(
        ops in prop::collection::vec(op(), 0..80),
        bounds in prop::collection::vec((score(), score(), any::<bool>(), any::<bool>()), 4),
    ) {
        let (mut zset, mut model) = (Zset::default(), Model::new());
        for op in ops {
            match op {
                Op::Set(member, score, only) => {
                    let expected = set(&mut model, &member, score, only);
                    assert_eq!(zset.set(&member, score, only, LIMITS), expected);
                }
                Op::Remove(member) => {
                    let before = model.len();
                    model.retain(|(_, m)| *m != member);
                    assert_eq!(zset.remove(&member), model.len() < before);
                }
                Op::RemoveAt(at) if !model.is_empty() => {
                    let (_, member) = model.remove(at % model.len());
                    assert!(zset.remove(&member));
                }
                Op::RemoveAt(_) => {}
                Op::Clone => zset = zset.clone(),
            }
            check(zset.live(0), &model);
        }
        for (min, max, min_excluded, max_excluded) in bounds {
            check_scores(zset.live(0), &model, ScoreRange { min, max, min_excluded, max_excluded });
        }
    }

    /// Who is due is not seen, as if it had been removed; and then it is.
    #[test]
    fn what_is_due_is_hidden_and_reclaimed(
        elements in prop::collection::vec((member(), score(), prop::option::of(1u64..20)), 0..60),
        range in (score(), score(), any::<bool>(), any::<bool>()),
        now in 0u64..22,
    ) {
        let (mut zset, mut model, mut deadlines) = (Zset::default(), Model::new(), std::collections::BTreeMap::new());
        for (member, score, deadline) in elements {
            set(&mut model, &member, score, ScoreCondition::default());
            zset.set(&member, score, ScoreCondition::default(), LIMITS);
            let before = deadlines.get(&member).copied();
            assert_eq!(zset.expire_at(&member, deadline), before != deadline);
            match deadline {
                Some(at) => deadlines.insert(member, at),
                None => deadlines.remove(&member),
            };
        }
        assert_eq!(zset.next_deadline(), deadlines.values().min().copied());
        let all = model.len();
        let mut due: Vec<Vec<u8>> = deadlines.iter().filter(|(_, at)| **at <= now).map(|(m, _)| m.clone()).collect();
        model.retain(|(_, member)| !due.contains(member));
        let (min, max, min_excluded, max_excluded) = range;
        let range = ScoreRange { min, max, min_excluded, max_excluded };
        let mut copy = zset.clone();
        check(zset.live(now), &model);
        check_scores(zset.live(now), &model, range);
        due.iter().for_each(|member| assert_eq!((zset.live(now).rank(member), zset.live(now).score(member)), (None, None)));
        if let Some(member) = due.pop() {
            assert!(zset.drop_if_due(&member, now) && !zset.drop_if_due(&member, now));
        }
        check(zset.live(now), &model);
        assert_eq!((zset.reclaim(now, 3), zset.len()), (due.len().min(3), all - usize::from(all > model.len()) - due.len().min(3)));
        zset.reclaim(now, usize::MAX);
        assert_eq!(zset.len(), model.len());
        check(zset.live(0), &model);
        deadlines.retain(|_, at| *at > now);
        assert_eq!(zset.deadlines().map_or(0, Deadlines::len), deadlines.len());
        copy.reclaim(now, usize::MAX);
        check(copy.live(0), &model);
    }

    #[test]
    fn members_of_one_score_have_lexical_ranges(
        members in prop::collection::btree_set(member(), 0..40),
        (low, high) in (member(), member()),
    ) {
        use LexBound::*;
        let mut zset = Zset::default();
        members.iter().for_each(|m| { zset.set(m, 2.5, ScoreCondition::default(), LIMITS); });
        for min in [Lowest, Highest, Included(&low), Excluded(&low)] {
            for max in [Lowest, Highest, Included(&high), Excluded(&high)] {
                let range = LexRange { min, max };
                let expected: Vec<_> = members.iter().filter(|m| range.begins_by(m) && range.reaches(m)).collect();
                let got = listed(zset.live(0).walk(zset.live(0).ranks_of_members(&range), false));
                prop_assert!(got.iter().map(|(_, m)| m).eq(expected));
            }
        }
    }

    #[test]
    fn a_builder_makes_what_single_sets_make(elements in prop::collection::vec((member(), score()), 0..30)) {
        let (mut builder, mut zset) = (Builder::default(), Zset::default());
        for (member, score) in &elements {
            builder.put(member, *score);
            zset.set(member, *score, ScoreCondition::default(), LIMITS);
        }
        let model = listed(zset.live(0).iter());
        prop_assert!(builder.sorted().map(|(m, s)| (s, m.to_vec())).eq(model.iter().cloned()));
        if let Some((_, gone)) = elements.first() {
            builder.put(b"to be removed", *gone);
            builder.remove(b"to be removed");
        }
        let fits = model.len() <= LIMITS.entries && model.iter().all(|(_, m)| m.len() <= LIMITS.value);
        let built = builder.finish(LIMITS);
        check(built.live(0), &model);
        prop_assert_eq!(built.encoding(), if fits { "listpack" } else { "skiplist" });
    }

    #[test]
    fn listpacks_from_outside_are_adopted_or_refused(
        pairs in prop::collection::vec((member(), score()), 0..16), odd: bool, swap: bool,
    ) {
        let mut model = Model::new();
        pairs.iter().for_each(|(m, s)| { set(&mut model, m, *s, ScoreCondition::default()); });
        let mut packed = Packed::default();
        model.iter().for_each(|(s, m)| packed.push(m, *s));
        let mut listpack = packed.listpack().clone();
        let broken = odd || (swap && model.len() > 1);
        if odd {
            listpack.push_back(&b"x"[..]);
        } else if broken {
            listpack = Listpack::new();
            model.iter().rev().for_each(|(s, m)| { packed = Packed::default(); packed.push(m, *s); listpack.append(packed.listpack().view()); });
        }
        match Zset::from_listpack(listpack, LIMITS) {
            Ok(zset) => { prop_assert!(!broken); check(zset.live(0), &model) }
            Err(_) => prop_assert!(broken),
        }
    }
}

#[test]
fn a_listpack_turns_into_the_other_form_once() {
    let mut zset = Zset::default();
    for n in 0..12 {
        zset.set(&[b'a' + n], 1.0, ScoreCondition::default(), LIMITS);
    }
    assert_eq!(zset.encoding(), "listpack");
    // A new score for a present member is no growth.
    zset.set(b"a", 2.0, ScoreCondition::default(), LIMITS);
    assert_eq!(zset.encoding(), "listpack");
    zset.set(b"m", 1.0, ScoreCondition::default(), LIMITS);
    assert_eq!(zset.encoding(), "skiplist");
    assert!(zset.remove(b"m"));
    assert_eq!(zset.encoding(), "skiplist");
    let mut long = Zset::default();
    long.set(&[b'x'; 21], 1.0, ScoreCondition::default(), LIMITS);
    assert_eq!(long.encoding(), "skiplist");
}

#[test]
fn scores_are_kept_as_redis_keeps_them() {
    let mut packed = Packed::default();
    for score in [-0.0, 1.0, 2.5, 4611686018427387904.0, 9e18, f64::INFINITY] {
        packed.push(b"m", score);
    }
    let scores: Vec<_> = packed.listpack().pairs().map(|(_, score)| score.to_vec()).collect();
    let expected: [&[u8]; 6] = [b"0", b"1", b"2.5", b"4611686018427387904", b"9e+18", b"inf"];
    assert_eq!(scores, expected);
}

fn bytes_per_element(count: u32, score: impl Fn(u32) -> f64) -> f64 {
    let mut zset = Zset::default();
    for n in 0..count {
        zset.set(format!("member:{n:012}").as_bytes(), score(n), ScoreCondition::default(), LIMITS);
    }
    zset.heap_bytes() as f64 / f64::from(count)
}

#[test]
fn a_big_set_takes_70_bytes_per_element() {
    // 19 bytes of member: 8 score, 1 length, 19 bytes; allocators round that to 32.
    let random = bytes_per_element(60_000, |n| f64::from(n.wrapping_mul(2_654_435_761)));
    assert!(random + 4.0 < 70.0, "{random}");
    let ascending = bytes_per_element(60_000, f64::from);
    assert!(ascending + 4.0 < 65.0, "{ascending}");
}

#[test]
fn effects_create_and_remove_the_key() {
    use crate::ctx::Ctx;
    use crate::effect::Effect;
    let keyspace = Keyspace::new(1, 1);
    let mut ctx = Ctx::new(&keyspace, 1);
    ctx.env.tick(1);
    ctx.locks.hold_all();
    let only = ScoreCondition::default();
    let mut key = ctx.key(b"z");
    assert_eq!(key.apply(Effect::SetScore { member: b"a", score: 1.0, only }), Outcome::Created);
    assert_eq!(key.apply(Effect::SetScore { member: b"b", score: 1.0, only }), Outcome::Created);
    assert_eq!(key.apply(Effect::SetScore { member: b"b", score: 1.0, only }), Outcome::Unchanged);
    assert_eq!(key.apply(Effect::AddScore { member: b"b", delta: 1.0, result: 2.0 }), Outcome::Changed);
    assert_eq!(key.zset().unwrap().and_then(|z| z.score(b"b")), Some(2.0));
    assert_eq!(key.apply(Effect::DelScored(b"c")), Outcome::Unchanged);
    assert_eq!(key.apply(Effect::DelScored(b"a")), Outcome::Changed);
    assert_eq!(key.apply(Effect::DelScored(b"b")), Outcome::Changed);
    assert!(!key.exists());
    assert_eq!(key.apply(Effect::DelScored(b"b")), Outcome::Unchanged);
}
