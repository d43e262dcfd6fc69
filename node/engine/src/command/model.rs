//! The shape of a row of the command table: everything that is known about a command without running it.

use protocol::Args;

use super::facts::{ALL, id};
use super::flags::{ArgFlags, Categories, DocFlags, Flags, KeyFlags};

/// A command or subcommand as a dense number: an index into [`ALL`] and into any table that runs beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u16);

impl CommandId {
    /// Every command, whether this server has it or not.
    pub fn all() -> impl ExactSizeIterator<Item = CommandId> {
        (0..ALL.len() as u16).map(CommandId)
    }

    /// The row of this command.
    #[inline]
    pub fn facts(self) -> &'static Facts {
        &ALL[self.0 as usize]
    }

    /// The number as an index.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is known about a command or subcommand.
#[derive(Debug)]
pub struct Facts {
    pub id: CommandId,
    /// In upper case; a subcommand's is its container's and its own with a space between: `CONFIG GET`.
    pub name: &'static str,
    /// In lower case and with a bar, as it stands in replies and statistics: `config|get`.
    pub full_name: &'static str,
    /// The container, for a subcommand.
    pub parent: Option<CommandId>,
    /// The subcommands, for a container.
    pub subcommands: &'static [CommandId],
    /// Whose command it is.
    pub origin: Origin,
    pub group: Group,
    /// The first version, of the origin, that had it.
    pub since: &'static str,
    /// How many arguments, names included; a negative number is a minimum.
    pub arity: i16,
    pub flags: Flags,
    pub acl: Categories,
    /// The first key's position, 0 if there are no keys or none at a fixed place.
    pub first_key: i16,
    /// The last key's position; a negative number counts from the end, -1 being the last argument.
    pub last_key: i16,
    /// From one key to the next.
    pub step: i16,
    /// How the keys are found.
    pub key_rule: KeyRule,
    pub key_specs: &'static [KeySpec],
    /// Hints for clients of a cluster.
    pub tips: &'static [&'static str],
    pub summary: &'static str,
    /// How its time grows, as bare expressions: `O(N)`.
    pub complexity: Option<&'static str>,
    /// Versions that changed it, and how.
    pub history: &'static [(&'static str, &'static str)],
    pub doc_flags: DocFlags,
    pub deprecated_since: Option<&'static str>,
    pub replaced_by: Option<&'static str>,
    /// The arguments after the name, for COMMAND DOCS.
    pub args: &'static [Arg],
}

impl Facts {
    /// Whether `n` arguments, names included, are as many as the command takes.
    #[inline]
    pub const fn takes(&self, n: usize) -> bool {
        if self.arity >= 0 { n == self.arity as usize } else { n >= self.arity.unsigned_abs() as usize }
    }

    /// [`Facts::takes`] for the line itself, which may have an option that came after Redis 7.0: nothing else about the
    /// command has changed since, so COMMAND goes on answering what 7.0 does.
    #[inline]
    pub fn admits(&self, args: Args<'_>) -> bool {
        self.takes(args.len()) || self.admits_later(args)
    }

    #[cold]
    fn admits_later(&self, args: Args<'_>) -> bool {
        match self.id {
            // Redis 7.2.
            id::ZRANK | id::ZREVRANK => args.len() == 4 && args[3].eq_ignore_ascii_case(b"WITHSCORE"),
            // KeyDB.
            id::TTL | id::PTTL | id::PERSIST => args.len() == 3,
            id::REPLICAOF | id::SLAVEOF => args.len() == 4 && args[1].eq_ignore_ascii_case(b"REMOVE"),
            _ => false,
        }
    }

    /// The last word of the name: `GET` of `CONFIG GET`.
    pub fn own_name(&self) -> &'static str {
        self.name.rsplit(' ').next().unwrap_or(self.name)
    }

    /// Whether this is a container of subcommands.
    pub const fn is_container(&self) -> bool {
        !self.subcommands.is_empty()
    }
}

/// A row of which nothing is said; rows of the table are written as differences from it.
pub const ROW: Facts = Facts {
    id: CommandId(0),
    name: "",
    full_name: "",
    parent: None,
    subcommands: &[],
    origin: Origin::Redis70,
    group: Group::Generic,
    since: "",
    arity: 0,
    flags: Flags::NONE,
    acl: Categories::NONE,
    first_key: 0,
    last_key: 0,
    step: 0,
    key_rule: KeyRule::None,
    key_specs: &[],
    tips: &[],
    summary: "",
    complexity: None,
    history: &[],
    doc_flags: DocFlags::NONE,
    deprecated_since: None,
    replaced_by: None,
    args: &[],
};

