//! PFDEBUG looks into a value; PFSELFTEST checks the arithmetic on this machine.

use std::fmt::Write;

use protocol::error::{HYPERLOGLOG_NOT_SPARSE, NO_SPECIFIED_KEY};
use protocol::{Args, ErrorReply, Reply};

use super::{corrupt, well_formed};
use crate::commands::{DONE, Flow, Row, is, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::types::hyperloglog::{Hll, REGISTERS, dense, estimate, place_of, sparse};
use crate::types::string::IntText;

fn pfdebug(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut text = IntText::default();
    let hll = well_formed(ctx.read_string(&args[2], &mut text)?.ok_or(NO_SPECIFIED_KEY)?)?;
    match &args[1] {
        name if is(name, "GETREG") => {
            let mut all = Box::new([0; REGISTERS]);
            hll.raise_all(&mut all).map_err(corrupt)?;
            out.array(REGISTERS);
            all.iter().for_each(|rank| out.int(i64::from(*rank)));
            make_dense(ctx, &args[2]);
        }
        name if is(name, "DECODE") && hll.is_dense() => return Err(HYPERLOGLOG_NOT_SPARSE),
        name if is(name, "DECODE") => out.bulk_str(&decoded(hll)),
        name if is(name, "ENCODING") => out.simple(if hll.is_dense() { "dense" } else { "sparse" }),
        name if is(name, "TODENSE") => {
            hll.histogram().map_err(corrupt)?;
            out.int(i64::from(make_dense(ctx, &args[2])));
        }
        name => {
            let name = String::from_utf8_lossy(name);
            return Err(ErrorReply::err(format!("Unknown PFDEBUG subcommand '{name}'")));
        }
    }
    DONE
}

fn make_dense(ctx: &mut Ctx<'_>, key: &[u8]) -> bool {
    ctx.key(key).apply(Effect::RaiseRegisters { ranks: &[], dense: true }).changed()
}

/// The runs of a sparse value: zeros in one byte as `z:`, in two as `Z:`, others as `v:` with number and length.
fn decoded(hll: Hll<'_>) -> String {
    let mut text = String::new();
    for (op, size) in sparse::ops(hll.registers()) {
        if !text.is_empty() {
            text.push(' ');
        }
        let written = match op {
            sparse::Op { rank: 0, len } if size == 1 => write!(text, "z:{len}"),
            sparse::Op { rank: 0, len } => write!(text, "Z:{len}"),
            sparse::Op { rank, len } => write!(text, "v:{rank},{len}"),
        };
        written.expect("writing to a String does not fail");
    }
    text
}

/// Elements whose number is estimated in the self test.
const ELEMENTS: u64 = 100_000;
/// Four standard errors of the estimate.
const ERROR_MAX: f64 = 4.0 * 1.04 / 128.0;

fn pfselftest(ctx: &mut Ctx<'_>, _: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    test_registers(ctx)?;
    test_estimates(ctx.env.random())?;
    out.ok();
    DONE
}

/// Raises registers at random and compares each with what it should hold.
fn test_registers(ctx: &Ctx<'_>) -> Result<(), ErrorReply> {
    let (mut model, mut packed) = (vec![0u8; REGISTERS], vec![0; dense::BYTES]);
    for _ in 0..16 * REGISTERS {
        let (index, rank) = (ctx.env.random_below(REGISTERS as u64) as usize, ctx.env.random_below(64) as u8);
        dense::raise(&mut packed, index, rank);
        model[index] = model[index].max(rank);
    }
    let mut wrong = None;
    dense::each(&packed, |index, rank| {
        if rank != model[index] {
            wrong = Some(format!("Register {index} should be {} but is {rank}", model[index]));
        }
    });
    wrong.map_or(Ok(()), |text| Err(failed(&text)))
}

/// Adds elements that begin with `seed` and checks the estimate at every power of ten.
fn test_estimates(seed: u64) -> Result<(), ErrorReply> {
    let mut packed = vec![0; dense::BYTES];
    let mut next = 10;
    for n in 1..=ELEMENTS {
        let (index, rank) = place_of(&[seed.to_le_bytes(), n.to_le_bytes()].concat());
        dense::raise(&mut packed, usize::from(index), rank);
        if n != next {
            continue;
        }
        next *= 10;
        let estimate = estimate(&dense::histogram(&packed));
        // A few elements may collide whatever the formula.
        if estimate.abs_diff(n) as f64 > (n as f64 * ERROR_MAX).max(2.0) {
            return Err(failed(&format!("Too big error. card:{n} estimate:{estimate}")));
        }
    }
    Ok(())
}

fn failed(text: &str) -> ErrorReply {
    ErrorReply(format!("TESTFAILED {text}").into())
}

pub const ROWS: &[Row] = &[row("PFDEBUG", pfdebug), row("PFSELFTEST", pfselftest)];

#[cfg(test)]
mod tests {
    use crate::commands::testing::Console;
    use crate::keyspace::Keyspace;

    #[test]
    fn registers_are_shown_and_the_value_becomes_dense() {
        let keyspace = Keyspace::new(1, 1);
        let mut console = Console::new(&keyspace);
        console.run("PFADD h a");
        let reply = console.text("PFDEBUG GETREG h");
        let registers: Vec<&str> = reply.split('¶').collect();
        assert_eq!(registers.len(), 16384 + 2);
        assert_eq!((registers[0], registers[1 + 12711]), ("*16384", ":2"));
        assert_eq!(registers.iter().filter(|r| **r != ":0").count(), 3);
        assert_eq!(console.text("PFDEBUG ENCODING h"), "+dense¶");
        assert_eq!(console.text("PFDEBUG GETREG h"), reply);
    }

    #[test]
    fn the_self_test_passes() {
        let keyspace = Keyspace::new(1, 1);
        assert_eq!(Console::new(&keyspace).text("PFSELFTEST"), "+OK¶");
    }
}
