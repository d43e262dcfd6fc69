//! Access control: who may run which command on which keys and channels.
//!
//! A *user* has passwords, and *rules*: a root selector and any number of further ones. A *selector* is a set of commands, of
//! keys and of channels; a command is allowed if one selector alone allows all of it. Rules are made of *modifiers*, the
//! words of `ACL SETUSER` and of the lines of an ACL file; what they add up to is written back as the shortest words that say
//! the same.
//!
//! Rules never change: a change of a user publishes other rules and counts up a generation. A connection holds the rules of
//! its user and looks at the generation once for each batch of requests. If its user may do everything, which is what the
//! default user may, that is one flag, and no command looks any further.
//!
//! In reading order: [`command_set`], [`key_pattern`] and [`selector`] are what may be done, [`password`] and [`rules`] what
//! there is to a user; [`modifier`] reads the words, [`describe`] writes them; [`denial`] says what was not allowed.
//! [`users`] are all users, [`access`] is one connection's share, [`revoke`] ends connections, [`journal`] keeps denials, [`admit`] is where commands are checked, [`file`] reads and writes users.

pub mod access;
pub mod admit;
pub mod command_set;
pub mod denial;
pub mod describe;
pub mod file;
pub mod journal;
pub mod key_pattern;
pub mod modifier;
pub mod password;
pub mod revoke;
pub mod rules;
pub mod selector;
pub mod users;

pub use access::Access;
pub use admit::{admit, note, note_failed_login};
pub use denial::Denial;
pub use journal::{Context, Journal, Reason};
pub use modifier::ModifierError;
pub use rules::Rules;
pub use users::{Account, Users};

#[cfg(test)]
mod tests;
