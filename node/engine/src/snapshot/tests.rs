use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use proptest::prelude::*;
use protocol::rdb::{File, FileWriter, Reader, Record};

use super::*;
use crate::ctx::Ctx;
use crate::effect::{Deadline, Effect, NewValue};
use crate::keyspace::Keyspace;
use crate::tuning::Tuning;
use crate::types::string::IntText;
use crate::value::{Value, ValueRef};

/// What is in the keyspace: by database and key, contents and deadline.
type State = BTreeMap<(usize, Vec<u8>), (Vec<Vec<u8>>, Option<u64>)>;

#[derive(Default)]
struct Pieces(Mutex<Vec<Piece>>);

impl Sink for Pieces {
    fn put(&self, piece: Piece) {
        self.0.lock().push(piece);
    }
}

fn contents(value: ValueRef<'_>) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = match value {
        ValueRef::Set(set) => set.iter().map(|e| e.text(&mut itoa::Buffer::new()).to_vec()).collect(),
        other => vec![other.string_bytes(&mut IntText::default()).unwrap().to_vec()],
    };
    all.sort();
    all
}

fn state(ctx: &mut Ctx<'_>) -> State {
    ctx.locks.hold_all();
    let mut state = State::new();
    for shard in ctx.locks.iter() {
        for (number, db) in shard.dbs.iter().enumerate() {
            for entry in db.iter() {
                state.insert((number, entry.key().to_vec()), (contents(entry.value()), entry.deadline()));
            }
        }
    }
    state
}

