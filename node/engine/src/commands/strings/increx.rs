//! INCREX: adds to a number within bounds and sets its deadline, in one step.
//!
//! ```text
//! INCREX key [BYINT n | BYFLOAT n] [LBOUND n] [UBOUND n] [SATURATE] [EX s | PX ms | EXAT s | PXAT ms | PERSIST] [ENX]
//! ```
//! A sum out of bounds leaves the key and its deadline alone and is told by an increment of 0 in the reply; with
//! SATURATE it becomes the bound instead. ENX gives a deadline only to a key that has none. So a rate limit is one
//! command: `INCREX key UBOUND 100 EX 60 ENX` is refused when the second number of its reply is 0.

use protocol::error::{BOUNDS_CROSSED, NAN_OR_INF, NOT_FLOAT, NOT_INTEGER, OVERFLOW, SYNTAX};
use protocol::number::{LongDouble, parse_i64};
use protocol::{Args, ErrorReply, Reply};

use super::expiry::Unit;
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::Effect;
use crate::tuning::notify;
use crate::types::string::IntText;

#[derive(Clone, Copy, Default, PartialEq)]
enum By<'a> {
    #[default]
    One,
    Int(&'a [u8]),
    Float(&'a [u8]),
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Lifetime<'a> {
    #[default]
    Same,
    Persist,
    Expire(Unit, &'a [u8]),
}

#[derive(Default)]
struct Options<'a> {
    by: By<'a>,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    saturate: bool,
    lifetime: Lifetime<'a>,
    /// ENX: only if the key has no deadline.
    unless_set: bool,
}

fn parse_options(args: Args<'_>) -> Result<Options<'_>, ErrorReply> {
    let mut options = Options::default();
    let mut at = 2;
    while let Some(word) = args.get(at) {
        let next = || args.get(at + 1).ok_or(SYNTAX);
        at += match word {
            w if is(w, "SATURATE") => flag(&mut options.saturate),
            w if is(w, "ENX") => flag(&mut options.unless_set),
            w if is(w, "PERSIST") => {
                replace(&mut options.lifetime, Lifetime::Persist)?;
                1
            }
            w if is(w, "LBOUND") => replace(&mut options.lower, Some(next()?))?,
            w if is(w, "UBOUND") => replace(&mut options.upper, Some(next()?))?,
            w if is(w, "BYINT") => replace(&mut options.by, By::Int(next()?))?,
            w if is(w, "BYFLOAT") => replace(&mut options.by, By::Float(next()?))?,
            w => {
                let unit = Unit::of_option(w).ok_or(SYNTAX)?;
                replace(&mut options.lifetime, Lifetime::Expire(unit, next()?))?
            }
        };
    }
    if options.unless_set && !matches!(options.lifetime, Lifetime::Expire(..)) {
        return Err(SYNTAX);
    }
    Ok(options)
}

fn flag(set: &mut bool) -> usize {
    *set = true;
    1
}

/// Gives an option its value, once; it takes two arguments.
fn replace<T: Default + PartialEq>(option: &mut T, value: T) -> Result<usize, ErrorReply> {
    if *option != T::default() {
        return Err(SYNTAX);
    }
    *option = value;
    Ok(2)
}

fn increx(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let options = parse_options(args)?;
    let deadline = match options.lifetime {
        Lifetime::Expire(unit, text) => Some(unit.deadline(text, ctx.env.write_ms, "increx")?),
        _ => None,
    };
    let mut key = ctx.key(&args[1]);
    let done = match options.by {
        By::One => add_int(&mut key, 1, &options, out)?,
        By::Int(text) => add_int(&mut key, int(text)?, &options, out)?,
        By::Float(text) => add_float(&mut key, text, &options, out)?,
    };
    if !done {
        return DONE;
    }
    match deadline {
        Some(_) if options.unless_set && key.deadline().is_some() => {}
        Some(at) => {
            key.apply(Effect::ExpireAt(Some(at)));
            key.notify(notify::GENERIC, "expire");
        }
        None if options.lifetime == Lifetime::Persist && key.deadline().is_some() => {
            key.apply(Effect::ExpireAt(None));
            key.notify(notify::GENERIC, "persist");
        }
        None => {}
    }
    DONE
}

/// Adds and replies with the sum and what was added; false if the sum was out of bounds.
fn add_int(
    key: &mut KeyMut<'_, '_>,
    delta: i64,
    options: &Options<'_>,
    out: &mut Reply,
) -> Result<bool, ErrorReply> {
    let lower = options.lower.map_or(Ok(i64::MIN), int)?;
    let upper = options.upper.map_or(Ok(i64::MAX), int)?;
    if lower > upper {
        return Err(BOUNDS_CROSSED);
    }
    let old = match key.string(&mut IntText::default())? {
        None => 0,
        Some(text) => parse_i64(text).ok_or(NOT_INTEGER)?,
    };
    let sum = i128::from(old) + i128::from(delta);
    let bounded = sum.clamp(lower.into(), upper.into());
    let done = sum == bounded || options.saturate;
    let (new, added) = if done { (bounded, bounded - i128::from(old)) } else { (i128::from(old), 0) };
    let added = i64::try_from(added).map_err(|_| OVERFLOW)?;
    if done {
        key.apply(Effect::Add { delta: added, result: new as i64 });
        key.notify(notify::STRING, "incrby");
    }
    out.array(2);
    out.int(new as i64);
    out.int(added);
    Ok(done)
}

/// [`add_int`] for decimal numbers.
fn add_float(
    key: &mut KeyMut<'_, '_>,
    delta: &[u8],
    options: &Options<'_>,
    out: &mut Reply,
) -> Result<bool, ErrorReply> {
    let bound = |text: Option<&[u8]>| text.map(|t| LongDouble::parse(t).ok_or(NOT_FLOAT)).transpose();
    let (lower, upper) = (bound(options.lower)?, bound(options.upper)?);
    if lower.zip(upper).is_some_and(|(lower, upper)| lower > upper) {
        return Err(BOUNDS_CROSSED);
    }
    let old = match key.string(&mut IntText::default())? {
        None => LongDouble::from_i64(0),
        Some(text) => LongDouble::parse(text).ok_or(NOT_FLOAT)?,
    };
    let sum = old.checked_add(LongDouble::parse(delta).ok_or(NOT_FLOAT)?).ok_or(NAN_OR_INF)?;
    let bounded = lower.filter(|lower| sum < *lower).or(upper.filter(|upper| sum > *upper));
    let done = bounded.is_none() || options.saturate;
    let new = if done { bounded.unwrap_or(sum) } else { old };
    let added = if bounded.is_some() { new.checked_sub(old).ok_or(NAN_OR_INF)? } else { parsed(delta) };
    let (new, added) = (text_of(new), text_of(added));
    if done {
        key.apply(Effect::AddFloat { delta: &added, result: &new });
        key.notify(notify::STRING, "incrbyfloat");
    }
    out.array(2);
    out.double_text(&new);
    out.double_text(&added);
    Ok(done)
}

/// A number that has been read before.
fn parsed(text: &[u8]) -> LongDouble {
    LongDouble::parse(text).unwrap_or(LongDouble::from_i64(0))
}

fn text_of(number: LongDouble) -> Vec<u8> {
    let mut text = Vec::with_capacity(24);
    number.fmt_human(&mut text);
    text
}

pub const ROWS: &[Row] = &[row("INCREX", increx)];

#[cfg(test)]
mod tests {
    use crate::commands::testing::Console;
    use crate::keyspace::Keyspace;

    fn check(lines: &[(&str, &str)]) {
        let keyspace = Keyspace::new(1, 1);
        let mut console = Console::new(&keyspace);
        for (line, reply) in lines {
            assert_eq!(console.text(line), *reply, "{line}");
        }
    }

    const SYNTAX: &str = "-ERR syntax error¶";

    #[test]
    fn integers_stay_in_bounds() {
        check(&[
            ("INCREX k", "*2¶:1¶:1¶"),
            ("INCREX k BYINT 98", "*2¶:99¶:98¶"),
            ("INCREX k BYINT 5 UBOUND 100", "*2¶:99¶:0¶"),
            ("INCREX k BYINT 5 UBOUND 100 SATURATE", "*2¶:100¶:1¶"),
            ("INCREX k BYINT -500 LBOUND -7 SATURATE", "*2¶:-7¶:-107¶"),
            ("INCREX k BYINT -9223372036854775808", "*2¶:-7¶:0¶"),
            ("INCREX k BYINT 1 LBOUND 2 UBOUND 1", "-ERR LBOUND can't be greater than UBOUND¶"),
            ("INCREX absent UBOUND 0", "*2¶:0¶:0¶"),
            ("EXISTS absent", ":0¶"),
            ("SET k -9223372036854775808", "+OK¶"),
            ("INCREX k LBOUND 9223372036854775807 SATURATE", "-ERR increment or decrement would overflow¶"),
            ("SET k 1.5", "+OK¶"),
            ("INCREX k", "-ERR value is not an integer or out of range¶"),
            ("INCREX k BYINT 1 BYINT 2", SYNTAX),
            ("INCREX k BYINT 1 BYFLOAT 2", SYNTAX),
            ("INCREX k FOO", SYNTAX),
            ("INCREX k UBOUND", SYNTAX),
        ]);
    }

    #[test]
    fn decimals_stay_in_bounds() {
        check(&[
            ("SET k 1.5", "+OK¶"),
            ("INCREX k BYFLOAT 0.25", "*2¶$4¶1.75¶$4¶0.25¶"),
            ("INCREX k BYFLOAT 10 UBOUND 2.5", "*2¶$4¶1.75¶$1¶0¶"),
            ("INCREX k BYFLOAT 10 UBOUND 2.5 SATURATE", "*2¶$3¶2.5¶$4¶0.75¶"),
            ("INCREX k BYFLOAT inf", "-ERR increment would produce NaN or Infinity¶"),
            ("INCREX k BYFLOAT x", "-ERR value is not a valid float¶"),
            ("HELLO 3", ""),
            ("INCREX k BYFLOAT 0.5", "*2¶,3¶,0.5¶"),
        ]);
    }

    #[test]
    fn deadlines_follow_the_options() {
        check(&[
            ("INCREX k EXAT 4102444800 ENX", "*2¶:1¶:1¶"),
            ("PEXPIRETIME k", ":4102444800000¶"),
            ("INCREX k EXAT 4102444801 ENX", "*2¶:2¶:1¶"),
            ("PEXPIRETIME k", ":4102444800000¶"),
            ("INCREX k EXAT 4102444801 UBOUND 2", "*2¶:2¶:0¶"),
            ("PEXPIRETIME k", ":4102444800000¶"),
            ("INCREX k EXAT 4102444801", "*2¶:3¶:1¶"),
            ("PEXPIRETIME k", ":4102444801000¶"),
            ("INCREX k", "*2¶:4¶:1¶"),
            ("PEXPIRETIME k", ":4102444801000¶"),
            ("INCREX k PERSIST", "*2¶:5¶:1¶"),
            ("PEXPIRETIME k", ":-1¶"),
            ("INCREX k PERSIST ENX", SYNTAX),
            ("INCREX k ENX", SYNTAX),
            ("INCREX k EX 5 PX 5", SYNTAX),
            ("INCREX k EX 0", "-ERR invalid expire time in 'increx' command¶"),
        ]);
    }
}
