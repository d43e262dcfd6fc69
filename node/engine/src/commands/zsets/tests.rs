use std::collections::{BTreeMap, BTreeSet};

use crate::commands::testing::{Console, check_golden};
use crate::keyspace::Keyspace;

#[test]
fn golden() {
    check_golden(include_str!("../testdata/zsets.golden"));
}

/// Runs `check` on a set of 40 members in either form.
fn in_both_forms(check: impl Fn(&mut Console<'_>)) {
    for limit in [0, 128] {
        let keyspace = Keyspace::new(1, 1);
        let mut console = Console::new(&keyspace);
        console.run(&format!("CONFIG SET zset-max-listpack-entries {limit}"));
        for n in 0..40 {
            console.run(&format!("ZADD z {} m{n}", n / 2));
        }
        check(&mut console);
    }
}

fn words(reply: Vec<u8>) -> Vec<String> {
    let text = String::from_utf8(reply).unwrap();
    text.split("\r\n")
        .filter(|line| !line.is_empty() && !line.starts_with(['$', '*']))
        .map(str::to_owned)
        .collect()
}

#[test]
fn blocking_commands_wait_when_there_is_nothing() {
    in_both_forms(|console| {
        for line in ["BZPOPMIN a b 0", "BZPOPMAX a 1.5", "BZMPOP 0.1 2 a b MIN COUNT 3"] {
            assert_eq!(console.text(line), "(blocked)", "{line}");
        }
        assert_eq!(console.text("BZPOPMIN a z 0"), "*3¶$1¶z¶$2¶m0¶$1¶0¶");
    });
}

#[test]
fn later_options() {
    in_both_forms(|console| {
        assert_eq!(console.text("ZRANK z m5 WITHSCORE"), "*2¶:5¶$1¶2¶");
        assert_eq!(console.text("ZREVRANK z m5 withscore"), "*2¶:34¶$1¶2¶");
        assert_eq!(console.text("ZRANK z nobody WITHSCORE"), "*-1¶");
        assert_eq!(
            console.text("ZRANK z m5 WITHSCORES"),
            "-ERR wrong number of arguments for 'zrank' command¶"
        );
        console.resp3 = true;
        assert_eq!(console.text("ZRANK z m5 WITHSCORE"), "*2¶:5¶,2¶");
        assert_eq!(console.text("ZRANK nokey nobody WITHSCORE"), "_¶");
    });
}

#[test]
fn random_members_are_members_with_their_scores() {
    in_both_forms(|console| {
        let mut counts = BTreeMap::<String, usize>::new();
        for _ in 0..300 {
            let drawn = words(console.run("ZRANDMEMBER z -8 WITHSCORES"));
            assert_eq!(drawn.len(), 16);
            for pair in drawn.chunks(2) {
                let n: usize = pair[0][1..].parse().unwrap();
                assert_eq!(pair[1], (n / 2).to_string());
                *counts.entry(pair[0].clone()).or_default() += 1;
            }
            for count in [1, 5, 20, 39, 40, 50] {
                let distinct: BTreeSet<_> =
                    words(console.run(&format!("ZRANDMEMBER z {count}"))).into_iter().collect();
                assert_eq!(distinct.len(), count.min(40));
            }
        }
        // 2400 draws from 40: each 60 times, give or take six standard deviations.
        assert!(counts.len() == 40 && counts.values().all(|n| (14..=106).contains(n)), "{counts:?}");
    });
}

#[test]
fn scans_find_everything_once() {
    in_both_forms(|console| {
        let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
        loop {
            let mut reply = words(console.run(&format!("ZSCAN z {cursor} COUNT 5 MATCH m*")));
            cursor = reply.remove(0);
            found.extend(reply.chunks(2).map(|pair| pair.join(" ")));
            if cursor == "0" {
                break;
            }
        }
        found.sort();
        let mut expected: Vec<_> = (0..40).map(|n| format!("m{n} {}", n / 2)).collect();
        expected.sort();
        assert_eq!(found, expected);
    });
}

#[test]
fn a_command_that_runs_again_sees_the_key_that_became_ready_only() {
    let keyspace = Keyspace::new(1, 1);
    let mut console = Console::new(&keyspace);
    console.run("ZADD a 1 x");
    console.run("ZADD b 1 y");
    console.ctx.serving = Some((*b"b").into());
    for expected in ["*3¶$1¶b¶$1¶y¶$1¶1¶", "(blocked)"] {
        assert_eq!(console.text("BZPOPMIN a b 0"), expected);
    }
}

#[test]
fn noscores_leaves_scores_out() {
    let keyspace = Keyspace::new(1, 1);
    let mut console = Console::new(&keyspace);
    console.text("ZADD z 1 a 2 bb 3 b");
    assert_eq!(console.text("ZSCAN z 0 NOSCORES MATCH b*"), "*2¶$1¶0¶*2¶$2¶bb¶$1¶b¶");
    assert_eq!(console.text("ZSCAN z 0 COUNT 10 NOSCORES"), "*2¶$1¶0¶*3¶$1¶a¶$2¶bb¶$1¶b¶");
}
