use std::collections::BTreeSet;

use crate::commands::testing::{Console, check_golden};
use crate::keyspace::Keyspace;

#[test]
fn golden() {
    check_golden(include_str!("../testdata/sets.golden"));
}

#[test]
fn repeats_are_bounded() {
    let keyspace = Keyspace::new(1, 1);
    let mut console = Console::new(&keyspace);
    console.text("SADD s a");
    assert_eq!(console.text("SRANDMEMBER s -134217729"), "-ERR value is out of range¶");
    assert_eq!(console.text("SRANDMEMBER s 134217729"), "*1¶$1¶a¶");
}

#[test]
fn what_is_popped_was_there_and_is_not_any_more() {
    for members in [&["1", "2", "3", "-70000", "9223372036854775807"][..], &["a", "b", "3", "4", "5"]] {
        let keyspace = Keyspace::new(1, 1);
        let mut console = Console::new(&keyspace);
        console.run(&format!("SADD s {}", members.join(" ")));
        let mut popped = BTreeSet::new();
        for count in [2, 1, 0, 9] {
            let reply = String::from_utf8(console.run(&format!("SPOP s {count}"))).unwrap();
            popped
                .extend(reply.split("\r\n").skip(2).step_by(2).filter(|m| !m.is_empty()).map(str::to_owned));
            let left: i64 = console.text("SCARD s").trim_matches([':', '¶']).parse().unwrap();
            assert_eq!(left as usize + popped.len(), members.len());
        }
        assert_eq!(popped, members.iter().map(|m| m.to_string()).collect());
        assert_eq!(console.text("EXISTS s"), ":0¶");
    }
}
