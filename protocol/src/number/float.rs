//! Doubles: scores, and everything else that is a double on the wire.

use std::io::Write;

use rustc_apfloat::{Float, Round, ieee::Double};

use super::literal::{Literal, is_space};
use super::{LongDouble, fmt_i64, parse_i64};

/// Reads a double as scores and timeouts are read: any C literal that is a number in range.
///
/// Refused: empty text, blanks on either side, NaN, overflow (`1e400`) and underflow to zero (`1e-400`).
/// Accepted: `inf`, `+inf`, `-Infinity`, `.5`, `5.`, `0x1.8p3`, denormals.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    // Most scores are short integers; those are exact below 2^53.
    if text.len() <= 15
        && let Some(integer) = parse_i64(text)
    {
        return Some(integer as f64);
    }
    let literal = Literal::parse(text)?;
    let (value, written_as_zero) = match literal {
        Literal::Infinity { .. } => return rounded(literal),
        Literal::Decimal { zero, .. } => (rounded(literal)?, zero),
        Literal::Hexadecimal(hex) => (rounded(literal)?, hex.is_zero()),
    };
    // A finite literal must neither overflow nor vanish.
    (value.is_finite() && (value != 0.0 || written_as_zero)).then_some(value)
}

/// Reads a double as C's `strtod` alone does, which is how the bounds of score ranges are read: blanks before it are
/// skipped, an empty text is 0, a NUL ends it, and what is out of range becomes infinite or 0. NaN is refused.
pub fn parse_f64_loose(text: &[u8]) -> Option<f64> {
    if text.len() <= 15
        && let Some(integer) = parse_i64(text)
    {
        return Some(integer as f64);
    }
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let blanks = text.iter().take_while(|byte| is_space(**byte)).count();
    rounded(Literal::parse(&text[blanks..])?)
}

/// The double nearest to a literal; infinite or zero if it is out of range.
fn rounded(literal: Literal<'_>) -> Option<f64> {
    match literal {
        Literal::Infinity { negative } => Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY }),
        Literal::Decimal { text, .. } => text.parse().ok(),
        Literal::Hexadecimal(hex) => {
            let double = Double::from_str_r(&hex.canonical(), Round::NearestTiesToEven).ok()?.value;
            Some(f64::from_bits(double.to_bits() as u64))
        }
    }
}

