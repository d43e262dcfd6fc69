//! `check-rdb` and `check-aof` beside Redis's own tools, on files that are damaged byte by byte and cut at every length.

use harness::client::encode;
use harness::{Kind, Server};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a tool says of a file, and whether it is content. Neither of them crashes.
fn tool(program: &Path, words: &[&str], file: &Path) -> (bool, String) {
    let mut tool = Command::new(program)
        .args(words)
        .arg(file)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let _ = tool.stdin.take().expect("a pipe").write_all(b"y\n");
    let output = tool.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{words:?} {:?}: {told}", output.status);
    (output.status.success(), told)
}

fn ours(words: &[&str], file: &Path) -> (bool, String) {
    tool(&Kind::Everwrite.program(), words, file)
}

fn redis(name: &str, file: &Path) -> bool {
    tool(Path::new(name), &[], file).0
}

/// The number behind a word.
fn number(told: &str, word: &str) -> Option<u64> {
    let digits = told.split(word).nth(1)?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[test]
fn a_damaged_snapshot_is_bad_to_both() {
    let server = Server::start(Kind::Redis);
    let mut client = server.client();
    for line in ["SET key value", "EXPIREAT key 4000000000", "RPUSH list a 12 c", "HSET hash f v", "SAVE"] {
        assert!(!client.cmd(line).unwrap().is_error());
    }
    let whole = fs::read(server.dir().join("dump.rdb")).unwrap();
    let file = server.dir().join("damaged.rdb");
    fs::write(&file, &whole).unwrap();
    assert!(ours(&["check-rdb"], &file).0 && redis("redis-check-rdb", &file));
    for at in (0..whole.len()).step_by(3) {
        fs::write(&file, &whole[..at]).unwrap();
        let (sound, told) = ours(&["check-rdb"], &file);
        let offset = number(told.split("ERROR DETECTED").nth(1).unwrap_or_default(), "[offset ");
        assert!(!sound && offset.is_some_and(|offset| offset <= at as u64), "cut at {at}: {told}");
        assert!(!redis("redis-check-rdb", &file), "cut at {at}");
    }
    for at in (1..whole.len()).step_by(3) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&file, &bytes).unwrap();
        let (sound, told) = ours(&["check-rdb"], &file);
        assert!(!sound && told.contains("ERROR DETECTED"), "byte {at}: {told}");
        assert!(!redis("redis-check-rdb", &file), "byte {at}");
    }
}

#[test]
fn a_damaged_log_is_mended_so_that_both_are_content() {
    let server = Server::start(Kind::Redis);
    let file = server.dir().join("damaged.aof");
    let commands: [&[&str]; 8] = [
        &["SELECT", "0"],
        &["SET", "key", "a value with\r\nlines"],
        &["RPUSH", "list", "a", "", "12"],
        &["MULTI"],
        &["INCR", "n"],
        &["EXEC"],
        &["HSET", "hash", "field", "value"],
        &["DEL", "key"],
    ];
    let (mut whole, mut ends) = (Vec::new(), vec![0]);
    for words in commands {
        encode(&mut whole, words);
        // The parts of a transaction stay together.
        if !["MULTI", "INCR"].contains(&words[0]) {
            ends.push(whole.len());
        }
    }
    fs::write(&file, &whole).unwrap();
    assert!(ours(&["check-aof"], &file).0 && redis("redis-check-aof", &file));
    let kept_of = |at: usize| *ends.iter().rfind(|end| **end <= at).unwrap();
    for at in (1..whole.len()).step_by(3) {
        fs::write(&file, &whole[..at]).unwrap();
        let (sound, told) = ours(&["check-aof"], &file);
        assert_eq!(
            (sound, redis("redis-check-aof", &file)),
            (ends.contains(&at), ends.contains(&at)),
            "{at}: {told}"
        );
        assert_eq!(number(&told, "ok_up_to="), Some(kept_of(at) as u64), "{told}");
    }
    let mut bad = 0;
    for at in (0..whole.len()).step_by(2) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at / 2 % 8);
        fs::write(&file, &bytes).unwrap();
        let ((sound, told), theirs) = (ours(&["check-aof"], &file), redis("redis-check-aof", &file));
        // Redis's does not look at names, numbers of words, or the ends of lines.
        assert!(!sound || theirs, "byte {at}: {told}");
        if sound {
            continue;
        }
        bad += 1;
        let (mended, told) = ours(&["check-aof", "--fix"], &file);
        assert!(mended && redis("redis-check-aof", &file), "byte {at}: {told}");
        let left = fs::read(&file).unwrap();
        assert_eq!(left, whole[..kept_of(at)], "byte {at}: {told}");
    }
    assert!(bad > whole.len() / 4, "{bad} of {}", whole.len());
}
