//! Who may know whom: the edges between our crates are those of ARCHITECTURE.md, and the machines know no I/O.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Every crate of ours and the crates of ours it may name. A crate that is not listed may not exist.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("everwrite-backup", &[]),
    ("everwrite-proto", &[]),
    ("everwrite-protocol", &[]),
    ("everwrite-replication", &[]),
    ("everwrite-cluster", &[]),
    ("everwrite-engine", &["everwrite-protocol", "everwrite-replication"]),
    (
        "everwrite",
        &[
            "everwrite-backup",
            "everwrite-proto",
            "everwrite-protocol",
            "everwrite-replication",
            "everwrite-cluster",
            "everwrite-engine",
        ],
    ),
    // Its drills drive processes from outside, as the tests do.
    (
        "everwrite-chaos",
        &["everwrite-replication", "everwrite-cluster", "everwrite-engine", "everwrite-tests"],
    ),
    ("everwrite-tests", &[]),
];

/// Crates that do no I/O, and so can run under a simulated clock, net and disk. (What is generated in `proto` names tonic,
/// though without its transport: so none of these may know `proto`.)
const SANS_IO: [&str; 4] =
    ["everwrite-protocol", "everwrite-replication", "everwrite-cluster", "everwrite-engine"];
/// What none of them may name.
const IO_CRATES: [&str; 6] = ["tokio", "mio", "socket2", "tonic", "hyper", "tracing-subscriber"];

/// Each workspace crate with its direct dependencies of every kind, tests' included.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("Cargo.toml");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path"])
        .arg(manifest)
        .output()
        .expect("cargo metadata");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata's JSON");
    let names = |list: &Value| {
        let list = list.as_array().expect("a list").iter();
        list.map(|d| d["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let packages = metadata["packages"].as_array().expect("packages").iter();
    packages.map(|p| (p["name"].as_str().expect("a name").to_owned(), names(&p["dependencies"]))).collect()
}

#[test]
fn our_crates_know_only_whom_they_may() {
    for (name, dependencies) in dependencies() {
        let (_, allowed) =
            ALLOWED.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("{name} is new here"));
        for other in dependencies.iter().filter(|d| d.starts_with("everwrite")) {
            assert!(allowed.contains(&other.as_str()), "{name} must not depend on {other}");
        }
    }
}

#[test]
fn the_machines_do_no_io() {
    for (name, dependencies) in dependencies().into_iter().filter(|(n, _)| SANS_IO.contains(&n.as_str())) {
        for other in &dependencies {
            assert!(!IO_CRATES.contains(&other.as_str()), "{name} must not depend on {other}");
        }
    }
}
