//! The configuration: what may be set, what is set, and every way to set it.
//!
//! Each directive is declared once, as a row in [`rows`]. From the rows derive the struct [`Config`], whose fields
//! everyone reads, and everything that treats directives alike: reading files and the command line, CONFIG GET, SET and
//! REWRITE, and the reference page `docs/configuration.md`.
//!
//! Nothing here opens a socket or acts on a value: the node registers with [`ConfigStore::on_change`] what must happen
//! when one changes, and that may refuse the change. The only things touched are the configuration files themselves.
//!
//! In reading order: [`row`] says what a directive is, [`rows`] lists them, [`value`], [`choice`] and [`values`] are their
//! types and [`checks`] what some texts must look like. [`argv`] and [`load`] read them at the start, [`store`] keeps them,
//! [`get`], [`set`] and [`rewrite`] are the subcommands of CONFIG, [`reference`] is the page.

pub mod argv;
mod checks;
pub mod choice;
mod get;
mod include;
pub mod lines;
pub mod load;
mod number;
pub mod reference;
pub mod rename;
mod rewrite;
pub mod row;
mod rows;
mod set;
pub mod store;
mod table;
pub mod value;
pub mod values;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use lines::{Line, LoadError};
pub use load::{Loaded, Sources, load};
pub use number::memory;
pub use rewrite::{Extra, replace_file};
pub use row::{Effect, Flags, Origin, Row, Source, When};
pub use rows::{Config, ROWS};
pub use set::Caller;
pub use store::{Change, ConfigStore, View};
pub use table::{find, find_loosely};
pub use value::Value;

impl Config {
    /// The defaults, for a node whose working directory is `cwd`.
    pub fn new(cwd: &Path) -> Config {
        let mut config = Config::blank();
        config.dir.0 = cwd.to_owned();
        for row in ROWS {
            row.read(&mut config, &[row.default.as_bytes()], Origin::Default)
                .unwrap_or_else(|reason| panic!("default of {}: {reason}", row.name));
        }
        config
    }
}

/// The system's words for an error, without the number that Rust puts after them.
fn os_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}
