use proptest::prelude::*;

use super::base64::{decode, encode};
use super::*;

const LIMITS: Limits = Limits { item_max: 100 };

/// What a step is, in a few words.
fn told(bytes: &[u8]) -> String {
    match parse(bytes, 0, LIMITS) {
        Step::Request { request, used, skip } => {
            format!("{} {used} {skip}", format!("{request:?}").split([' ', '(']).next().unwrap_or_default())
        }
        Step::Refused(Refusal { text, used, skip, quiet }) => format!("{text} {used} {skip} {quiet}"),
        Step::Line => "no line".to_string(),
        Step::Need(n) => format!("needs {n}"),
        Step::Foreign => "foreign".to_string(),
    }
}

#[test]
fn steps_say_how_far_they_go() {
    let many_keys = [&b"get "[..], &b"x ".repeat(3000)].concat();
    for (bytes, step) in [
        (&b""[..], "no line"),
        (b"get a", "no line"),
        (b"get a\r\nget", "Get 7 0"),
        (b"get a\n", "Get 6 0"),
        (b"set a 1 0 3\r\n", "needs 18"),
        (b"set a 1 0 3\r\nabc\r\nx", "Store 18 0"),
        (b"set a 1 0 3\r\nabcde", "CLIENT_ERROR bad data chunk 18 0 false"),
        (b"set a 1 0 3 noreply\r\nabcde", "CLIENT_ERROR bad data chunk 26 0 true"),
        (b"set a 1 0 101\r\nab", "TooLarge 15 103"),
        (b"ms a 101\r\nab", "TooLarge 10 103"),
        (b"ms a 2 Z\r\nab\r\n", "CLIENT_ERROR invalid flag 10 4 false"),
        (b"ms a 2\r\nab\r\n", "Meta 12 0"),
        (b"mn\r\n", "Nothing 4 0"),
        (b"\r\n", "ERROR 2 0 false"),
        (&many_keys[..], "no line"),
        (&b"x".repeat(3000)[..], "foreign"),
        (&[&b"x".repeat(3000)[..], b"\r\n"].concat()[..], "ERROR 3002 0 false"),
        (b"GET / HTTP/1.0\r\n", "foreign"),
        (b"set a 1 0 2147483645\r\n", "TooLarge 22 2147483647"),
        (b"set a 1 0 2147483646\r\n", "CLIENT_ERROR bad command line format 22 0 false"),
    ] {
        assert_eq!(told(bytes), step, "{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]));
    }
}

proptest! {
    #[test]
    fn base64_there_and_back(bytes in prop::collection::vec(any::<u8>(), 1..50)) {
        let mut text = Vec::new();
        encode(&mut text, &bytes);
        prop_assert_eq!(decode(&text), Some(bytes));
    }

    /// Whatever comes, a step takes something, needs more, or ends it, and says nothing of bytes that are not there.
    #[test]
    fn hostile_input_is_taken_step_by_step(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "get", "set", "cas", "ms", "mg", "ma", "md", "me", "incr", "touch", "flush_all", "delete", "a", "0", "-1",
                "5", "99999999999999999999", "T5", "b", "\r\n", "\n", "\u{ff}\0", "noreply",
            ]),
            0..40,
        ),
    ) {
        let bytes = words.join(" ").into_bytes();
        let mut rest = &bytes[..];
        loop {
            let used = match parse(rest, 0, LIMITS) {
                Step::Request { used, .. } => used,
                Step::Refused(refusal) => refusal.used,
                Step::Need(n) => {
                    prop_assert!(n > rest.len());
                    break;
                }
                Step::Line | Step::Foreign => break,
            };
            prop_assert!(used > 0 && used <= rest.len());
            rest = &rest[used..];
        }
    }
}
