//! The macro that makes a struct, and a table that knows its way around it, out of the rows.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::checks;
use super::row::{Row, Spec};
use super::rows::ROWS;

/// Declares [`Config`](super::Config) and [`ROWS`].
macro_rules! directives {
    ($( $section:literal { $(
        $(#[doc = $doc:literal])+
        $field:ident: $ty:ty, $name:literal [$($alias:literal),*], $default:literal, $spec:expr,
        $when:ident, $effect:ident, $source:ident, [$($flag:ident),*];
    )+ } )+) => {
        /// The values of all directives at one moment.
        #[derive(Clone, Debug)]
        pub struct Config { $($(
            $(#[doc = $doc])+
            pub $field: $ty,
        )+)+ }

        impl Config {
            /// Zero, no and empty throughout: what the defaults are read into.
            pub(super) fn blank() -> Config {
                Config { $($( $field: <$ty>::default(), )+)+ }
            }
        }

        /// All directives, by chapter.
        pub static ROWS: &[Row] = &[ $($( Row {
            section: $section,
            name: $name,
            aliases: &[$($alias),*],
            default: $default,
            spec: $spec,
            when: When::$when,
            effect: Effect::$effect,
            source: Source::$source,
            flags: Flags::NONE $(.with(Flags::$flag))*,
            doc: concat!($($doc),+),
            take: |config, row, words, from| $crate::config::value::Value::take(&mut config.$field, row, words, from),
            show: |config, row| $crate::config::value::Value::show(&config.$field, row),
            lines: |config, row| $crate::config::value::Value::lines(&config.$field, row),
            same: |a, b| a.$field == b.$field,
            syntax: <$ty as $crate::config::value::Value>::syntax,
        }, )+)+ ];
    };
}
pub(super) use directives;

pub(super) const I32: i128 = i32::MAX as i128;
pub(super) const I32_MIN: i128 = i32::MIN as i128;
pub(super) const U32: i128 = u32::MAX as i128;
pub(super) const I64: i128 = i64::MAX as i128;
pub(super) const U64: i128 = u64::MAX as i128;
pub(super) const MIB: i128 = 1 << 20;

/// Why defragmentation can't be switched on.
pub(super) const NO_DEFRAG: &str =
    "Active defragmentation cannot be enabled: the memory allocator in use cannot tell which values to move";

pub(super) const fn own() -> Spec {
    Spec::Own
}

pub(super) const fn yes_no() -> Spec {
    Spec::YesNo
}

pub(super) const fn yes_no_at_boot(reason: &'static str) -> Spec {
    Spec::YesNoAtBoot(reason)
}

pub(super) const fn switch() -> Spec {
    Spec::Switch
}

pub(super) const fn int(min: i128, max: i128) -> Spec {
    int_within(min, max, min, max)
}

/// A number that may be written up to `max` but amounts to at least `least` and at most `most`.
pub(super) const fn int_within(min: i128, max: i128, least: i128, most: i128) -> Spec {
    Spec::Integer { min, max, settle: (least, most) }
}

pub(super) const fn mem(min: i128, max: i128) -> Spec {
    mem_at_least(min, max, min)
}

/// An amount that may be written smaller but amounts to at least `least`.
pub(super) const fn mem_at_least(min: i128, max: i128, least: i128) -> Spec {
    Spec::Memory { min, max, least }
}

pub(super) const fn octal(max: u32) -> Spec {
    Spec::Octal { max }
}

pub(super) const fn text() -> Spec {
    text_like(checks::any)
}

pub(super) const fn text_like(check: fn(&Row, &str) -> Result<(), String>) -> Spec {
    Spec::Text(check)
}

/// A directive by one of its names, in any case, and that name as declared.
pub fn find(name: &[u8]) -> Option<(&'static Row, &'static str)> {
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    NAMES.get(name.as_str()).copied()
}

/// The same for files and the command line, where Dragonfly writes every name with underscores.
pub fn find_loosely(name: &[u8]) -> Option<(&'static Row, &'static str)> {
    find(name).or_else(|| find(&name.iter().map(|&b| if b == b'_' { b'-' } else { b }).collect::<Vec<_>>()))
}

static NAMES: LazyLock<HashMap<&'static str, (&'static Row, &'static str)>> = LazyLock::new(|| {
    let named = |row: &'static Row| row.names().map(move |name| (name, (row, name)));
    ROWS.iter().flat_map(named).collect()
});
