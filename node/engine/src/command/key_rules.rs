//! Where keys are, for the commands whose key specs do not say it all.

use protocol::Args;

use super::KeyFlags;
use super::key_specs::{atoi, find_keyword, follow, is, parse_count};
use super::keys::{KeyRanges, NoKeys, Positions};
use super::model::Facts;

/// The keys of XREAD and XREADGROUP, found as the commands do: by their options, one after the other. With
/// `unknown_options`, others than Redis 7.0's may stand among them.
pub(super) fn streams(args: Args<'_>, unknown_options: bool) -> Option<Positions> {
    let mut at = 1;
    while at < args.len() && !is(args, at, "STREAMS") {
        at += match () {
            () if is(args, at, "BLOCK") || is(args, at, "COUNT") => 2,
            () if is(args, at, "GROUP") => 3,
            () if is(args, at, "NOACK") || unknown_options => 1,
            () => return None,
        };
    }
    let names_and_ids = args.len().checked_sub(at + 1)?;
    let good = names_and_ids > 0 && names_and_ids % 2 == 0;
    good.then_some(Positions { first: at + 1, count: names_and_ids / 2, step: 1 })
}

/// The keys of a line whose count is not quite a number: those counted first, then the destination.
pub(super) fn believe(facts: &Facts, args: Args<'_>) -> Result<KeyRanges, NoKeys> {
    let mut keys = follow(facts.key_specs, args, atoi)?;
    let ranges = keys.ranges_mut();
    ranges.reverse();
    ranges.iter_mut().for_each(|(_, flags)| *flags = KeyFlags::NONE);
    Ok(keys)
}

/// The keys of a line whose spec leads nowhere.
pub(super) fn believe_streams(args: Args<'_>) -> Result<KeyRanges, NoKeys> {
    let mut keys = KeyRanges::default();
    keys.add(streams(args, false).ok_or(NoKeys)?, KeyFlags::NONE);
    Ok(keys)
}

fn with_flags(mut keys: KeyRanges, flags: KeyFlags) -> KeyRanges {
    keys.ranges_mut()[0].1 = flags;
    keys
}

/// SET only overwrites, unless it is to answer the old value.
pub(super) fn set_flags(keys: KeyRanges, args: Args<'_>) -> KeyRanges {
    let get = args.rest(3).iter().any(|arg| arg.eq_ignore_ascii_case(b"GET"));
    let answers = KeyFlags::RW.or(KeyFlags::ACCESS);
    with_flags(keys, if get { answers } else { KeyFlags::OW }.or(KeyFlags::UPDATE))
}

/// BITFIELD only reads if there is nothing but GET, and OVERFLOW between.
pub(super) fn bitfield_flags(keys: KeyRanges, args: Args<'_>) -> KeyRanges {
    let mut at = 2;
    while at < args.len() {
        let size = match () {
            () if is(args, at, "GET") => 3,
            () if is(args, at, "OVERFLOW") => 2,
            () => usize::MAX,
        };
        if size > args.len() - at {
            return with_flags(keys, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE));
        }
        at += size;
    }
    with_flags(keys, KeyFlags::RO.or(KeyFlags::ACCESS))
}

/// SORT reads one key and may write another; those that BY and GET name are not told.
pub(super) fn sort(facts: &Facts, args: Args<'_>) -> Result<KeyRanges, NoKeys> {
    let mut keys = follow(&facts.key_specs[..1], args, parse_count)?;
    if let Some(store) = sort_destination(args, 1) {
        keys.add(Positions::one(store), facts.key_specs[2].flags);
    }
    Ok(keys)
}

/// Where SORT's destination is. The command goes on `after_store` 2 words after the keyword; GETKEYS goes on with the next,
/// so that it takes a destination called `store` or `get` for a keyword.
pub(super) fn sort_destination(args: Args<'_>, after_store: usize) -> Option<usize> {
    let mut store = None;
    let mut at = 2;
    while at < args.len() {
        at += match () {
            () if is(args, at, "STORE") && at + 1 < args.len() => {
                store = Some(at + 1);
                after_store
            }
            () if is(args, at, "LIMIT") => 3,
            () if is(args, at, "GET") || is(args, at, "BY") => 2,
            () => 1,
        };
    }
    store
}

/// MIGRATE has one key, or an empty one and others after KEYS.
pub(super) fn migrate(facts: &Facts, args: Args<'_>) -> Result<KeyRanges, NoKeys> {
    const KEY: usize = 3;
    let mut keys = KeyRanges::default();
    let single = args.get(KEY).ok_or(NoKeys)?;
    keys.add(Positions::one(KEY), facts.key_specs[0].flags);
    if find_keyword(args, "KEYS", -2).is_none() {
        return Ok(keys);
    }
    // A word KEYS with something after it, so this may be the form with several keys, for which the one is empty.
    let mut at = 6;
    while at < args.len() && !is(args, at, "KEYS") {
        at += match () {
            () if is(args, at, "AUTH") => 2,
            () if is(args, at, "AUTH2") => 3,
            () => 1,
        };
    }
    if at < args.len() {
        let positions = Positions { first: at + 1, count: args.len() - at - 1, step: 1 };
        if !single.is_empty() || positions.count == 0 {
            return Err(NoKeys);
        }
        keys.ranges_mut()[0].0 = positions;
    }
    Ok(keys)
}

/// STRALGO has two keys after KEYS, or none.
pub(super) fn stralgo(facts: &Facts, args: Args<'_>) -> Result<KeyRanges, NoKeys> {
    let mut keys = KeyRanges::default();
    if let Some(at) = find_keyword(args, "KEYS", 2)
        && at + 2 < args.len()
    {
        let flags = KeyFlags(facts.key_specs[0].flags.0 & !KeyFlags::INCOMPLETE.0);
        keys.add(Positions { first: at + 1, count: 2, step: 1 }, flags);
    }
    Ok(keys)
}
