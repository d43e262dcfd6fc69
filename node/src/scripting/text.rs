//! The first line of a script or library: `#!lua name=value ...`, which says how the rest is to be run.

use engine::command::Flags;
use protocol::quote;

/// What a script declares about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptFlags(u8);

impl ScriptFlags {
    pub const NO_WRITES: ScriptFlags = ScriptFlags(1);
    pub const ALLOW_OOM: ScriptFlags = ScriptFlags(2);
    pub const ALLOW_STALE: ScriptFlags = ScriptFlags(4);
    pub const NO_CLUSTER: ScriptFlags = ScriptFlags(8);
    pub const ALLOW_CROSS_SLOT: ScriptFlags = ScriptFlags(16);
    /// It declares anything at all; without, it is run as before flags existed.
    const DECLARED: ScriptFlags = ScriptFlags(128);

    /// The flags and their names.
    pub const NAMES: [(ScriptFlags, &'static str); 5] = [
        (ScriptFlags::NO_WRITES, "no-writes"),
        (ScriptFlags::ALLOW_OOM, "allow-oom"),
        (ScriptFlags::ALLOW_STALE, "allow-stale"),
        (ScriptFlags::NO_CLUSTER, "no-cluster"),
        (ScriptFlags::ALLOW_CROSS_SLOT, "allow-cross-slot-keys"),
    ];

    /// No flags, but declared so.
    pub fn none_declared() -> ScriptFlags {
        ScriptFlags::DECLARED
    }

    pub fn named(name: &[u8]) -> Option<ScriptFlags> {
        ScriptFlags::NAMES.iter().find(|(_, n)| n.as_bytes() == name).map(|(flag, _)| *flag)
    }

    pub fn has(self, flag: ScriptFlags) -> bool {
        self.0 & flag.0 == flag.0
    }

    pub fn or(self, flag: ScriptFlags) -> ScriptFlags {
        ScriptFlags(self.0 | flag.0)
    }

    pub fn declared(self) -> bool {
        self.has(ScriptFlags::DECLARED)
    }

    /// What only reads takes no memory.
    pub fn may_exceed_memory(self) -> bool {
        self.has(ScriptFlags::ALLOW_OOM) || self.has(ScriptFlags::NO_WRITES)
    }

    /// The flags of a command that runs such a script: what is declared takes the place of what holds for all scripts.
    pub fn of(self, command: Flags) -> Flags {
        if !self.declared() {
            return command;
        }
        let mut flags = command.without(Flags::STALE.or(Flags::DENYOOM).or(Flags::WRITE));
        if !self.may_exceed_memory() {
            flags = flags.or(Flags::DENYOOM);
        }
        if !self.has(ScriptFlags::NO_WRITES) {
            flags = flags.or(Flags::WRITE);
        }
        if self.has(ScriptFlags::ALLOW_STALE) {
            flags = flags.or(Flags::STALE);
        }
        flags
    }

    /// Names of the flags that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        ScriptFlags::NAMES.iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, name)| *name)
    }
}

/// A text without its first line, if that is a shebang; the line's end stays, so that lines keep their numbers.
pub fn split(source: &[u8]) -> Option<(&[u8], &[u8])> {
    source.starts_with(b"#!").then(|| source.split_at(memchr::memchr(b'\n', source).unwrap_or(source.len())))
}

/// The flags of a script, and its code.
pub fn script(source: &[u8]) -> Result<(ScriptFlags, &[u8]), String> {
    let Some((line, code)) = split(source) else { return Ok((ScriptFlags::default(), source)) };
    let words = quote::split(line).filter(|_| !code.is_empty()).ok_or("Invalid script shebang")?;
    let engine = words.first().map(Vec::as_slice).unwrap_or_default();
    if engine != b"#!lua" {
        return Err(format!("Unexpected engine in script shebang: {}", String::from_utf8_lossy(engine)));
    }
    let mut flags = ScriptFlags::none_declared();
    for word in &words[1..] {
        let Some(names) = word.strip_prefix(b"flags=") else {
            return Err(format!("Unknown lua shebang option: {}", String::from_utf8_lossy(word)));
        };
        for name in names.split(|b| *b == b',').filter(|name| !name.is_empty()) {
            let flag = ScriptFlags::named(name).ok_or_else(|| {
                format!("Unexpected flag in script shebang: {}", String::from_utf8_lossy(name))
            })?;
            flags = flags.or(flag);
        }
    }
    Ok((flags, code))
}

/// What the first line of a library says.
#[derive(Debug, PartialEq, Eq)]
pub struct Header<'a> {
    pub engine: String,
    pub name: String,
    pub code: &'a [u8],
}

/// The first line of a library, and its code.
pub fn library(source: &[u8]) -> Result<Header<'_>, String> {
    let (line, code) = split(source).ok_or("Missing library metadata")?;
    if code.is_empty() {
        return Err("Invalid library metadata".into());
    }
    let words = quote::split(line).filter(|w| !w.is_empty()).ok_or("Invalid library metadata")?;
    let engine = String::from_utf8_lossy(&words[0][2..]).into_owned();
    let mut name = None;
    for word in &words[1..] {
        let lower = word.to_ascii_lowercase();
        let Some(value) = lower.starts_with(b"name=").then(|| &word[5..]) else {
            return Err(format!("Invalid metadata value given: {}", String::from_utf8_lossy(word)));
        };
        if name.replace(value.to_vec()).is_some() {
            return Err("Invalid metadata value, name argument was given multiple times".into());
        }
    }
    let name = name.ok_or("Library name was not given")?;
    Ok(Header { engine, name: check_name(&name)?, code })
}

/// Names of libraries and functions are words.
pub fn check_name(name: &[u8]) -> Result<String, String> {
    let is_word = !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    if !is_word {
        return Err(
            "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"
                .into(),
        );
    }
    Ok(String::from_utf8_lossy(name).into_owned())
}
