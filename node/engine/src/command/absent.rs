//! Commands that are known and not there, each with its reason: the refusal says it, and so does docs/commands.md.

use protocol::ErrorReply;

use super::CommandId;

const NO_CLUSTER: &str = "there is no cluster mode: every node of a mesh has all keys";
const NO_REPLICAS_BY_SLOT: &str = "replicas follow a whole server (REPLICAOF), and FAILOVER promotes one";
const NO_BACKUP: &str = "BGSAVE takes a snapshot of one moment without a fork, which can be copied";
const NO_IDEMPOTENCE: &str = "XADD does not recognise repeated entries";
const NO_POLYGONS: &str = "circles and boxes only (BYRADIUS, BYBOX)";
const NO_SCRIPT_FLAGS: &str = "a script says its flags itself, in its first line (#!lua flags=...)";

/// Names as the command table has them; a container stands for its subcommands, too.
const REASONS: &[(&str, &str)] = &[
    ("ADDREPLICAOF", NO_REPLICAS_BY_SLOT),
    ("BACKUP", NO_BACKUP),
    ("CLIENT IMPORT-SOURCE", "there is no import mode: deadlines hold while data are imported, too"),
    ("CLIENT MIGRATE", "connections move between threads by themselves"),
    ("CLUSTER CANCELSLOTMIGRATIONS", NO_CLUSTER),
    ("CLUSTER GETSLOTMIGRATIONS", NO_CLUSTER),
    ("CLUSTER MIGRATESLOTS", NO_CLUSTER),
    ("CLUSTER MIGRATION", NO_CLUSTER),
    ("CLUSTER MYSHARDID", NO_CLUSTER),
    ("CLUSTER SLOT-STATS", NO_CLUSTER),
    ("CLUSTER SYNCSLOTS", NO_CLUSTER),
    ("CLUSTERSCAN", NO_CLUSTER),
    ("REPLTAKEOVER", NO_REPLICAS_BY_SLOT),
    ("SCRIPT FLAGS", NO_SCRIPT_FLAGS),
    ("SCRIPT LATENCY", "LATENCY HISTOGRAM tells how long scripts take, all together"),
    ("SCRIPT LIST", "scripts are known by their digests (SCRIPT EXISTS, SCRIPT SHOW)"),
    ("SHRINK", "collections give memory back by themselves"),
    (
        "STICK",
        "no key is exempt from eviction by itself: the volatile policies spare keys without a deadline",
    ),
    ("TRIMSLOTS", NO_CLUSTER),
    ("XCFGSET", NO_IDEMPOTENCE),
    ("XIDMPRECORD", NO_IDEMPOTENCE),
];

/// Options of commands that are there, which newer servers know: command, option, since, reason.
pub const OPTIONS: &[(&str, &str, &str, &str)] = &[
    ("BGSAVE", "CANCEL", "Valkey 8.1.0", "a snapshot is taken to its end"),
    ("GEOSEARCH", "BYPOLYGON", "Valkey 9.0.0", NO_POLYGONS),
    ("GEOSEARCHSTORE", "BYPOLYGON", "Valkey 9.0.0", NO_POLYGONS),
    ("XADD", "IDMP", "8.6.0", NO_IDEMPOTENCE),
    ("XADD", "IDMPAUTO", "8.6.0", NO_IDEMPOTENCE),
];

/// The refusal of an option that other servers have; `None`: none has it.
#[cold]
pub fn option(command: &str, word: &[u8]) -> Option<ErrorReply> {
    let named = |(of, name, ..): &&(&str, &str, &str, &str)| {
        *of == command && name.as_bytes().eq_ignore_ascii_case(word)
    };
    let (command, name, _, reason) = OPTIONS.iter().find(named)?;
    Some(ErrorReply::err(format!("syntax error, {command} {name} is not supported here: {reason}")))
}

/// Why there is no such command or subcommand. `None`: it is there, or not known at all.
pub fn reason(id: CommandId) -> Option<&'static str> {
    let find = |name: &str| REASONS.iter().find(|(other, _)| *other == name).map(|(_, reason)| *reason);
    let facts = id.facts();
    find(facts.name).or_else(|| find(facts.parent?.facts().name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_of_known_commands() {
        for (name, _) in REASONS {
            assert!(CommandId::named(name.as_bytes()).is_some(), "{name}");
        }
        assert!(REASONS.is_sorted());
    }

    #[test]
    fn options_are_refused_of_commands_that_are_there() {
        for (command, name, ..) in OPTIONS {
            let id = CommandId::named(command.as_bytes()).expect(command);
            assert_eq!(reason(id), None, "{command}");
            let refused = option(command, name.to_lowercase().as_bytes()).expect(name);
            assert!(
                refused.text().starts_with(&format!("ERR syntax error, {command} {name} is not")),
                "{name}"
            );
        }
        assert!(OPTIONS.is_sorted() && option("XADD", b"MAXLEN").is_none());
    }
}
