//! Edits of a part of a string.

use protocol::error::{OFFSET_OUT_OF_RANGE, STRING_TOO_LONG};
use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, int, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::{Deadline, Effect, NewValue};
use crate::tuning::{Tuning, notify};
use crate::types::string::IntText;
use crate::value::Value;

/// The sum of a string's length, or an offset, and what is added to it; refused if that is longer than a string may be.
pub fn checked_len(at: usize, added: usize, tuning: &Tuning) -> Result<usize, ErrorReply> {
    at.checked_add(added).filter(|len| *len <= tuning.proto_max_bulk_len).ok_or(STRING_TOO_LONG)
}

/// Length of the string at the key, 0 if there is none.
fn len(key: &KeyMut<'_, '_>) -> Result<usize, ErrorReply> {
    Ok(key.string(&mut IntText::default())?.map_or(0, <[u8]>::len))
}

fn append(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let tail = &args[2];
    let mut key = ctx.key(&args[1]);
    let new_len = checked_len(len(&key)?, tail.len(), &key.env.tuning)?;
    key.apply(Effect::Append(tail));
    key.notify(notify::STRING, "append");
    out.int(new_len as i64);
    DONE
}

/// Unlike APPEND this rewrites the whole value: there is no cheaper way to keep it in one piece.
fn prepend(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let head = &args[2];
    let mut key = ctx.key(&args[1]);
    let mut text = IntText::default();
    let old = key.string(&mut text)?.unwrap_or(b"");
    let new_len = checked_len(old.len(), head.len(), &key.env.tuning)?;
    let value = if key.exists() {
        NewValue::Built(Value::Raw(Box::new([head, old].concat())))
    } else {
        NewValue::String(head)
    };
    key.apply(Effect::Put { value, deadline: Deadline::Keep, absent: false });
    key.notify(notify::STRING, "prepend");
    out.int(new_len as i64);
    DONE
}

fn setrange(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let offset = usize::try_from(int(&args[2])?).map_err(|_| OFFSET_OUT_OF_RANGE)?;
    let patch = &args[3];
    let mut key = ctx.key(&args[1]);
    let old_len = len(&key)?;
    if patch.is_empty() {
        out.int(old_len as i64);
        return DONE;
    }
    let end = checked_len(offset, patch.len(), &key.env.tuning)?;
    key.apply_counted(Effect::SetRange { offset, bytes: patch });
    key.notify(notify::STRING, "setrange");
    out.int(old_len.max(end) as i64);
    DONE
}

pub const ROWS: &[Row] = &[row("APPEND", append), row("PREPEND", prepend), row("SETRANGE", setrange)];

#[cfg(test)]
mod tests {
    use crate::commands::testing::Console;
    use crate::keyspace::Keyspace;

    #[test]
    fn prepend_mirrors_append() {
        let keyspace = Keyspace::new(1, 1);
        let mut console = Console::new(&keyspace);
        for (line, reply) in [
            ("PREPEND k 12", ":2¶"),
            ("OBJECT ENCODING k", "$3¶int¶"),
            ("SET k world PXAT 4102444800000", "+OK¶"),
            ("PREPEND k \"hello \"", ":11¶"),
            ("GET k", "$11¶hello world¶"),
            ("PEXPIRETIME k", ":4102444800000¶"),
            ("CONFIG SET proto-max-bulk-len 12", "+OK¶"),
            ("PREPEND k 12", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)¶"),
            ("APPEND k 12", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)¶"),
            ("APPEND k 1", ":12¶"),
        ] {
            assert_eq!(console.text(line), reply, "{line}");
        }
    }
}