/// Whose command it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Redis up to 7.0.15.
    Redis70,
    /// A later Redis.
    Redis,
    Valkey,
    KeyDb,
    Dragonfly,
    Everwrite,
}

impl Origin {
    pub const fn name(self) -> &'static str {
        match self {
            Origin::Redis70 | Origin::Redis => "Redis",
            Origin::Valkey => "Valkey",
            Origin::KeyDb => "KeyDB",
            Origin::Dragonfly => "Dragonfly",
            Origin::Everwrite => "Everwrite",
        }
    }
}

/// The chapter of the documentation that a command belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Bitmap,
    Cluster,
    Connection,
    Generic,
    Geo,
    Hash,
    Hyperloglog,
    List,
    Pubsub,
    Scripting,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    Transactions,
}

impl Group {
    pub const fn name(self) -> &'static str {
        match self {
            Group::Bitmap => "bitmap",
            Group::Cluster => "cluster",
            Group::Connection => "connection",
            Group::Generic => "generic",
            Group::Geo => "geo",
            Group::Hash => "hash",
            Group::Hyperloglog => "hyperloglog",
            Group::List => "list",
            Group::Pubsub => "pubsub",
            Group::Scripting => "scripting",
            Group::Server => "server",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::String => "string",
            Group::Transactions => "transactions",
        }
    }
}

/// How the keys of a command line are found, see [`super::keys`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRule {
    /// There are none.
    None,
    /// The specs say it all.
    Specs,
    /// The specs, with a count of keys that is an argument.
    Counted,
    /// GEORADIUS and its like: the specs, which may miss a destination when there are several.
    Store,
    /// XREAD and XREADGROUP: the specs, which may take a name for the keyword before the keys.
    Streams,
    /// SET: with GET, the key is read too.
    SetGet,
    /// BITFIELD: with nothing but GET, the key is only read.
    Bitfield,
    /// SORT: the last STORE names a second key.
    Sort,
    /// SORT_RO: the first spec says it all.
    SortRo,
    /// MIGRATE: one key, or all that follow KEYS.
    Migrate,
    /// STRALGO: the two that follow KEYS.
    Stralgo,
}

/// A rule by which clients find some of a command's keys.
#[derive(Debug)]
pub struct KeySpec {
    pub flags: KeyFlags,
    pub begin: Begin,
    pub find: Find,
    pub notes: Option<&'static str>,
}

/// Where a key spec begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At a position.
    Index(u16),
    /// After a keyword, searched from a position; from a negative position, backwards from that far before the end.
    Keyword(&'static str, i16),
    /// That cannot be put into a spec.
    Unknown,
}

/// What follows the beginning of a key spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Keys `step` apart up to `last`, counted from the beginning or, if negative, from the end. With `last` -1, a `limit`
    /// above 1 cuts that to one part in `limit` of what is left.
    Range { last: i16, step: u16, limit: u16 },
    /// A count at `index`, then as many keys, `step` apart, from `first`; both counted from the beginning.
    KeyNum { index: u16, first: u16, step: u16 },
    /// That cannot be put into a spec.
    Unknown,
}

/// An argument, or a group of arguments.
#[derive(Debug)]
pub struct Arg {
    pub name: &'static str,
    pub kind: ArgKind,
    /// The key spec that finds it, for a key.
    pub key_spec: Option<u8>,
    /// The word that comes before it, or that it consists of.
    pub token: Option<&'static str>,
    pub since: Option<&'static str>,
    pub deprecated_since: Option<&'static str>,
    pub flags: ArgFlags,
    /// The parts of a group.
    pub args: &'static [Arg],
}

/// An argument of which nothing is said, see [`ROW`].
pub const ARG: Arg = Arg {
    name: "",
    kind: ArgKind::String,
    key_spec: None,
    token: None,
    since: None,
    deprecated_since: None,
    flags: ArgFlags::NONE,
    args: &[],
};

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    /// One of its parts.
    Oneof,
    /// All of its parts.
    Block,
}

impl ArgKind {
    pub const fn name(self) -> &'static str {
        match self {
            ArgKind::String => "string",
            ArgKind::Integer => "integer",
            ArgKind::Double => "double",
            ArgKind::Key => "key",
            ArgKind::Pattern => "pattern",
            ArgKind::UnixTime => "unix-time",
            ArgKind::PureToken => "pure-token",
            ArgKind::Oneof => "oneof",
            ArgKind::Block => "block",
        }
    }
}
