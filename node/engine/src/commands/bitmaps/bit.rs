//! Single bits.

use protocol::error::BIT_OUT_OF_RANGE;
use protocol::{Args, ErrorReply, Reply};

use super::bit_offset;
use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::notify;
use crate::types::bits;
use crate::types::string::IntText;

fn getbit(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let at = bit_offset(&args[2], 1, &ctx.env.tuning)?;
    let mut text = IntText::default();
    let bytes = ctx.read_string(&args[1], &mut text)?.unwrap_or(b"");
    out.int(i64::from(bits::get(bytes, at)));
    DONE
}

fn setbit(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let at = bit_offset(&args[2], 1, &ctx.env.tuning)?;
    let bit = match &args[3] {
        b"0" => false,
        b"1" => true,
        _ => return Err(BIT_OUT_OF_RANGE),
    };
    let mut key = ctx.key(&args[1]);
    let mut text = IntText::default();
    let bytes = key.string(&mut text)?.unwrap_or(b"");
    let (old, byte) = (bits::get(bytes, at), bits::byte_with(bytes, at, bit));
    if key.apply(Effect::SetRange { offset: at / 8, bytes: &[byte] }).changed() {
        key.notify(notify::STRING, "setbit");
    }
    out.int(i64::from(old));
    DONE
}

pub const ROWS: &[Row] = &[row("GETBIT", getbit), row("SETBIT", setbit)];
