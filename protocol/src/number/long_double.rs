//! Long doubles: what INCRBYFLOAT and HINCRBYFLOAT compute with.
//!
//! The value is an x87 extended double, `mantissa * 2^exponent` with 64 bits of mantissa, computed in software so
//! that every platform gives the answer of x86. Its printed form is "human": up to 17 decimals, never an exponent,
//! no trailing zeros. The largest value has 4933 digits before the point.

use rustc_apfloat::ieee::{Double, X87DoubleExtended};
use rustc_apfloat::{Float, FloatConvert, Round};

use super::fmt_u64;
use super::literal::Literal;

/// The longest text that is read as a long double; a longer one is refused whatever it says.
pub const LONG_DOUBLE_TEXT_MAX: usize = 5 * 1024 - 1;

/// Decimals after the point.
const DECIMALS: u32 = 17;

/// An x87 extended double that is not NaN.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct LongDouble(X87DoubleExtended);

impl LongDouble {
    /// Reads any C literal that is a number in range. Infinity is read; adding to it is what fails.
    ///
    /// Refused: empty or overlong text, blanks on either side, NaN, overflow, underflow to zero.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > LONG_DOUBLE_TEXT_MAX {
            return None;
        }
        let (value, zero) = match Literal::parse(text)? {
            Literal::Infinity { negative } => return Some(Self::infinity(negative)),
            Literal::Decimal { text, zero } => match short(text) {
                Some(value) => return Some(Self(value)),
                None => (round(text)?, zero),
            },
            Literal::Hexadecimal(hex) => (round(&hex.canonical())?, hex.is_zero()),
        };
        (value.is_finite() && (!value.is_zero() || zero)).then_some(Self(value))
    }

    /// The same value; NaN becomes zero, which no caller has (a stored double is never NaN).
    pub fn from_f64(value: f64) -> Self {
        if value.is_nan() {
            return Self(X87DoubleExtended::ZERO);
        }
        let mut loses_info = false;
        Self(Double::from_bits(u128::from(value.to_bits())).convert(&mut loses_info).value)
    }

    /// The same value.
    pub fn from_i64(value: i64) -> Self {
        Self(X87DoubleExtended::from_i128(i128::from(value)).value)
    }

    /// The sum, or `None` if it is NaN or infinite ("increment would produce NaN or Infinity").
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let sum = self.0.add_r(other.0, Round::NearestTiesToEven).value;
        sum.is_finite().then_some(Self(sum))
    }

    /// The difference, or `None` if it is NaN or infinite.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.checked_add(Self(-other.0))
    }

    /// Neither infinity.
    pub fn is_finite(self) -> bool {
        self.0.is_finite()
    }

    /// Sign, mantissa and exponent: the value is `mantissa * 2^exponent`. `None`: it is infinite.
    pub fn parts(self) -> Option<(bool, u64, i32)> {
        // 64 bits of mantissa with an explicit leading one; then 15 bits of exponent, 0 meaning the same as 1.
        let bits = self.0.to_bits();
        let exponent = ((bits >> 64) as i32 & 0x7fff).max(1) - 16383 - 63;
        self.0.is_finite().then_some((self.0.is_negative(), bits as u64, exponent))
    }

    /// The opposite of [`LongDouble::parts`]; the mantissa may have any number of bits.
    pub fn from_parts(negative: bool, mantissa: u64, exponent: i32) -> Self {
        let size = X87DoubleExtended::from_u128(u128::from(mantissa)).value.scalbn(exponent);
        Self(if negative { -size } else { size })
    }

    /// Appends the human form: rounded half to even at 17 decimals, trailing zeros dropped, never `-0`.
    pub fn fmt_human(self, out: &mut Vec<u8>) {
        let start = out.len();
        if self.0.is_negative() {
            out.push(b'-');
        }
        if self.0.is_infinite() {
            out.extend_from_slice(b"inf");
            return;
        }
        let Some((_, mantissa, exponent)) = self.parts() else { return };
        if exponent >= 0 {
            fmt_shifted(out, mantissa, exponent as u32);
        } else {
            fmt_fraction(out, mantissa, exponent.unsigned_abs());
        }
        if out[start..] == *b"-0" {
            out.remove(start);
        }
    }

    fn infinity(negative: bool) -> Self {
        let infinity = X87DoubleExtended::INFINITY;
        Self(if negative { -infinity } else { infinity })
    }
}

