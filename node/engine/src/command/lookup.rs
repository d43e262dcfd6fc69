//! From a command line's first words to the command's number. A [`Lookup`] is built once, at start: from the commands that
//! this server answers, and the renames of its configuration. Subcommands are found under their container's number; they
//! cannot be renamed, and follow their container when it is.

use protocol::error::shown;
use protocol::{Args, ErrorReply};

use super::name_table::NameTable;
use super::{ALL, CommandId, Facts, absent};

/// The names that this server answers to.
#[derive(Debug)]
pub struct Lookup {
    commands: NameTable<1024>,
    subcommands: NameTable<512>,
    /// The names of the commands, as renamed; what their table is built from.
    names: Vec<(Vec<u8>, CommandId)>,
    /// Whether this server answers a command or subcommand under any name, by number.
    present: Vec<bool>,
}

/// What a command line's first words are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The first is no command.
    Command,
    /// The first is a container, the second none of its subcommands.
    Subcommand(CommandId),
}

/// Why a command cannot be renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameError {
    Unknown,
    Taken,
}

impl RenameError {
    pub const fn text(self) -> &'static str {
        match self {
            RenameError::Unknown => "No such command in rename-command",
            RenameError::Taken => "Target command name already exists",
        }
    }
}

impl Lookup {
    /// The names of the commands and subcommands for which `answered` holds. A subcommand needs its container, too.
    pub fn new(answered: impl Fn(&'static Facts) -> bool) -> Lookup {
        let is_present = |f: &'static Facts| answered(f) && f.parent.is_none_or(|p| answered(p.facts()));
        let present: Vec<bool> = ALL.iter().map(is_present).collect();
        let names = ALL.iter().filter(|f| f.parent.is_none() && present[f.id.index()]);
        let names = names.map(|f| (f.name.as_bytes().to_vec(), f.id)).collect();
        let mut subcommands = NameTable::new();
        for facts in ALL.iter().filter(|f| present[f.id.index()]) {
            if let Some(parent) = facts.parent {
                subcommands.insert(parent.0, facts.own_name().as_bytes(), facts.id);
            }
        }
        let mut lookup = Lookup { commands: NameTable::new(), subcommands, names, present };
        lookup.rebuild();
        lookup
    }

    /// Gives the command called `from` the name `to`, or takes it away if `to` is empty.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), RenameError> {
        let at = self.names.iter().position(|(name, _)| name.eq_ignore_ascii_case(from));
        let (_, id) = self.names.remove(at.ok_or(RenameError::Unknown)?);
        if self.names.iter().any(|(name, _)| name.eq_ignore_ascii_case(to)) {
            self.names.push((from.to_vec(), id));
            return Err(RenameError::Taken);
        }
        if to.is_empty() {
            self.forget(id);
        } else {
            self.names.push((to.to_vec(), id));
        }
        self.rebuild();
        Ok(())
    }

    /// A command that no name leads to is not there, nor are its subcommands.
    fn forget(&mut self, id: CommandId) {
        self.present[id.index()] = false;
        for sub in id.facts().subcommands {
            self.present[sub.index()] = false;
        }
    }

    fn rebuild(&mut self) {
        self.commands = NameTable::new();
        for (name, id) in &self.names {
            self.commands.insert(0, name, *id);
        }
    }

    /// The command of a name.
    #[inline]
    pub fn command(&self, name: &[u8]) -> Option<CommandId> {
        self.commands.get(0, name).map(|found| found.id)
    }

    /// The subcommand of a container.
    #[inline]
    pub fn subcommand(&self, container: CommandId, name: &[u8]) -> Option<CommandId> {
        self.subcommands.get(container.0, name).map(|found| found.id)
    }