/// Appends a double as C's `%.17g` prints it: 17 significant digits, trailing zeros dropped, an exponent of at
/// least two digits when it is below -4 or above 16. Infinities are `inf` and `-inf`.
pub fn fmt_f64(out: &mut Vec<u8>, value: f64) {
    // Integers of up to 17 digits print as they are. Negative zero does not: it keeps its sign.
    if value.abs() < 1e17 && value.trunc() == value && (value != 0.0 || value.is_sign_positive()) {
        return fmt_i64(out, value as i64);
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = value.abs();
    if magnitude.is_nan() {
        out.extend_from_slice(b"nan");
    } else if magnitude.is_infinite() {
        out.extend_from_slice(b"inf");
    } else if magnitude == 0.0 {
        out.push(b'0');
    } else {
        fmt_digits(out, magnitude);
    }
}

/// Appends a double for RESP3's `,` type. Redis 7.0 prints the same text there as in RESP2.
pub fn fmt_f64_resp3(out: &mut Vec<u8>, value: f64) {
    fmt_f64(out, value);
}

/// Appends a double with up to 17 decimals and no exponent, as GEOPOS prints coordinates.
pub fn fmt_f64_human(out: &mut Vec<u8>, value: f64) {
    LongDouble::from_f64(value).fmt_human(out);
}

/// `%.17g` of a positive, finite number that is not zero.
fn fmt_digits(out: &mut Vec<u8>, magnitude: f64) {
    // "d.dddddddddddddddde-308" is at most 23 bytes.
    let mut buffer = [0u8; 32];
    let mut rest = &mut buffer[..];
    let written = write!(rest, "{magnitude:.16e}");
    let unused = rest.len();
    assert!(written.is_ok(), "a double in scientific notation fits 32 bytes");
    let text = &buffer[..buffer.len() - unused];

    let mut digits = [b'0'; 17];
    digits[0] = text[0];
    digits[1..].copy_from_slice(&text[2..18]);
    let exponent = parse_i64(&text[19..]).expect("the exponent of a double in scientific notation") as i32;
    let significant = 17 - digits.iter().rev().take_while(|digit| **digit == b'0').count();
    let digits = &digits[..significant];

    match exponent {
        0..17 => fmt_fixed(out, digits, exponent as usize + 1),
        -4..0 => {
            out.extend_from_slice(&b"0.000"[..(1 - exponent) as usize]);
            out.extend_from_slice(digits);
        }
        _ => fmt_scientific(out, digits, exponent),
    }
}

/// `whole` digits, then the others after a point.
fn fmt_fixed(out: &mut Vec<u8>, digits: &[u8], whole: usize) {
    let (head, tail) = digits.split_at(whole.min(digits.len()));
    out.extend_from_slice(head);
    out.resize(out.len() + whole - head.len(), b'0');
    if !tail.is_empty() {
        out.push(b'.');
        out.extend_from_slice(tail);
    }
}

fn fmt_scientific(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    fmt_fixed(out, digits, 1);
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    if exponent.abs() < 10 {
        out.push(b'0');
    }
    fmt_i64(out, i64::from(exponent.abs()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: f64) -> String {
        let mut out = Vec::new();
        fmt_f64(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_shape_of_percent_17_g() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-3.0, "-3"),
            (0.1, "0.10000000000000001"),
            (0.5, "0.5"),
            (-0.001, "-0.001"),
            (3.0e-5, "3.0000000000000001e-05"),
            (0.0001, "0.0001"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1e20, "1e+20"),
            (123456789012345678.0, "1.2345678901234568e+17"),
            (9007199254740993.0, "9007199254740992"),
            (4503599627370495.5, "4503599627370495.5"),
            (2f64.powi(-25), "2.9802322387695312e-08"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (1e100, "1e+100"),
        ] {
            assert_eq!(text(value), expected);
        }
        assert_eq!(text(f64::NAN.abs()), "nan");
    }

    #[test]
    fn bounds_of_ranges_are_read_as_strtod_does() {
        for (text, value) in [
            ("", Some(0.0)),
            ("\0", Some(0.0)),
            (" \t1", Some(1.0)),
            ("1\0abc", Some(1.0)),
            ("1e400", Some(f64::INFINITY)),
            ("-1e400", Some(f64::NEG_INFINITY)),
            ("1e-400", Some(0.0)),
            ("0x1p2000", Some(f64::INFINITY)),
            ("-inf", Some(f64::NEG_INFINITY)),
            (" ", None),
            ("1 ", None),
            ("nan", None),
            ("x", None),
        ] {
            assert_eq!(parse_f64_loose(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn coordinates_have_no_exponent() {
        let mut out = Vec::new();
        fmt_f64_human(&mut out, 13.361389338970184);
        assert_eq!(out, b"13.36138933897018433");
    }

    proptest! {
        #[test]
        fn printed_doubles_are_read_back(bits: u64) {
            let value = f64::from_bits(bits);
            let read = parse_f64(text(value).as_bytes());
            prop_assert_eq!(read.map(f64::to_bits), (!value.is_nan()).then_some(bits));
        }

        #[test]
        fn nothing_panics(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse_f64(&text);
        }

        #[test]
        fn near_numbers_do_not_panic(text in "[-+]?(0[xX])?[0-9a-f]{0,20}\\.?[0-9a-f]{0,20}([eEpP][-+]?[0-9]{0,25})?") {
            if let Some(value) = parse_f64(text.as_bytes()) {
                prop_assert!(!value.is_nan());
            }
        }
    }
}
