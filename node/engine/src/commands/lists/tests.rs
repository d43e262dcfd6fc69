use crate::commands::testing::{Console, check_golden};
use crate::keyspace::Keyspace;

#[test]
fn golden() {
    check_golden(include_str!("../testdata/lists.golden"));
}

#[test]
fn a_command_that_runs_again_sees_the_key_that_became_ready_only() {
    let keyspace = Keyspace::new(1, 1);
    let mut console = Console::new(&keyspace);
    console.run("RPUSH a x");
    console.run("RPUSH b y z");
    console.run("SET s text");
    console.ctx.serving = Some((*b"b").into());
    assert_eq!(console.text("BLPOP s a b 0"), "*2¶$1¶b¶$1¶y¶");
    assert_eq!(console.text("BLMPOP 0 2 a b LEFT"), "*2¶$1¶b¶*1¶$1¶z¶");
    assert_eq!(console.text("BRPOP a b 0"), "(blocked)");
}
