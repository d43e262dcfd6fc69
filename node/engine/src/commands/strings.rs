//! Strings.

use protocol::error::WRONGTYPE;
use protocol::{Args, ErrorReply, Reply};

use super::{DONE, Flow, Row, row};
use crate::ctx::Ctx;
use crate::effect::{Deadline, Effect, NewValue};
use crate::tuning::notify;
use crate::types::string::IntText;

fn get(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    match ctx.value(&args[1]) {
        None => out.null(),
        Some(value) => match value.string_bytes(&mut IntText::default()) {
            Some(bytes) => out.bulk(bytes),
            None => return Err(WRONGTYPE),
        },
    }
    DONE
}

fn set(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    key.apply(Effect::Put { value: NewValue::String(&args[2]), deadline: Deadline::Clear, absent: false });
    key.notify(notify::STRING, "set");
    out.ok();
    DONE
}

pub const ROWS: &[Row] = &[row("GET", get), row("SET", set)];

#[cfg(test)]
mod tests {
    use super::super::testing::check_golden;

    #[test]
    fn golden() {
        check_golden(include_str!("testdata/strings.golden"));
    }
}
