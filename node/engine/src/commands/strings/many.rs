//! Several strings at once.

use protocol::error::{NUMKEYS_NOT_POSITIVE, SYNTAX};
use protocol::{Args, ErrorReply, Reply};

use super::only_if::OnlyIf;
use super::set::{Options, parse_options, put};
use crate::commands::{DONE, Flow, Row, int, row};
use crate::ctx::Ctx;
use crate::effect::Deadline;
use crate::types::string::IntText;

fn mget(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    out.array(args.len() - 1);
    for key in args.rest(1).iter() {
        // Another type is as good as nothing here.
        match ctx.read_string(key, &mut IntText::default()) {
            Ok(Some(bytes)) => out.bulk(bytes),
            Ok(None) | Err(_) => out.null(),
        }
    }
    DONE
}

/// The keys and values after the command's name.
fn pairs<'a>(
    args: Args<'a>,
    command: &str,
) -> Result<impl Iterator<Item = (&'a [u8], &'a [u8])>, ErrorReply> {
    if args.len().is_multiple_of(2) {
        return Err(ErrorReply::wrong_arity(command));
    }
    Ok((1..args.len()).step_by(2).map(move |at| (args.at(at), args.at(at + 1))))
}

fn mset(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    for (key, value) in pairs(args, "mset")? {
        put(&mut ctx.key(key), value, Deadline::Clear, false);
    }
    out.ok();
    DONE
}

fn msetnx(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    if pairs(args, "msetnx")?.any(|(key, _)| ctx.peek(key).is_some()) {
        out.int(0);
        return DONE;
    }
    for (key, value) in pairs(args, "msetnx")? {
        let mut key = ctx.key(key);
        // A key named twice is there the second time, put by this command.
        let absent = !key.exists();
        put(&mut key, value, Deadline::Clear, absent);
    }
    out.int(1);
    DONE
}

/// `MSETEX numkeys key value [key value ...] [NX | XX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`: all or none.
fn msetex(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let count = usize::try_from(int(&args[1])?).ok().filter(|n| *n > 0).ok_or(NUMKEYS_NOT_POSITIVE)?;
    let end = count.checked_mul(2).map(|words| words.saturating_add(2)).filter(|end| *end <= args.len());
    let end = end.ok_or_else(|| ErrorReply::wrong_arity("msetex"))?;
    let Options { only_if, get, expiry } = parse_options(args, end)?;
    let wanted = match only_if {
        _ if get => return Err(SYNTAX),
        OnlyIf::Always => None,
        OnlyIf::Absent => Some(false),
        OnlyIf::Present => Some(true),
        _ => return Err(SYNTAX),
    };
    let deadline = expiry.deadline(ctx.env.write_ms, "msetex")?;
    let keys = || (2..end).step_by(2);
    let met = wanted.is_none_or(|wanted| keys().all(|at| ctx.peek(&args[at]).is_some() == wanted));
    if met {
        for at in keys() {
            let mut key = ctx.key(&args[at]);
            let absent = wanted == Some(false) && !key.exists();
            put(&mut key, &args[at + 1], deadline, absent);
        }
    }
    out.int(i64::from(met));
    DONE
}

pub const ROWS: &[Row] =
    &[row("MGET", mget), row("MSET", mset), row("MSETNX", msetnx), row("MSETEX", msetex)];

#[cfg(test)]
mod tests {
    use crate::commands::testing::Console;
    use crate::keyspace::Keyspace;

    #[test]
    fn msetex_sets_all_or_none() {
        let keyspace = Keyspace::new(1, 1);
        let mut console = Console::new(&keyspace);
        for (line, reply) in [
            ("MSETEX 2 a 1 b 2 XX", ":0¶"),
            ("MSETEX 2 a 1 b 2 NX PXAT 4102444800000", ":1¶"),
            ("MGET a b", "*2¶$1¶1¶$1¶2¶"),
            ("PEXPIRETIME b", ":4102444800000¶"),
            ("MSETEX 2 b 3 c 4 NX", ":0¶"),
            ("MSETEX 2 b 3 c 4 XX", ":0¶"),
            ("MSETEX 2 b 3 a 4 XX KEEPTTL", ":1¶"),
            ("PEXPIRETIME b", ":4102444800000¶"),
            ("MSETEX 1 b 5", ":1¶"),
            ("PEXPIRETIME b", ":-1¶"),
            ("GET b", "$1¶5¶"),
            ("MSETEX 2 n 1 n 2 NX", ":1¶"),
            ("GET n", "$1¶2¶"),
            ("MSETEX 0 a 1", "-ERR numkeys should be greater than 0¶"),
            ("MSETEX 2 a 1 b", "-ERR wrong number of arguments for 'msetex' command¶"),
            ("MSETEX 9223372036854775807 a 1", "-ERR wrong number of arguments for 'msetex' command¶"),
            ("MSETEX 1 a 1 EX 0", "-ERR invalid expire time in 'msetex' command¶"),
            ("MSETEX 1 a 1 GET", "-ERR syntax error¶"),
            ("MSETEX 1 a 1 IFEQ 2", "-ERR syntax error¶"),
            ("MSETEX 1 a 1 NX XX", "-ERR syntax error¶"),
        ] {
            assert_eq!(console.text(line), reply, "{line}");
        }
    }
}
