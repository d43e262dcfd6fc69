//! Integers: the canonical form, and the loose form that stream ids are read with.

/// The longest text of an `i64`: `-9223372036854775808`.
pub const I64_TEXT_MAX: usize = 20;

/// Reads a signed integer in canonical form: what printing the result would give, and nothing else.
///
/// So no empty text, `+`, blanks, leading zeros or `-0`. A value that passes can be stored as an integer and
/// printed again without a reader noticing; this is the test that decides integer encodings everywhere.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'0'] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let magnitude = canonical_magnitude(digits)?;
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// Reads an unsigned integer in canonical form.
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    if text == b"0" { Some(0) } else { canonical_magnitude(text) }
}

/// Digits without a leading zero, at least one of them, not above `u64::MAX`.
#[inline]
fn canonical_magnitude(digits: &[u8]) -> Option<u64> {
    // Nineteen digits always fit; only the twentieth can overflow.
    let (head, tail) = digits.split_at(digits.len().min(19));
    if !matches!(head, [b'1'..=b'9', ..]) {
        return None;
    }
    let mut value = 0u64;
    for &byte in head {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    match *tail {
        [] => Some(value),
        [byte] if byte.is_ascii_digit() => value.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    }
}

/// Reads an unsigned integer as the parts of a stream id are read.
///
/// Canonical text first (a canonical negative is out of range). Anything else gets what C's `strtoull` gives:
/// leading blanks, one sign, leading zeros; a minus then negates modulo 2^64. `XADD s 5-007` really makes `5-7`
/// and `5--03` makes `5-18446744073709551613`; clients rely on the former, nobody on the latter, and one rule
/// covers both.
pub fn parse_u64_loose(text: &[u8]) -> Option<u64> {
    if let Some(value) = parse_i64(text) {
        return u64::try_from(value).ok();
    }
    let unblanked = text.trim_ascii_start_c();
    let (negative, digits) = match unblanked {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(if negative { value.wrapping_neg() } else { value })
}

/// C's `isspace` differs from Rust's ASCII whitespace by the vertical tab.
trait TrimC {
    fn trim_ascii_start_c(&self) -> &[u8];
}

impl TrimC for [u8] {
    fn trim_ascii_start_c(&self) -> &[u8] {
        let blanks = self.iter().take_while(|byte| super::literal::is_space(**byte)).count();
        &self[blanks..]
    }
}

/// Appends a signed integer.
#[inline]
pub fn fmt_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends an unsigned integer.
#[inline]
pub fn fmt_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_canonical_text_is_an_integer() {
        for (text, value) in [
            ("0", 0),
            ("7", 7),
            ("-1", -1),
            ("10", 10),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), Some(value), "{text}");
        }
        for text in [
            "",
            "-",
            "+1",
            " 1",
            "1 ",
            "01",
            "-0",
            "-01",
            "00",
            "1.0",
            "0x1",
            "1\0",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999",
            "100000000000000000000",
            "1_0",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn unsigned_edges() {
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        for text in ["18446744073709551616", "99999999999999999999", "-1", "", "00", "184467440737095516150"]
        {
            assert_eq!(parse_u64(text.as_bytes()), None, "{text}");
        }
    }

    /// Asked of a live server with `XADD s 5-<text> a b`.
    #[test]
    fn stream_id_parts_are_loose() {
        for (text, value) in [
            ("1", Some(1)),
            ("07", Some(7)),
            ("+7", Some(7)),
            (" 7", Some(7)),
            ("\x0b7", Some(7)),
            ("  007", Some(7)),
            ("00018446744073709551615", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("-0", Some(0)),
            ("-03", Some(u64::MAX - 2)),
            ("-018446744073709551615", Some(1)),
            ("-3", None),
            ("+-3", None),
            ("7 ", None),
            ("", None),
            ("-", None),
            (" ", None),
            ("0x5", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(parse_u64_loose(text.as_bytes()), value, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(value: i64) {
            let mut text = Vec::new();
            fmt_i64(&mut text, value);
            prop_assert!(text.len() <= I64_TEXT_MAX);
            prop_assert_eq!(parse_i64(&text), Some(value));
        }

        #[test]
        fn what_is_read_is_printed(text in "[-+ 0]?[0-9]{0,21}") {
            let agreed = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
            prop_assert_eq!(parse_i64(text.as_bytes()), agreed);
            let agreed = text.parse::<u64>().ok().filter(|value| value.to_string() == text);
            prop_assert_eq!(parse_u64(text.as_bytes()), agreed);
        }
    }
}
