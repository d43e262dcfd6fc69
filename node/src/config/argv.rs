//! The command line: `everwrite [file] [--name value...]... [-]`.
//!
//! Options become lines of configuration text that are read after the file and standard input. So everything a file may
//! say can be said here, later ones win, and an error shows the line.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use protocol::quote::{quoted, split};

use super::table::find_loosely;

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    Version,
    Help,
    CheckSystem,
    /// With what was said after it.
    TestMemory(Vec<OsString>),
    /// The same.
    Demo(Vec<OsString>),
    Serve(Arguments),
}

/// Where a node takes its configuration from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// Read standard input to its end.
    pub stdin: bool,
    /// Be a Sentinel.
    pub sentinel: bool,
    /// The options as configuration text.
    pub options: Vec<u8>,
}

/// Reads the arguments after the program's name.
pub fn parse(args: &[OsString]) -> Invocation {
    match args.first().map(|arg| arg.as_bytes()) {
        Some(b"-v" | b"--version") if args.len() == 1 => Invocation::Version,
        Some(b"-h" | b"--help") if args.len() == 1 => Invocation::Help,
        Some(b"--check-system") if args.len() == 1 => Invocation::CheckSystem,
        Some(b"demo") => Invocation::Demo(args[1..].to_vec()),
        Some(b"--test-memory") => Invocation::TestMemory(args[1..].to_vec()),
        _ => Invocation::Serve(arguments(args)),
    }
}

fn arguments(args: &[OsString]) -> Arguments {
    let mut found = Arguments::default();
    let mut rest: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
    found.sentinel = rest.contains(&b"--sentinel".as_slice());
    if let Some(first) = rest.first().copied() {
        // A lone dash is standard input; whatever else is no option is a file.
        if first == b"-" {
            found.stdin = true;
            rest.remove(0);
        } else if !first.starts_with(b"-") {
            found.file = Some(PathBuf::from(OsString::from_vec(first.to_vec())));
            rest.remove(0);
        }
    }
    if rest.last() == Some(&b"-".as_slice()) {
        found.stdin = true;
        rest.pop();
    }
    found.options = option_lines(&rest);
    found
}

/// One line for each option.
///
/// An argument with two dashes begins an option, unless it stands where the previous option still wants its first value:
/// so a value may begin with dashes if it is the only one. `--save` alone means `--save ''`.
fn option_lines(args: &[&[u8]]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut wants_value = false;
    for (i, arg) in args.iter().enumerate() {
        if *arg == b"--sentinel" {
            continue;
        }
        if wants_value || !arg.starts_with(b"--") {
            text.extend(quoted(arg));
            text.push(b' ');
            wants_value = false;
            continue;
        }
        if !text.is_empty() {
            text.push(b'\n');
        }
        let next_is_option = args.get(i + 1).is_none_or(|next| next.starts_with(b"--"));
        wants_value = begin_option(&arg[2..], next_is_option, &mut text);
    }
    text
}

/// Writes the beginning of an option's line; returns whether it wants a value.
fn begin_option(option: &[u8], next_is_option: bool, text: &mut Vec<u8>) -> bool {
    if let Some((name, value)) = assignment(option) {
        text.extend(name);
        text.push(b' ');
        text.extend(quoted(value));
        text.push(b' ');
        return false;
    }
    text.extend(option);
    text.push(b' ');
    if option.eq_ignore_ascii_case(b"save") && next_is_option {
        text.extend(b"\"\" ");
        return false;
    }
    split(option).is_none_or(|words| words.len() < 2)
}

/// `name=value`, as Dragonfly writes flags.
fn assignment(option: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = option.iter().position(|&b| b == b'=')?;
    let (name, value) = (&option[..equals], &option[equals + 1..]);
    find_loosely(name).map(|_| (name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(args: &[&str]) -> Arguments {
        match parse(&args.iter().map(OsString::from).collect::<Vec<_>>()) {
            Invocation::Serve(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    fn options(args: &[&str]) -> String {
        String::from_utf8(serve(args).options).unwrap()
    }

    #[test]
    fn file_and_standard_input() {
        assert_eq!(serve(&[]), Arguments::default());
        let found = serve(&["x.conf", "--hz", "5", "-"]);
        assert_eq!((found.file, found.stdin), (Some("x.conf".into()), true));
        let found = serve(&["-", "--hz", "5"]);
        assert_eq!((found.file, found.stdin, found.options), (None, true, b"hz \"5\" ".to_vec()));
        assert!(serve(&["x.conf", "--sentinel"]).sentinel);
    }

    #[test]
    fn other_wishes() {
        assert_eq!(parse(&["-v".into()]), Invocation::Version);
        assert_eq!(parse(&["--help".into()]), Invocation::Help);
        assert_eq!(parse(&["--check-system".into()]), Invocation::CheckSystem);
        assert_eq!(parse(&["--test-memory".into(), "4".into()]), Invocation::TestMemory(vec!["4".into()]));
    }

    #[test]
    fn options_become_lines() {
        for (args, text) in [
            (&["--port", "1", "--port", "2"][..], "port \"1\" \nport \"2\" "),
            (&["--port", "--loglevel", "verbose"], "port \"--loglevel\" \"verbose\" "),
            (&["--save", "--hz", "20"], "save \"\" \nhz \"20\" "),
            (&["--hz", "20", "--save"], "hz \"20\" \nsave \"\" "),
            (&["--save", "", "--hz", "20"], "save \"\" \nhz \"20\" "),
            (&["--save", "900 1"], "save \"900 1\" "),
            (
                &["--proc-title-template", "--save", "--save", ""],
                "proc-title-template \"--save\" \nsave \"\" ",
            ),
            (&["--maxmemory 7mb", "--hz '5'"], "maxmemory 7mb \nhz '5' "),
            (&["--replicaof", "--127.0.0.1", "--abc"], "replicaof \"--127.0.0.1\" \nabc "),
            (&["--dbnum=4", "--keys_output_limit=5 6"], "dbnum \"4\" \nkeys_output_limit \"5 6\" "),
            (&["--what=4", "5"], "what=4 \"5\" "),
        ] {
            assert_eq!(options(args), text, "{args:?}");
        }
        assert_eq!(options(&["x.conf", "loglevel", "verbose"]), "\"loglevel\" \"verbose\" ");
    }
}
