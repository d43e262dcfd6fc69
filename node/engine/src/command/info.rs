//! COMMAND and COMMAND INFO: what clients need to know to route and to check a command.

use protocol::{Args, Reply};

use super::model::{Begin, Find, KeySpec};
use super::reply::commands;
use super::{Facts, Lookup};

/// Every command.
pub(super) fn all(lookup: &Lookup, out: &mut Reply) {
    out.array(commands(lookup).count());
    commands(lookup).for_each(|facts| one(lookup, facts, out));
}

/// The commands of these names, null for a name without a command; every command without a name.
pub(super) fn named(lookup: &Lookup, names: Args<'_>, out: &mut Reply) {
    if names.is_empty() {
        return all(lookup, out);
    }
    out.array(names.len());
    for name in names.iter() {
        match lookup.by_full_name(name) {
            Some(id) => one(lookup, id.facts(), out),
            None => out.null(),
        }
    }
}

fn one(lookup: &Lookup, facts: &Facts, out: &mut Reply) {
    out.array(10);
    out.bulk_str(facts.full_name);
    out.int(i64::from(facts.arity));
    names(facts.flags.names(), facts.flags.len(), out);
    out.int(i64::from(facts.first_key));
    out.int(i64::from(facts.last_key));
    out.int(i64::from(facts.step));
    out.set(facts.acl.len());
    for name in facts.acl.names() {
        category(name, out);
    }
    out.set(facts.tips.len());
    facts.tips.iter().for_each(|tip| out.bulk_str(tip));
    out.set(facts.key_specs.len());
    facts.key_specs.iter().for_each(|spec| key_spec(spec, out));
    subcommands(lookup, facts, out);
}

/// A set of status lines.
pub(super) fn names(names: impl Iterator<Item = &'static str>, count: usize, out: &mut Reply) {
    out.set(count);
    names.for_each(|name| out.simple(name));
}

fn category(name: &str, out: &mut Reply) {
    out.raw(b"+@");
    out.raw(name.as_bytes());
    out.raw(b"\r\n");
}

/// Redis answers an empty set where there are none, but an array of those that there are.
fn subcommands(lookup: &Lookup, facts: &Facts, out: &mut Reply) {
    let subs = || facts.subcommands.iter().filter(|sub| lookup.has(**sub));
    match subs().count() {
        0 => out.set(0),
        n => out.array(n),
    }
    subs().for_each(|sub| one(lookup, sub.facts(), out));
}

fn key_spec(spec: &KeySpec, out: &mut Reply) {
    out.map(3 + usize::from(spec.notes.is_some()));
    if let Some(notes) = spec.notes {
        out.bulk_str("notes");
        out.bulk_str(notes);
    }
    out.bulk_str("flags");
    names(spec.flags.names(), spec.flags.len(), out);
    out.bulk_str("begin_search");
    match spec.begin {
        Begin::Index(at) => kind("index", &[("index", i64::from(at))], out),
        Begin::Keyword(word, from) => {
            out.map(2);
            out.bulk_str("type");
            out.bulk_str("keyword");
            out.bulk_str("spec");
            out.map(2);
            out.bulk_str("keyword");
            out.bulk_str(word);
            out.bulk_str("startfrom");
            out.int(i64::from(from));
        }
        Begin::Unknown => kind("unknown", &[], out),
    }
    out.bulk_str("find_keys");
    match spec.find {
        Find::Range { last, step, limit } => {
            let spec = [("lastkey", last.into()), ("keystep", step.into()), ("limit", limit.into())];
            kind("range", &spec, out);
        }
        Find::KeyNum { index, first, step } => {
            let spec = [("keynumidx", index.into()), ("firstkey", first.into()), ("keystep", step.into())];
            kind("keynum", &spec, out);
        }
        Find::Unknown => kind("unknown", &[], out),
    }
}

fn kind(kind: &str, spec: &[(&str, i64)], out: &mut Reply) {
    out.map(2);
    out.bulk_str("type");
    out.bulk_str(kind);
    out.bulk_str("spec");
    out.map(spec.len());
    for (name, n) in spec {
        out.bulk_str(name);
        out.int(*n);
    }
}
