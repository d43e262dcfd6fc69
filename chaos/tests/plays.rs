//! The interleavings that break others, each as a play. The names are those of the specification (H1 to H26).
//!
//! Cast: nodes A, B and C, their clients, a network that can be cut, disks that hold what was saved.
//! Not staged here, because they are about the server rather than its machines: H24 and H26 (files of Redis), H25
//! (every command), and H8 (streams, when they exist).

use chaos::workload::Client;
use chaos::world::{Plan, World};
use replication::effect::*;
use replication::overlay::Plain;
use replication::replica::Start;

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

fn mesh(nodes: usize) -> World {
    let mut world = World::new(7, Plan { nodes, ..Plan::default() });
    meet(&mut world);
    world
}

/// All links are up, and everything has arrived.
fn meet(world: &mut World) {
    for _ in 0..6 {
        world.connect().unwrap();
        (0..world.nodes.len()).for_each(|i| world.tick(i).unwrap());
        world.pass(80).unwrap();
    }
}

fn part(world: &mut World) {
    for a in 0..world.nodes.len() {
        (a + 1..world.nodes.len()).for_each(|b| world.cut(a, b));
    }
}

fn key(name: &str) -> Key {
    Key { db: 0, name: name.as_bytes().to_vec() }
}

fn text(text: &str) -> Bytes {
    text.as_bytes().to_vec()
}

