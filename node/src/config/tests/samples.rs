//! Whole files as people have them.

use super::{TempDir, load_text, shown};
use crate::config::values::{ClientClass, Master, SaveRule};
use crate::config::{Config, ROWS, Source};

#[test]
fn a_redis_conf_with_everything() {
    let text = include_str!("../testdata/redis.conf");
    let dir = TempDir::new("sample");
    let loaded = load_text(&dir, text).unwrap();
    let defaults = Config::new(dir.path());
    let at_default: Vec<_> = ROWS
        .iter()
        .filter(|row| row.source == Source::Redis && row.same(&loaded.config, &defaults))
        .map(|row| row.name)
        .collect();
    // Two that would need a file, one that must not be on for a replica, and the directory that it is in.
    let mut expected = vec!["logfile", "aclfile", "cluster-enabled", "dir"];
    expected.sort();
    let mut at_default = at_default;
    at_default.sort();
    assert_eq!(at_default, expected);
    assert_eq!((loaded.users.len(), loaded.renames.pairs().len()), (1, 2));

    let config = loaded.config;
    assert_eq!(config.maxmemory, 3 << 30);
    assert_eq!(config.maxmemory_clients.of(config.maxmemory), (3 << 30) / 10);
    assert_eq!(&*config.masterauth, b"pass word");
    assert_eq!(config.replicaof.0, [Master { host: "10.0.0.2".into(), port: 6379 }]);
    let rules = [(900, 1), (300, 10), (60, 10000)].map(|(seconds, changes)| SaveRule { seconds, changes });
    assert_eq!(config.save.rules(), rules);
    assert_eq!(config.client_output_buffer_limit.of(ClientClass::Replica).soft_seconds, 120);
    assert_eq!(config.unixsocketperm, 0o770);
}

#[test]
fn a_keydb_conf() {
    let dir = TempDir::new("keydb");
    let config = load_text(&dir, include_str!("../testdata/keydb.conf")).unwrap().config;
    assert_eq!(config.server_threads, 4);
    assert!(config.active_replica && config.multi_master && config.multi_master_no_forward);
    assert!(!config.replica_read_only, "an active replica takes writes, whatever else is said");
    let ports: Vec<_> = config.replicaof.0.iter().map(|master| master.host.as_str()).collect();
    assert_eq!(ports, ["10.0.0.2", "10.0.0.3"]);
    assert_eq!(shown(&config, "replicaof"), "10.0.0.3 6379");
    for row in ROWS.iter().filter(|row| row.source == Source::KeyDb) {
        let text = include_str!("../testdata/keydb.conf");
        assert!(text.lines().any(|line| line.split(' ').next() == Some(row.name)), "{}", row.name);
    }
}

#[test]
fn masters_without_multi_master() {
    let dir = TempDir::new("masters");
    let config = load_text(&dir, "replicaof a 1\nreplicaof b 2\n").unwrap().config;
    assert_eq!(config.replicaof.0.len(), 1);
    let error = load_text(&dir, "multi-master yes\n").unwrap_err();
    assert!(error.ends_with("\nmulti-master requires active-replica yes"), "{error}");
}

#[test]
fn an_error_in_an_included_file_names_it() {
    let dir = TempDir::new("included");
    let path = dir.write("inner.conf", "# x\nhz abc\n");
    let error = load_text(&dir, "hz 5\ninclude inner.conf\n").unwrap_err();
    let place = format!("at line 2 of {}\n>>> 'hz abc'\nargument couldn't", path.display());
    assert!(error.contains(&place), "{error}");
    dir.write("self.conf", "include self.conf\n");
    assert!(load_text(&dir, "include self.conf\n").unwrap_err().contains("nested too deeply"));
    let error = load_text(&dir, "include none.conf\n").unwrap_err();
    let path = dir.path().join("none.conf");
    assert_eq!(
        error,
        format!("Fatal error, can't open config file '{}': No such file or directory", path.display())
    );
}

#[test]
fn the_sample_that_is_deployed() {
    let dir = TempDir::new("deployed");
    let config = load_text(&dir, include_str!("../../../../deploy/everwrite.conf")).unwrap().config;
    assert_eq!((config.port, config.server_threads, config.maxclients), (6379, 0, 10_000));
    assert_eq!(config.bind.0, ["127.0.0.1", "-::1"]);
}