    /// The command or subcommand of a command line. A container alone is itself.
    #[inline]
    pub fn resolve(&self, args: Args<'_>) -> Result<CommandId, Miss> {
        let name = args.get(0).ok_or(Miss::Command)?;
        let found = self.commands.get(0, name).ok_or(Miss::Command)?;
        match args.get(1) {
            Some(sub) if found.container => self.subcommand(found.id, sub).ok_or(Miss::Subcommand(found.id)),
            _ => Ok(found.id),
        }
    }

    /// As [`Lookup::resolve`], with the number of arguments checked; an error is the reply to send.
    #[inline]
    pub fn check(&self, args: Args<'_>) -> Result<&'static Facts, ErrorReply> {
        match self.resolve(args) {
            Ok(id) if id.facts().takes(args.len()) => Ok(id.facts()),
            Ok(id) => Err(ErrorReply::wrong_arity(id.facts().full_name)),
            Err(miss) => Err(refusal(miss, args)),
        }
    }

    /// The command `get`, or the subcommand `config|get`.
    pub fn by_full_name(&self, name: &[u8]) -> Option<CommandId> {
        let mut parts = name.splitn(2, |b| *b == b'|');
        let command = self.command(parts.next()?)?;
        match parts.next() {
            Some(sub) => self.subcommand(command, sub),
            None => Some(command),
        }
    }

    /// Whether this server answers the command.
    pub fn has(&self, id: CommandId) -> bool {
        self.present.get(id.index()).is_some_and(|p| *p)
    }

    /// The commands and subcommands that this server answers.
    pub fn iter(&self) -> impl Iterator<Item = &'static Facts> {
        ALL.iter().filter(|f| self.has(f.id))
    }
}

impl CommandId {
    /// The command of a name as in the table: `GET`, `config get` or `config|get`. Knows nothing of renames, and is slow.
    pub fn named(name: &[u8]) -> Option<CommandId> {
        let same = |a: u8, b: u8| a.eq_ignore_ascii_case(&b) || (a == b'|' && b == b' ');
        let found = ALL.iter().find(|f| {
            f.name.len() == name.len() && name.iter().zip(f.name.bytes()).all(|(a, b)| same(*a, b))
        });
        found.map(|f| f.id)
    }
}

/// The reply to a command line that names no command.
#[cold]
pub fn refusal(miss: Miss, args: Args<'_>) -> ErrorReply {
    let first = args.get(0).unwrap_or_default();
    match (miss, args.get(1)) {
        (Miss::Subcommand(container), Some(sub)) => {
            let of = |id: &CommandId| id.facts().own_name().as_bytes().eq_ignore_ascii_case(sub);
            let known = container.facts().subcommands.iter().copied().find(of);
            match known.and_then(absent::reason) {
                Some(reason) => unsupported("subcommand", sub, reason),
                None => ErrorReply::unknown_subcommand(sub, &shown(first, usize::MAX)),
            }
        }
        _ => match CommandId::named(first).and_then(absent::reason) {
            Some(reason) => unsupported("command", first, reason),
            None => unknown_command(first, args.rest(1)),
        },
    }
}

/// Begins as the refusal of any unknown command does: clients look for that.
fn unsupported(what: &str, name: &[u8], reason: &str) -> ErrorReply {
    ErrorReply::err(format!("unknown {what} '{}', which is not supported here: {reason}", shown(name, 128)))
}

/// Shows the name and the first arguments, 128 bytes of each.
fn unknown_command(name: &[u8], args: Args<'_>) -> ErrorReply {
    const SHOWN: usize = 128;
    let (mut beginning, mut length) = (String::new(), 0);
    for arg in args.iter() {
        if length >= SHOWN {
            break;
        }
        let arg = shown(arg, SHOWN - length);
        length += arg.chars().count() + 3;
        beginning += &format!("'{arg}' ");
    }
    let name = shown(name, SHOWN);
    ErrorReply::err(format!("unknown command '{name}', with args beginning with: {beginning}"))
}

#[cfg(test)]
mod tests {
    use protocol::OwnedArgs;

    use super::super::{BEYOND, Origin, id};
    use super::*;

