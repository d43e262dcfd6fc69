//! Follows key specs along a command line.

use protocol::Args;
use protocol::number::parse_i64;

use super::keys::{KeyRanges, NoKeys, Positions};
use super::model::{Begin, Find, KeySpec};

/// Turns an argument into a count of keys.
pub(super) type ParseCount = fn(&[u8]) -> Option<i32>;

/// The keys of `specs`, in their order.
pub(super) fn follow(specs: &[KeySpec], args: Args<'_>, parse: ParseCount) -> Result<KeyRanges, NoKeys> {
    let mut keys = KeyRanges::default();
    for spec in specs {
        if let Some(positions) = resolve(spec, args, parse)? {
            keys.add(positions, spec.flags);
        }
    }
    Ok(keys)
}

/// The keys of one spec; `None` if its keyword is not there.
fn resolve(spec: &KeySpec, args: Args<'_>, parse: ParseCount) -> Result<Option<Positions>, NoKeys> {
    let n = args.len();
    let begin = match spec.begin {
        Begin::Index(at) => usize::from(at),
        Begin::Keyword(word, from) => match find_keyword(args, word, from) {
            Some(at) => at + 1,
            None => return Ok(None),
        },
        Begin::Unknown => return Err(NoKeys),
    };
    let (first, last, step) = match spec.find {
        Find::Range { last, step, limit } => {
            (begin, last_of_range(begin, last, limit, n).ok_or(NoKeys)?, usize::from(step))
        }
        Find::KeyNum { index, first, step } => {
            let count = args.get(begin + usize::from(index)).and_then(parse).ok_or(NoKeys)?;
            let more = usize::try_from(i64::from(count) - 1).map_err(|_| NoKeys)?;
            let (first, step) = (begin + usize::from(first), usize::from(step));
            (first, more.saturating_mul(step).saturating_add(first), step)
        }
        Find::Unknown => return Err(NoKeys),
    };
    if last < first || last >= n {
        return Err(NoKeys);
    }
    Ok(Some(Positions { first, count: (last - first) / step + 1, step }))
}

/// The last position of a range, of `n` arguments.
fn last_of_range(begin: usize, last: i16, limit: u16, n: usize) -> Option<usize> {
    let from = match (last, limit) {
        (0.., _) => begin,
        (_, 0 | 1) => n,
        (_, limit) => begin + n.checked_sub(begin)? / usize::from(limit),
    };
    from.checked_add_signed(isize::from(last))
}

/// Where a keyword stands. Something must come after it; a search backwards stops short of the first argument.
pub(super) fn find_keyword(args: Args<'_>, word: &str, from: i16) -> Option<usize> {
    let n = args.len();
    let is_word = |at: &usize| is(args, *at, word);
    if from >= 0 {
        (from as usize..n.saturating_sub(1)).find(is_word)
    } else {
        (2..=n.checked_add_signed(isize::from(from))?).rev().find(is_word)
    }
}

/// A count as commands read it, not negative; only its low 32 bits count.
pub(super) fn parse_count(arg: &[u8]) -> Option<i32> {
    parse_i64(arg).filter(|n| *n >= 0).map(|n| n as i32)
}

/// The integer that `atoi` sees at the beginning of an argument.
pub(super) fn atoi(arg: &[u8]) -> Option<i32> {
    let blanks = arg.iter().take_while(|b| matches!(b, b' ' | b'\t'..=b'\r')).count();
    let arg = &arg[blanks..];
    let (negative, digits) = match arg.first() {
        Some(b'-') => (true, &arg[1..]),
        Some(b'+') => (false, &arg[1..]),
        _ => (false, arg),
    };
    let digits = digits.iter().take_while(|b| b.is_ascii_digit());
    let n = digits.fold(0i64, |n, b| {
        let digit = i64::from(b - b'0');
        n.saturating_mul(10).saturating_add(if negative { -digit } else { digit })
    });
    Some(n as i32)
}

/// Whether an argument is a keyword, in any case.
pub(super) fn is(args: Args<'_>, at: usize, word: &str) -> bool {
    args[at].eq_ignore_ascii_case(word.as_bytes())
}
