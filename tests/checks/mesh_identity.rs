//! Members that take a new identity while they are written to.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use harness::mesh::{Mesh, SOON, info};
use harness::wait::wait_until;
use harness::{Client, Value};

const COUNTERS: usize = 4;

/// Has writers stop, however a test ends.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Writes until it is told to stop: counts, and numbers of its own at the ends of lists. Returns how often it has counted.
fn write(mut client: Client, who: &str, ended: &AtomicBool) -> i64 {
    let mut counted = 0;
    for round in 0.. {
        let mut requests = Vec::new();
        for i in 0..COUNTERS {
            requests.push(format!("INCR count:{i}"));
            requests.push(format!("RPUSH list:{i} {who}:{round}"));
        }
        requests.push(format!("LPOP list:{}", round % COUNTERS));
        requests.push(format!("SADD all {who}:{round}"));
        for line in &requests {
            client.send(&line.split(' ').collect::<Vec<_>>()).expect("the node takes it");
        }
        for line in &requests {
            let reply = client.receive().expect("an answer");
            assert!(!reply.is_error(), "{line}: {reply}");
        }
        counted += 1;
        thread::sleep(Duration::from_millis(1));
        if ended.load(SeqCst) {
            break;
        }
    }
    counted
}

/// What is written just before belongs to the old identity, what comes after to the new one, wherever one looks: nothing is told
/// twice or under two names.
#[test]
fn a_new_identity_in_the_middle_of_writes_tells_each_once() {
    let mesh = Mesh::start(2);
    let ended = AtomicBool::new(false);
    let mut former = Vec::new();
    let counted: i64 = thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|n| {
                let (client, ended) = (mesh.client(n % 2), &ended);
                scope.spawn(move || write(client, &format!("w{n}"), ended))
            })
            .collect();
        let end = End(&ended);
        let mut a = mesh.client(0);
        for _ in 0..6 {
            thread::sleep(Duration::from_millis(150));
            former.push(info(&mut a, "mesh_uuid"));
            let reply = a.cmd("REPLICATION NEWID").expect("an answer");
            assert_eq!(reply, Value::Simple("OK".into()));
            mesh.wait_links(0, 1);
        }
        drop(end);
        writers.into_iter().map(|writer| writer.join().expect("it writes to the end")).sum()
    });
    mesh.wait_linked();
    for i in 0..COUNTERS {
        mesh.wait_for(&format!("GET count:{i}"), &Value::Bulk(counted.to_string().into()));
    }
    mesh.wait_for("SCARD all", &Value::Int(counted));
    mesh.wait_equal();
    for node in 0..2 {
        let mut client = mesh.client(node);
        for id in &former {
            let forgets =
                || client.cmd(&format!("REPLICATION FORGET {id}")).is_ok_and(|reply| !reply.is_error());
            wait_until("a former identity to be forgotten", SOON, forgets);
        }
    }
    mesh.wait_settled();
    mesh.wait_equal();
}

/// Writes for 300 ms, and returns how often.
const LONG: &str = "local n, since = 0, redis.call('TIME')
repeat
  n = n + 1
  redis.call('INCR', KEYS[1])
  redis.call('RPUSH', KEYS[2], n)
  local now = redis.call('TIME')
until (now[1] - since[1]) * 1000000 + now[2] - since[2] > 300000
return n";

/// A script that is under way when the identity changes belongs to one of the two, as a whole.
#[test]
fn a_new_identity_in_the_middle_of_a_script_tells_it_once() {
    let mesh = Mesh::start(2);
    let (mut a, mut runs, mut b) = (mesh.client(0), mesh.client(0), mesh.client(1));
    a.cmd("SADD before 1").unwrap();
    mesh.wait_for("SCARD before", &Value::Int(1));
    runs.send(&["EVAL", LONG, "2", "count", "list"]).unwrap();
    thread::sleep(Duration::from_millis(100));
    assert_eq!(a.cmd("REPLICATION NEWID").unwrap(), Value::Simple("OK".into()));
    let written = runs.receive().unwrap().int().expect("how often it has written");
    mesh.wait_linked();
    mesh.wait_for("GET count", &Value::Bulk(written.to_string().into()));
    mesh.wait_for("LLEN list", &Value::Int(written));
    // What it has put there is what the other end knows it by.
    for _ in 0..3 {
        b.cmd("LSET list 3 other").unwrap();
        b.cmd("LPOP list").unwrap();
        b.cmd("INCR count").unwrap();
    }
    mesh.wait_for("LLEN list", &Value::Int(written - 3));
    mesh.wait_for("GET count", &Value::Bulk((written + 3).to_string().into()));
    mesh.wait_equal();
}

/// Who waits for a write waits for that one, under whatever name it reaches the others.
#[test]
fn who_waits_for_a_write_gets_an_answer_under_the_new_identity() {
    let mesh = Mesh::start(2);
    let (mut a, mut waits) = (mesh.client(0), mesh.client(0));
    (0..50).for_each(|i| drop(a.cmd(&format!("SET key:{i} 1"))));
    mesh.cut(0, 1);
    mesh.wait_links(0, 0);
    waits.cmd("SET last 1").unwrap();
    waits.send(&["WAIT", "1", "0"]).unwrap();
    // It is seen to wait before anything else is asked.
    wait_until("a client to wait", SOON, || info(&mut a, "blocked_clients") == "1");
    assert_eq!(a.cmd("REPLICATION NEWID").unwrap(), Value::Simple("OK".into()));
    mesh.heal();
    assert_eq!(waits.receive().unwrap(), Value::Int(1));
    mesh.wait_for("GET last", &Value::Bulk("1".into()));
}
