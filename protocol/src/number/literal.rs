//! The grammar of C's floating point literals, as `strtod` and `strtold` read them in the C locale.
//!
//! ```text
//! literal  = [sign] ( "inf" | "infinity" | decimal | hexadecimal )      any letter case
//! decimal  = digits with at most one point, at least one digit  [ "e" [sign] digits ]
//! hexadecimal = "0x" hex digits with at most one point, at least one  [ "p" [sign] digits ]
//! ```
//!
//! NaN is part of C's grammar too, but every command refuses it, so it is not a literal here. The whole text has
//! to be one literal: `strtod` stopping early (blanks, a NUL, `1e`, `0x`) is a refusal.

/// A literal taken apart; the value is not yet rounded to any format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Literal<'a> {
    Infinity {
        negative: bool,
    },
    /// `text` is ASCII in the grammar that Rust's and apfloat's parsers share.
    Decimal {
        text: &'a str,
        zero: bool,
    },
    Hexadecimal(Hexadecimal),
}

/// `mantissa * 2^exponent`, plus a little more if `sticky`. The mantissa holds at least 124 leading
/// bits if there are as many: more than any format needs to round, given the sticky rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hexadecimal {
    pub negative: bool,
    pub mantissa: u128,
    pub sticky: bool,
    pub exponent: i32,
}

impl Hexadecimal {
    /// The same value in the spelling apfloat reads; bounded however long the original was.
    pub fn canonical(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let rest = if self.sticky { ".1" } else { "" };
        format!("{sign}0x{:x}{rest}p{}", self.mantissa, self.exponent)
    }

    pub fn is_zero(&self) -> bool {
        self.mantissa == 0
    }
}

/// C's `isspace` in the C locale.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

impl<'a> Literal<'a> {
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (negative, body) = match text {
            [b'-', body @ ..] => (true, body),
            [b'+', body @ ..] => (false, body),
            body => (false, body),
        };
        if body.eq_ignore_ascii_case(b"inf") || body.eq_ignore_ascii_case(b"infinity") {
            return Some(Literal::Infinity { negative });
        }
        if let [b'0', b'x' | b'X', digits @ ..] = body {
            return hexadecimal(negative, digits).map(Literal::Hexadecimal);
        }
        let zero = decimal_is_zero(body)?;
        Some(Literal::Decimal { text: std::str::from_utf8(text).ok()?, zero })
    }
}

/// Checks the grammar of an unsigned decimal; says whether its value is zero.
fn decimal_is_zero(body: &[u8]) -> Option<bool> {
    let (mantissa, exponent) = split_exponent(body, b'e');
    if exponent.is_some_and(|digits| exponent_value(digits).is_none()) {
        return None;
    }
    let (mut digits, mut points, mut zero) = (0usize, 0usize, true);
    for &byte in mantissa {
        match byte {
            b'0' => digits += 1,
            b'1'..=b'9' => (digits, zero) = (digits + 1, false),
            b'.' => points += 1,
            _ => return None,
        }
    }
    (digits > 0 && points <= 1).then_some(zero)
}

fn hexadecimal(negative: bool, body: &[u8]) -> Option<Hexadecimal> {
    let (digits, exponent) = split_exponent(body, b'p');
    let written = match exponent {
        Some(digits) => exponent_value(digits)?,
        None => 0,
    };
    let (mut mantissa, mut sticky, mut count, mut point) = (0u128, false, 0usize, false);
    // Texts are at most 512 MB, so four bits each cannot overflow this.
    let mut shift = 0i64;
    for &byte in digits {
        if byte == b'.' && !point {
            point = true;
            continue;
        }
        let digit = char::from(byte).to_digit(16)?;
        count += 1;
        if mantissa >> 124 == 0 {
            mantissa = mantissa << 4 | u128::from(digit);
            shift -= if point { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            shift += if point { 0 } else { 4 };
        }
    }
    // Beyond any format's range, but not so far that arithmetic on it could overflow.
    let exponent = (shift + written).clamp(-100_000, 100_000) as i32;
    (count > 0).then_some(Hexadecimal { negative, mantissa, sticky, exponent })
}

/// The text before the exponent letter, and what follows it if there is one.
fn split_exponent(body: &[u8], letter: u8) -> (&[u8], Option<&[u8]>) {
    match body.iter().position(|byte| byte.eq_ignore_ascii_case(&letter)) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    }
}

/// The value of `[sign] digits`, saturating far outside of what any format can hold.
fn exponent_value(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = digits.iter().fold(0i64, |sum, byte| (sum * 10 + i64::from(byte - b'0')).min(1 << 40));
    Some(if negative { -magnitude } else { magnitude })
}
