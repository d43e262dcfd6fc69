//! incr and decr, and what ma has in common with them.
//!
//! Numbers are unsigned and of 64 bits: going up wraps around, going down stops at zero. What is an integer to Redis as
//! well is added to as INCRBY would, so that what two nodes add at the same time adds up.

use engine::command::id;
use engine::effect::Effect;
use engine::tuning::notify;
use engine::types::string::{IntText, as_int};
use protocol::memcached::NOT_A_NUMBER;

use super::call::{Call, Halt};
use super::item::{self, Lasts};
use super::tally::Tally;
use crate::feed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    Now(u64),
    NotFound,
    NotANumber,
}

pub fn count(call: &mut Call<'_>, key: &[u8], delta: u64, up: bool) -> Result<(), Halt> {
    let command = if up { id::INCRBY } else { id::DECRBY };
    match call.on_key(command, key, |call| count_item(call, key, delta, up))? {
        Counted::Now(n) => {
            call.number(n);
            call.line("");
        }
        Counted::NotFound => call.line("NOT_FOUND"),
        Counted::NotANumber => call.line(NOT_A_NUMBER),
    }
    Ok(())
}

/// Counts. The shard must be held.
pub fn count_item(call: &mut Call<'_>, key: &[u8], delta: u64, up: bool) -> Counted {
    let (hits, misses) =
        if up { (Tally::IncrHits, Tally::IncrMisses) } else { (Tally::DecrHits, Tally::DecrMisses) };
    if call.ctx.peek(key).is_none() {
        call.tally(misses);
        return Counted::NotFound;
    }
    let mut handle = call.ctx.key(key);
    let mut text = IntText::default();
    let Ok(Some(bytes)) = handle.string(&mut text) else { return Counted::NotANumber };
    let Some(old) = number(bytes) else { return Counted::NotANumber };
    let new = if up { old.wrapping_add(delta) } else { old.saturating_sub(delta) };
    let sum = as_int(bytes).zip(i64::try_from(new).ok());
    match sum.and_then(|(old, new)| Some((new.checked_sub(old)?, new))) {
        Some((delta, result)) => {
            handle.apply(Effect::Add { delta, result });
        }
        None => {
            let tag = handle.value().map_or(0, |value| value.tag());
            item::put(&mut handle, new.to_string().as_bytes(), tag, Lasts::Keep, false);
        }
    }
    handle.notify(notify::STRING, if up { "incrby" } else { "decrby" });
    feed::note_string(call.ctx, key);
    call.tally(hits);
    Counted::Now(new)
}

/// The number at the front of a string; blanks around it do not matter, and nothing does behind a blank.
fn number(bytes: &[u8]) -> Option<u64> {
    let text = bytes.trim_ascii_start();
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let ends = text.get(end).is_none_or(u8::is_ascii_whitespace);
    let fits = bytes.len() <= 20 && ends;
    fits.then(|| std::str::from_utf8(&text[..end]).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_stand_at_the_front() {
        for (text, n) in [
            ("0", Some(0)),
            ("012", Some(12)),
            (" 12", Some(12)),
            ("12 ", Some(12)),
            ("1 2", Some(1)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            (" ", None),
            ("-1", None),
            ("1x", None),
            ("x", None),
        ] {
            assert_eq!(number(text.as_bytes()), n, "{text:?}");
        }
    }
}
