//! SORT and SORT_RO: the elements of a list, set or sorted set in another order.
//!
//! ```text
//! SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA] [STORE destination]
//! ```
//! Patterns reach keys that no argument names: with them the whole keyspace is held. Without, the key is held only while
//! its elements are copied out, and sorting them keeps nobody waiting but this worker; a destination is held, too, from
//! the copying to the storing, so that nobody sees it happen in two steps.

mod options;
mod order;
mod pattern;

use protocol::error::WRONGTYPE;
use protocol::{Args, ErrorReply, Reply};
use smallvec::SmallVec;

use crate::commands::{DONE, Flow, Row, row_own};
use crate::ctx::Ctx;
use crate::effect::{Deadline, Effect, NewValue};
use crate::tuning::notify;
use crate::types::List;
use crate::value::{Value, ValueRef};
use options::Options;

/// Copies of the elements of a key, in its own order if it has one: a set has none.
struct Source {
    elements: Vec<Vec<u8>>,
    ordered: bool,
}

fn source(ctx: &Ctx<'_>, key: &[u8]) -> Result<Source, ErrorReply> {
    let mut elements = Vec::new();
    let mut add = |entry: protocol::listpack::Entry<'_>| {
        elements.push(entry.text(&mut itoa::Buffer::new()).to_vec());
    };
    let mut ordered = true;
    match ctx.value(key) {
        None => {}
        Some(ValueRef::List(list)) => list.range(0, false, list.len(), &mut add),
        Some(ValueRef::Zset(zset)) => zset.live(ctx.env.due()).iter().for_each(|(member, _)| add(member)),
        Some(ValueRef::Set(set)) => {
            set.live(ctx.env.due()).iter().for_each(&mut add);
            ordered = false;
        }
        Some(_) => return Err(WRONGTYPE),
    }
    Ok(Source { elements, ordered })
}

/// The elements that the reply is about, sorted.
fn sorted(ctx: &Ctx<'_>, source: Source, options: &Options<'_>) -> Result<Vec<Vec<u8>>, ErrorReply> {
    let Source { mut elements, ordered } = source;
    // What is stored, or a script goes on with, must not depend on the order in which a set happens to have its members.
    let matters = options.store.is_some() || ctx.env.in_script;
    let by_chance = !ordered && options.unsorted() && matters;
    if by_chance {
        elements.sort_unstable();
    } else if options.unsorted() {
        if options.descending && ordered {
            elements.reverse();
        }
    } else {
        elements = order::sort(ctx, elements, options)?;
    }
    let range = options.range(elements.len());
    elements.truncate(range.end);
    elements.drain(..range.start);
    Ok(elements)
}

/// Holds what the command needs. Inside a transaction that is so already.
fn hold(ctx: &mut Ctx<'_>, args: Args<'_>, options: &Options<'_>) {
    if options.looks_up() {
        return ctx.locks.hold_all();
    }
    let keys = std::iter::once(args.at(1)).chain(options.store);
    let mut shards: SmallVec<[usize; 16]> =
        keys.map(|key| ctx.keyspace.shard_of(ctx.keyspace.hash(key))).collect();
    ctx.locks.hold(&mut shards);
}

fn run(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    out: &mut Reply,
    options: &Options<'_>,
) -> Result<Flow, ErrorReply> {
    hold(ctx, args, options);
    let source = source(ctx, args.at(1))?;
    if options.store.is_none() && !options.looks_up() {
        ctx.reap();
        ctx.locks.release();
    }
    let elements = sorted(ctx, source, options)?;
    match options.store {
        Some(destination) => {
            let n = store(ctx, destination, &elements, options);
            out.int(n as i64);
        }
        None => reply(ctx, &elements, options, out),
    }
    DONE
}

fn reply(ctx: &Ctx<'_>, elements: &[Vec<u8>], options: &Options<'_>, out: &mut Reply) {
    out.array(elements.len() * options.get.len().max(1));
    for element in elements {
        if options.get.is_empty() {
            out.bulk(element);
        }
        for pattern in &options.get {
            let found = pattern.look_up(ctx, element, |value| out.bulk(value));
            if found.is_none() {
                out.null();
            }
        }
    }
}

/// Puts the result into a key, or removes that if there is none. What GET does not find is stored as an empty element.
fn store(ctx: &mut Ctx<'_>, destination: &[u8], elements: &[Vec<u8>], options: &Options<'_>) -> usize {
    let mut list = List::default();
    let tuning = &ctx.env.tuning;
    for element in elements {
        if options.get.is_empty() {
            list.push(tuning, element);
        }
        for pattern in &options.get {
            if pattern.look_up(ctx, element, |value| list.push(tuning, value)).is_none() {
                list.push(tuning, b"");
            }
        }
    }
    let n = list.len();
    let mut key = ctx.key(destination);
    if n > 0 {
        let value = NewValue::Built(Value::List(Box::new(list)));
        key.apply(Effect::Put { value, deadline: Deadline::Clear, absent: false });
        key.notify(notify::LIST, "sortstore");
    } else if key.apply(Effect::Clear).changed() {
        key.notify(notify::GENERIC, "del");
    }
    n
}

fn sort(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    run(ctx, args, out, &Options::parse(args, true, ctx.env.confined)?)
}

fn sort_ro(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    run(ctx, args, out, &Options::parse(args, false, ctx.env.confined)?)
}

pub const ROWS: &[Row] = &[row_own("SORT", sort), row_own("SORT_RO", sort_ro)];
