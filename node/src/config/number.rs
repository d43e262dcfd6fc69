//! Numbers as configuration files write them: plain, with a unit of memory, octal.

/// Reads a decimal integer in its one canonical spelling: no sign but `-`, no blank, no leading zero.
pub fn integer(text: &[u8]) -> Option<i64> {
    let value: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (value.to_string().as_bytes() == text).then_some(value)
}

/// Reads an amount of memory: digits and a unit, in any case. `k` is 1000 and `kb` 1024, and so for m and g.
///
/// As in Redis no digits at all mean 0, so an empty value does, too. Unlike there, an amount above 2^64 is an error: Redis
/// lets it wrap around, so that `17179869184gb` would mean no limit at all.
pub fn memory(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let mut value = 0u64;
    for digit in number {
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    value.checked_mul(factor)
}

/// Writes an amount of memory with the largest unit that divides it, for CONFIG REWRITE.
pub fn memory_text(bytes: i128) -> String {
    for (shift, unit) in [(30, "gb"), (20, "mb"), (10, "kb")] {
        if bytes >= 1 << shift && bytes % (1 << shift) == 0 {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// Reads an octal number as C's strtoll does: leading blanks and one sign are fine, nothing at all is 0.
pub fn octal(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.trim_ascii_start();
    if text.is_empty() {
        return Some(0);
    }
    i64::from_str_radix(text, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_spelling() {
        for (text, value) in [("0", 0), ("-1", -1), ("9223372036854775807", i64::MAX), ("10", 10)] {
            assert_eq!(integer(text.as_bytes()), Some(value), "{text}");
        }
        for text in ["", "a", "010", "0x10", " 10", "10 ", "+10", "1k", "-0", "9223372036854775808", "-"] {
            assert_eq!(integer(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn memory_has_units() {
        let cases: &[(&str, u64)] = &[
            ("100", 100),
            ("1b", 1),
            ("1k", 1000),
            ("1Kb", 1024),
            ("2m", 2_000_000),
            ("2MB", 2 << 20),
            ("3g", 3_000_000_000),
            ("3gB", 3 << 30),
            ("", 0),
            ("kb", 0),
            ("010", 10),
            ("18446744073709551615", u64::MAX),
        ];
        for (text, value) in cases {
            assert_eq!(memory(text.as_bytes()), Some(*value), "{text}");
        }
        for text in
            ["abc", "-1", "1t", "1.5gb", " 1", "1 ", "+1", "0x10", "18446744073709551616", "17179869184gb"]
        {
            assert_eq!(memory(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn memory_is_written_shortly_and_read_back() {
        for (bytes, text) in
            [(0, "0"), (1000, "1000"), (1024, "1kb"), (1536, "1536"), (3 << 20, "3mb"), (2 << 30, "2gb")]
        {
            assert_eq!(memory_text(bytes), text);
            assert_eq!(memory(text.as_bytes()), Some(bytes as u64));
        }
    }

    #[test]
    fn octal_numbers() {
        for (text, value) in
            [("777", Some(0o777)), ("0777", Some(0o777)), ("", Some(0)), (" 7", Some(7)), ("-1", Some(-1))]
        {
            assert_eq!(octal(text.as_bytes()), value, "{text}");
        }
        for text in ["888", "abc", "7x", "7777777777777777777777777"] {
            assert_eq!(octal(text.as_bytes()), None, "{text}");
        }
    }
}
