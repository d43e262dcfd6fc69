//! Checks of the table as a whole.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::model::{Begin, Find};
use super::*;

/// The facts the table is generated from: named by EVERWRITE_FACTS, or beside the repository.
fn facts_dir() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = std::env::var_os("EVERWRITE_FACTS").map(PathBuf::from);
    let places = [root.join("../shared/facts"), root.join("../../shared/facts")];
    named.into_iter().chain(places).find(|dir| dir.join("commands-7.0.15.json").exists())
}

#[test]
fn generated_table_is_fresh() {
    let Some(facts) = facts_dir() else {
        return eprintln!("skipped: no facts directory; set EVERWRITE_FACTS");
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/command");
    let script = here.join("generate.py");
    let Ok(out) = Command::new("python3").arg(script).arg(facts).arg("--print").output() else {
        return eprintln!("skipped: no python3");
    };
    assert!(out.status.success(), "generate.py: {}", String::from_utf8_lossy(&out.stderr));
    let table = std::fs::read(here.join("facts.rs")).unwrap();
    assert!(out.stdout == table, "facts.rs is stale: run generate.py");
}

#[test]
fn ids_are_indices() {
    assert_eq!(ALL.len(), FACTS.len() + BEYOND.len());
    for (i, facts) in ALL.iter().enumerate() {
        assert_eq!(facts.id.index(), i, "{}", facts.name);
    }
    assert_eq!(id::CONFIG_GET.facts().name, "CONFIG GET");
}

#[test]
fn numbers_are_those_of_redis() {
    assert_eq!(FACTS.iter().filter(|f| f.parent.is_none()).count(), 240);
    assert_eq!(FACTS.iter().filter(|f| f.parent.is_some()).count(), 126);
    assert!(FACTS.iter().all(|f| f.origin == Origin::Redis70));
    assert!(BEYOND.iter().all(|f| f.origin != Origin::Redis70));
    let dangerous = FACTS.iter().filter(|f| f.acl.has(Categories::DANGEROUS)).count();
    assert_eq!(dangerous, 75);
}

#[test]
fn containers_and_subcommands_know_each_other() {
    for facts in &ALL {
        for sub in facts.subcommands {
            assert_eq!(sub.facts().parent, Some(facts.id), "{}", facts.name);
        }
        if let Some(parent) = facts.parent {
            assert!(parent.facts().subcommands.contains(&facts.id), "{}", facts.name);
        }
    }
}

#[test]
fn rows_are_complete() {
    for facts in &ALL {
        assert!(!facts.summary.is_empty() && !facts.since.is_empty() && facts.arity != 0, "{}", facts.name);
        assert_eq!(facts.name.to_lowercase().replace(' ', "|"), facts.full_name);
        assert!(facts.acl.meets(Categories::FAST.or(Categories::SLOW)), "{}", facts.name);
        assert_eq!(facts.flags.has(Flags::FAST), facts.acl.has(Categories::FAST), "{}", facts.name);
        assert!(!facts.flags.has(Flags::WRITE.or(Flags::READONLY)), "{}", facts.name);
        assert!(facts.key_specs.len() >= highest_key_spec(facts.args), "{}", facts.name);
        assert_eq!(facts.key_specs.is_empty(), facts.key_rule == KeyRule::None, "{}", facts.name);
    }
}

/// How many key specs the arguments refer to.
fn highest_key_spec(args: &[model::Arg]) -> usize {
    let of =
        |arg: &model::Arg| arg.key_spec.map_or(0, |spec| spec as usize + 1).max(highest_key_spec(arg.args));
    args.iter().map(of).max().unwrap_or(0)
}

#[test]
fn movable_keys_are_those_no_fixed_range_finds() {
    for facts in &ALL {
        let fixed = |s: &model::KeySpec| {
            matches!(s.begin, Begin::Index(_)) && matches!(s.find, Find::Range { limit: 0, .. })
        };
        let movable = !facts.key_specs.iter().all(fixed);
        assert_eq!(facts.flags.has(Flags::MOVABLEKEYS), movable, "{}", facts.name);
        assert_eq!(facts.key_specs.first().is_some_and(fixed), facts.first_key > 0, "{}", facts.name);
    }
}

#[test]
fn arity_counts_names() {
    assert!(id::GET.facts().takes(2) && !id::GET.facts().takes(3) && !id::GET.facts().takes(1));
    assert!(id::MGET.facts().takes(2) && id::MGET.facts().takes(9) && !id::MGET.facts().takes(1));
    assert!(id::CONFIG_GET.facts().takes(3) && !id::CONFIG_GET.facts().takes(2));
}
