//! Glob patterns as KEYS, SCAN, PSUBSCRIBE, CONFIG GET and ACL selectors have them.
//!
//! ```text
//! *        any bytes, also none            ?      one byte, whichever
//! [abc]    one of these bytes              [^a]   one byte that is none of these
//! [a-z]    one byte of the range           \x     x itself, inside brackets too
//! ```
//!
//! What is odd about it is kept, as clients may depend on it:
//! - A class that is not closed ends with the pattern. `[]` matches nothing, `[^]` everything.
//! - A range may be written backwards, and takes whatever follows the dash as its end, even `]`. Bytes from 128 on
//!   count as negative there.
//! - Inside brackets an escaped byte heeds its case even where case is ignored.
//! - A backslash at the end is a backslash.
//!
//! One oddity is not kept: a star covers the empty text here. There only a lone `*` does, and only where it is taken to
//! mean that there is no pattern, as in KEYS and SCAN.
//!
//! Everything but `*` takes exactly one byte. So when a match fails, only the last `*` passed need take one byte
//! more: an earlier one taking more could not help. Time is at most pattern times text, whatever the pattern.

/// Stars in a pattern, neighbours counted once and one at the end not at all, beyond which it matches nothing, as in Redis:
/// there such a pattern is an attack. It would not be one here, but clients are to see the same.
const STARS_MAX: usize = 1000;

/// Whether letters differ in case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Matters,
    /// ASCII letters only.
    Ignored,
}

/// Whether `pattern` covers all of `text`.
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    match case {
        Case::Matters => search::<false>(pattern, text),
        Case::Ignored => search::<true>(pattern, text),
    }
}

/// Whether the text has a byte with a meaning in patterns, so that it may match more than itself.
pub fn is_pattern(text: &[u8]) -> bool {
    memchr::memchr3(b'*', b'?', b'[', text).is_some()
}

fn search<const NOCASE: bool>(mut pattern: &[u8], mut text: &[u8]) -> bool {
    // What follows the last `*`, and the text that has to match it or be taken by the `*`.
    let mut retry: Option<(&[u8], &[u8])> = None;
    let mut stars = 0;
    while !text.is_empty() {
        if let [b'*', rest @ ..] = pattern {
            if rest.is_empty() {
                return true;
            }
            stars += usize::from(rest[0] != b'*');
            if stars > STARS_MAX {
                return false;
            }
            pattern = rest;
            retry = Some((pattern, text));
            continue;
        }
        if let Some(rest) = match_one::<NOCASE>(pattern, text[0]) {
            (pattern, text) = (rest, &text[1..]);
            continue;
        }
        let Some((after_star, taken)) = retry else { return false };
        let Some(candidate) = next_candidate::<NOCASE>(after_star, &taken[1..]) else { return false };
        (pattern, text) = (after_star, candidate);
        retry = Some((pattern, text));
    }
    pattern.iter().all(|byte| *byte == b'*')
}

/// Where in `text` a match of `pattern`, which follows a `*`, can begin at the earliest.
fn next_candidate<'t, const NOCASE: bool>(pattern: &[u8], text: &'t [u8]) -> Option<&'t [u8]> {
    match pattern.first() {
        Some(byte) if !NOCASE && !matches!(byte, b'*' | b'?' | b'[' | b'\\') => {
            memchr::memchr(*byte, text).map(|at| &text[at..])
        }
        _ => Some(text),
    }
}

/// Matches one byte with what the pattern begins with, not a `*`; returns the rest of the pattern.
#[inline]
fn match_one<const NOCASE: bool>(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [] => None,
        [b'?', rest @ ..] => Some(rest),
        [b'[', class @ ..] => match_class::<NOCASE>(class, byte),
        [b'\\', own, rest @ ..] | [own, rest @ ..] => {
            (fold::<NOCASE>(*own) == fold::<NOCASE>(byte)).then_some(rest)
        }
    }
}

