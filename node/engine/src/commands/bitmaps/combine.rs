//! BITOP: combines strings, or shifts one, into another key.

use protocol::error::{BITOP_NOT, NOT_INTEGER, OUT_OF_RANGE, STRING_TOO_LONG, SYNTAX};
use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;
use crate::effect::{Deadline, Effect, NewValue};
use crate::tuning::notify;
use crate::types::bits::{Combine, combine, shift_left, shift_right};
use crate::types::string::IntText;
use crate::value::Value;

const WAYS: [(&str, Combine); 8] = [
    ("AND", Combine::And),
    ("OR", Combine::Or),
    ("XOR", Combine::Xor),
    ("NOT", Combine::Not),
    ("DIFF", Combine::Diff),
    ("DIFF1", Combine::Diff1),
    ("ANDOR", Combine::AndOr),
    ("ONE", Combine::One),
];

/// Bits a string is shifted by at most, as in KeyDB.
const SHIFT_MAX: i64 = 1 << 30;

fn bitop(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let result = match WAYS.iter().find(|(name, _)| is(&args[1], name)) {
        Some((name, how)) => combined(ctx, *how, name, args.rest(3))?,
        None => shifted(ctx, args)?,
    };
    out.int(result.len() as i64);
    let mut key = ctx.key(&args[2]);
    if !result.is_empty() {
        let value = NewValue::Built(Value::Raw(Box::new(result)));
        key.apply(Effect::Put { value, deadline: Deadline::Clear, absent: false });
        key.notify(notify::STRING, "set");
    } else if key.apply(Effect::Clear).changed() {
        key.notify(notify::GENERIC, "del");
    }
    DONE
}

fn combined(ctx: &Ctx<'_>, how: Combine, name: &str, keys: Args<'_>) -> Result<Vec<u8>, ErrorReply> {
    if how == Combine::Not && keys.len() != 1 {
        return Err(BITOP_NOT);
    }
    if matches!(how, Combine::Diff | Combine::Diff1 | Combine::AndOr) && keys.len() < 2 {
        let text = format!("BITOP {name} must be called with at least two source keys.");
        return Err(ErrorReply::err(text));
    }
    let mut texts: Vec<IntText> = keys.iter().map(|_| IntText::default()).collect();
    let sources =
        keys.iter().zip(&mut texts).map(|(key, text)| Ok(ctx.read_string(key, text)?.unwrap_or(b"")));
    Ok(combine(how, &sources.collect::<Result<Vec<_>, ErrorReply>>()?))
}

/// `LSHIFT|RSHIFT dest source bits`
fn shifted(ctx: &Ctx<'_>, args: Args<'_>) -> Result<Vec<u8>, ErrorReply> {
    let (left, right) = (is(&args[1], "LSHIFT"), is(&args[1], "RSHIFT"));
    if !(left || right) || args.len() != 5 {
        return Err(SYNTAX);
    }
    let by = Some(int(&args[4])?).filter(|by| (0..=SHIFT_MAX).contains(by)).ok_or(OUT_OF_RANGE)?;
    let by = usize::try_from(by).map_err(|_| NOT_INTEGER)?;
    let mut text = IntText::default();
    let source = ctx.read_string(&args[3], &mut text)?.unwrap_or(b"");
    if right {
        return Ok(shift_right(source, by));
    }
    if source.is_empty() {
        return Ok(Vec::new());
    }
    if source.len() + by.div_ceil(8) > ctx.env.tuning.proto_max_bulk_len {
        return Err(STRING_TOO_LONG);
    }
    Ok(shift_left(source, by))
}

pub const ROWS: &[Row] = &[row("BITOP", bitop)];

#[cfg(test)]
mod tests {
    use crate::commands::testing::Console;
    use crate::keyspace::Keyspace;

    #[test]
    fn later_operations() {
        let keyspace = Keyspace::new(1, 1);
        let mut console = Console::new(&keyspace);
        for (line, reply) in [
            ("MSET a \"\\xf0\\xff\" b \"\\x30\" c \"\\x03\"", "+OK¶"),
            ("BITOP DIFF d a b c", ":2¶"),
            ("GET d", "$2¶\\xc0\\xff¶"),
            ("BITOP diff1 d a b c", ":2¶"),
            ("GET d", "$2¶\\x03\\x00¶"),
            ("BITOP ANDOR d a b c", ":2¶"),
            ("GET d", "$2¶0\\x00¶"),
            ("BITOP ONE d a b c", ":2¶"),
            ("GET d", "$2¶\\xc3\\xff¶"),
            ("BITOP ONE d a", ":2¶"),
            ("BITOP DIFF d a", "-ERR BITOP DIFF must be called with at least two source keys.¶"),
            ("BITOP LSHIFT d b 4", ":2¶"),
            ("GET d", "$2¶\\x00\\x03¶"),
            ("BITOP RSHIFT d b 4", ":1¶"),
            ("BITOP RSHIFT d b 8", ":0¶"),
            ("EXISTS d", ":0¶"),
            ("BITOP LSHIFT d b -1", "-ERR value is out of range¶"),
            ("BITOP LSHIFT d b x", "-ERR value is not an integer or out of range¶"),
            ("BITOP LSHIFT d b", "-ERR syntax error¶"),
            ("CONFIG SET proto-max-bulk-len 3", "+OK¶"),
            ("BITOP LSHIFT d b 16", ":3¶"),
            ("BITOP LSHIFT d b 17", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)¶"),
        ] {
            assert_eq!(console.text(line), reply, "{line}");
        }
    }
}
