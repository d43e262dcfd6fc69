use crate::commands::testing::{Console, check_golden};
use crate::keyspace::Keyspace;

#[test]
fn golden() {
    check_golden(include_str!("../testdata/hashes.golden"));
}

#[test]
fn repeats_are_bounded() {
    let keyspace = Keyspace::new(1, 1);
    let mut console = Console::new(&keyspace);
    console.text("HSET h a 1");
    assert_eq!(console.text("HRANDFIELD h -134217729"), "-ERR value is out of range¶");
    assert_eq!(console.text("HRANDFIELD h 134217729"), "*1¶$1¶a¶");
}

#[test]
fn novalues_leaves_values_out() {
    let keyspace = Keyspace::new(1, 1);
    let mut console = Console::new(&keyspace);
    console.text("HSET h a 1 bb 2 b 3");
    assert_eq!(console.text("HSCAN h 0 NOVALUES MATCH b*"), "*2¶$1¶0¶*2¶$2¶bb¶$1¶b¶");
}
