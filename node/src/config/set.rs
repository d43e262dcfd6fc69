//! CONFIG SET: all of the pairs or none.
//!
//! First every name is looked up and judged, then every value is read into a copy of the configuration, then the hooks of
//! those that really changed are called. The copy becomes the configuration if none of them objects.

use std::collections::HashSet;

use protocol::ErrorReply;

use super::Config;
use super::choice::Permission;
use super::row::{Flags, Origin, Row, Source, When};
use super::table::find;

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Connected over the loopback interface or a Unix domain socket.
    pub local: bool,
    /// The data is being loaded.
    pub loading: bool,
}

/// A directive to be set, by the name that was used for it.
pub(super) struct Setting<'a> {
    pub row: &'static Row,
    pub name: &'static str,
    pub value: &'a [u8],
}

/// Looks up the names and judges whether they may be set.
pub(super) fn judge<'a>(
    config: &Config,
    pairs: &[(&[u8], &'a [u8])],
    caller: Caller,
) -> Result<Vec<Setting<'a>>, ErrorReply> {
    let mut seen = HashSet::new();
    let setting = |(name, value): &(&[u8], &'a [u8])| {
        let (row, name) = find(name).ok_or_else(|| unknown(name))?;
        let reason = if row.when == When::Boot && !is_told_back(config, row, name, value) {
            "can't set immutable config"
        } else if row.flags.has(Flags::PROTECTED) && !allowed(config.enable_protected_configs, caller) {
            "can't set protected config"
        } else if caller.loading && row.flags.has(Flags::DENY_LOADING) {
            return Err(protocol::error::LOADING);
        } else if !seen.insert(name) {
            "duplicate parameter"
        } else {
            return Ok(Setting { row, name, value });
        };
        Err(failed(name, reason))
    };
    pairs.iter().map(setting).collect()
}

/// Whether the value is what it is anyway. Tools set what CONFIG GET told them, leaving out what Redis doesn't let them
/// set; they don't know the directives and spellings of others.
fn is_told_back(config: &Config, row: &Row, name: &str, value: &[u8]) -> bool {
    (row.source != Source::Redis || name != row.name) && row.show(config) == value
}

fn allowed(permission: Permission, caller: Caller) -> bool {
    match permission {
        Permission::No => false,
        Permission::Yes => true,
        Permission::Local => caller.local,
    }
}

/// Reads the values, in order, into a copy of the configuration.
pub(super) fn read(config: &Config, settings: &[Setting]) -> Result<Config, ErrorReply> {
    let mut new = config.clone();
    for Setting { row, name, value } in settings {
        row.read(&mut new, &[value], Origin::Live).map_err(|reason| failed(name, &reason))?;
    }
    Ok(new)
}

/// The names, as used, of what differs. What a volatile directive names may have changed though the name has not.
pub(super) fn changed(old: &Config, new: &Config, settings: &[Setting]) -> Vec<(&'static Row, &'static str)> {
    let differs = |setting: &&Setting| setting.row.flags.has(Flags::VOLATILE) || !setting.row.same(old, new);
    settings.iter().filter(differs).map(|setting| (setting.row, setting.name)).collect()
}

fn unknown(name: &[u8]) -> ErrorReply {
    let name = String::from_utf8_lossy(name);
    ErrorReply::err(format!("Unknown option or number of arguments for CONFIG SET - '{name}'"))
}

pub(super) fn failed(name: &str, reason: &str) -> ErrorReply {
    ErrorReply::err(format!("CONFIG SET failed (possibly related to argument '{name}') - {reason}"))
}
