//! The list against a `VecDeque`, with tiny nodes, plain elements and compression.

use proptest::prelude::*;

use super::node::Body;
use super::*;

/// Shapes that make a few dozen elements many nodes.
fn shapes() -> impl Strategy<Value = Shape> {
    let shape = |bytes_max, count_max, depth, plain_bytes| Shape { bytes_max, count_max, depth, plain_bytes };
    prop_oneof![
        Just(shape(64, usize::MAX, 0, 1 << 30)),
        Just(shape(64, usize::MAX, 1, 40)),
        Just(shape(200, usize::MAX, 2, 100)),
        Just(shape(8192, 3, 1, 1 << 30)),
        Just(shape(8192, 1, 0, 1 << 30)),
        Just(shape(1500, usize::MAX, 0, 1 << 30)),
        Just(shape(1500, 90, 1, 1 << 30)),
        Just(shape(8192, usize::MAX, 3, 1)),
    ]
}

/// Few values, so that some are equal; integers, short and long texts.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (-3i64..12).prop_map(|n| n.to_string().into_bytes()),
        2 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        4 => "[a-c]{0,2}".prop_map(String::into_bytes),
        2 => (0usize..120, 0u8..3).prop_map(|(len, c)| vec![b'x' + c; len]),
        1 => prop::collection::vec(any::<u8>(), 60..90),
    ]
}

#[derive(Debug, Clone)]
enum Op {
    PushFront(Vec<u8>),
    PushBack(Vec<u8>),
    PopFront,
    PopBack,
    Rotate,
    Insert(usize, Vec<u8>),
    Set(usize, Vec<u8>),
    RemoveRange(usize, usize),
    RemoveEqual(Vec<u8>, usize, bool),
    Find(Vec<u8>, bool, usize),
    Walk(usize, bool, usize),
    Store,
}

fn op(grow: u32, shrink: u32) -> impl Strategy<Value = Op> {
    prop_oneof![
        grow => value().prop_map(Op::PushFront),
        grow => value().prop_map(Op::PushBack),
        grow => (any::<usize>(), value()).prop_map(|(i, v)| Op::Insert(i, v)),
        shrink => Just(Op::PopFront),
        shrink => Just(Op::PopBack),
        3 => Just(Op::Rotate),
        6 => (any::<usize>(), value()).prop_map(|(i, v)| Op::Set(i, v)),
        shrink.div_ceil(4) => (any::<usize>(), 0usize..12).prop_map(|(i, n)| Op::RemoveRange(i, n)),
        shrink.div_ceil(4) => (value(), 0usize..6, any::<bool>()).prop_map(|(v, n, b)| Op::RemoveEqual(v, n, b)),
        1 => (value(), any::<bool>()).prop_map(|(v, b)| Op::RemoveEqual(v, usize::MAX, b)),
        2 => (value(), any::<bool>(), 0usize..100).prop_map(|(v, b, n)| Op::Find(v, b, n)),
        2 => (any::<usize>(), any::<bool>(), 0usize..50).prop_map(|(i, b, n)| Op::Walk(i, b, n)),
        1 => Just(Op::Store),
    ]
}

type Oracle = VecDeque<Vec<u8>>;

fn contents(list: &Quicklist) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    list.range(0, false, usize::MAX, |entry| all.push(entry.to_vec()));
    all
}

/// Removes the first or last elements equal to `value`; where they were.
fn remove_equal(oracle: &mut Oracle, value: &[u8], max: usize, backwards: bool) -> Vec<usize> {
    let mut hits: Vec<usize> = (0..oracle.len()).filter(|i| oracle[*i] == value).collect();
    if backwards {
        hits.reverse();
    }
    hits.truncate(max);
    hits.sort();
    hits.iter().rev().for_each(|i| drop(oracle.remove(*i)));
    hits
}

