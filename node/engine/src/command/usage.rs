//! The arguments of a command as one line of text: `key value [NX | XX] [GET] [EX seconds | PX milliseconds]`.

use super::flags::ArgFlags;
use super::model::{Arg, ArgKind};

/// The line for a list of arguments; empty for none.
pub fn usage(args: &[Arg]) -> String {
    let mut out = String::new();
    sequence(args, &mut out);
    out
}

fn sequence(args: &[Arg], out: &mut String) {
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        let optional = arg.flags.has(ArgFlags::OPTIONAL);
        out.push_str(if optional { "[" } else { "" });
        repeated(arg, optional, out);
        out.push_str(if optional { "]" } else { "" });
    }
}

/// An argument as often as it may stand, within brackets or not.
fn repeated(arg: &Arg, bracketed: bool, out: &mut String) {
    let token_too = arg.flags.has(ArgFlags::MULTIPLE_TOKEN);
    let many = token_too || arg.flags.has(ArgFlags::MULTIPLE);
    once(arg, bracketed && !many, out);
    match (many, arg.kind) {
        (false, _) => {}
        (true, ArgKind::Oneof) => out.push_str(" ..."),
        (true, _) => {
            out.push_str(" [");
            if token_too {
                once(arg, false, out)
            } else {
                value(arg, false, out)
            }
            out.push_str(" ...]");
        }
    }
}

fn once(arg: &Arg, bracketed: bool, out: &mut String) {
    if let Some(token) = arg.token {
        out.push_str(shown(token));
        if arg.kind == ArgKind::PureToken {
            return;
        }
        out.push(' ');
    }
    value(arg, bracketed && arg.token.is_none(), out);
}

fn value(arg: &Arg, bracketed: bool, out: &mut String) {
    match arg.kind {
        ArgKind::Oneof if bracketed => choice(arg.args, out),
        ArgKind::Oneof => {
            out.push('<');
            choice(arg.args, out);
            out.push('>');
        }
        ArgKind::Block => sequence(arg.args, out),
        _ => out.push_str(arg.name),
    }
}

/// One of several; whether a part may be left out says nothing here.
fn choice(args: &[Arg], out: &mut String) {
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            out.push_str(" | ");
        }
        repeated(arg, false, out);
    }
}

fn shown(token: &str) -> &str {
    if token.is_empty() { "\"\"" } else { token }
}

#[cfg(test)]
mod tests {
    use super::super::id;
    use super::*;

    #[test]
    fn usages() {
        let cases = [
            (id::GET, "key"),
            (id::MGET, "key [key ...]"),
            (id::HSET, "key field value [field value ...]"),
            (id::RANDOMKEY, ""),
            (id::EXPIRE, "key seconds [NX | XX | GT | LT]"),
            (id::LPOP, "key [count]"),
            (id::LINSERT, "key <BEFORE | AFTER> pivot element"),
            (
                id::SET,
                "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT \
                 unix-time-milliseconds | KEEPTTL]",
            ),
            (
                id::SORT,
                "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] \
                 [STORE destination]",
            ),
            (
                id::BITFIELD,
                "key [<GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | INCRBY encoding \
                 offset increment>> ...]",
            ),
            (
                id::CLIENT_KILL,
                "<ip:port | <ID client-id | TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB> | USER username | ADDR \
                 ip:port | LADDR ip:port | SKIPME yes/no> ...>",
            ),
            (id::HPERSIST, "key FIELDS numfields field [field ...]"),
            (
                id::MSETEX,
                "numkeys key value [key value ...] [NX | XX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
                 PXAT unix-time-milliseconds | KEEPTTL]",
            ),
            (
                id::HSETEX,
                "key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | \
                 KEEPTTL] FIELDS numfields field value [field value ...]",
            ),
            (
                id::XADD,
                "key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value \
                 [field value ...]",
            ),
        ];
        for (id, want) in cases {
            assert_eq!(usage(id.facts().args), want);
        }
    }
}
