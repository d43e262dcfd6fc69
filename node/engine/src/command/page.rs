//! The reference page of the commands, docs/commands.md, from the table.

use std::fmt::Write;

use super::flags::DocFlags;
use super::model::{Facts, Group, Origin};
use super::usage::usage;
use super::{ALL, BEYOND, FACTS, absent};

const HEAD: &str = "# Commands

<!-- Made from the command table in node/engine/src/command by `UPDATE=1 cargo test -p everwrite --test commands_page`; edit
that. -->

Every command of Redis 7.0.15, and names from beyond it: newer Redis versions, Valkey, KeyDB, Dragonfly and this project.
A command that is not supported is answered with an error that says why, as this page does. *Since* is the version that had it first, of Redis or of the
server named; of KeyDB and Dragonfly, the version looked at. *Arity* counts the arguments with the name; a negative number
is a minimum.
";

/// The page. `supported` tells by a name like `CONFIG GET` whether this server has the command.
pub fn commands_page(supported: impl Fn(&str) -> bool) -> String {
    let mut page = HEAD.to_owned();
    let of = |rows: &[Facts]| rows.iter().filter(|facts| supported(facts.name)).count();
    let _ = write!(
        page,
        "\nSupported: {} of {} from Redis 7.0.15, subcommands counted, and {} of {} from beyond.\n",
        of(FACTS),
        FACTS.len(),
        of(BEYOND),
        BEYOND.len()
    );
    let mut groups: Vec<Group> = ALL.iter().map(|facts| facts.group).collect();
    groups.sort_unstable();
    groups.dedup();
    for group in groups {
        section(group, &supported, &mut page);
    }
    page += "\n## Options that are not there\n\nOf commands that are. They are refused as a syntax error, with the reason.\n\n";
    for (command, option, since, reason) in absent::OPTIONS {
        let _ = writeln!(page, "- `{command} {option}` ({since}): {reason}");
    }
    page
}

fn section(group: Group, supported: &impl Fn(&str) -> bool, page: &mut String) {
    let _ = write!(
        page,
        "\n## {}\n\n| Command | Since | Arity | Supported | What it does |\n|---|---|---|---|---|\n",
        group.name()
    );
    let mut rows: Vec<&Facts> = ALL.iter().filter(|facts| facts.group == group).collect();
    rows.sort_unstable_by_key(|facts| facts.name);
    for facts in rows {
        let answer = match (supported(facts.name), absent::reason(facts.id)) {
            (true, _) => "yes".to_owned(),
            (false, Some(reason)) => format!("no: {reason}"),
            (false, None) => "no".to_owned(),
        };
        let line = format!(
            "| `{}` | {} | {} | {answer} | {} |\n",
            call(facts),
            since(facts),
            facts.arity,
            text(facts)
        );
        page.push_str(&line);
    }
}

/// The command with its arguments; a bar within a table's cell is escaped.
fn call(facts: &Facts) -> String {
    format!("{} {}", facts.name, usage(facts.args)).trim_end().replace('|', "\\|")
}

fn since(facts: &Facts) -> String {
    match facts.origin {
        Origin::Redis70 | Origin::Redis => facts.since.to_owned(),
        other => format!("{} {}", other.name(), facts.since),
    }
}

fn text(facts: &Facts) -> String {
    let instead = match facts.replaced_by {
        Some(other) => format!(" Deprecated in favour of {other}."),
        None if facts.doc_flags.has(DocFlags::DEPRECATED) => " Deprecated.".to_owned(),
        None => String::new(),
    };
    format!("{}.{instead}", facts.summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_row_for_every_command() {
        let page = commands_page(|name| name == "GET" || name == "DELIFEQ");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows.len(), ALL.len());
        assert!(page.contains("\nSupported: 1 of 366 from Redis 7.0.15, subcommands counted, and 1 of "));
        assert!(rows.contains(&"| `GET key` | 1.0.0 | 2 | yes | Read a string. |"));
        assert!(
            rows.iter()
                .any(|row| row.starts_with("| `DELIFEQ") && row.contains("| Valkey 9.0.0 | 3 | yes |"))
        );
        let deprecated = "Read a part of a string. Deprecated in favour of `GETRANGE`.";
        assert!(rows.contains(&&*format!("| `SUBSTR key start end` | 1.0.0 | 4 | no | {deprecated} |")));
    }

    #[test]
    fn every_row_has_five_cells() {
        for row in commands_page(|_| true).lines().filter(|line| line.starts_with('|')) {
            assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "{row}");
        }
    }
}