    fn line(text: &str) -> OwnedArgs {
        OwnedArgs::from_slices(text.split(' ').map(str::as_bytes))
    }

    fn everything() -> Lookup {
        Lookup::new(|_| true)
    }

    #[test]
    fn every_command_is_found_by_its_name_in_any_case() {
        let lookup = everything();
        for facts in &ALL {
            let typed = if facts.parent.is_some() {
                facts.full_name.replace('|', " ")
            } else {
                facts.full_name.into()
            };
            assert_eq!(lookup.resolve(line(&typed).view()), Ok(facts.id));
            assert_eq!(lookup.resolve(line(facts.name).view()), Ok(facts.id));
            assert_eq!(lookup.by_full_name(facts.full_name.as_bytes()), Some(facts.id));
            assert_eq!(CommandId::named(facts.name.as_bytes()), Some(facts.id));
            assert_eq!(CommandId::named(facts.full_name.as_bytes()), Some(facts.id));
        }
    }

    #[test]
    fn near_misses_are_misses() {
        let lookup = everything();
        for name in
            ["", "g", "gets", "ge", "get\0", "\0", "GE\u{54}\u{1}", "sort\u{1f}ro", "config|get", "@et"]
        {
            assert_eq!(lookup.command(name.as_bytes()), None, "{name:?}");
        }
        assert_eq!(lookup.command(&[b'g' | 0x80, b'e', b't']), None);
        assert_eq!(lookup.subcommand(id::CONFIG, b"getx"), None);
        assert_eq!(lookup.subcommand(id::CONFIG, b""), None);
        assert_eq!(lookup.subcommand(id::GET, b"get"), None);
        assert_eq!(lookup.by_full_name(b"get|get"), None);
        assert_eq!(lookup.by_full_name(b"config|get|get"), None);
        assert_eq!(lookup.resolve(OwnedArgs::default().view()), Err(Miss::Command));
    }

    #[test]
    fn containers_resolve_to_their_subcommands() {
        let lookup = everything();
        assert_eq!(lookup.resolve(line("Config gEt maxmemory").view()), Ok(id::CONFIG_GET));
        assert_eq!(lookup.resolve(line("config").view()), Ok(id::CONFIG));
        assert_eq!(lookup.resolve(line("config xx").view()), Err(Miss::Subcommand(id::CONFIG)));
        assert_eq!(lookup.resolve(line("get help").view()), Ok(id::GET));
    }

    #[test]
    fn unanswered_commands_are_not_found() {
        let lookup =
            Lookup::new(|f| f.origin == Origin::Redis70 && f.name != "OBJECT" && f.name != "ACL CAT");
        assert_eq!(lookup.command(BEYOND[0].name.as_bytes()), None);
        assert_eq!(lookup.resolve(line("client setinfo").view()), Err(Miss::Subcommand(id::CLIENT)));
        assert_eq!(lookup.resolve(line("object freq").view()), Err(Miss::Command));
        assert!(!lookup.has(id::OBJECT_FREQ) && !lookup.has(id::ACL_CAT) && lookup.has(id::ACL_LOG));
        assert_eq!(lookup.iter().count(), 366 - 6 - 1);
    }

    #[test]
    fn renames_move_and_hide_commands() {
        let mut lookup = everything();
        let long = b"a-name-of-many-letters";
        lookup.rename(b"Get", long).unwrap();
        lookup.rename(b"config", b"cfg").unwrap();
        lookup.rename(b"set", b"").unwrap();
        assert_eq!(lookup.command(b"get"), None);
        assert_eq!(lookup.command(&long.to_ascii_uppercase()), Some(id::GET));
        assert_eq!(lookup.command(b"set"), None);
        assert!(lookup.has(id::GET) && !lookup.has(id::SET));
        assert_eq!(lookup.resolve(line("cfg get x").view()), Ok(id::CONFIG_GET));
        assert_eq!(lookup.by_full_name(b"cfg|get"), Some(id::CONFIG_GET));
        assert_eq!(lookup.by_full_name(b"config|get"), None);
        lookup.rename(b"cfg", b"a-container-of-many-letters").unwrap();
        let typed = line("A-container-of-many-letters get x");
        assert_eq!(lookup.resolve(typed.view()), Ok(id::CONFIG_GET));
    }

