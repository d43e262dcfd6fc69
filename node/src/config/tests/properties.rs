//! Whatever is written: an error or a value that can be written down and read again, never a panic.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::config::lines::lines_of;
use crate::config::{Config, Origin, ROWS};

/// Words with a chance to mean something.
const KNOWN: &[&str] = &[
    "yes",
    "no",
    "true",
    "0",
    "1",
    "-1",
    "7",
    "100",
    "2147483648",
    "18446744073709551615",
    "1mb",
    "5%",
    "normal",
    "slave",
    "pubsub",
    "default",
    "save",
    "now",
    "always",
    "allkeys-lru",
    "local",
    "127.0.0.1",
    "-::1",
    "KEA",
    "n",
    "50.5",
    "/",
    ".",
    "",
    "a b",
    "{title}",
    "{",
    "\u{e9}",
];

fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => select(KNOWN).prop_map(|word| word.as_bytes().to_vec()), 1 => any::<Vec<u8>>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn values_survive_a_file(row: Index, words in prop::collection::vec(word(), 0..6), live: bool) {
        let row = row.get(ROWS);
        let words: Vec<_> = words.iter().map(Vec::as_slice).collect();
        let dir = std::env::temp_dir();
        let (mut config, mut again) = (Config::new(&dir), Config::new(&dir));
        let origin = if live { Origin::Live } else { Origin::Boot };
        if row.read(&mut config, &words, origin).is_ok() {
            let lines = (row.lines)(&config, row);
            // No line at all stands for an empty value, which only the start of the program gives.
            prop_assume!(!lines.is_empty());
            for line in lines {
                let line = protocol::quote::split(&line).expect("a line can be split");
                let line: Vec<_> = line.iter().map(Vec::as_slice).collect();
                prop_assert_eq!(row.read(&mut again, &line, Origin::Boot), Ok(()));
            }
            prop_assert!(row.same(&config, &again), "{} {:?}", row.name, words);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_has_lines_or_an_error(text: Vec<u8>) {
        for line in lines_of(&text, None) {
            match line {
                Ok(line) => prop_assert!(!line.words.is_empty()),
                Err(error) => prop_assert!(error.to_string().contains("Unbalanced quotes")),
            }
        }
    }
}
