//! Writes that depend on what is there: the conditions of SET and DELEX, and DELIFEQ.
//!
//! IFEQ and IFNE compare the whole value, IFDEQ and IFDNE its digest: XXH3 in its 64-bit form, as 16 hexadecimal digits,
//! so that a long value need not be sent to be compared. An absent key equals nothing: IFEQ fails on it and IFNE holds. A
//! value that is no string cannot be compared, which is an error.

use protocol::error::{DIGEST_MALFORMED, SYNTAX};
use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, is, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::Effect;
use crate::tuning::notify;
use crate::types::string::IntText;
use twox_hash::XxHash3_64;

/// A condition on the key as it is before the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnlyIf<'a> {
    Always,
    Absent,
    Present,
    Equal(&'a [u8]),
    Differs(&'a [u8]),
    DigestEqual(u64),
    DigestDiffers(u64),
}

impl<'a> OnlyIf<'a> {
    /// The condition that begins at argument `at`, if one does, and how many arguments it takes.
    pub fn parse(args: Args<'a>, at: usize) -> Result<Option<(OnlyIf<'a>, usize)>, ErrorReply> {
        let word = args.at(at);
        if is(word, "NX") {
            return Ok(Some((OnlyIf::Absent, 1)));
        }
        if is(word, "XX") {
            return Ok(Some((OnlyIf::Present, 1)));
        }
        OnlyIf::parse_comparison(args, at)
    }

    /// [`OnlyIf::parse`] for commands that only compare values.
    fn parse_comparison(args: Args<'a>, at: usize) -> Result<Option<(OnlyIf<'a>, usize)>, ErrorReply> {
        let condition: fn(&'a [u8]) -> Result<OnlyIf<'a>, ErrorReply> = match args.at(at) {
            word if is(word, "IFEQ") => |value| Ok(OnlyIf::Equal(value)),
            word if is(word, "IFNE") => |value| Ok(OnlyIf::Differs(value)),
            word if is(word, "IFDEQ") => |digest| Ok(OnlyIf::DigestEqual(parse_digest(digest)?)),
            word if is(word, "IFDNE") => |digest| Ok(OnlyIf::DigestDiffers(parse_digest(digest)?)),
            _ => return Ok(None),
        };
        Ok(Some((condition(args.get(at + 1).ok_or(SYNTAX)?)?, 2)))
    }

    /// Whether the option that gave `next` may follow the one that gave this: none, or the same.
    pub fn may_become(&self, next: &OnlyIf<'_>) -> bool {
        *self == OnlyIf::Always || std::mem::discriminant(self) == std::mem::discriminant(next)
    }

    pub fn is_met(&self, key: &KeyMut<'_, '_>) -> Result<bool, ErrorReply> {
        let mut text = IntText::default();
        Ok(match *self {
            OnlyIf::Always => true,
            OnlyIf::Absent => !key.exists(),
            OnlyIf::Present => key.exists(),
            OnlyIf::Equal(value) => key.string(&mut text)? == Some(value),
            OnlyIf::Differs(value) => key.string(&mut text)? != Some(value),
            OnlyIf::DigestEqual(digest) => key.string(&mut text)?.map(digest_of) == Some(digest),
            OnlyIf::DigestDiffers(digest) => key.string(&mut text)?.map(digest_of) != Some(digest),
        })
    }
}

fn digest_of(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

fn parse_digest(text: &[u8]) -> Result<u64, ErrorReply> {
    let digits = str::from_utf8(text).ok().filter(|t| t.len() == 16 && !t.starts_with('+'));
    digits.and_then(|t| u64::from_str_radix(t, 16).ok()).ok_or(DIGEST_MALFORMED)
}

fn digest(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    match ctx.read_string(&args[1], &mut IntText::default())? {
        Some(bytes) => out.bulk_str(&format!("{:016x}", digest_of(bytes))),
        None => out.null(),
    }
    DONE
}

/// Removes the key if the condition holds; replies whether it was removed.
fn delete(ctx: &mut Ctx<'_>, key: &[u8], only_if: OnlyIf<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(key);
    let removed = key.exists() && only_if.is_met(&key)?;
    if removed {
        key.apply(Effect::Clear);
        key.notify(notify::GENERIC, "del");
    }
    out.int(i64::from(removed));
    DONE
}

fn delifeq(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    delete(ctx, &args[1], OnlyIf::Equal(args.at(2)), out)
}

fn delex(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    if args.len() == 2 {
        return delete(ctx, &args[1], OnlyIf::Always, out);
    }
    match OnlyIf::parse_comparison(args, 2)? {
        Some((only_if, taken)) if args.len() == 2 + taken => delete(ctx, &args[1], only_if, out),
        _ => Err(SYNTAX),
    }
}

pub const ROWS: &[Row] = &[row("DELIFEQ", delifeq), row("DELEX", delex), row("DIGEST", digest)];

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

    const WRONGTYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value¶";
    const SYNTAX: &str = "-ERR syntax error¶";

    #[test]
    fn set_compares_first() {
        check(&[
            ("SET k a IFEQ x", "$-1¶"),
            ("EXISTS k", ":0¶"),
            ("SET k a IFNE x", "+OK¶"),
            ("SET k b IFEQ x", "$-1¶"),
            ("SET k 12 IFEQ a GET", "$1¶a¶"),
            ("SET k c ifeq 012 GET", "$2¶12¶"),
            ("SET k c IFEQ 12 PXAT 4102444800000", "+OK¶"),
            ("PEXPIRETIME k", ":4102444800000¶"),
            ("SET k d KEEPTTL IFNE d", "+OK¶"),
            ("SET k d IFNE d", "$-1¶"),
            ("PEXPIRETIME k", ":4102444800000¶"),
            ("SET k d IFEQ", SYNTAX),
            ("SET k d IFEQ d NX", SYNTAX),
            ("SET k d XX IFEQ d", SYNTAX),
            ("SET k d IFEQ x IFNE d", SYNTAX),
            ("RPUSH l x", ":1¶"),
            ("SET l d IFEQ x", WRONGTYPE),
            ("SET l d IFNE x", WRONGTYPE),
        ]);
    }

    #[test]
    fn deletes_compare_first() {
        check(&[
            ("DELIFEQ k a", ":0¶"),
            ("SET k 12", "+OK¶"),
            ("DELIFEQ k 13", ":0¶"),
            ("DELIFEQ k 12", ":1¶"),
            ("EXISTS k", ":0¶"),
            ("SET k 12", "+OK¶"),
            ("DELEX k IFNE 12", ":0¶"),
            ("DELEX k IFEQ 12 x", SYNTAX),
            ("DELEX k NX", SYNTAX),
            ("DELEX k IFEQ", SYNTAX),
            ("DELEX k IFNE 13", ":1¶"),
            ("DELEX k IFNE 13", ":0¶"),
            ("RPUSH l x", ":1¶"),
            ("DELIFEQ l x", WRONGTYPE),
            ("DELEX l IFNE x", WRONGTYPE),
            ("DELEX l", ":1¶"),
            ("EXISTS l", ":0¶"),
        ]);
    }

    #[test]
    fn digests_are_compared() {
        check(&[
            ("DIGEST k", "$-1¶"),
            ("SET k \"Hello world\"", "+OK¶"),
            ("DIGEST k", "$16¶b6acb9d84a38ff74¶"),
            ("SET k 1 IFDNE B6ACB9D84A38FF74", "$-1¶"),
            ("SET k 12 IFDEQ b6acb9d84a38ff74 GET", "$11¶Hello world¶"),
            ("DELEX k IFDEQ b6acb9d84a38ff74", ":0¶"),
            ("SET k 1 IFDEQ +6acb9d84a38ff74", "-ERR digest must be exactly 16 hexadecimal characters¶"),
            ("SET k 1 IFDEQ 12", "-ERR digest must be exactly 16 hexadecimal characters¶"),
            ("SET k 1 IFDEQ", SYNTAX),
            ("DELEX k IFDNE b6acb9d84a38ff74", ":1¶"),
            ("SET k 1 IFDEQ b6acb9d84a38ff74", "$-1¶"),
            ("SET k 1 IFDNE b6acb9d84a38ff74", "+OK¶"),
            ("RPUSH l x", ":1¶"),
            ("DIGEST l", WRONGTYPE),
        ]);
    }
}
