//! LMOVEM and BLMOVEM: several elements go from one list to another, or within one. From Redis 8.10.
//!
//! They are taken from their end all at once and put to the other, where they stand side by side: in the order in which they
//! would have come one by one (OBO), or in the order in which they stood (BULK). So a list that is moved within at one end has
//! them reversed by the one, and as they were by the other.

use protocol::error::{COUNT_NOT_POSITIVE, SYNTAX};
use protocol::{Args, ErrorReply, Reply};

use super::blocking::wait_for;
use super::end::End;
use super::pop::removed;
use crate::commands::blocking::timeout_ms;
use crate::commands::{DONE, Flow, NullReply, Row, int, is, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::notify;

/// What is asked for.
struct Order<'a> {
    from: (&'a [u8], End),
    to: (&'a [u8], End),
    count: usize,
    /// Fewer are not moved.
    exactly: bool,
    one_by_one: bool,
}

impl<'a> Order<'a> {
    /// `options`: what stands behind the ends, and the timeout of the blocking form.
    fn parse(args: Args<'a>, options: Args<'_>) -> Result<Order<'a>, ErrorReply> {
        let (from, to) = (End::parse(&args[3])?, End::parse(&args[4])?);
        let mut order = Order {
            from: (args.at(1), from),
            to: (args.at(2), to),
            count: 1,
            exactly: false,
            one_by_one: true,
        };
        match options.len() {
            0 => return Ok(order),
            3 => {}
            _ => return Err(SYNTAX),
        }
        order.exactly = is(&options[0], "EXACTLY");
        if !order.exactly && !is(&options[0], "COUNT") {
            return Err(SYNTAX);
        }
        order.one_by_one = is(&options[2], "OBO");
        if !order.one_by_one && !is(&options[2], "BULK") {
            return Err(SYNTAX);
        }
        let count = int(&options[1]).ok().and_then(|count| usize::try_from(count).ok());
        order.count = count.filter(|count| *count > 0).ok_or(COUNT_NOT_POSITIVE)?;
        Ok(order)
    }

    /// Whether the elements come to stand in the opposite order of that in which they stood.
    fn reverses(&self) -> bool {
        self.one_by_one && self.from.1 == self.to.1
    }

    /// Moves the elements and replies with them as they stand now. False if there are not enough.
    fn run(&self, ctx: &mut Ctx<'_>, out: &mut Reply) -> Result<bool, ErrorReply> {
        let (from, to) = (self.from.0, self.to.0);
        let source = ctx.key(from);
        let Some(list) = source.list()? else { return Ok(false) };
        let len = list.len();
        if self.exactly && len < self.count {
            return Ok(false);
        }
        let count = self.count.min(len);
        let first = if self.from.1 == End::Head { 0 } else { len - count };
        let mut elements: Vec<Vec<u8>> = Vec::with_capacity(count);
        list.range(first, false, count, |entry| {
            elements.push(entry.text(&mut itoa::Buffer::new()).to_vec());
        });
        if self.reverses() {
            elements.reverse();
        }
        ctx.key(to).list()?;
        if from != to || self.from.1 != self.to.1 || self.reverses() {
            self.put(ctx, &elements);
            let shifted = if from == to && self.to.1 == End::Head { count } else { 0 };
            let mut source = ctx.key(from);
            source.apply(Effect::DelElements { at: first + shifted, count });
            removed(&mut source, self.from.1.pop_event());
        }
        out.array(count);
        elements.iter().for_each(|element| out.bulk(element));
        Ok(true)
    }

    /// Puts the elements to their end, so that they stand there as they do here.
    fn put(&self, ctx: &mut Ctx<'_>, elements: &[Vec<u8>]) {
        let mut target = ctx.key(self.to.0);
        let len = target.list().ok().flatten().map_or(0, |list| list.len());
        match self.to.1 {
            End::Head => elements.iter().rev().for_each(|element| {
                target.apply(Effect::Insert { at: 0, element });
            }),
            End::Tail => elements.iter().enumerate().for_each(|(i, element)| {
                target.apply(Effect::Insert { at: self.to.1.place(len + i), element });
            }),
        }
        target.notify(notify::LIST, self.to.1.push_event());
    }
}

fn lmovem(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    if !Order::parse(args, args.rest(5))?.run(ctx, out)? {
        out.null();
    }
    DONE
}

fn blmovem(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let order = Order::parse(args, args.rest(6))?;
    let timeout = timeout_ms(&args[5])?;
    if order.run(ctx, out)? {
        return DONE;
    }
    wait_for(1..2, timeout, NullReply::Null)
}

pub const ROWS: &[Row] = &[row("LMOVEM", lmovem), row("BLMOVEM", blmovem)];

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

    #[test]
    fn one_by_one_and_in_bulk() {
        check(&[
            ("RPUSH a 1 2 3 4", ":4¶"),
            ("LMOVEM a b LEFT LEFT COUNT 2 OBO", "*2¶$1¶2¶$1¶1¶"),
            ("LMOVEM a b LEFT LEFT EXACTLY 5 BULK", "$-1¶"),
            ("LMOVEM a b RIGHT LEFT COUNT 9 BULK", "*2¶$1¶3¶$1¶4¶"),
            ("LRANGE b 0 -1", "*4¶$1¶3¶$1¶4¶$1¶2¶$1¶1¶"),
            ("EXISTS a", ":0¶"),
            ("LMOVEM a b LEFT LEFT", "$-1¶"),
            ("LMOVEM b c RIGHT RIGHT COUNT 2 OBO", "*2¶$1¶1¶$1¶2¶"),
            ("LMOVEM b c RIGHT RIGHT COUNT 2 BULK", "*2¶$1¶3¶$1¶4¶"),
            ("LRANGE c 0 -1", "*4¶$1¶1¶$1¶2¶$1¶3¶$1¶4¶"),
            ("LMOVEM c d LEFT RIGHT", "*1¶$1¶1¶"),
        ]);
    }

    #[test]
    fn within_one_list() {
        check(&[
            ("RPUSH a 1 2 3", ":3¶"),
            ("PEXPIREAT a 4102444800000", ":1¶"),
            ("LMOVEM a a LEFT LEFT EXACTLY 2 OBO", "*2¶$1¶2¶$1¶1¶"),
            ("LRANGE a 0 -1", "*3¶$1¶2¶$1¶1¶$1¶3¶"),
            ("LMOVEM a a LEFT LEFT COUNT 3 BULK", "*3¶$1¶2¶$1¶1¶$1¶3¶"),
            ("LMOVEM a a RIGHT RIGHT COUNT 2 OBO", "*2¶$1¶3¶$1¶1¶"),
            ("LMOVEM a a LEFT RIGHT COUNT 2 OBO", "*2¶$1¶2¶$1¶3¶"),
            ("LRANGE a 0 -1", "*3¶$1¶1¶$1¶2¶$1¶3¶"),
            ("LMOVEM a a RIGHT LEFT COUNT 5 BULK", "*3¶$1¶1¶$1¶2¶$1¶3¶"),
            ("PEXPIRETIME a", ":4102444800000¶"),
        ]);
    }

    #[test]
    fn what_is_refused() {
        check(&[
            ("SET s v", "+OK¶"),
            ("RPUSH a 1", ":1¶"),
            ("LMOVEM a s LEFT LEFT", "-WRONGTYPE Operation against a key holding the wrong kind of value¶"),
            ("LMOVEM s a LEFT LEFT", "-WRONGTYPE Operation against a key holding the wrong kind of value¶"),
            ("LMOVEM a b LEFT LEFT COUNT 2", "-ERR syntax error¶"),
            ("LMOVEM a b LEFT LEFT COUNT 0 OBO", "-ERR count should be greater than 0¶"),
            ("LMOVEM a b LEFT LEFT MANY 1 OBO", "-ERR syntax error¶"),
            ("LMOVEM a b LEFT LEFT COUNT 1 OBO x", "-ERR syntax error¶"),
            ("LLEN a", ":1¶"),
        ]);
    }
}
