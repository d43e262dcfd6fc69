//! docs/commands.md is what the command table and the table of handlers say.

use std::fs;
use std::path::Path;

use engine::command::page::commands_page;
use engine::command::{CommandId, Facts};
use node::commands::handlers;
use node::dispatch::Handler;

/// Whether a command has a function, or a container any subcommand that has.
fn supported(handlers: &[Handler], facts: &Facts) -> bool {
    let has = |id: CommandId| !matches!(handlers[id.index()], Handler::Missing);
    has(facts.id) || facts.subcommands.iter().any(|sub| has(*sub))
}

#[test]
fn the_committed_page_is_up_to_date() {
    let handlers = handlers();
    let by_name = |name: &str| CommandId::named(name.as_bytes()).map(CommandId::facts);
    let page = commands_page(|name| by_name(name).is_some_and(|facts| supported(&handlers, facts)));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/commands.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/commands.md is stale: UPDATE=1 cargo test -p everwrite --test commands_page"
    );
}

/// What is not there says why.
#[test]
fn every_missing_command_has_its_reason_and_no_other() {
    let handlers = handlers();
    for id in CommandId::all() {
        let (facts, reason) = (id.facts(), engine::command::absent::reason(id));
        assert_eq!(supported(&handlers, facts), reason.is_none(), "{}: {reason:?}", facts.name);
    }
}
