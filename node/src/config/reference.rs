//! The reference page: all directives, from their rows.

use std::fmt::Write;

use super::row::{Effect, Flags, Row, When};
use super::rows::ROWS;

const HEAD: &str = "\
# Configuration

<!-- Made from node/src/config/rows.rs by `UPDATE=1 cargo test -p everwrite config::`; edit that. -->

A node reads a file of lines `name value...`, then standard input if the last argument is `-`, then options
`--name value...`; what comes later wins. Files for Redis 7.0 and KeyDB work as they are. `CONFIG GET`, `CONFIG SET` and
`CONFIG REWRITE` serve the running node.

- *Memory* is a number of bytes or has a unit: `1k` is 1000, `1kb` 1024, and so for `m`, `mb`, `g`, `gb`.
- *Live* directives can be changed by `CONFIG SET`, *boot* ones only before the start.
- *Later*: the feature is still to come; the value is kept and answered, and the log says that it has no effect.
- *Inert*: the value is kept and answered, but tunes something that does not exist here.
- Besides directives a file may have `include path-or-pattern`, `rename-command old new`, `user name rule...` and
  `loadmodule path argument...`.

";

/// The whole page, as Markdown.
pub fn reference_page() -> String {
    let mut page = HEAD.to_owned();
    let mut section = "";
    for row in ROWS {
        if row.section != section {
            section = row.section;
            let _ = write!(
                page,
                "## {section}\n\n| directive | default | value | | meaning |\n|---|---|---|---|---|\n"
            );
        }
        let _ = writeln!(page, "{}", table_row(row));
        if is_last_of_section(row) {
            page.push('\n');
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn is_last_of_section(row: &Row) -> bool {
    ROWS.iter().rev().find(|other| other.section == row.section).is_some_and(|last| last.name == row.name)
}

fn table_row(row: &Row) -> String {
    let aliases: String = row.aliases.iter().map(|alias| format!(", `{alias}`")).collect();
    let default = if row.default.is_empty() { String::new() } else { format!("`{}`", row.default) };
    let doc = row.doc.trim().replace('|', "\\|");
    format!("| `{}`{aliases} | {default} | {} | {} | {doc} |", row.name, row.syntax(), properties(row))
}

fn properties(row: &Row) -> String {
    let mut words = vec![match row.when {
        When::Live => "live",
        When::Boot => "boot",
    }];
    match row.effect {
        Effect::Now => {}
        Effect::Later => words.push("*later*"),
        Effect::Inert => words.push("*inert*"),
    }
    let flags = [
        (Flags::PROTECTED, "protected"),
        (Flags::DENY_LOADING, "not while loading"),
        (Flags::HIDDEN, "hidden"),
    ];
    words.extend(flags.iter().filter(|(flag, _)| row.flags.has(*flag)).map(|(_, word)| *word));
    if row.source.name() != "Redis" {
        words.push(row.source.name());
    }
    words.join(", ")
}
