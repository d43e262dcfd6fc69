//! Numbers as C writes and reads them.

/// Appends a finite number as `%.{precision}g`.
pub fn general(out: &mut Vec<u8>, number: f64, precision: usize) {
    use std::io::Write;
    if number == 0.0 {
        return out.extend_from_slice(if number.is_sign_negative() { b"-0" } else { b"0" });
    }
    if number.abs() < 1e14 && number.trunc() == number && precision == 14 {
        return out.extend_from_slice(itoa::Buffer::new().format(number as i64).as_bytes());
    }
    let text = format!("{number:.*e}", precision - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let shorten = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => digits.to_string(),
    };
    if exponent < -4 || exponent >= precision as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{}e{sign}{:02}", shorten(mantissa), exponent.abs());
    } else {
        let decimals = (precision as i32 - 1 - exponent).max(0) as usize;
        out.extend_from_slice(shorten(&format!("{number:.decimals$}")).as_bytes());
    }
}

/// The number that a text begins with, as `strtod` reads it, and how many bytes that took; 0: none.
pub fn leading(text: &[u8]) -> (f64, usize) {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let rest = &text[sign..];
    let (size, len) = unsigned(rest);
    if len == 0 {
        return (0.0, 0);
    }
    (if text[0] == b'-' { -size } else { size }, sign + len)
}

fn unsigned(text: &[u8]) -> (f64, usize) {
    let starts =
        |word: &str| text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word.as_bytes());
    if starts("infinity") {
        return (f64::INFINITY, 8);
    }
    if starts("inf") {
        return (f64::INFINITY, 3);
    }
    if starts("nan") {
        return (f64::NAN, 3 + payload(&text[3..]));
    }
    if starts("0x")
        && let Some(found) = hexadecimal(&text[2..])
    {
        return (found.0, found.1 + 2);
    }
    decimal(text)
}

/// Length of the `(...)` that may follow a NaN.
fn payload(text: &[u8]) -> usize {
    if text.first() != Some(&b'(') {
        return 0;
    }
    let inside = text[1..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    if text.get(inside + 1) == Some(&b')') { inside + 2 } else { 0 }
}

fn digits(text: &[u8], is_digit: fn(&u8) -> bool) -> usize {
    text.iter().take_while(|b| is_digit(b)).count()
}

/// Length of an exponent: a letter, perhaps a sign, and digits.
fn exponent(text: &[u8], letter: u8) -> usize {
    if !text.first().is_some_and(|b| b.eq_ignore_ascii_case(&letter)) {
        return 0;
    }
    let sign = usize::from(matches!(text.get(1), Some(b'+' | b'-')));
    match digits(&text[1 + sign..], u8::is_ascii_digit) {
        0 => 0,
        n => 1 + sign + n,
    }
}

fn decimal(text: &[u8]) -> (f64, usize) {
    let whole = digits(text, u8::is_ascii_digit);
    let mut len = whole;
    if text.get(len) == Some(&b'.') {
        let fraction = digits(&text[len + 1..], u8::is_ascii_digit);
        if whole + fraction > 0 {
            len += 1 + fraction;
        }
    }
    if len == 0 {
        return (0.0, 0);
    }
    len += exponent(&text[len..], b'e');
    let number = std::str::from_utf8(&text[..len]).ok().and_then(|t| t.parse().ok());
    (number.unwrap_or(0.0), len)
}

/// What follows `0x`.
fn hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    let whole = digits(text, u8::is_ascii_hexdigit);
    let mut fraction = 0;
    let mut len = whole;
    if text.get(len) == Some(&b'.') {
        fraction = digits(&text[len + 1..], u8::is_ascii_hexdigit);
        len += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    let (mut number, mut scale) = (0f64, 0i32);
    for &digit in text[..len].iter().filter(|b| **b != b'.') {
        number = number * 16.0 + f64::from(char::from(digit).to_digit(16).unwrap_or(0));
    }
    let power = exponent(&text[len..], b'p');
    if power > 0 {
        let written = std::str::from_utf8(&text[len + 1..len + power]).unwrap_or("0");
        scale = written.parse().unwrap_or(if written.starts_with('-') { -10_000 } else { 10_000 });
    }
    let scale = scale.saturating_sub(4 * fraction as i32).clamp(-5_000, 5_000);
    Some((number * 2f64.powi(scale), len + power))
}
