//! The reference page is what the rows say.

use std::fs;
use std::path::Path;

use crate::config::ROWS;
use crate::config::reference::reference_page;

#[test]
fn the_committed_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = reference_page();
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "docs/configuration.md is stale: UPDATE=1 cargo test -p everwrite config::");
}

#[test]
fn every_directive_is_on_it_once() {
    let page = reference_page();
    for row in ROWS {
        assert_eq!(page.matches(&format!("\n| `{}`", row.name)).count(), 1, "{}", row.name);
    }
}
