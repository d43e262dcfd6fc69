//! The same with a member of a mesh, to which others write at the same time.
//!
//! When it comes back, and before it has any peer again, it has all that was acknowledged, whatever `appendfsync` says: that is for
//! when the machine fails.

use super::{SOON, number_from, start_again};
use crate::writer::Writer;
use harness::mesh::{Mesh, info};
use harness::random::Rng;
use harness::wait::wait_until;
use harness::{Kind, Server};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Those who write to the member that is killed, and to the other one.
const HERE: usize = 3;
const THERE: usize = 1;
const LONGEST_MS: usize = 1_500;

#[test]
fn a_member_keeps_what_was_acknowledged_with_always() {
    play("always");
}

#[test]
fn a_member_keeps_what_was_acknowledged_with_everysec() {
    play("everysec");
}

#[test]
fn a_member_keeps_what_was_acknowledged_with_no() {
    play("no");
}

fn play(policy: &str) {
    let rounds = number_from("KILL_ROUNDS", 4);
    let mut rng = Rng::new(number_from("KILL_SEED", 1));
    let options = ["--appendonly", "yes", "--appendfsync", policy, "--auto-aof-rewrite-min-size", "300kb"];
    let mut mesh = Mesh::start_with(2, &options);
    mesh.nodes.iter().for_each(wait_based);
    let oracle = Server::start(Kind::Redis);
    let mut writers: Vec<Writer> = (0..HERE + THERE).map(|db| Writer::new(db, rng.bits())).collect();
    let mut acknowledged = 0;
    for round in 0..rounds {
        acknowledged += round_of(&mut mesh, &mut writers, &mut rng, round);
        mesh.cut(0, 1);
        start_again(&mut mesh.nodes[0], &mut rng);
        let what = format!("appendfsync {policy}, round {round}, alone");
        compare(&mut writers[..HERE], &mesh.nodes[0], &oracle, &what);
        mesh.heal();
        mesh.follow(0, 1);
        mesh.wait_linked();
        mesh.wait_equal();
        let what = format!("appendfsync {policy}, round {round}, together");
        compare(&mut writers[..HERE], &mesh.nodes[1], &oracle, &what);
        compare(&mut writers[HERE..], &mesh.nodes[0], &oracle, &what);
        writers.iter_mut().for_each(Writer::forget);
    }
    println!("appendfsync {policy}: {acknowledged} requests acknowledged, {rounds} kills of a member");
}

fn compare(writers: &mut [Writer], ours: &Server, oracle: &Server, what: &str) {
    for writer in writers {
        if let Err(difference) = writer.compare(ours, oracle, Instant::now()) {
            panic!("{what}, {writer:?}: {difference}\n{}", ours.log());
        }
    }
}

/// Has all write until the first member is killed; how many requests were acknowledged.
fn round_of(mesh: &mut Mesh, writers: &mut [Writer], rng: &mut Rng, round: u64) -> usize {
    let pause = Duration::from_millis(rng.below(LONGEST_MS) as u64 + 1);
    let (pid, wanted) = (mesh.nodes[0].pid().to_string(), AtomicBool::new(true));
    let acknowledged = std::thread::scope(|scope| {
        let (nodes, wanted) = (&mesh.nodes, &wanted);
        let of = |i: usize| &nodes[usize::from(i >= HERE)];
        let threads: Vec<_> = writers
            .iter_mut()
            .enumerate()
            .map(|(i, writer)| scope.spawn(move || writer.write(of(i), wanted)))
            .collect();
        if round % 3 == 2 {
            let _ = nodes[0].client().cmd("BGREWRITEAOF");
        }
        std::thread::sleep(pause);
        std::process::Command::new("kill").args(["-9", &pid]).status().expect("kill runs");
        // Who is still there goes on for a while.
        std::thread::sleep(pause / 4);
        wanted.store(false, Relaxed);
        threads.into_iter().map(|thread| thread.join().expect("a writer ends")).sum()
    });
    mesh.nodes[0].kill();
    acknowledged
}

/// Waits until a start would find everything.
fn wait_based(server: &Server) {
    let based = || {
        let files = std::fs::read_dir(server.dir().join("appendonlydir")).into_iter().flatten().flatten();
        files.map(|file| file.path()).any(|path| path.extension().is_some_and(|end| end == "base"))
    };
    wait_until("a base", SOON, based);
    let mut client = server.client();
    wait_until("the rewrite's end", SOON, || info(&mut client, "aof_rewrite_in_progress") == "0");
}
