//! The arguments of a command as one line of text: `key value [NX | XX] [GET] [EX seconds | PX milliseconds]`.

use super::flags::ArgFlags;
use super::model::{Arg, ArgKind};

/// The line for a list of arguments; empty for none.
pub fn usage(args: &[Arg]) -> String {
    let mut out = String::new();
    sequence(args, " ", &mut out);
    out
}

fn sequence(args: &[Arg], between: &str, out: &mut String) {
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            out.push_str(between);
        }
        argument(arg, out);
    }
}

fn argument(arg: &Arg, out: &mut String) {
    let optional = arg.flags.has(ArgFlags::OPTIONAL);
    if optional {
        out.push('[');
    }
    let (once, again) = (once(arg, optional), again(arg));
    out.push_str(&once);
    if !again.is_empty() {
        out.push_str(" [");
        out.push_str(&again);
        out.push_str(" ...]");
    }
    if optional {
        out.push(']');
    }
}

/// An argument without what says that it may be left out or repeated.
fn once(arg: &Arg, bracketed: bool) -> String {
    match arg.token {
        Some(token) if arg.kind == ArgKind::PureToken => shown(token).to_owned(),
        Some(token) => format!("{} {}", shown(token), value(arg, false)),
        None => value(arg, bracketed),
    }
}

/// What may be repeated: the token with its value, or the value alone.
fn again(arg: &Arg) -> String {
    match (arg.flags.has(ArgFlags::MULTIPLE_TOKEN), arg.flags.has(ArgFlags::MULTIPLE)) {
        (true, _) => once(arg, false),
        (false, true) => value(arg, false),
        (false, false) => String::new(),
    }
}

fn value(arg: &Arg, bracketed: bool) -> String {
    let mut out = String::new();
    match arg.kind {
        ArgKind::Oneof if bracketed => sequence(arg.args, " | ", &mut out),
        ArgKind::Oneof => {
            out.push('<');
            sequence(arg.args, " | ", &mut out);
            out.push('>');
        }
        ArgKind::Block => sequence(arg.args, " ", &mut out),
        _ => out.push_str(arg.name),
    }
    out
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
