//! Changes to a running configuration.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{TempDir, load_text, shown, some_commands};
use crate::config::{Caller, ConfigStore, ROWS, Sources, View, When, load};

const ANYONE: Caller = Caller { local: false, loading: false };

fn store(options: &str) -> ConfigStore {
    let sources = Sources { options: options.into(), ..Sources::default() };
    ConfigStore::new(&load(&sources, Path::new("/"), &some_commands).unwrap())
}

fn set(store: &ConfigStore, pairs: &[(&str, &str)], caller: Caller) -> Result<(), String> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    store.set_many(&pairs, caller).map_err(|error| error.text().to_owned())
}

fn failed(name: &str, reason: &str) -> Result<(), String> {
    Err(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"))
}

#[test]
fn all_or_nothing() {
    let store = store("");
    set(&store, &[("maxmemory", "1"), ("hz", "20"), ("Timeout", "3")], ANYONE).unwrap();
    let config = store.get();
    assert_eq!((config.maxmemory, config.hz, config.timeout), (1, 20, 3));
    let reason = "argument couldn't be parsed into an integer";
    assert_eq!(set(&store, &[("maxmemory", "2"), ("hz", "x")], ANYONE), failed("hz", reason));
    assert_eq!(store.get().maxmemory, 1);
    let unknown = Err("ERR Unknown option or number of arguments for CONFIG SET - 'NoSuch'".to_owned());
    assert_eq!(set(&store, &[("hz", "x"), ("NoSuch", "1")], ANYONE), unknown);
    assert_eq!(set(&store, &[("NoSuch", "1"), ("hz", "x")], ANYONE), unknown);
    let duplicate = failed("maxmemory", "duplicate parameter");
    assert_eq!(set(&store, &[("MAXMEMORY", "1"), ("maxmemory", "2")], ANYONE), duplicate);
    // An alias is a name of its own; the later one wins.
    set(&store, &[("hash-max-listpack-value", "64"), ("hash-max-ziplist-value", "65")], ANYONE).unwrap();
    assert_eq!(store.get().hash_max_listpack_value, 65);
}

#[test]
fn who_may_and_when() {
    let immutable = failed("daemonize", "can't set immutable config");
    assert_eq!(set(&store(""), &[("daemonize", "yes"), ("nosuch", "1")], ANYONE), immutable);
    // Even if nothing would change; but those of others may be told back what they are.
    assert!(set(&store(""), &[("daemonize", "no")], ANYONE).is_err());
    assert_eq!(set(&store(""), &[("server-threads", "0"), ("bio-cpulist", "")], ANYONE), Ok(()));
    assert!(set(&store(""), &[("server-threads", "2")], ANYONE).is_err());
    let local = Caller { local: true, ..ANYONE };
    let protected = failed("dbfilename", "can't set protected config");
    for (permission, anyone, near) in [("no", false, false), ("local", false, true), ("yes", true, true)] {
        let store = store(&format!("enable-protected-configs {permission}"));
        let expected = |may| if may { Ok(()) } else { protected.clone() };
        assert_eq!(set(&store, &[("dbfilename", "x")], ANYONE), expected(anyone));
        assert_eq!(set(&store, &[("dbfilename", "x")], local), expected(near));
    }
    let loading = Caller { loading: true, ..ANYONE };
    let store = store("enable-protected-configs yes");
    let refusal = Err("LOADING Redis is loading the dataset in memory".to_owned());
    assert_eq!(set(&store, &[("dir", "/")], loading), refusal);
    assert_eq!(set(&store, &[("hz", "11")], loading), Ok(()));
}

#[test]
fn hooks_may_refuse_and_are_taken_back() {
    let store = store("");
    let calls = Arc::new(Mutex::new(Vec::new()));
    let log = calls.clone();
    store.on_change(&["maxmemory", "hz"], move |change| {
        log.lock().unwrap().push((change.old.maxmemory, change.new.maxmemory));
        Ok(())
    });
    store.on_change(&["port"], |change| {
        if change.new.port == 99 { Err("Unable to listen on this port".into()) } else { Ok(()) }
    });
    let before = store.generation();
    let refused = set(&store, &[("timeout", "5"), ("port", "99"), ("maxmemory", "7")], ANYONE);
    assert_eq!(refused, failed("port", "Unable to listen on this port"));
    assert_eq!(store.get().timeout, 0);
    assert_eq!(store.generation(), before);
    assert_eq!(*calls.lock().unwrap(), [(0, 7), (7, 0)]);

    set(&store, &[("port", "98"), ("maxmemory", "0"), ("hz", "10")], ANYONE).unwrap();
    assert_eq!(calls.lock().unwrap().len(), 2, "what does not change calls nobody");
    set(&store, &[("hz", "11")], ANYONE).unwrap();
    assert_eq!(calls.lock().unwrap().len(), 3);
}

#[test]
fn a_file_that_is_named_again_may_have_changed() {
    let store = store("tls-cert-file /x");
    let calls = Arc::new(Mutex::new(0));
    let count = calls.clone();
    store.on_change(&["tls-cert-file"], move |_| {
        *count.lock().unwrap() += 1;
        Ok(())
    });
    set(&store, &[("tls-cert-file", "/x")], ANYONE).unwrap();
    assert_eq!(*calls.lock().unwrap(), 1);
}

#[test]
fn a_view_notices_changes() {
    let store = Arc::new(store(""));
    let mut view = View::new(store.clone());
    assert!(!view.refresh());
    set(&store, &[("slowlog-log-slower-than", "-1")], ANYONE).unwrap();
    assert_eq!(view.slowlog_log_slower_than, 10000, "not in mid-batch");
    assert!(view.refresh());
    assert_eq!(view.slowlog_log_slower_than, -1);
    store.update(|config| config.replicaof.0.clear());
    assert!(view.refresh() && !view.refresh());
}

#[test]
fn what_has_no_effect_yet_is_reported_once() {
    let dir = TempDir::new("unmet");
    let store = ConfigStore::new(&load_text(&dir, "syslog-enabled yes\nhz 20\nio-threads 4\n").unwrap());
    let names = |store: &ConfigStore| store.unmet().iter().map(|row| row.name).collect::<Vec<_>>();
    assert_eq!(names(&store), ["syslog-enabled"]);
    assert!(names(&store).is_empty());
    set(&store, &[("cluster-node-timeout", "1")], ANYONE).unwrap();
    assert_eq!(names(&store), ["cluster-node-timeout"]);
    assert_eq!(shown(&store.get(), "syslog-enabled"), "yes");
}

#[test]
fn defragmentation_is_refused_live_only() {
    let store = store("activedefrag yes");
    assert!(store.get().activedefrag);
    set(&store, &[("activedefrag", "no")], ANYONE).unwrap();
    let refused = set(&store, &[("activedefrag", "yes")], ANYONE).unwrap_err();
    assert!(refused.contains("Active defragmentation cannot be enabled"), "{refused}");
}

/// What CONFIG GET says can be said to CONFIG SET, and changes nothing: tools copy configurations that way.
#[test]
fn what_is_shown_can_be_set() {
    let dir = TempDir::new("copy");
    let sample = include_str!("../testdata/redis.conf")
        .replace("activedefrag yes", "")
        .replace("protected-configs local", "protected-configs yes");
    for text in [&sample, "enable-protected-configs yes\n"] {
        let store = ConfigStore::new(&load_text(&dir, text).unwrap());
        store.on_change(&["maxmemory", "save", "client-output-buffer-limit", "bind"], |_| {
            Err("changed".into())
        });
        for row in ROWS.iter().filter(|row| row.when == When::Live) {
            for name in row.names() {
                let value = shown(&store.get(), name);
                set(&store, &[(name, &value)], ANYONE).unwrap_or_else(|reason| panic!("{reason}"));
                assert_eq!(shown(&store.get(), name), value, "{name}");
            }
        }
    }
}
