//! What a list costs: time per operation and bytes per element.
//! `cargo run --release -p everwrite-engine --example quicklist_timing [elements]`

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Instant;

use engine::types::quicklist::{Quicklist, Shape};

fn time(what: &str, n: usize, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    println!("  {what:<36} {:7.1} ns", start.elapsed().as_nanos() as f64 / n as f64);
}

fn report(list: &Quicklist) {
    let per_element = list.heap_bytes() as f64 / list.len() as f64;
    println!("  {:<36} {per_element:7.2} bytes", "memory per element");
}

fn run(name: &str, shape: Shape, values: &[Vec<u8>]) {
    let n = values.len();
    println!("{name}, {n} elements of {} bytes", values[0].len());
    let mut list = Quicklist::new();
    time("LPUSH", n, || values.iter().for_each(|v| list.push_front(shape, v)));
    report(&list);
    time("LRANGE of all", n, || {
        let mut bytes = 0;
        list.range(0, false, n, |entry| bytes += entry.text_len());
        assert!(bytes > 0);
    });
    let looks = 1000;
    time("LRANGE 0 99", looks, || {
        (0..looks).for_each(|_| list.range(0, false, 100, |entry| _ = black_box(entry)));
    });
    time("LPOS of what is not there", n, || assert_eq!(list.position(b"nowhere"), None));
    time("LPOP", n, || while list.pop_front(shape, |e| _ = black_box(e)).is_some() {});
    time("RPUSH", n, || values.iter().for_each(|v| list.push_back(shape, v)));
    report(&list);
    time("LINDEX", looks, || {
        (0..looks).for_each(|i| assert!(black_box(list.get(i * 7919 % n, |_| ())).is_some()));
    });
    time("LSET", looks, || {
        (0..looks).for_each(|i| assert!(list.set(shape, i * 7919 % n, &values[i])));
    });
    time("LPOP", n, || while list.pop_front(shape, |e| _ = black_box(e)).is_some() {});
    values.iter().for_each(|v| list.push_front(shape, v));
    time("LPUSH and RPOP, long queue", n, || {
        values.iter().for_each(|v| {
            list.push_front(shape, v);
            black_box(list.pop_back(shape, |_| ()));
        });
    });
    list = Quicklist::new();
    values.iter().take(100).for_each(|v| list.push_front(shape, v));
    time("LPUSH and RPOP, queue of 100", n, || {
        values.iter().for_each(|v| {
            list.push_front(shape, v);
            black_box(list.pop_back(shape, |_| ()));
        });
    });
    let inserts = 20_000.min(n);
    time("LINSERT in the middle", inserts, || {
        values.iter().take(inserts).for_each(|v| list.insert(shape, list.len() / 2, v));
    });
    report(&list);
    time("LREM of each of 1000 values", 1000, || {
        for value in values.iter().take(1000) {
            let position = list.position(value);
            list.remove_at(shape, position.as_slice());
        }
    });
    let mut hits = 0;
    list.find(&values[inserts / 2], true, usize::MAX, |_| {
        hits += 1;
        ControlFlow::Continue(())
    });
    assert!(hits > 0);
}

fn main() {
    let n = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let texts: Vec<Vec<u8>> = (0..n).map(|i| format!("value:{i:06}").into_bytes()).collect();
    let numbers: Vec<Vec<u8>> = (0..n).map(|i| (100_000 + i).to_string().into_bytes()).collect();
    run("8 KB nodes", Shape::new(-2, 0, 1 << 30), &texts);
    run("8 KB nodes, integers", Shape::new(-2, 0, 1 << 30), &numbers);
    run("128 elements a node", Shape::new(128, 0, 1 << 30), &texts);
    run("64 KB nodes", Shape::new(-5, 0, 1 << 30), &texts);
    run("8 KB nodes, compressed but for one", Shape::new(-2, 1, 1 << 30), &texts[..n / 10]);
}