    #[test]
    fn bad_renames_change_nothing() {
        let mut lookup = everything();
        assert_eq!(lookup.rename(b"nosuch", b"x"), Err(RenameError::Unknown));
        assert_eq!(lookup.rename(b"config|get", b"x"), Err(RenameError::Unknown));
        assert_eq!(lookup.rename(b"get", b"Set"), Err(RenameError::Taken));
        assert_eq!((lookup.command(b"get"), lookup.command(b"set")), (Some(id::GET), Some(id::SET)));
        lookup.rename(b"get", b"GeT").unwrap();
        lookup.rename(b"set", b"").unwrap();
        lookup.rename(b"get", b"set").unwrap();
        assert_eq!(lookup.rename(b"get", b"b"), Err(RenameError::Unknown));
        assert_eq!(lookup.command(b"set"), Some(id::GET));
    }

    fn refused(text: &str) -> String {
        everything().check(line(text).view()).unwrap_err().text().to_owned()
    }

    #[test]
    fn refusals_say_what_redis_says() {
        assert_eq!(refused("xyz"), "ERR unknown command 'xyz', with args beginning with: ");
        assert_eq!(refused("xyz a b"), "ERR unknown command 'xyz', with args beginning with: 'a' 'b' ");
        let lookup = Lookup::new(|facts| absent::reason(facts.id).is_none());
        let refused_here = |text: &str| lookup.check(line(text).view()).unwrap_err().text().to_owned();
        let text = refused_here("client import-source on");
        assert!(
            text.starts_with("ERR unknown subcommand 'import-source', which is not supported here: "),
            "{text}"
        );
        let text = refused_here("backup start");
        assert!(
            text.starts_with("ERR unknown command 'backup', which is not supported here: BGSAVE"),
            "{text}"
        );
        assert_eq!(refused("config xx"), "ERR unknown subcommand 'xx'. Try CONFIG HELP.");
        assert_eq!(refused("config"), "ERR wrong number of arguments for 'config' command");
        assert_eq!(refused("config get"), "ERR wrong number of arguments for 'config|get' command");
        assert_eq!(refused("GET a b"), "ERR wrong number of arguments for 'get' command");
        let (x, a, b, c) = ("x".repeat(200), "a".repeat(60), "b".repeat(60), "c".repeat(60));
        let want =
            format!("ERR unknown command '{}', with args beginning with: '{a}' '{b}' 'cc' ", &x[..128]);
        assert_eq!(refused(&format!("{x} {a} {b} {c} d")), want);
    }

    /// How long a lookup takes: `cargo test --profile fast -p everwrite-engine lookup_speed -- --ignored --nocapture`.
    #[test]
    #[ignore = "a measurement"]
    fn lookup_speed() {
        let lookup = everything();
        let lines = ["get k", "SET k v", "incr k", "HGETALL k", "zrangebyscore k 1 2", "config get x"];
        for text in lines {
            let owned = line(text);
            let rounds = 10_000_000u32;
            let start = std::time::Instant::now();
            for _ in 0..rounds {
                std::hint::black_box(lookup.resolve(std::hint::black_box(owned.view())).is_ok());
            }
            println!("{:>6.2} ns  {text}", start.elapsed().as_nanos() as f64 / f64::from(rounds));
        }
        let owned = line("get k");
        let start = std::time::Instant::now();
        for _ in 0..10_000_000 {
            std::hint::black_box(std::hint::black_box(owned.view()).get(0).is_some());
        }
        println!("{:>6.2} ns  no lookup", start.elapsed().as_nanos() as f64 / 1e7);
    }
}
