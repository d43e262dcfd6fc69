//! A script's text as steps, and back: recording rewrites only the expected replies.

use super::expect::View;
use super::words::{Word, split};
use std::path::Path;

/// A parsed script.
#[derive(Debug)]
pub struct Script {
    /// The options of its own servers, when it asks for such.
    pub server: Option<Vec<String>>,
    /// What to do, in order.
    pub steps: Vec<Step>,
    lines: Vec<String>,
}

/// One line that does something, and the reply it must give.
#[derive(Debug)]
pub struct Step {
    /// Line number, from 1.
    pub line: usize,
    /// What to do.
    pub action: Action,
    /// What of the reply counts.
    pub view: View,
    /// The recorded reply.
    pub expected: String,
    /// How many lines below [`Step::line`] hold it.
    expected_lines: usize,
}

/// What a step does. Connections have numbers, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `N>`: send, and read the reply.
    Call(usize, Vec<Word>),
    /// `N?`: send.
    Send(usize, Vec<Word>),
    /// `N<`: read a reply.
    Receive(usize),
    /// `!raw`: send bytes.
    Raw(usize, Vec<u8>),
    /// `!resp`: choose the protocol.
    Resp(usize, u8),
    /// `!each`, `!do`: requests whose replies only must not be errors.
    Each(i64, i64, Vec<Word>),
    /// `!blocked`: wait for this many blocked clients.
    Blocked(u64),
    /// `!until`: repeat a request until it gets this reply.
    Until(String, Vec<Word>),
    /// `!close`: hang up.
    Close(usize),
}

impl Action {
    /// Whether a reply is recorded below the line.
    pub fn has_reply(&self) -> bool {
        matches!(self, Action::Call(..) | Action::Receive(_))
    }
}

/// Requests after which the next script would not find the server as it was.
const LASTING: [&str; 4] = ["CONFIG SET", "ACL SETUSER", "ACL DELUSER", "FUNCTION LOAD"];

impl Script {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Script, String> {
        let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
        Script::parse(&text)
    }

    /// Parses a script; the error names the line.
    pub fn parse(text: &str) -> Result<Script, String> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut script = Script { server: None, steps: Vec::new(), lines: Vec::new() };
        let mut view = View::default();
        let mut at = 0;
        while at < lines.len() {
            let line = &lines[at];
            let located = |e: String| format!("line {}: {e}", at + 1);
            if line.is_empty() || line.starts_with('#') {
                at += 1;
                continue;
            }
            if let Some(options) = line.strip_prefix("!server") {
                script.server = Some(options.split_whitespace().map(str::to_owned).collect());
                at += 1;
                continue;
            }
            if line.starts_with('!') && read_view(line, &mut view).map_err(located)? {
                at += 1;
                continue;
            }
            let action = read_action(line).map_err(located)?;
            if script.server.is_none() && LASTING.iter().any(|l| line.to_uppercase().contains(l)) {
                return Err(located("this outlasts the script: begin it with !server".into()));
            }
            let body = if action.has_reply() {
                lines[at + 1..].iter().take_while(|l| is_reply(l)).count()
            } else {
                0
            };
            let expected = lines[at + 1..at + 1 + body].join("\n");
            let view = std::mem::take(&mut view);
            script.steps.push(Step { line: at + 1, action, view, expected, expected_lines: body });
            at += 1 + body;
        }
        script.lines = lines;
        Ok(script)
    }

    /// The script's text with the replies of `actual`, one for each step (ignored where a step records none).
    pub fn rewritten(&self, actual: &[String]) -> String {
        let mut out = Vec::new();
        let mut copied = 0;
        for (step, actual) in self.steps.iter().zip(actual).filter(|(s, _)| s.action.has_reply()) {
            out.extend_from_slice(&self.lines[copied..step.line]);
            let keep = step.expected_lines > 0 && step.view.accepts(&step.expected, actual);
            let reply = if keep { &step.expected } else { actual };
            out.extend(reply.lines().map(str::to_owned));
            copied = step.line + step.expected_lines;
        }
        out.extend_from_slice(&self.lines[copied..]);
        out.join("\n") + "\n"
    }

    /// The text of a step's line.
    pub fn source(&self, step: &Step) -> &str {
        &self.lines[step.line - 1]
    }
}

fn is_reply(line: &str) -> bool {
    !line.is_empty() && !line.starts_with(['#', '!']) && sign_of(line).is_none()
}

