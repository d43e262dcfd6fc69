//! What is declared about one directive, and what the rest of the module can do with it.

use super::Config;

/// One directive: a row of [`ROWS`](super::ROWS).
pub struct Row {
    /// Chapter of the reference page.
    pub section: &'static str,
    /// Canonical spelling, lower case.
    pub name: &'static str,
    /// Other spellings; each is a directive in the eyes of CONFIG GET and SET.
    pub aliases: &'static [&'static str],
    /// Initial value, as a configuration file would say it.
    pub default: &'static str,
    pub spec: Spec,
    pub when: When,
    pub effect: Effect,
    pub source: Source,
    pub flags: Flags,
    /// One sentence or two for the reference page.
    pub doc: &'static str,
    pub(super) take: fn(&mut Config, &Row, &[&[u8]], Origin) -> Result<(), String>,
    pub(super) show: fn(&Config, &Row) -> Vec<u8>,
    pub(super) lines: fn(&Config, &Row) -> Vec<Vec<u8>>,
    pub(super) same: fn(&Config, &Config) -> bool,
    pub(super) syntax: fn(&Row) -> String,
}

/// When a directive may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At any time, by CONFIG SET.
    Live,
    /// Only in the file or on the command line.
    Boot,
}

/// What the value does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// What its sentence says.
    Now,
    /// Nothing yet: it belongs to a feature to come. Kept, answered, and reported in the log when it is set.
    Later,
    /// Nothing, by design: it tunes a mechanism that does not exist here. Kept and answered.
    Inert,
}

/// Whose directive it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Redis up to 7.0.
    Redis,
    Redis72,
    Redis74,
    Redis8,
    Valkey,
    KeyDb,
    Dragonfly,
    Everwrite,
}

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Source::Redis => "Redis",
            Source::Redis72 => "Redis 7.2",
            Source::Redis74 => "Redis 7.4",
            Source::Redis8 => "Redis 8",
            Source::Valkey => "Valkey",
            Source::KeyDb => "KeyDB",
            Source::Dragonfly => "Dragonfly",
            Source::Everwrite => "Everwrite",
        }
    }
}

/// Where a value comes from. Some are stricter towards one, and lines of a file may add up where CONFIG SET replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The row's own default.
    Default,
    /// A file, standard input or the command line.
    Boot,
    /// CONFIG SET.
    Live,
}

/// Properties of a directive, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    pub const NONE: Flags = Flags(0);
    /// CONFIG GET answers to the exact name only, not to a pattern.
    pub const HIDDEN: Flags = Flags(1);
    /// Takes several words on a line, or one that holds them all, separated by blanks.
    pub const MULTI_ARG: Flags = Flags(2);
    /// Not to be shown in logs, SLOWLOG or MONITOR.
    pub const SENSITIVE: Flags = Flags(4);
    /// CONFIG SET needs enable-protected-configs.
    pub const PROTECTED: Flags = Flags(8);
    /// CONFIG SET is refused while the data is being loaded.
    pub const DENY_LOADING: Flags = Flags(16);
    /// Setting it again to what it was counts as a change: the file it names may differ.
    pub const VOLATILE: Flags = Flags(32);
    /// An empty value is no value: CONFIG REWRITE leaves the line out.
    pub const OMIT_EMPTY: Flags = Flags(64);

    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What values are allowed, for the types that serve many directives.
pub enum Spec {
    /// The type alone decides.
    Own,
    YesNo,
    /// `yes` is taken from the file, with no effect, but refused live for the reason given.
    YesNoAtBoot(&'static str),
    /// yes, no, true or false.
    Switch,
    /// A number within bounds.
    Integer {
        min: i128,
        max: i128,
        /// The smallest and largest number it may amount to; a value outside is moved to the nearer one.
        settle: (i128, i128),
    },
    /// The same with a unit: k, kb, m, mb, g, gb.
    Memory {
        min: i128,
        max: i128,
        /// Less counts as this.
        least: i128,
    },
    Octal {
        max: u32,
    },
    Text(fn(&Row, &str) -> Result<(), String>),
}

/// One argument where one is due.
pub const WRONG_COUNT: &str = "wrong number of arguments";

impl Row {
    /// Reads a value. `words` are the arguments after the name.
    pub(super) fn read(&self, config: &mut Config, words: &[&[u8]], from: Origin) -> Result<(), String> {
        if !self.flags.has(Flags::MULTI_ARG) {
            return if words.len() == 1 {
                (self.take)(config, self, words, from)
            } else {
                Err(WRONG_COUNT.into())
            };
        }
        match words {
            [b""] => (self.take)(config, self, &[], from),
            [one] => (self.take)(config, self, &one.split(|&b| b == b' ').collect::<Vec<_>>(), from),
            several => (self.take)(config, self, several, from),
        }
    }

    /// The value as CONFIG GET shows it.
    pub fn show(&self, config: &Config) -> Vec<u8> {
        (self.show)(config, self)
    }

    /// The name and the aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Whether two configurations agree in this directive.
    pub fn same(&self, a: &Config, b: &Config) -> bool {
        (self.same)(a, b)
    }

    /// What may be written, for the reference page.
    pub fn syntax(&self) -> String {
        (self.syntax)(self)
    }
}