fn round(text: &str) -> Option<X87DoubleExtended> {
    X87DoubleExtended::from_str_r(text, Round::NearestTiesToEven).ok().map(|rounded| rounded.value)
}

/// The largest power of five that a mantissa holds.
const POWER_MAX: u32 = 27;

/// So many digits fit into 128 bits: what is printed has 17 behind the point.
const DIGITS_MAX: u32 = 38;

/// [`round`] of what counters look like: an integer of up to 128 bits, over a power of ten whose powers of two and five
/// are exact, so that one division rounds right.
fn short(text: &str) -> Option<X87DoubleExtended> {
    let (negative, body) = match text.as_bytes() {
        [b'-', body @ ..] => (true, body),
        body => (false, body),
    };
    let (mut digits, mut count, mut decimals, mut point) = (0u128, 0, 0, false);
    for byte in body {
        match byte {
            b'0'..=b'9' if count == DIGITS_MAX => return None,
            b'0'..=b'9' => {
                digits = digits * 10 + u128::from(byte - b'0');
                count += 1;
                decimals += u32::from(point);
            }
            b'.' => point = true,
            _ => return None,
        }
    }
    if digits == 0 || decimals > POWER_MAX {
        return None;
    }
    // The quotient has 65 to 128 bits: at least one more than a mantissa, and the remainder only breaks ties.
    let zeros = digits.leading_zeros();
    let (upper, five) = (digits << zeros, u128::from(5u64.pow(decimals)));
    let (quotient, rest) = (upper / five, upper % five);
    let drop = 64 - quotient.leading_zeros();
    let (mantissa, lost) = ((quotient >> drop) as u64, quotient & ((1 << drop) - 1));
    let half = 1 << (drop - 1);
    let up = lost > half || lost == half && (rest != 0 || mantissa & 1 == 1);
    let (mantissa, carry) = mantissa.overflowing_add(u64::from(up));
    let mantissa = if carry { 1 << 63 } else { mantissa };
    let exponent = i64::from(drop) + i64::from(carry) - i64::from(zeros) - i64::from(decimals) + 63 + 16383;
    let bits = (u128::from(negative) << 79) | (exponent as u128) << 64 | u128::from(mantissa);
    Some(X87DoubleExtended::from_bits(bits))
}

/// Appends `mantissa / 2^shift`, where `shift` is at least 1.
fn fmt_fraction(out: &mut Vec<u8>, mantissa: u64, shift: u32) {
    let scale = 10u64.pow(DECIMALS);
    let whole = mantissa.checked_shr(shift).unwrap_or(0);
    let part = if shift < 64 { mantissa & ((1 << shift) - 1) } else { mantissa };
    // part < 2^64 and scale < 2^57, so the product has at most 121 bits: beyond a shift of 122 it rounds to zero.
    let scaled = u128::from(part) * u128::from(scale);
    let decimals = if shift > 122 { 0 } else { shift_half_even(scaled, shift) as u64 };
    let (whole, decimals) = if decimals == scale { (whole + 1, 0) } else { (whole, decimals) };

    fmt_u64(out, whole);
    if decimals != 0 {
        fmt_decimals(out, decimals);
    }
}

/// `value / 2^shift`, rounded half to even; `shift` is 1 to 127.
fn shift_half_even(value: u128, shift: u32) -> u128 {
    let quotient = value >> shift;
    let rest = value & ((1 << shift) - 1);
    let half = 1 << (shift - 1);
    quotient + u128::from(rest > half || (rest == half && quotient & 1 == 1))
}

/// A point and 17 digits less the trailing zeros.
fn fmt_decimals(out: &mut Vec<u8>, mut decimals: u64) {
    let mut digits = [0u8; DECIMALS as usize];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (decimals % 10) as u8;
        decimals /= 10;
    }
    let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    out.push(b'.');
    out.extend_from_slice(&digits[..digits.len() - zeros]);
}

