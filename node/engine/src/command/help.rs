//! The HELP subcommand of a container, from the table.

use protocol::Reply;

use super::usage::usage;
use super::{Facts, Lookup};

/// Answers the HELP of `container`: its subcommands, as far as this server has them, with their arguments and summaries.
pub fn help(lookup: &Lookup, container: &Facts, out: &mut Reply) {
    let subs = || container.subcommands.iter().filter(|sub| lookup.has(**sub)).map(|sub| sub.facts());
    out.array(1 + 2 * subs().count());
    out.simple(&format!("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", container.name));
    for sub in subs() {
        let line = format!("{} {}", sub.own_name(), usage(sub.args));
        out.simple(line.trim_end());
        out.simple(&format!("    {}.", sub.summary));
    }
}
