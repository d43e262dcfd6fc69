//! Counting and finding bits in a range.

use protocol::error::{BIT_ARGUMENT, SYNTAX};
use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;
use crate::types::bits;
use crate::types::string::IntText;

/// Reads `BYTE` or `BIT`: whether a range is one of bits.
fn in_bits(unit: Option<&[u8]>) -> Result<bool, ErrorReply> {
    match unit {
        None => Ok(false),
        Some(unit) if is(unit, "BYTE") => Ok(false),
        Some(unit) if is(unit, "BIT") => Ok(true),
        Some(_) => Err(SYNTAX),
    }
}

/// A range as clients give it: indexes of bytes or bits, from the end if negative.
struct Range {
    start: i64,
    end: i64,
    in_bits: bool,
}

impl Range {
    /// The first and last bit of the range in a string of `len` bytes; what lies outside is cut off. `None` if nothing
    /// is left.
    fn within(&self, len: usize) -> Option<(usize, usize)> {
        let unit = if self.in_bits { 1 } else { 8 };
        let units = (len * 8 / unit) as i64;
        let place = |i: i64| if i < 0 { (units + i).max(0) } else { i };
        let (start, end) = (place(self.start), place(self.end).min(units - 1));
        (start <= end).then(|| (start as usize * unit, end as usize * unit + unit - 1))
    }
}

fn bitcount(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut text = IntText::default();
    let Some(bytes) = ctx.read_string(&args[1], &mut text)? else {
        out.int(0);
        return DONE;
    };
    let count = match args.len() {
        2 => bits::count_ones(bytes),
        4 | 5 => {
            let (start, end) = (int(&args[2])?, int(&args[3])?);
            // Two indexes from the end the wrong way round are empty even where cutting would make them meet, and
            // whatever the unit.
            if start < 0 && end < 0 && start > end {
                out.int(0);
                return DONE;
            }
            let range = Range { start, end, in_bits: in_bits(args.get(4))? };
            range.within(bytes.len()).map_or(0, |(first, last)| bits::count_ones_between(bytes, first, last))
        }
        _ => return Err(SYNTAX),
    };
    out.int(count as i64);
    DONE
}

fn bitpos(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let bit = match int(&args[2])? {
        0 => false,
        1 => true,
        _ => return Err(BIT_ARGUMENT),
    };
    let mut text = IntText::default();
    let Some(bytes) = ctx.read_string(&args[1], &mut text)? else {
        // An absent key is zeros without an end.
        out.int(if bit { -1 } else { 0 });
        return DONE;
    };
    let range = match args.len() {
        3 => Range { start: 0, end: -1, in_bits: false },
        4 => Range { start: int(&args[3])?, end: -1, in_bits: false },
        5 | 6 => {
            let (start, in_bits) = (int(&args[3])?, in_bits(args.get(5))?);
            Range { start, end: int(&args[4])?, in_bits }
        }
        _ => return Err(SYNTAX),
    };
    let within = range.within(bytes.len());
    let found = within.and_then(|(first, last)| bits::find_between(bytes, bit, first, last));
    // Without an end the zeros after the string count.
    let open = !bit && within.is_some() && args.len() < 5;
    out.int(match found {
        Some(at) => at as i64,
        None if open => bytes.len() as i64 * 8,
        None => -1,
    });
    DONE
}

pub const ROWS: &[Row] = &[row("BITCOUNT", bitcount), row("BITPOS", bitpos)];