/// Matches one byte with a class, from after its opening bracket on; returns what follows the class.
fn match_class<const NOCASE: bool>(class: &[u8], byte: u8) -> Option<&[u8]> {
    let (negated, mut class) = match class {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let folded = fold::<NOCASE>(byte);
    let mut found = false;
    loop {
        class = match class {
            [] => return (found != negated).then_some(class),
            [b']', rest @ ..] => return (found != negated).then_some(rest),
            [b'\\', own, rest @ ..] => {
                found |= *own == byte;
                rest
            }
            [one, b'-', other, rest @ ..] => {
                let (one, other) = (one.cast_signed(), other.cast_signed());
                let (low, high) = (one.min(other).cast_unsigned(), one.max(other).cast_unsigned());
                let range = fold::<NOCASE>(low).cast_signed()..=fold::<NOCASE>(high).cast_signed();
                found |= range.contains(&folded.cast_signed());
                rest
            }
            [own, rest @ ..] => {
                found |= fold::<NOCASE>(*own) == folded;
                rest
            }
        };
    }
}

#[inline]
fn fold<const NOCASE: bool>(byte: u8) -> u8 {
    if NOCASE { byte.to_ascii_lowercase() } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    fn unhex(text: &str) -> Vec<u8> {
        let pairs = text.as_bytes().chunks_exact(2);
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// Answers of a live redis-server 7.0.15; `testdata/record_globs.py` made them.
    #[test]
    fn agrees_with_redis() {
        let recorded = include_str!("../testdata/globs.tsv");
        assert!(recorded.lines().count() > 2000);
        for row in recorded.lines() {
            let [pattern, text, expected] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
            let (pattern, text) = (unhex(pattern), unhex(text));
            let stars_alone = text.is_empty() && pattern.iter().all(|byte| *byte == b'*');
            let shown = format!("{} {}", pattern.escape_ascii(), text.escape_ascii());
            assert_eq!(matches(&pattern, &text, Case::Matters), expected == "1" || stars_alone, "{shown}");
        }
    }

    /// Asked of a live server with CONFIG GET.
    #[test]
    fn case_is_ignored_but_for_escapes_in_classes() {
        for (pattern, expected) in [
            ("POR?", true),
            ("[Z-p]ort", false),
            ("[z-P]ort", true),
            ("[P-Z]ORT", true),
            ("POR[S-u]", true),
            ("p[^O]rt", false),
            ("po[^A-N]t", true),
            (r"\P[oO]rt", true),
            (r"[\P]o*", false),
            (r"[\p]ort", true),
            (r"[^\P]ort", true),
            ("PORT*", true),
            ("*T", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), b"port", Case::Ignored), expected, "{pattern}");
        }
    }

    #[test]
    fn many_stars_take_no_longer_than_the_product() {
        let text = [b'a'; 20_000];
        let start = Instant::now();
        assert!(!matches(&[&b"a*".repeat(500)[..], b"b"].concat(), &text, Case::Matters));
        assert!(!matches(&[&b"*[a-z]?".repeat(100)[..], b"b"].concat(), &text, Case::Matters));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }

    #[test]
    fn a_thousand_stars_are_the_limit() {
        let found = |n: usize| matches(&b"*?".repeat(n), &b"a".repeat(n), Case::Matters);
        assert!(found(1000) && !found(1001) && !found(50_000));
        assert!(matches(&b"*".repeat(5000), b"a", Case::Matters));
    }

    /// Every `*` takes nothing or one byte more: the definition, in exponential time.
    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => slow(rest, text) || (!text.is_empty() && slow(pattern, &text[1..])),
            _ => text.first().is_some_and(|byte| {
                match_one::<false>(pattern, *byte).is_some_and(|rest| slow(rest, &text[1..]))
            }),
        }
    }

    proptest! {
        #[test]
        fn the_shortcut_finds_what_trying_all_finds(pattern in "[ab*?\\[\\]^\\\\-]{0,10}", text in "[abc]{0,9}") {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches(pattern, text, Case::Matters), slow(pattern, text));
        }
    }
}