fn check_find(list: &Quicklist, oracle: &Oracle, value: &[u8], backwards: bool, scan_max: usize) {
    let mut order: Vec<usize> = (0..oracle.len()).collect();
    if backwards {
        order.reverse();
    }
    let want: Vec<usize> = order.into_iter().take(scan_max).filter(|i| oracle[*i] == value).collect();
    for limit in [1, usize::MAX] {
        let mut found = Vec::new();
        list.find(value, backwards, scan_max, |i| {
            found.push(i);
            if found.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(found, want[..want.len().min(limit)]);
    }
    assert_eq!(list.position(value), oracle.iter().position(|v| v == value));
}

fn check_walk(list: &Quicklist, oracle: &Oracle, index: usize, backwards: bool, n: usize) {
    let (mut seen, index) = (Vec::new(), index % (oracle.len() + 2));
    list.walk(index, backwards, |entry| {
        seen.push(entry.to_vec());
        if seen.len() > n { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let want: Vec<_> = match backwards {
        _ if index >= oracle.len() => vec![],
        true => oracle.range(..=index).rev().take(n + 1).cloned().collect(),
        false => oracle.range(index..).take(n + 1).cloned().collect(),
    };
    assert_eq!(seen, want);
    assert_eq!(list.get(index, |entry| entry.to_vec()).as_ref(), oracle.get(index));
}

/// What a file would hold, read again.
fn restored(list: &Quicklist, shape: Shape) -> Quicklist {
    let mut copy = Quicklist::new();
    for node in list.stored() {
        let bytes = node.payload.bytes().into_owned();
        match node.container {
            Container::Plain => copy.append_plain(shape, bytes),
            Container::Packed => copy.append_packed(shape, Listpack::from_bytes(bytes).unwrap()),
        }
    }
    copy
}

fn check(list: &Quicklist, shape: Shape, oracle: &Oracle) {
    assert_eq!(list.len(), oracle.len());
    assert!(contents(list).iter().eq(oracle));
    let nodes = list.nodes.len();
    for (i, node) in list.nodes.iter().enumerate() {
        assert!(node.count() > 0);
        let one = node.count() == 1;
        assert!(one || node.bytes() <= shape.bytes_max, "{} bytes in a node", node.bytes());
        assert!(node.count() <= shape.count_max);
        let inner = shape.depth > 0 && i >= shape.depth && i + shape.depth < nodes;
        assert!(inner || !node.is_squeezed(), "node {i} of {nodes} is squeezed");
        if inner && !node.is_squeezed() {
            // It was tried, or it pays too little.
            let mut again = node.clone();
            again.open();
            again.squeeze();
            assert!(!again.is_squeezed(), "node {i} of {nodes} should be squeezed");
        }
        if let Body::Packed(listpack) = &node.raw().body {
            assert_eq!(listpack.len(), node.count());
        }
    }
}

fn apply(list: &mut Quicklist, shape: Shape, oracle: &mut Oracle, op: Op) {
    let vec = |entry: Entry<'_>| entry.to_vec();
    let within = |i: usize| i % (oracle.len() + 2);
    match op {
        Op::PushFront(v) => {
            list.push_front(shape, &v);
            oracle.push_front(v);
        }
        Op::PushBack(v) => {
            list.push_back(shape, &v);
            oracle.push_back(v);
        }
        Op::PopFront => assert_eq!(list.pop_front(shape, vec), oracle.pop_front()),
        Op::PopBack => assert_eq!(list.pop_back(shape, vec), oracle.pop_back()),
        Op::Rotate => {
            assert_eq!(list.rotate(shape, vec).as_ref(), oracle.back());
            oracle.rotate_right(1.min(oracle.len()));
        }
        Op::Insert(i, v) => {
            let i = i % (oracle.len() + 1);
            list.insert(shape, i, &v);
            oracle.insert(i, v);
        }
        Op::Set(i, v) => {
            let i = within(i);
            assert_eq!(list.set(shape, i, &v), i < oracle.len());
            oracle.get_mut(i).into_iter().for_each(|old| old.clone_from(&v));
        }
        Op::RemoveRange(i, n) => {
            let i = within(i);
            let (from, to) = (i.min(oracle.len()), (i + n).min(oracle.len()));
            assert_eq!(list.remove_range(shape, i, n), to.saturating_sub(from));
            oracle.drain(from..to.max(from));
        }
        Op::RemoveEqual(v, max, backwards) => {
            list.remove_at(shape, &remove_equal(oracle, &v, max, backwards));
        }
        Op::Find(v, backwards, n) => check_find(list, oracle, &v, backwards, n),
        Op::Walk(i, backwards, n) => check_walk(list, oracle, i, backwards, n),
        Op::Store => *list = restored(list, shape),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn behaves_as_a_deque(
        shape in shapes(),
        grow in prop::collection::vec(op(20, 5), 50..250),
        shrink in prop::collection::vec(op(5, 20), 0..150),
        again in prop::collection::vec(op(12, 10), 0..100),
    ) {
        let (mut list, mut oracle) = (Quicklist::new(), Oracle::new());
        for op in grow.into_iter().chain(shrink).chain(again) {
            apply(&mut list, shape, &mut oracle, op);
            check(&list, shape, &oracle);
        }
    }

    #[test]
    fn settings_may_change_between_operations(
        ops in prop::collection::vec((shapes(), op(12, 8)), 0..200),
    ) {
        let (mut list, mut oracle) = (Quicklist::new(), Oracle::new());
        for (shape, op) in ops {
            apply(&mut list, shape, &mut oracle, op);
            prop_assert!(contents(&list).iter().eq(&oracle));
        }
    }
}

fn default_shape() -> Shape {
    Shape::new(-2, 0, 1 << 30)
}

#[test]
fn pushes_at_either_end_make_full_nodes() {
    for front in [false, true] {
        let mut list = Quicklist::new();
        for i in 0..100_000 {
            let value = format!("value:{i:06}");
            if front {
                list.push_front(default_shape(), value.as_bytes());
            } else {
                list.push_back(default_shape(), value.as_bytes());
            }
        }
        let per_element = list.heap_bytes() as f64 / list.len() as f64;
        // Twelve bytes of text in an entry of fourteen.
        assert!(per_element < 14.2, "{per_element}");
    }
}

#[test]
fn a_short_list_is_two_small_allocations() {
    let mut list = Quicklist::new();
    list.push_back(default_shape(), b"job");
    assert_eq!((size_of::<Node>(), list.heap_bytes()), (32, 32 + 16));
}

#[test]
fn a_queue_turns_each_node_about_once() {
    let mut list = Quicklist::new();
    (0..20_000).for_each(|i| list.push_front(default_shape(), format!("{i:010}x").as_bytes()));
    assert!(list.nodes.iter().take(3).all(Node::is_reversed));
    for i in 0..20_000 {
        let popped = list.pop_back(default_shape(), |entry| entry.to_vec());
        assert_eq!(popped, Some(format!("{i:010}x").into_bytes()));
    }
    assert!(list.is_empty());
}

#[test]
fn equal_elements_of_a_turned_node_go_in_order() {
    let shape = Shape { bytes_max: 300, count_max: usize::MAX, depth: 0, plain_bytes: 1 << 30 };
    for (max, backwards) in [(1, false), (5, false), (1, true), (5, true)] {
        let (mut list, mut oracle) = (Quicklist::new(), Oracle::new());
        for i in 0..300 {
            let value = format!("value:{}", i % 7).into_bytes();
            list.push_front(shape, &value);
            oracle.push_front(value);
        }
        assert!(list.nodes[0].is_reversed());
        apply(&mut list, shape, &mut oracle, Op::RemoveEqual(b"value:3".into(), max, backwards));
        check(&list, shape, &oracle);
    }
}

#[test]
fn a_set_of_equal_size_leaves_a_full_node_alone() {
    let mut list = Quicklist::new();
    (0..2000).for_each(|i| list.push_back(default_shape(), format!("{i:08}x").as_bytes()));
    let nodes = list.node_count();
    for i in 0..2000 {
        assert!(list.set(default_shape(), i, format!("{i:08}y").as_bytes()));
    }
    assert_eq!(list.node_count(), nodes);
}

#[test]
fn indices_resolve_as_clients_mean_them() {
    let mut list = Quicklist::new();
    (0..3).for_each(|_| list.push_back(default_shape(), b"x"));
    let resolved = [0, 2, 3, -1, -3, -4, i64::MIN, i64::MAX].map(|index| list.resolve(index));
    assert_eq!(resolved, [Some(0), Some(2), None, Some(2), Some(0), None, None, None]);
}
