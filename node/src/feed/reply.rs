//! What a reply says, for those who pass its command on.

/// The length that follows a type byte, and the rest.
fn line(bytes: &[u8]) -> Option<(u8, i64, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let end = rest.windows(2).position(|w| w == b"\r\n")?;
    let n = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    Some((*kind, n, &rest[end + 2..]))
}

fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (kind, len, rest) = line(bytes)?;
    let len = usize::try_from(len).ok().filter(|_| kind == b'$')?;
    Some((rest.get(..len)?, rest.get(len + 2..)?))
}

/// The string, or the strings of the array or set, that the reply is.
pub fn strings(reply: &[u8]) -> Vec<Vec<u8>> {
    if reply.first() == Some(&b'$') {
        return string(reply).map(|(text, _)| text.to_vec()).into_iter().collect();
    }
    let Some((_, _, mut rest)) = line(reply) else { return Vec::new() };
    let next = || {
        let (text, after) = string(rest)?;
        rest = after;
        Some(text.to_vec())
    };
    std::iter::from_fn(next).collect()
}

/// The first string of the array that the reply is.
pub fn first(reply: &[u8]) -> Option<Vec<u8>> {
    let (_, _, rest) = line(reply)?;
    string(rest).map(|(text, _)| text.to_vec())
}

/// The integers of the array that the reply is.
pub fn ints(reply: &[u8]) -> Vec<i64> {
    let Some((_, _, mut rest)) = line(reply) else { return Vec::new() };
    let next = || {
        let (kind, n, after) = line(rest)?;
        rest = after;
        (kind == b':').then_some(n)
    };
    std::iter::from_fn(next).collect()
}

/// The length of the array that is second in the array that the reply is.
pub fn second_len(reply: &[u8]) -> Option<u64> {
    let (_, _, rest) = line(reply)?;
    let (_, rest) = string(rest)?;
    line(rest).and_then(|(_, len, _)| u64::try_from(len).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replies_say() {
        let texts = |all: &[&str]| all.iter().map(|t| t.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(strings(b"$3\r\nabc\r\n"), texts(&["abc"]));
        assert_eq!(strings(b"*2\r\n$1\r\na\r\n$4\r\n\r\nbc\r\n"), texts(&["a", "\r\nbc"]));
        assert_eq!(strings(b"~1\r\n$0\r\n\r\n"), texts(&[""]));
        assert_eq!(strings(b"$-1\r\n"), texts(&[]));
        let popped = b"*2\r\n$3\r\nkey\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n";
        assert_eq!((first(popped), second_len(popped)), (Some(b"key".to_vec()), Some(2)));
        assert_eq!(first(b"*-1\r\n"), None);
        assert_eq!(ints(b"*2\r\n:1\r\n:-1\r\n"), [1, -1]);
    }
}
