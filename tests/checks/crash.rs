//! What a process leaves behind when it crashes.

use harness::wait::wait_until;
use harness::{Kind, Server, Value};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// The log of a server that has been made to crash, when its report is complete.
fn report_of(server: &Server) -> String {
    wait_until("the report's end", SOON, || server.log().contains("BUG REPORT END"));
    server.log()
}

fn assert_has(log: &str, parts: &[&str]) {
    for part in parts {
        assert!(log.contains(part), "{part} is missing in\n{log}");
    }
}

#[test]
fn a_bad_memory_access_is_reported() {
    let server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    client.cmd("CLIENT SETNAME culprit").unwrap();
    client.cmd("SET secret hidden").unwrap();
    assert!(client.cmd("DEBUG SEGFAULT").is_err(), "the server is gone");
    let log = report_of(&server);
    assert_has(
        &log,
        &["crashed by signal: 11 (SIGSEGV)", "Accessing address: 0x8", "STACK TRACE", "segfault"],
    );
    assert_has(
        &log,
        &[
            "CURRENT CLIENT",
            "name=culprit",
            "cmd=debug",
            "INFO OUTPUT",
            "# Server",
            "# Keyspace",
            "db0:keys=1",
        ],
    );
    assert_has(&log, &["CLIENT LIST OUTPUT"]);
    assert!(!log.contains("hidden"), "the log tells what clients stored:\n{log}");
}

#[test]
fn a_signal_from_outside_is_reported() {
    let mut server = Server::start(Kind::Everwrite);
    std::process::Command::new("kill").args(["-ABRT", &server.pid().to_string()]).status().unwrap();
    let log = report_of(&server);
    assert_has(&log, &["crashed by signal: 6 (SIGABRT)", "Killed by PID: ", "STACK TRACE", "# Server"]);
    server.start_again();
    assert_eq!(server.client().cmd("PING").unwrap(), Value::Simple("PONG".into()));
}

/// With locks held, what needs them can't be had: the process must end all the same, and say what it can.
#[test]
fn a_crash_in_a_transaction_does_not_hang() {
    let server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    for line in ["MULTI", "SET k v", "DEBUG SEGFAULT"] {
        client.cmd(line).unwrap();
    }
    assert!(client.cmd("EXEC").is_err());
    let log = report_of(&server);
    assert_has(&log, &["crashed by signal: 11", "STACK TRACE", "CLIENT LIST OUTPUT", "# Server", "# CPU"]);
}

#[test]
fn reports_can_be_switched_off() {
    let mut server = Server::start(Kind::Everwrite);
    server.client().cmd("CONFIG SET crash-log-enabled no").unwrap();
    assert!(server.client().cmd("DEBUG SEGFAULT").is_err());
    server.terminate();
    assert!(!server.log().contains("STACK TRACE"));
}
