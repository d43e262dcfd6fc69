//! Where a command line has its keys, and what the command does to them.
//!
//! There are three answers, for three purposes:
//!
//! - [`Facts::fixed_keys`] does not look at the arguments; most commands have their keys at fixed places, and the common
//!   path needs no more.
//! - [`keys_of`] and [`key_ranges`] follow the key specs: each begins at a position or after a keyword, and goes on for a
//!   range or for a count that is an argument; a few commands need a rule of their own. This is what COMMAND
//!   GETKEYSANDFLAGS of Redis 7.0.15 answers and what its ACL checks, also for lines that the command will refuse: a
//!   count that only C's `atoi` takes for a number (`+1`, `1x`) is believed, but nothing is said of the use of the keys.
//! - [`touched`] names every key that the command may get to if it runs, so that their shards can be held. The specs miss
//!   some: `XREADGROUP COUNT 1 GROUP streams c STREAMS k >` reads `k`, `GEORADIUS .. STORE a STORE b` writes `b`,
//!   `SORT k STORE get STORE d` writes `d`, and `PFMERGE k` is a good command. Keys that only the data names (SORT ..
//!   BY) are beyond it.
//!
//! However hostile the line, the work is bounded by its length, and every key named is one of its arguments.

use protocol::Args;

use super::key_rules as rules;
use super::key_specs::{follow, is, parse_count};
use super::model::{Facts, KeyRule};
use super::{Flags, KeyFlags};

/// Evenly spaced arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    pub first: usize,
    pub count: usize,
    pub step: usize,
}

impl Positions {
    pub(super) const fn one(at: usize) -> Positions {
        Positions { first: at, count: 1, step: 1 }
    }

    #[inline]
    pub fn iter(self) -> impl ExactSizeIterator<Item = usize> {
        (0..self.count).map(move |i| self.first + i * self.step)
    }
}

/// The keys of a command line, in few ranges.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyRanges {
    ranges: [(Positions, KeyFlags); 3],
    len: usize,
}

/// The line does not have its keys where the command needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKeys;

impl KeyRanges {
    /// Adds a range; no command has more than fit.
    pub(super) fn add(&mut self, positions: Positions, flags: KeyFlags) {
        self.ranges[self.len] = (positions, flags);
        self.len += 1;
    }

    pub(super) fn ranges_mut(&mut self) -> &mut [(Positions, KeyFlags)] {
        &mut self.ranges[..self.len]
    }

    /// The ranges in the order of the specs. What comes with [`KeyFlags::NOT_KEY`] is a shard channel.
    pub fn ranges(&self) -> &[(Positions, KeyFlags)] {
        &self.ranges[..self.len]
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every key's place among the arguments, and its flags.
    pub fn iter(&self) -> impl Iterator<Item = (usize, KeyFlags)> {
        self.ranges().iter().flat_map(|(positions, flags)| positions.iter().map(move |at| (at, *flags)))
    }
}

impl Facts {
    /// The first key's position, the last one's, counted from the end if negative, and the step between, for a command
    /// whose keys are always there.
    #[inline]
    pub const fn simple(&self) -> Option<(usize, isize, usize)> {
        if self.first_key == 0 || self.flags.has(Flags::MOVABLEKEYS) {
            return None;
        }
        Some((self.first_key as usize, self.last_key as isize, self.step as usize))
    }