/// A client at a node; a millisecond passes.
fn at(world: &mut World, node: usize, command: impl FnOnce(&mut Client<'_>)) {
    world.client(node, |client, _| command(client)).unwrap();
    world.pass(1).unwrap();
}

fn set(world: &mut World, node: usize, name: &str, value: &str) {
    set_until(world, node, name, value, None);
}

fn set_until(world: &mut World, node: usize, name: &str, value: &str, deadline: Option<u64>) {
    let value = Value::String(text(value));
    at(world, node, |c| c.write(&key(name), false, Effect::Put { value, deadline, absent: false }));
}

fn setnx(world: &mut World, node: usize, name: &str, value: &str) {
    let absent = get(world, node, name).is_none();
    let value = Value::String(text(value));
    at(world, node, |c| {
        if absent {
            c.write(&key(name), false, Effect::Put { value, deadline: None, absent: true });
        }
    });
}

fn del(world: &mut World, node: usize, name: &str) {
    at(world, node, |c| c.write(&key(name), false, Effect::Clear));
}

fn incr(world: &mut World, node: usize, name: &str) {
    let old = get(world, node, name);
    let result = old.as_deref().map_or(0, |t| t.parse::<i64>().unwrap()) + 1;
    at(world, node, |c| {
        c.open(&key(name));
        c.write(&key(name), old.is_none(), Effect::Add { delta: 1, result });
    });
}

fn push(world: &mut World, node: usize, name: &str, spot: Spot, element: &str) {
    let absent = world.live(node).store.plain.kind(&key(name)).is_none();
    at(world, node, |c| c.write(&key(name), absent, Effect::Insert { spot, element: text(element) }));
}

fn pop(world: &mut World, node: usize, name: &str) -> String {
    let store = &world.live(node).store;
    let id = store.overlay.element(&store.plain, &key(name), 0).expect("the list has an element");
    let element = store.plain.list_get(&key(name), 0).expect("the list has an element");
    at(world, node, |c| c.write(&key(name), false, Effect::DelElements(vec![id])));
    String::from_utf8(element).unwrap()
}

fn sadd(world: &mut World, node: usize, name: &str, member: &str) {
    let absent = world.live(node).store.plain.kind(&key(name)).is_none();
    at(world, node, |c| c.write(&key(name), absent, Effect::AddMember(text(member))));
}

fn hset(world: &mut World, node: usize, name: &str, field: &str, value: &str) {
    let absent = world.live(node).store.plain.kind(&key(name)).is_none();
    let effect = Effect::SetField { field: text(field), value: text(value), absent: false };
    at(world, node, |c| c.write(&key(name), absent, effect));
}

fn get(world: &mut World, node: usize, name: &str) -> Option<String> {
    let now = world.clock(node);
    let store = &world.live(node).store;
    store.kind(&key(name), now)?;
    store.plain.text(&key(name)).map(|t| String::from_utf8(t.bytes).unwrap())
}

fn words(value: Option<Value>) -> Vec<String> {
    let all = match value {
        Some(Value::List(all) | Value::Set(all)) => all,
        Some(Value::Hash(all)) => all.into_iter().map(|(field, _)| field).collect(),
        _ => Vec::new(),
    };
    all.into_iter().map(|w| String::from_utf8(w).unwrap()).collect()
}

fn all_of(world: &mut World, node: usize, name: &str) -> Vec<String> {
    words(world.live(node).store.plain.value(&key(name)))
}

/// Curtain: everything heals, all agree, nothing is remembered that need not be, promises are kept.
fn curtain(mut world: World) -> World {
    world.settle().unwrap();
    world.kept().unwrap();
    world
}

#[test]
fn h1_crossing_sets() {
    let mut world = mesh(2);
    set(&mut world, A, "k", "from A");
    set(&mut world, B, "k", "from B, a millisecond later");
    let mut world = curtain(world);
    assert_eq!(get(&mut world, A, "k").as_deref(), Some("from B, a millisecond later"));
}

#[test]
fn h2_partition_with_three_alternating_sets() {
    let mut world = mesh(2);
    part(&mut world);
    set(&mut world, A, "k", "1");
    set(&mut world, B, "k", "2");
    set(&mut world, A, "k", "3");
    let mut world = curtain(world);
    assert_eq!(get(&mut world, B, "k").as_deref(), Some("3"));
    assert_eq!(world.snapshots, 0, "healed by what was missing, not by everything");
}

#[test]
fn h3_del_against_set() {
    let mut world = mesh(2);
    set(&mut world, A, "k", "old");
    set(&mut world, A, "l", "old");
    meet(&mut world);
    part(&mut world);
    del(&mut world, A, "k");
    set(&mut world, B, "k", "new");
    set(&mut world, B, "l", "doomed");
    del(&mut world, A, "l");
    let mut world = curtain(world);
    assert_eq!(get(&mut world, A, "k").as_deref(), Some("new"));
    assert_eq!(get(&mut world, B, "l"), None);
}

#[test]
fn h4_flushall_against_a_write() {
    let mut world = mesh(2);
    hset(&mut world, A, "h", "old", "1");
    meet(&mut world);
    part(&mut world);
    at(&mut world, A, |c| c.write(&key(""), false, Effect::ClearDb));
    hset(&mut world, B, "h", "new", "2");
    let mut world = curtain(world);
    assert_eq!(all_of(&mut world, A, "h"), ["new"]);
}

#[test]
fn h5_incr_a_millisecond_before_the_deadline() {
    let mut world = mesh(2);
    let deadline = world.now + 300;
    set_until(&mut world, A, "n", "10", Some(deadline));
    meet_until(&mut world, deadline - 2);
    part(&mut world);
    incr(&mut world, A, "n");
    world.pass(10).unwrap();
    assert_eq!(get(&mut world, A, "n"), None, "it has expired");
    incr(&mut world, B, "n");
    let mut world = curtain(world);
    // A's increment died with the old key; B's began a new one.
    assert_eq!(get(&mut world, A, "n").as_deref(), Some("1"));
    let soon = world.now + 50;
    set_until(&mut world, A, "m", "10", Some(soon));
    let mut world = curtain(world);
    world.pass(1_000).unwrap();
    assert_eq!(get(&mut world, B, "m"), None, "no immortal key");
}

fn meet_until(world: &mut World, time: u64) {
    while world.now < time {
        world.tick(A).unwrap();
        world.tick(B).unwrap();
        let ms = (time - world.now).min(20);
        world.pass(ms).unwrap();
    }
}

#[test]
fn h6_double_lpop() {
    let mut world = mesh(2);
    ["a", "b", "c"].into_iter().for_each(|e| push(&mut world, A, "q", Spot::Tail, e));
    meet(&mut world);
    part(&mut world);
    assert_eq!(pop(&mut world, A, "q"), "a");
    assert_eq!(pop(&mut world, B, "q"), "a", "both may hand out the same element");
    let mut world = curtain(world);
    assert_eq!(all_of(&mut world, A, "q"), ["b", "c"], "nobody received b: it is still there");
}

#[test]
fn h6_elements_of_long_ago_are_popped_by_identity_too() {
    let mut world = mesh(3);
    ["a", "b", "c", "d"].into_iter().for_each(|e| push(&mut world, A, "q", Spot::Tail, e));
    world.settle().unwrap();
    part(&mut world);
    assert_eq!(pop(&mut world, A, "q"), "a");
    push(&mut world, B, "q", Spot::Head, "z");
    assert_eq!(pop(&mut world, C, "q"), "a");
    assert_eq!(pop(&mut world, C, "q"), "b");
    let mut world = curtain(world);
    assert_eq!(all_of(&mut world, B, "q"), ["z", "c", "d"]);
}

#[test]
fn h7_concurrent_pushes_and_types() {
    let mut world = mesh(2);
    part(&mut world);
    push(&mut world, A, "l", Spot::Tail, "1");
    push(&mut world, B, "l", Spot::Tail, "2");
    push(&mut world, A, "l", Spot::Tail, "3");
    push(&mut world, A, "mixed", Spot::Tail, "element");
    sadd(&mut world, B, "mixed", "member");
    let mut world = curtain(world);
    assert_eq!(all_of(&mut world, A, "l"), ["1", "2", "3"]);
    assert_eq!(all_of(&mut world, A, "mixed"), ["member"], "the later creation has the key");
}

#[test]
fn h9_a_late_arrival_does_not_look_newer_than_its_origins_newer_write() {
    let mut world = World::new(9, Plan { nodes: 3, relay: true, ..Plan::default() });
    meet(&mut world);
    world.cut(A, C);
    set(&mut world, A, "k", "older");
    set(&mut world, A, "k", "newer");
    meet(&mut world);
    assert_eq!(get(&mut world, C, "k").as_deref(), Some("newer"), "through B");
    curtain(world);
}

#[test]
fn h10_one_clock_five_seconds_ahead() {
    let mut world = mesh(2);
    world.nodes[A].skew_ms = 4_900;
    set(&mut world, A, "k", "from the future");
    meet(&mut world);
    set(&mut world, B, "k", "B has seen it and overwrites it");
    meet(&mut world);
    assert_eq!(get(&mut world, A, "k").as_deref(), Some("B has seen it and overwrites it"));
    world.nodes[A].skew_ms = 60_000;
    set(&mut world, A, "k", "too far");
    meet(&mut world);
    assert_eq!(get(&mut world, B, "k").as_deref(), Some("B has seen it and overwrites it"));
    assert!(world.trace.iter().any(|line| line.contains("ClockAhead")), "the link is stopped with a reason");
    let before = world.now;
    world.nodes[A].skew_ms = 0;
    world.pass(60_000).unwrap();
    let mut world = curtain(world);
    assert!(world.now > before);
    assert_eq!(get(&mut world, B, "k").as_deref(), Some("too far"), "neither dropped nor rewritten");
}

#[test]
fn h11_read_then_overwrite_at_a_node_whose_clock_is_behind() {
    let mut world = mesh(2);
    world.nodes[B].skew_ms = -1_000;
    set(&mut world, A, "k", "first");
    meet(&mut world);
    set(&mut world, B, "k", "second");
    let mut world = curtain(world);
    assert_eq!(get(&mut world, A, "k").as_deref(), Some("second"));
}

#[test]
fn h12_a_failed_set_nx_does_not_make_an_old_value_newer() {
    let mut world = mesh(2);
    set(&mut world, A, "k", "old");
    meet(&mut world);
    part(&mut world);
    set(&mut world, B, "k", "new");
    setnx(&mut world, A, "k", "refused here");
    setnx(&mut world, A, "lock", "A");
    setnx(&mut world, B, "lock", "B");
    let mut world = curtain(world);
    assert_eq!(get(&mut world, A, "k").as_deref(), Some("new"));
    assert_eq!(get(&mut world, B, "lock").as_deref(), Some("A"), "the first has it");
}

#[test]
fn h13_restart_in_mid_history_does_not_reset_stamps() {
    let mut world = mesh(2);
    part(&mut world);
    set(&mut world, A, "k", "before");
    set(&mut world, B, "k", "after");
    world.stop(B);
    world.nodes[B].skew_ms = -100_000;
    world.start(B, Start::Clean);
    set(&mut world, B, "k", "last, by a clock that was set back");
    let mut world = curtain(world);
    assert_eq!(get(&mut world, A, "k").as_deref(), Some("last, by a clock that was set back"));
}

#[test]
fn h14_crash_with_lost_tail_then_resume() {
    let mut world = mesh(2);
    set(&mut world, A, "kept", "on disk");
    world.sync(A);
    set(&mut world, A, "lost", "only B has it");
    world.pass(50).unwrap();
    world.crash(A);
    world.start(A, Start::Crashed);
    assert_eq!(get(&mut world, A, "lost"), None);
    set(&mut world, A, "next", "a new life, not a duplicate number");
    let mut world = curtain(world);
    assert_eq!(get(&mut world, A, "lost").as_deref(), Some("only B has it"), "pulled back");
    assert_eq!(get(&mut world, B, "next").as_deref(), Some("a new life, not a duplicate number"));
}

#[test]
fn h14_an_old_backup_that_looks_clean_is_noticed() {
    let mut world = mesh(2);
    world.sync(A);
    incr(&mut world, A, "n");
    incr(&mut world, A, "n");
    world.pass(50).unwrap();
    world.crash(A);
    world.start(A, Start::Clean);
    meet(&mut world);
    assert!(world.trace.iter().any(|line| line.contains("Reincarnated")), "{:?}", world.trace);
    incr(&mut world, A, "n");
    let mut world = curtain(world);
    assert_eq!(get(&mut world, B, "n").as_deref(), Some("3"));
}

#[test]
fn h15_an_own_write_that_comes_back_is_not_executed_twice() {
    let mut world = World::new(15, Plan { nodes: 2, relay: true, ..Plan::default() });
    meet(&mut world);
    world.duplicate = true;
    (0..30).for_each(|_| incr(&mut world, A, "n"));
    world.pass(50).unwrap();
    world.crash(A);
    world.start(A, Start::Crashed);
    let mut world = curtain(world);
    assert_eq!(get(&mut world, A, "n").as_deref(), Some("30"));
}

#[test]
fn h16_h17_three_nodes_with_relays_one_restarting() {
    let mut world = World::new(16, Plan { nodes: 3, relay: true, ..Plan::default() });
    meet(&mut world);
    for round in 0..12 {
        (0..3).filter(|i| world.nodes[*i].live.is_some()).collect::<Vec<_>>().into_iter().for_each(|i| {
            incr(&mut world, i, "n");
        });
        match round {
            3 => world.stop(B),
            7 => world.start(B, Start::Clean),
            _ => {}
        }
        meet(&mut world);
    }
    let mut world = curtain(world);
    assert_eq!(get(&mut world, C, "n").as_deref(), Some("32"), "none twice, none skipped");
}

#[test]
fn h18_the_reply_arrives_before_what_it_replies_to() {
    let mut world = mesh(3);
    world.cut(A, B);
    push(&mut world, A, "l", Spot::Tail, "question");
    world.pass(50).unwrap();
    let store = &world.live(C).store;
    let question = store.overlay.element(&store.plain, &key("l"), 0).unwrap();
    let answer = Effect::Insert { spot: Spot::After(question), element: text("answer") };
    at(&mut world, C, |c| c.write(&key("l"), false, answer));
    world.pass(50).unwrap();
    assert_eq!(all_of(&mut world, B, "l"), ["answer"], "B has what it was told");
    let mut world = curtain(world);
    assert_eq!(all_of(&mut world, B, "l"), ["question", "answer"]);
}

#[test]
fn h19_h20_full_sync_does_not_resurrect() {
    // A log of nothing: whoever was away gets a full sync.
    let mut world = World::new(19, Plan { nodes: 3, log_bytes: 0, ..Plan::default() });
    meet(&mut world);
    ["a", "b", "c"].into_iter().for_each(|m| sadd(&mut world, A, "s", m));
    set(&mut world, A, "gone", "x");
    world.settle().unwrap();
    part(&mut world);
    at(&mut world, A, |c| c.write(&key("s"), false, Effect::DelMember(text("a"))));
    del(&mut world, A, "gone");
    sadd(&mut world, B, "s", "d");
    at(&mut world, C, |c| c.write(&key("s"), false, Effect::DelMember(text("b"))));
    let mut world = curtain(world);
    assert!(world.snapshots > 0);
    assert_eq!(all_of(&mut world, B, "s"), ["c", "d"]);
    assert_eq!(get(&mut world, C, "gone"), None);
}

#[test]
fn h21_equal_milliseconds_on_two_nodes() {
    let mut world = mesh(2);
    part(&mut world);
    for (node, value) in [(A, "A"), (B, "B")] {
        let value = Value::String(text(value));
        let effect = Effect::Put { value, deadline: None, absent: false };
        world.client(node, |c, _| c.write(&key("k"), false, effect)).unwrap();
    }
    let mut world = curtain(world);
    assert_eq!(get(&mut world, A, "k"), get(&mut world, B, "k"));
}

#[test]
fn h22_partial_and_full_sync_heal_alike() {
    let outcome = |log_bytes| {
        let mut world = World::new(22, Plan { nodes: 2, log_bytes, ..Plan::default() });
        meet(&mut world);
        ["a", "b", "c"].into_iter().for_each(|e| push(&mut world, A, "l", Spot::Tail, e));
        incr(&mut world, A, "n");
        meet(&mut world);
        part(&mut world);
        pop(&mut world, A, "l");
        push(&mut world, B, "l", Spot::Head, "z");
        incr(&mut world, A, "n");
        incr(&mut world, B, "n");
        hset(&mut world, A, "h", "a", "1");
        hset(&mut world, B, "h", "b", "2");
        let mut world = curtain(world);
        let keys = ["l", "h"].map(|k| all_of(&mut world, A, k));
        (keys, get(&mut world, A, "n"), world.snapshots > 0)
    };
    let (partial, full) = (outcome(1 << 20), outcome(0));
    assert!(!partial.2 && full.2);
    assert_eq!((&partial.0, &partial.1), (&full.0, &full.1));
    assert_eq!(partial.1.as_deref(), Some("3"));
}

#[test]
fn h23_eviction_on_one_node_only_takes_what_it_saw() {
    let mut world = mesh(2);
    hset(&mut world, A, "h", "old", "1");
    world.settle().unwrap();
    part(&mut world);
    let cut = world.live(A).replica.horizon().horizon;
    hset(&mut world, B, "h", "new", "2");
    at(&mut world, A, |c| c.write(&key("h"), false, Effect::Evict { cut }));
    let mut world = curtain(world);
    assert_eq!(all_of(&mut world, A, "h"), ["new"]);
}

/// Lets time pass at the nodes that are up, with beats.
fn wait(world: &mut World, ms: u64) {
    for _ in 0..ms / 50 {
        world.connect().unwrap();
        for i in 0..world.nodes.len() {
            world.sync(i);
            world.tick(i).unwrap();
        }
        world.pass(50).unwrap();
    }
}

/// A member is away for so long that nobody waits for it.
fn left_behind() -> World {
    let mut world = World::new(24, Plan { nodes: 3, detach_after_ms: 2_000, ..Plan::default() });
    meet(&mut world);
    ["a", "b", "c"].into_iter().for_each(|m| sadd(&mut world, A, "s", m));
    ["x", "y"].into_iter().for_each(|e| push(&mut world, A, "l", Spot::Tail, e));
    wait(&mut world, 500);
    (0..3).for_each(|i| world.sync(i));
    world.cut(A, C);
    world.cut(B, C);
    world
}

#[test]
fn a_member_that_is_silent_for_long_is_detached_and_gets_everything_when_it_comes_back() {
    let mut world = left_behind();
    at(&mut world, A, |c| c.write(&key("s"), false, Effect::DelMember(text("a"))));
    assert_eq!(pop(&mut world, B, "l"), "x");
    wait(&mut world, 1_000);
    assert!(world.live(A).store.overlay.has(&key("s")), "C is waited for");
    wait(&mut world, 3_000);
    assert!(world.trace.iter().any(|line| line.contains("0 detaches 3")), "{:?}", world.trace);
    assert!(world.live(A).store.overlay.is_empty(), "nothing is remembered for it");
    let before = world.snapshots;
    push(&mut world, A, "l", Spot::Tail, "z");
    let mut world = curtain(world);
    assert!(world.snapshots > before, "all there is");
    assert_eq!(all_of(&mut world, C, "s"), ["b", "c"], "what was removed does not come back");
    assert_eq!(all_of(&mut world, C, "l"), ["y", "z"]);
    sadd(&mut world, C, "s", "d");
    let mut world = curtain(world);
    assert_eq!(all_of(&mut world, A, "s"), ["b", "c", "d"]);
}

/// On both sides of a long cut nobody waits for the other side. One has written nothing: it gives way.
#[test]
fn who_was_cut_off_for_long_and_wrote_nothing_gives_way() {
    let mut world = left_behind();
    wait(&mut world, 3_000);
    assert!(world.trace.iter().any(|line| line.contains("2 detaches 1")), "{:?}", world.trace);
    sadd(&mut world, B, "s", "e");
    at(&mut world, A, |c| c.write(&key("s"), false, Effect::DelMember(text("b"))));
    let mut world = curtain(world);
    assert_eq!(all_of(&mut world, C, "s"), ["a", "c", "e"]);
}

#[test]
fn two_sides_that_both_went_on_without_the_other_are_not_linked() {
    let mut world = left_behind();
    wait(&mut world, 3_000);
    sadd(&mut world, A, "s", "e");
    sadd(&mut world, C, "s", "f");
    // B has what A wrote.
    wait(&mut world, 200);
    world.heal();
    wait(&mut world, 1_000);
    assert!(world.trace.iter().any(|line| line.contains("Detached")), "{:?}", world.trace);
    assert_eq!(all_of(&mut world, A, "s"), ["a", "b", "c", "e"], "nothing of it is taken");
    assert_eq!(all_of(&mut world, C, "s"), ["a", "b", "c", "f"]);
}

/// B could talk to nobody while C wrote, and gave all of it to A. Then C goes, and nobody waits for it: B waits for what A has of it
/// all the same, and does not take what is older than its own writes for younger.
fn what_it_gave_to_one_reaches_all(leave: fn(&mut World, usize)) {
    let mut world = mesh(3);
    world.cut(A, B);
    world.cut(B, C);
    for member in 0..800 {
        sadd(&mut world, C, "s", &format!("member {member}"));
    }
    // It waits for the others on their way to B.
    set(&mut world, C, "k", "of C");
    wait(&mut world, 500);
    set(&mut world, B, "k", "of B, later");
    world.crash(C);
    leave(&mut world, A);
    leave(&mut world, B);
    world.heal();
    wait(&mut world, 3_000);
    for node in [A, B] {
        assert_eq!(get(&mut world, node, "k").as_deref(), Some("of B, later"));
        assert_eq!(all_of(&mut world, node, "s").len(), 800);
        assert!(world.live(node).store.overlay.is_empty(), "nothing is remembered for C");
    }
}

fn forget_c(world: &mut World, node: usize) {
    assert!(world.live(node).replica.forget(C as u128 + 1), "C is a member");
}

#[test]
fn what_a_member_gave_to_one_before_it_was_detached_reaches_all() {
    what_it_gave_to_one_reaches_all(|world, node| world.live(node).replica.detach(C as u128 + 1));
}

#[test]
fn what_a_member_gave_to_one_before_it_was_forgotten_reaches_all() {
    what_it_gave_to_one_reaches_all(forget_c);
}

/// Operators are no machines: between what they say to A and to B, B speaks of C many times.
#[test]
fn a_member_is_forgotten_by_one_after_the_other() {
    let mut world = mesh(3);
    world.crash(C);
    wait(&mut world, 200);
    forget_c(&mut world, A);
    sadd(&mut world, A, "s", "a");
    wait(&mut world, 1_000);
    assert_eq!(world.live(A).replica.horizon().members().count(), 1);
    assert!(world.live(A).store.overlay.has(&key("s")), "B waits for C");
    forget_c(&mut world, B);
    wait(&mut world, 1_000);
    for node in [A, B] {
        assert_eq!(world.live(node).replica.horizon().members().count(), 1);
        assert!(world.live(node).store.overlay.is_empty(), "nothing is remembered for C");
    }
}

/// It was not gone for good after all.
#[test]
fn who_was_forgotten_and_comes_back_is_a_member_again() {
    let mut world = mesh(3);
    sadd(&mut world, C, "s", "c");
    wait(&mut world, 500);
    world.stop(C);
    forget_c(&mut world, A);
    forget_c(&mut world, B);
    at(&mut world, A, |c| c.write(&key("s"), false, Effect::DelMember(text("c"))));
    sadd(&mut world, A, "s", "a");
    wait(&mut world, 500);
    assert!(world.live(A).store.overlay.is_empty(), "nothing is remembered for C");
    world.start(C, Start::Clean);
    let mut world = curtain(world);
    assert_eq!(all_of(&mut world, C, "s"), ["a"]);
    sadd(&mut world, C, "s", "d");
    let mut world = curtain(world);
    assert_eq!(all_of(&mut world, A, "s"), ["a", "d"]);
    assert_eq!(world.live(A).replica.horizon().members().count(), 2);
}

#[test]
fn two_processes_with_one_identity_refuse_each_other() {
    let mut world = mesh(2);
    world.sync(A);
    let copy = world.nodes[A].disk.clone();
    world.stop(B);
    world.nodes[B].disk = copy;
    world.start(B, Start::Clean);
    meet(&mut world);
    assert!(world.trace.iter().any(|line| line.contains("SameIdentity")));
}
