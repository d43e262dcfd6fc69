//! The file of users, read by both servers: what is wrong with it is told in the same words, and what is right has the same effect.

use harness::random::Rng;
use harness::{Client, Kind, Server};

const FILES: usize = 500;

/// (No parentheses: at one without its other, which a NUL byte makes, too, Redis 7.0.15 ends now and then.)
const WORDS: &[&str] = &[
    "user",
    "user",
    "user",
    "default",
    "a",
    "b",
    "a",
    "on",
    "off",
    "nopass",
    ">secret",
    "<secret",
    "resetpass",
    "~*",
    "~k*",
    "%R~r",
    "%W~w",
    "%X~x",
    "&*",
    "&c",
    "allkeys",
    "resetkeys",
    "allchannels",
    "resetchannels",
    "+@all",
    "-@all",
    "+get",
    "-get",
    "+@read",
    "-@nothing",
    "+nothing",
    "+config|get",
    "-config|set",
    "+config|nothing",
    "+get|a",
    "clearselectors",
    "reset",
    "#zz",
    "nocommands",
    "allcommands",
    "bad",
    "",
    "\t",
    "\r",
];

/// A line that may be right, with something in it now and then that has no place in such a file.
fn line(rng: &mut Rng) -> Vec<u8> {
    let mut line = Vec::new();
    if rng.percent(80) {
        line.extend(format!("user {} ", rng.pick(&["a", "b", "c"])).into_bytes());
    }
    for _ in 0..rng.below(6) {
        line.extend(rng.pick(WORDS).as_bytes());
        line.push(b' ');
    }
    if rng.percent(3) {
        line.extend(vec![b'x'; 1000 + rng.below(100)]);
    }
    if rng.percent(8) {
        let at = rng.below(line.len() + 1);
        line.insert(at, *rng.pick(&[0, 0, 0, b'%', b'"', 7]));
    }
    line
}

fn ask(client: &mut Client, line: &str) -> String {
    client.cmd(line).map_or_else(|e| format!("gone: {e}"), |reply| reply.to_string())
}

#[test]
fn files_are_read_as_redis_reads_them() {
    let dir = harness::server::fresh_dir("acl");
    let file = dir.join("users.acl");
    let path = file.display().to_string();
    std::fs::write(&file, "user default on nopass ~* &* +@all\n").unwrap();
    let servers = [Kind::Redis, Kind::Everwrite].map(|kind| Server::start_with(kind, &["--aclfile", &path]));
    let [mut redis, mut ours] = [0, 1].map(|i| servers[i].client());
    let mut rng = Rng::new(7);
    let mut refused = 0;
    for number in 0..FILES {
        let mut text: Vec<u8> = Vec::new();
        for _ in 0..rng.below(4) {
            text.extend(line(&mut rng));
            text.push(b'\n');
        }
        // The connections of this test stay; a second line for their user is refused.
        text.extend(b"user default on nopass ~* &* +@all\n");
        std::fs::write(&file, &text).unwrap();
        let answers = [&mut redis, &mut ours].map(|client| ask(client, "ACL LOAD"));
        let shown = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(answers[1], answers[0], "file {number}: {shown:?}");
        refused += usize::from(answers[0].starts_with('-'));
        if answers[0].starts_with('-') {
            continue;
        }
        let lists = [&mut redis, &mut ours].map(|client| ask(client, "ACL LIST"));
        assert_eq!(lists[1], lists[0], "file {number}: {shown:?}");
    }
    assert!((FILES / 10..FILES * 99 / 100).contains(&refused), "{refused} of {FILES} refused");
}
