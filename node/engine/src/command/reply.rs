//! The replies of COMMAND and its subcommands.
//!
//! All of them show what this server answers: a command that it does not have, or that its configuration renamed to
//! nothing, is not there. A command that is renamed goes by its new name in requests and by its own in replies, as in
//! Redis.

use protocol::glob::{self, Case};
use protocol::{Args, ErrorReply, Reply, error};

use super::flags::KeyFlags;
use super::{Categories, Facts, Lookup, docs, help, id, info, keys};

const INVALID_COMMAND: ErrorReply = ErrorReply::new("ERR Invalid command specified");
const INVALID_ARITY: ErrorReply = ErrorReply::new("ERR Invalid number of arguments specified for command");
const INVALID_KEYS: ErrorReply = ErrorReply::new("ERR Invalid arguments specified for command");
const WITHOUT_KEYS: ErrorReply = ErrorReply::new("ERR The command has no key arguments");

/// Answers COMMAND or one of its subcommands, `facts`, whose number of arguments has been checked.
pub fn command(facts: &Facts, lookup: &Lookup, args: Args<'_>, out: &mut Reply) -> Result<(), ErrorReply> {
    match facts.id {
        id::COMMAND => info::all(lookup, out),
        id::COMMAND_COUNT => out.int(commands(lookup).count() as i64),
        id::COMMAND_INFO => info::named(lookup, args.rest(2), out),
        id::COMMAND_DOCS => docs::docs(lookup, args.rest(2), out),
        id::COMMAND_LIST => list(lookup, args, out)?,
        id::COMMAND_GETKEYS => get_keys(lookup, args.rest(2), out, false)?,
        id::COMMAND_GETKEYSANDFLAGS => get_keys(lookup, args.rest(2), out, true)?,
        id::COMMAND_HELP => help::help(lookup, id::COMMAND.facts(), out),
        _ => return Err(INVALID_COMMAND),
    }
    Ok(())
}

/// The commands that are no subcommands.
pub(super) fn commands(lookup: &Lookup) -> impl Iterator<Item = &'static Facts> {
    lookup.iter().filter(|facts| facts.parent.is_none())
}

/// `COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN glob]`
fn list(lookup: &Lookup, args: Args<'_>, out: &mut Reply) -> Result<(), ErrorReply> {
    let filter = Filter::parse(args)?;
    let place = out.deferred();
    let mut count = 0;
    for facts in lookup.iter().filter(|facts| filter.shows(facts)) {
        out.bulk_str(facts.full_name);
        count += 1;
    }
    out.fill_array(place, count);
    Ok(())
}

/// Which commands a list shows.
enum Filter<'a> {
    All,
    /// Those of a module: no command of the table comes from one.
    Module,
    /// Those of a category, unless it is unknown.
    Category(Option<Categories>),
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    fn parse(args: Args<'a>) -> Result<Filter<'a>, ErrorReply> {
        if args.len() == 2 {
            return Ok(Filter::All);
        }
        if args.len() != 5 || !args[2].eq_ignore_ascii_case(b"FILTERBY") {
            return Err(error::SYNTAX);
        }
        match args[3].to_ascii_uppercase().as_slice() {
            b"MODULE" => Ok(Filter::Module),
            b"ACLCAT" => Ok(Filter::Category(Categories::named(&args[4]))),
            b"PATTERN" => Ok(Filter::Pattern(args.at(4))),
            _ => Err(error::SYNTAX),
        }
    }

    fn shows(&self, facts: &Facts) -> bool {
        match self {
            Filter::All => true,
            Filter::Module => false,
            Filter::Category(category) => category.is_some_and(|category| facts.acl.has(category)),
            Filter::Pattern(pattern) => glob::matches(pattern, facts.full_name.as_bytes(), Case::Ignored),
        }
    }
}

/// The keys of the command line `args`, with what it does to each if `flags` is set.
fn get_keys(lookup: &Lookup, args: Args<'_>, out: &mut Reply, flags: bool) -> Result<(), ErrorReply> {
    let facts = lookup.resolve(args).map_err(|_| INVALID_COMMAND)?.facts();
    if facts.key_specs.iter().all(|spec| spec.flags.has(KeyFlags::NOT_KEY)) {
        return Err(WITHOUT_KEYS);
    }
    if !facts.takes(args.len()) {
        return Err(INVALID_ARITY);
    }
    let keys = keys::key_ranges(facts, args).map_err(|_| INVALID_KEYS)?;
    out.array(keys.iter().count());
    for (at, key_flags) in keys.iter() {
        if flags {
            out.array(2);
            out.bulk(&args[at]);
            info::names(key_flags.names(), key_flags.len(), out);
        } else {
            out.bulk(&args[at]);
        }
    }
    Ok(())
}
