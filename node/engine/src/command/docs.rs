//! COMMAND DOCS: what people need to know to type a command. `redis-cli` reads its hints from here.

use protocol::{Args, Reply};

use super::info::names;
use super::model::Arg;
use super::reply::commands;
use super::{Facts, Lookup};

/// The commands of these names, skipping names without a command; every command without a name.
pub(super) fn docs(lookup: &Lookup, names: Args<'_>, out: &mut Reply) {
    let shown: Vec<_> = match names.is_empty() {
        true => commands(lookup).collect(),
        false => names.iter().filter_map(|name| lookup.by_full_name(name)).map(|id| id.facts()).collect(),
    };
    entries(lookup, &shown, out);
}

/// A map from names to documentation.
fn entries(lookup: &Lookup, commands: &[&Facts], out: &mut Reply) {
    out.map(commands.len());
    for facts in commands {
        out.bulk_str(facts.full_name);
        one(lookup, facts, out);
    }
}

fn one(lookup: &Lookup, facts: &Facts, out: &mut Reply) {
    let subs: Vec<_> = facts.subcommands.iter().filter(|id| lookup.has(**id)).map(|id| id.facts()).collect();
    let has_subs = !subs.is_empty();
    out.map(fields(facts, has_subs));
    field("summary", facts.summary, out);
    field("since", facts.since, out);
    field("group", facts.group.name(), out);
    optional("complexity", facts.complexity, out);
    if !facts.doc_flags.is_empty() {
        out.bulk_str("doc_flags");
        names(facts.doc_flags.names(), facts.doc_flags.len(), out);
    }
    optional("deprecated_since", facts.deprecated_since, out);
    optional("replaced_by", facts.replaced_by, out);
    if !facts.history.is_empty() {
        history(facts.history, out);
    }
    if !facts.args.is_empty() {
        arguments(facts.args, out);
    }
    if has_subs {
        out.bulk_str("subcommands");
        entries(lookup, &subs, out);
    }
}

/// How many fields a command's documentation has; a map's size comes before its parts.
fn fields(facts: &Facts, has_subs: bool) -> usize {
    let some = [
        facts.complexity.is_some(),
        !facts.doc_flags.is_empty(),
        facts.deprecated_since.is_some(),
        facts.replaced_by.is_some(),
        !facts.history.is_empty(),
        !facts.args.is_empty(),
        has_subs,
    ];
    3 + some.iter().filter(|there| **there).count()
}

fn field(name: &str, text: &str, out: &mut Reply) {
    out.bulk_str(name);
    out.bulk_str(text);
}

fn optional(name: &str, text: Option<&str>, out: &mut Reply) {
    if let Some(text) = text {
        field(name, text, out);
    }
}

fn history(changes: &[(&str, &str)], out: &mut Reply) {
    out.bulk_str("history");
    out.set(changes.len());
    for (version, change) in changes {
        out.array(2);
        out.bulk_str(version);
        out.bulk_str(change);
    }
}

fn arguments(args: &[Arg], out: &mut Reply) {
    out.bulk_str("arguments");
    out.array(args.len());
    args.iter().for_each(|arg| argument(arg, out));
}

fn argument(arg: &Arg, out: &mut Reply) {
    let some = [
        arg.key_spec.is_some(),
        arg.token.is_some(),
        arg.since.is_some(),
        arg.deprecated_since.is_some(),
        !arg.flags.is_empty(),
        !arg.args.is_empty(),
    ];
    out.map(2 + some.iter().filter(|there| **there).count());
    field("name", arg.name, out);
    field("type", arg.kind.name(), out);
    if let Some(spec) = arg.key_spec {
        out.bulk_str("key_spec_index");
        out.int(i64::from(spec));
    }
    optional("token", arg.token, out);
    optional("since", arg.since, out);
    optional("deprecated_since", arg.deprecated_since, out);
    if !arg.flags.is_empty() {
        out.bulk_str("flags");
        names(arg.flags.names(), arg.flags.len(), out);
    }
    if !arg.args.is_empty() {
        arguments(arg.args, out);
    }
}
