//! The committed code is what the `.proto` files say. `UPDATE=1` writes it anew.

use std::fs;
use std::path::Path;

const FILES: [&str; 1] = ["everwrite/peer/v1/peer.proto"];
const MADE: [&str; 1] = ["everwrite.peer.v1.rs"];

fn generate(into: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = protox::compile(FILES, [root]).expect("the files are well-formed");
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        .out_dir(into)
        .compile_fds(files)
        .expect("code can be made of them");
}

#[test]
fn generated_code_is_fresh() {
    let made = std::env::temp_dir().join(format!("everwrite-proto-{}", std::process::id()));
    fs::create_dir_all(&made).expect("a directory");
    generate(&made);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated");
    for name in MADE {
        let fresh = fs::read_to_string(made.join(name)).expect("made just now");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(committed.join(name), &fresh).expect("written");
        }
        let kept = fs::read_to_string(committed.join(name)).unwrap_or_default();
        assert!(kept == fresh, "{name} is stale: UPDATE=1 cargo test -p everwrite-proto");
    }
    fs::remove_dir_all(&made).expect("removed");
}