/// A line's connection number, sign and rest, if it is a request or a read.
fn sign_of(line: &str) -> Option<(usize, char, &str)> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let connection = if digits == 0 { 1 } else { line[..digits].parse().ok()? };
    let sign = line[digits..].chars().next().filter(|c| matches!(c, '>' | '?' | '<'))?;
    let rest = &line[digits + 1..];
    (rest.is_empty() || rest.starts_with(' ')).then_some((connection, sign, rest))
}

fn read_action(line: &str) -> Result<Action, String> {
    if let Some(directive) = line.strip_prefix('!') {
        return read_directive(directive);
    }
    match sign_of(line) {
        Some((c, '>', rest)) => Ok(Action::Call(c, split(rest)?)),
        Some((c, '?', rest)) => Ok(Action::Send(c, split(rest)?)),
        Some((c, '<', _)) => Ok(Action::Receive(c)),
        _ => Err(format!("neither request, directive nor comment: {line}")),
    }
}

/// Takes a directive that shapes the next reply. False if it is another one.
fn read_view(line: &str, view: &mut View) -> Result<bool, String> {
    let (name, rest) = line[1..].split_once(' ').unwrap_or((&line[1..], ""));
    match name {
        "sort" => view.sort = true,
        "pairs" => view.pairs = true,
        "types" => view.types = true,
        "near" => view.near = Some(integer(rest)?),
        "save" => view.save = Some(rest.to_owned()),
        _ => return Ok(false),
    }
    Ok(true)
}

fn read_directive(directive: &str) -> Result<Action, String> {
    let (name, rest) = directive.split_once(' ').unwrap_or((directive, ""));
    let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok(match name {
        "resp" => Action::Resp(if after.is_empty() { 1 } else { integer(after)? }, integer(first)?),
        "do" => Action::Each(1, 1, split(rest)?),
        "each" => {
            let (last, request) = after.split_once(' ').ok_or("!each wants two numbers and a request")?;
            Action::Each(integer(first)?, integer(last)?, split(request)?)
        }
        "blocked" => Action::Blocked(integer(first)?),
        "until" => Action::Until(first.to_owned(), split(after)?),
        "raw" => match split(after)?.as_slice() {
            [Word::Bytes(bytes)] => Action::Raw(integer(first)?, bytes.clone()),
            _ => return Err("!raw wants a connection and one word".into()),
        },
        "close" => Action::Close(integer(first)?),
        _ => return Err(format!("unknown directive !{name}")),
    })
}

fn integer<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("not a number: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# head\n> GET k\nnil\n\n!sort\n2> SMEMBERS s\n[\n  \"a\",\n]\n2? BLPOP q 0\n!blocked 1\n2<\nnil[]\n";

    #[test]
    fn a_script_is_steps_with_replies() {
        let script = Script::parse(TEXT).unwrap();
        let lines: Vec<_> = script.steps.iter().map(|s| (s.line, s.expected.as_str())).collect();
        assert_eq!(lines, [(2, "nil"), (6, "[\n  \"a\",\n]"), (10, ""), (11, ""), (12, "nil[]")]);
        assert!(script.steps[1].view.sort && !script.steps[2].view.sort);
        assert_eq!(script.steps[4].action, Action::Receive(2));
    }

    #[test]
    fn recording_replaces_replies_only() {
        let script = Script::parse(TEXT).unwrap();
        let actual = ["\"v\"", "[]", "", "", "nil[]"].map(String::from);
        let expected = TEXT.replacen("nil", "\"v\"", 1).replace("[\n  \"a\",\n]", "[]");
        assert_eq!(script.rewritten(&actual), expected);
    }

    #[test]
    fn recording_keeps_a_wildcard_that_matches() {
        let script = Script::parse("> INFO\n\"a<*>\"\n> INFO\n\"b<*>\"\n").unwrap();
        let actual = ["\"axy\"", "\"axy\""].map(String::from);
        assert_eq!(script.rewritten(&actual), "> INFO\n\"a<*>\"\n> INFO\n\"axy\"\n");
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, line) in [("GET k", 1), ("> GET k\nnil\n!sorted\n", 3), ("\n> CONFIG SET a b\n", 2)] {
            let error = Script::parse(text).expect_err(text);
            assert!(error.starts_with(&format!("line {line}:")), "{error}");
        }
    }
}
