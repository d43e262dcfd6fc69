//! Real processes, for some seconds: see the drill's own page for what happens to them.

use std::process::Command;

/// Runs a drill; its report if it is not clean.
fn drill(options: &[&str]) {
    let program = env!("CARGO_BIN_EXE_everwrite-chaos");
    let output = Command::new(program).arg("drill").args(options).output().expect("the drill starts");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "drill {options:?}: {}", said.join("\n"));
    assert!(said[0].ends_with("CLEAN\n"), "{}", said[0]);
}

#[test]
fn with_a_log_not_even_what_a_killed_node_had_sent_nobody_is_lost() {
    let policy = ["--aof", "--appendfsync", "everysec"];
    drill(&[&["--seconds", "12", "--rate", "200", "--writers", "2", "--seed", "2"], &policy[..]].concat());
}

#[test]
fn partitions_a_crash_and_a_wrong_clock_lose_nothing() {
    drill(&["--seconds", "12", "--rate", "200", "--writers", "2"]);
}