    /// The keys of a line of `n` arguments, for a command whose keys are always at the same places.
    #[inline]
    pub fn fixed_keys(&self, n: usize) -> Option<Positions> {
        let (first, last, step) = self.simple()?;
        let last = if last < 0 { n.checked_add_signed(last)? } else { last as usize };
        if last < first || last >= n {
            return None;
        }
        Some(Positions { first, count: (last - first) / step + 1, step })
    }
}

/// Calls `visit` with the place and the flags of each key; with none, if the line's keys cannot be told.
pub fn keys_of(facts: &Facts, args: Args<'_>, mut visit: impl FnMut(usize, KeyFlags)) -> Result<(), NoKeys> {
    let ranges = key_ranges(facts, args)?;
    ranges.iter().for_each(|(at, flags)| visit(at, flags));
    Ok(())
}

/// Calls `visit` with the place of every key that the command may use, some perhaps twice or in vain; never with a shard
/// channel. Without a call, the command uses none, or will refuse the line.
pub fn touched(facts: &Facts, args: Args<'_>, mut visit: impl FnMut(usize)) {
    if let Some(keys) = facts.fixed_keys(args.len()) {
        if !facts.flags.has(Flags::PUBSUB) {
            keys.iter().for_each(visit);
        }
        return;
    }
    match facts.key_rule {
        KeyRule::Sort if args.len() > 1 => {
            visit(1);
            rules::sort_destination(args, 2).into_iter().for_each(visit);
        }
        KeyRule::Streams => rules::streams(args, true).iter().flat_map(|keys| keys.iter()).for_each(visit),
        KeyRule::Store if args.len() > 1 => {
            visit(1);
            let store = |at: &usize| is(args, *at, "STORE") || is(args, *at, "STOREDIST");
            (2..args.len().saturating_sub(1)).filter(store).for_each(|at| visit(at + 1));
        }
        _ => {
            let _ = keys_of(facts, args, |at, _| visit(at));
        }
    }
}

/// The keys of a command line whose number of arguments the command takes. Empty for a command without keys, and for a
/// script given none; a command that needs keys and is given none is an error.
pub fn key_ranges(facts: &Facts, args: Args<'_>) -> Result<KeyRanges, NoKeys> {
    let ranges = match facts.key_rule {
        KeyRule::None => return Ok(KeyRanges::default()),
        KeyRule::Specs | KeyRule::Store => follow(facts.key_specs, args, parse_count),
        KeyRule::Streams => {
            follow(facts.key_specs, args, parse_count).or_else(|_| rules::believe_streams(args))
        }
        KeyRule::Counted => {
            follow(facts.key_specs, args, parse_count).or_else(|_| rules::believe(facts, args))
        }
        KeyRule::SetGet => {
            follow(facts.key_specs, args, parse_count).map(|keys| rules::set_flags(keys, args))
        }
        KeyRule::Bitfield => {
            follow(facts.key_specs, args, parse_count).map(|keys| rules::bitfield_flags(keys, args))
        }
        KeyRule::Sort => rules::sort(facts, args),
        KeyRule::SortRo => follow(&facts.key_specs[..1], args, parse_count),
        KeyRule::Migrate => rules::migrate(facts, args),
        KeyRule::Stralgo => rules::stralgo(facts, args),
    };
    match ranges {
        Ok(ranges) if !ranges.is_empty() => Ok(ranges),
        _ if facts.flags.has(Flags::NO_MANDATORY_KEYS) => Ok(KeyRanges::default()),
        _ => Err(NoKeys),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::OwnedArgs;

    use super::super::{ALL, CommandId, id};
    use super::*;

    fn line(text: &str) -> OwnedArgs {
        OwnedArgs::from_slices(text.split(' ').map(|word| if word == "\"\"" { b"" } else { word.as_bytes() }))
    }

    fn command(args: Args<'_>) -> &'static Facts {
        CommandId::named(&args[0]).unwrap().facts()
    }

    fn touched_by(text: &str) -> Vec<usize> {
        let owned = line(text);
        let mut keys = Vec::new();
        touched(command(owned.view()), owned.view(), |at| keys.push(at));
        keys
    }

    fn keys_with_flags(text: &str) -> Vec<(usize, String)> {
        let owned = line(text);
        let mut keys = Vec::new();
        keys_of(command(owned.view()), owned.view(), |at, flags| {
            keys.push((at, flags.names().collect::<Vec<_>>().join(" ")));
        })
        .unwrap();
        keys
    }

    #[test]
    fn fixed_keys_need_no_arguments() {
        let fixed = |id: CommandId, n| id.facts().fixed_keys(n).map(|keys| keys.iter().collect::<Vec<_>>());
        assert_eq!(fixed(id::GET, 2), Some(vec![1]));
        assert_eq!(fixed(id::MSET, 7), Some(vec![1, 3, 5]));
        assert_eq!(fixed(id::BLPOP, 4), Some(vec![1, 2]));
        assert_eq!(fixed(id::RENAME, 3), Some(vec![1, 2]));
        assert_eq!(fixed(id::OBJECT_FREQ, 3), Some(vec![2]));
        assert_eq!(fixed(id::EVAL, 4), None);
        assert_eq!(fixed(id::SORT, 2), None);
        assert_eq!(fixed(id::PING, 1), None);
        assert_eq!(fixed(id::BLPOP, 1), None);
    }

    #[test]
    fn rules_of_names_from_elsewhere() {
        assert_eq!(touched_by("STRALGO LCS LEN KEYS a b"), [4, 5]);
        assert_eq!(touched_by("STRALGO LCS STRINGS KEYS a b"), [4, 5]);
        assert_eq!(touched_by("STRALGO LCS STRINGS a b"), []);
        assert_eq!(keys_with_flags("STRALGO LCS KEYS a b")[0], (3, "RO access".into()));
        assert_eq!(keys_with_flags("MSETEX 2 a 1 b 2 NX").iter().map(|k| k.0).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(touched_by("BLMOVEM a b LEFT RIGHT 1 EQUAL"), [1, 2]);
    }

    #[test]
    fn touched_keys_are_those_the_command_uses() {
        assert_eq!(touched_by("GET a"), [1]);
        assert_eq!(touched_by("PFMERGE a"), [1]);
        assert_eq!(touched_by("SPUBLISH a b"), []);
        assert_eq!(touched_by("EVAL x 2 a b c"), [3, 4]);
        assert_eq!(touched_by("EVAL x 9 a b c"), []);
        assert_eq!(touched_by("ZUNIONSTORE d 2 a b"), [1, 3, 4]);
        assert_eq!(touched_by("XREADGROUP COUNT 1 GROUP streams c STREAMS k >"), [7]);
        assert_eq!(touched_by("XREAD BLOCK 0 STREAMS a b 0 0"), [4, 5]);
        assert_eq!(touched_by("XREAD COUNT 1 BLOCK 0 a b"), []);
        assert_eq!(touched_by("GEORADIUS k 1 2 3 m STORE a STORE b"), [1, 7, 9]);
        assert_eq!(touched_by("SORT k STORE get STORE d"), [1, 5]);
        assert_eq!(touched_by("SORT k BY store STORE d"), [1, 5]);
        assert_eq!(touched_by("MIGRATE h 1 \"\" 0 9 KEYS a b"), [7, 8]);
    }

    #[test]
    fn flags_depend_on_the_options() {
        let flags = |text: &str| keys_with_flags(text)[0].1.clone();
        assert_eq!(flags("SET k v"), "OW update");
        assert_eq!(flags("SET k v GET"), "RW access update");
        assert_eq!(flags("BITFIELD k GET u8 0"), "RO access");
        assert_eq!(flags("BITFIELD k GET u8 0 SET u8 0 1"), "RW access update");
        assert_eq!(flags("EVAL x 1 k"), "RW access update");
        assert_eq!(flags("EVAL x +1 k"), "");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn no_line_does_harm(
            words in prop::collection::vec(
                prop::sample::select(vec![
                    "", "-1", "0", "1", "2", "7", "-2147483648", "2147483647", "4294967297", "9223372036854775807",
                    "STREAMS", "STORE", "KEYS", "GET", "GROUP", "LIMIT", "AUTH2", "OVERFLOW",
                ]),
                0..12,
            ),
        ) {
            for facts in &ALL {
                let name = facts.name.split(' ').map(str::as_bytes);
                let owned = OwnedArgs::from_slices(name.chain(words.iter().map(|w| w.as_bytes())));
                let args = owned.view();
                let mut bounded = true;
                let _ = keys_of(facts, args, |at, _| bounded &= (1..args.len()).contains(&at));
                touched(facts, args, |at| bounded &= (1..args.len()).contains(&at));
                prop_assert!(bounded, "{} {words:?}", facts.name);
            }
        }
    }
}
