//! What about a command line was not allowed, and how the client is told.

use engine::command::Facts;
use protocol::{Args, ErrorReply};

/// In ascending order of how far the check came: of several selectors, the one that came farthest is the one meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denial {
    Command,
    /// The argument that is a key.
    Key(usize),
    /// The argument that is a channel.
    Channel(usize),
}

impl Denial {
    /// The reply to a client.
    pub fn reply(self, facts: &Facts) -> ErrorReply {
        ErrorReply(
            match self {
                Denial::Command => {
                    format!("NOPERM this user has no permissions to run the '{}' command", facts.full_name)
                }
                Denial::Key(_) => {
                    "NOPERM this user has no permissions to access one of the keys used as arguments".into()
                }
                Denial::Channel(_) => {
                    "NOPERM this user has no permissions to access one of the channels used as arguments"
                        .into()
                }
            }
            .into(),
        )
    }

    /// The reply in the place of a queued command that is allowed no longer.
    pub fn reply_in_exec(self) -> ErrorReply {
        let reason = match self {
            Denial::Command => "no permission to execute the command or subcommand",
            Denial::Key(_) => "no permission to touch the specified keys",
            Denial::Channel(_) => {
                "no permission to access one of the channels used as arguments to the command"
            }
        };
        ErrorReply(
            format!(
                "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
                 command is no longer allowed for the following reason: {reason}"
            )
            .into(),
        )
    }

    /// The error of a script's call.
    pub fn reply_in_script(self) -> ErrorReply {
        ErrorReply::err(match self {
            Denial::Command => "The user executing the script can't run this command or subcommand",
            Denial::Key(_) => {
                "The user executing the script can't access at least one of the keys mentioned in the command arguments"
            }
            Denial::Channel(_) => {
                "The user executing the script can't publish to the channel mentioned in the command"
            }
        })
    }

    /// The answer of ACL DRYRUN.
    pub fn explanation(self, facts: &Facts, args: Args<'_>) -> Vec<u8> {
        let (before, name, after) = match self {
            Denial::Command => ("run the '", facts.full_name.as_bytes(), "' command"),
            Denial::Key(at) => ("access the '", args.at(at), "' key"),
            Denial::Channel(at) => ("access the '", args.at(at), "' channel"),
        };
        [b"This user has no permissions to ", before.as_bytes(), name, after.as_bytes()].concat()
    }
}