/// Appends `mantissa * 2^shift`, an integer of up to 16384 bits.
fn fmt_shifted(out: &mut Vec<u8>, mantissa: u64, shift: u32) {
    // Little-endian limbs of nine decimal digits, doubled up to 32 bits at a time.
    const LIMB: u64 = 1_000_000_000;
    let mut limbs =
        vec![(mantissa % LIMB) as u32, (mantissa / LIMB % LIMB) as u32, (mantissa / LIMB / LIMB) as u32];
    let mut left = shift;
    while left > 0 {
        let step = left.min(32);
        let mut carry = 0u64;
        for limb in &mut limbs {
            let product = (u64::from(*limb) << step) + carry;
            *limb = (product % LIMB) as u32;
            carry = product / LIMB;
        }
        while carry > 0 {
            limbs.push((carry % LIMB) as u32);
            carry /= LIMB;
        }
        left -= step;
    }
    while limbs.len() > 1 && limbs.last() == Some(&0) {
        limbs.pop();
    }
    let mut limbs = limbs.iter().rev();
    fmt_u64(out, u64::from(*limbs.next().unwrap_or(&0)));
    for limb in limbs {
        let mut rest = *limb;
        let mut digits = [0u8; 9];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn add(current: &str, increment: &str) -> Option<String> {
        let sum =
            LongDouble::parse(current.as_bytes())?.checked_add(LongDouble::parse(increment.as_bytes())?)?;
        let mut out = Vec::new();
        sum.fmt_human(&mut out);
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn sums_are_those_of_x87() {
        for (current, increment, expected) in [
            ("0.1", "0.2", "0.3"),
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("3", "-3", "0"),
            ("-1e-20", "0", "0"),
            ("1", "-1e-20", "1"),
            ("9007199254740993", "0", "9007199254740993"),
            ("18446744073709551616", "0", "18446744073709551616"),
            ("0x10", "1", "17"),
            ("0.000000000000000015", "0", "0.00000000000000002"),
            ("0.99999999999999999999", "0", "1"),
        ] {
            assert_eq!(add(current, increment).as_deref(), Some(expected), "{current} + {increment}");
        }
    }

    #[test]
    fn infinity_is_read_but_never_a_sum() {
        let infinity = LongDouble::parse(b"-inf").unwrap();
        assert!(!infinity.is_finite());
        assert_eq!(infinity.checked_add(LongDouble::from_i64(1)), None);
        assert_eq!(add("inf", "-inf"), None);
        assert_eq!(add("1.1e4932", "1.1e4932"), None);
        assert!(LongDouble::parse(b"1.2e4932").is_none());
        assert!(LongDouble::parse(b"1e-4951").is_none());
        assert!(LongDouble::parse(b"3.6e-4951").is_some());
    }

    #[test]
    fn overlong_text_is_refused() {
        let text = |digits: usize| format!("0.{}", "1".repeat(digits));
        assert!(LongDouble::parse(text(LONG_DOUBLE_TEXT_MAX - 2).as_bytes()).is_some());
        assert!(LongDouble::parse(text(LONG_DOUBLE_TEXT_MAX - 1).as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn short_decimals_are_read_as_all_are(
            digits: u128,
            drop in 0u32..128,
            decimals in 0usize..32,
            negative: bool,
        ) {
            let digits = format!("{:0decimals$}", digits >> drop);
            let (whole, part) = digits.split_at(digits.len() - decimals);
            let text = format!("{}{whole}.{part}", if negative { "-" } else { "" });
            if let Some(value) = short(&text) {
                prop_assert_eq!(value.to_bits(), round(&text).unwrap().to_bits(), "{}", text);
            }
            prop_assert!(decimals > 27 || digits.len() > 38 || short(&text).is_some() || text.bytes().all(|b| b"-.0".contains(&b)));
        }

        #[test]
        fn integers_are_exact(value: i64) {
            let mut out = Vec::new();
            LongDouble::from_i64(value).fmt_human(&mut out);
            prop_assert_eq!(out, value.to_string().into_bytes());
        }

        #[test]
        fn doubles_print_near_themselves(value in -1e15f64..1e15) {
            let mut out = Vec::new();
            LongDouble::from_f64(value).fmt_human(&mut out);
            let text = String::from_utf8(out).unwrap();
            prop_assert_eq!(text.parse::<f64>().unwrap(), value, "{}", text);
        }

        #[test]
        fn near_numbers_do_not_panic(text in "[-+]?(0[xX])?[0-9a-f]{0,30}\\.?[0-9a-f]{0,30}([eEpP][-+]?[0-9]{0,25})?") {
            if let Some(value) = LongDouble::parse(text.as_bytes()) {
                value.fmt_human(&mut Vec::new());
            }
        }
    }
}