/// What the pieces hold; a key that is there twice fails.
fn read(pieces: &Pieces) -> State {
    let (mut state, tuning) = (State::new(), Tuning::default());
    for piece in pieces.0.lock().iter() {
        let mut file = FileWriter::new(true, false);
        let mut bytes = Vec::new();
        file.take(&mut bytes);
        bytes.extend(&piece.records);
        file.finish(&mut bytes);
        let mut file = File::open(Reader::new(&bytes), false).unwrap();
        let mut keys = 0;
        loop {
            match file.next_record().unwrap() {
                Record::Key(head) => {
                    let value = crate::stored::read(file.reader(), head.kind, &tuning).unwrap();
                    let contents = match &value {
                        Value::Set(set) => contents(ValueRef::Set(set)),
                        Value::Int(n) => vec![n.to_string().into_bytes()],
                        Value::Bytes(bytes) => vec![bytes.clone()],
                        _ => panic!("no such values were made"),
                    };
                    let deadline = head.expire_ms.map(|at| at as u64);
                    assert!(
                        state.insert((piece.db, head.key), (contents, deadline)).is_none(),
                        "a key twice"
                    );
                    keys += 1;
                }
                Record::End => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(keys, piece.keys);
    }
    state
}

#[derive(Clone, Debug)]
enum Step {
    Set { db: usize, key: u16, value: u16 },
    Add { db: usize, key: u16, member: u16 },
    Remove { db: usize, key: u16 },
    Expire { db: usize, key: u16, at: Option<u64> },
    Flush { db: usize },
    Swap { a: usize, b: usize },
    Walk { shard: usize, room: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let (db, key) = (0usize..3, 0u16..600);
    prop_oneof![
        6 => (db.clone(), key.clone(), any::<u16>()).prop_map(|(db, key, value)| Step::Set { db, key, value }),
        6 => (db.clone(), key.clone(), any::<u16>()).prop_map(|(db, key, member)| Step::Add { db, key, member }),
        4 => (db.clone(), key.clone()).prop_map(|(db, key)| Step::Remove { db, key }),
        3 => (db.clone(), key, prop::option::of(5_000u64..9_000)).prop_map(|(db, key, at)| Step::Expire { db, key, at }),
        1 => db.clone().prop_map(|db| Step::Flush { db }),
        1 => (db.clone(), db).prop_map(|(a, b)| Step::Swap { a, b }),
        9 => (0usize..64, 0usize..200).prop_map(|(shard, room)| Step::Walk { shard, room }),
    ]
}

fn take(ctx: &mut Ctx<'_>, step: &Step, encoder: &mut Encoder, cut: Option<&Cut>) {
    ctx.locks.hold_all();
    ctx.begin();
    let name = |key: u16| format!("key:{key}").into_bytes();
    match *step {
        Step::Set { db, key, value } => {
            // Long enough to be boxed, now and then.
            let text = format!("{value}").repeat(if value % 7 == 0 { 500 } else { 1 });
            let value = NewValue::String(text.as_bytes());
            let _ = ctx.key_in(db, &name(key)).apply(Effect::Put {
                value,
                deadline: Deadline::Keep,
                absent: false,
            });
        }
        Step::Add { db, key, member } => {
            let (key, member) = (name(key), format!("{member}"));
            let mut key = ctx.key_in(db, &key);
            if key.set().is_ok() {
                key.apply(Effect::AddMember(member.as_bytes()));
            }
        }
        Step::Remove { db, key } => {
            ctx.key_in(db, &name(key)).apply(Effect::Clear);
        }
        Step::Expire { db, key, at } => {
            ctx.key_in(db, &name(key)).apply(Effect::ExpireAt(at));
        }
        Step::Flush { db } => ctx.flush(db),
        Step::Swap { a, b } => ctx.swap(a, b),
        Step::Walk { shard, room } => {
            let Some(cut) = cut else { return };
            for db in 0..3 {
                let Some(number) = ctx.locks.get(shard).dbs[db].walk_number() else { continue };
                ctx.locks.get_mut(shard).dbs[db].walk_on(encoder, room);
                cut.put(number, encoder, false);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_snapshot_shows_the_data_as_they_were(
        before in prop::collection::vec(step(), 0..1200),
        during in prop::collection::vec(prop::collection::vec(step(), 0..500), 1..4),
    ) {
        let keyspace = Keyspace::new(3, 1);
        let mut ctx = Ctx::new(&keyspace, 1);
        ctx.env.tick(1_000);
        let options = Options { now_ms: 1_000, clock: 1, tuning: Tuning::default(), stamps: false, commands: false, old: false };
        let mut encoder = Encoder::new(&options);
        before.iter().for_each(|step| take(&mut ctx, step, &mut encoder, None));
        // One snapshot after the other: the second relies on what the first has left.
        for during in &during {
            let (expected, pieces) = (state(&mut ctx), Arc::new(Pieces::default()));
            let cut = Cut::begin(&mut ctx.locks, options.clone(), pieces.clone());
            prop_assert_eq!(cut.keys(), expected.len() as u64);
            during.iter().for_each(|step| take(&mut ctx, step, &mut encoder, Some(&cut)));
            ctx.locks.release();
            (0..keyspace.shard_count()).for_each(|shard| cut.walk(&keyspace, shard, &mut encoder, 100, |_| ()));
            cut.walk_left_behind(&mut encoder, 100);
            prop_assert_eq!(read(&pieces), expected);
        }
    }
}

#[test]
fn an_aborted_snapshot_leaves_nothing_behind() {
    let keyspace = Keyspace::new(1, 1);
    let mut ctx = Ctx::new(&keyspace, 1);
    let options = Options {
        now_ms: 1_000,
        clock: 1,
        tuning: Tuning::default(),
        stamps: false,
        commands: false,
        old: false,
    };
    let mut encoder = Encoder::new(&options);
    (0..500).for_each(|key| take(&mut ctx, &Step::Set { db: 0, key, value: key }, &mut encoder, None));
    for aborted in [true, false] {
        let pieces = Arc::new(Pieces::default());
        ctx.locks.hold_all();
        let cut = Cut::begin(&mut ctx.locks, options.clone(), pieces.clone());
        ctx.locks.release();
        if aborted {
            cut.abort();
        }
        (0..keyspace.shard_count()).for_each(|shard| cut.walk(&keyspace, shard, &mut encoder, 100, |_| ()));
        assert_eq!(read(&pieces).len(), if aborted { 0 } else { 500 });
    }
}
