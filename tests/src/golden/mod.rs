//! Golden scripts: requests and the replies they must get, in text files.
//!
//! A script is played against the real `redis-server` and against ours, each from an empty keyspace. Every reply must
//! equal the recorded one on both, so the record can't drift from Redis and we can't drift from the record.
//!
//! ```text
//! # a comment; blank lines separate
//! > SET k "v\r\n"            request on connection 1, and below it the reply that must come
//! +OK
//! 2> GET k                   the same on connection 2 (opened on first use)
//! "v\r\n"
//! 2? BLPOP q 0               sent, not waited for
//! !blocked 1                 waits until INFO counts this many blocked clients
//! > RPUSH q a
//! 1
//! 2<                         the next reply of connection 2; "closed" when the server hung up
//! ["q", "a"]
//! ```
//!
//! Words are separated by spaces. `"..."` knows `\n \r \t \\ \" \xHH`, `'...'` is literal, `<ab*3>` is `ababab`,
//! `$name` is a saved reply. A line that begins with `!` is a directive:
//!
//! | directive | meaning |
//! |---|---|
//! | `!server OPTION...` | first line: the script gets servers of its own, started with these options |
//! | `!resp 3`, `!resp 3 2` | switch connection 1 (or 2) to RESP3, without a look at HELLO's reply |
//! | `!sort` | next reply: elements of arrays, sets and maps in sorted order, at every depth |
//! | `!pairs` | next reply: flat arrays of pairs, sorted by pair |
//! | `!types` | next reply: only its shape: types instead of values |
//! | `!near N` | next reply: integers may be off by up to N |
//! | `!save NAME` | next reply: keep its text for `$NAME` |
//! | `!do WORD...` | run on connection 1, any reply but an error will do |
//! | `!each A B WORD...` | `!do` for every i from A to B, with `{i}` replaced |
//! | `!until TEXT WORD...` | repeat until the reply's text is TEXT |
//! | `!raw N BYTES` | send these very bytes on connection N |
//! | `!close N` | close connection N |
//!
//! `<*>` in an expected reply stands for anything. Recording keeps an expectation with `<*>` that still matches.
//! The text of replies is described at [`crate::value`].

pub mod expect;
pub mod play;
pub mod script;
pub mod words;

pub use expect::View;
pub use play::play;
pub use script::Script;
