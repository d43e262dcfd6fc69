//! Every directive there is: one row each.
//!
//! A row is
//!
//! ```text
//! field: Type, "name" ["alias", ...], "default", bounds, Live | Boot, Now | Later | Inert, whose, [flags];
//! ```
//!
//! and from it derive the field of [`Config`], what files, the command line and CONFIG SET accept, what CONFIG GET and
//! REWRITE say, and the reference page, `docs/configuration.md`. To add a directive, add a row, run
//! `UPDATE=1 cargo test -p everwrite config::`, and read the field.
//!
//! The defaults are Redis 7.0.15's unless the sentence says otherwise. `Now` promises that the value does what the sentence
//! says; a directive whose feature is not there yet is `Later`, and is reported in the log when somebody sets it.

use super::checks::*;
use super::choice::*;
use super::row::*;
use super::table::*;
use super::values::*;

directives! {
    "Network" {
        /// Addresses to listen on, at most 16. A leading `-` makes an address optional; `*` is every IPv4, `::*` every IPv6 interface.
        bind: BindAddresses, "bind" [], "* -::*", own(), Live, Now, Redis, [MULTI_ARG];
        /// Local address that outgoing connections (to a master, a peer, a cluster node) start from; empty lets the system choose.
        bind_source_addr: String, "bind-source-addr" [], "", text(), Live, Now, Redis, [OMIT_EMPTY];
        /// TCP port to listen on; 0 closes it.
        port: u16, "port" [], "6379", int(0, 65535), Live, Now, Redis, [];
        /// Connections the kernel may hold before they are accepted.
        tcp_backlog: u32, "tcp-backlog" [], "511", int(0, I32), Boot, Now, Redis, [];
        /// Seconds of silence after which the kernel probes whether a client is still there; 0 turns probing off.
        tcp_keepalive: u32, "tcp-keepalive" [], "300", int(0, I32), Live, Now, Redis, [];
        /// Seconds after which an idle client is disconnected; 0 for never. Replicas and subscribers are exempt.
        timeout: u32, "timeout" [], "0", int(0, I32), Live, Now, Redis, [];
        /// Answer only local clients while the default user has no password.
        protected_mode: bool, "protected-mode" [], "yes", yes_no(), Live, Now, Redis, [];
        /// Path of a Unix domain socket to listen on as well; empty for none.
        unixsocket: String, "unixsocket" [], "", text(), Boot, Now, Redis, [OMIT_EMPTY];
        /// Permission bits of that socket, in octal; 0 leaves what the umask gives.
        unixsocketperm: u32, "unixsocketperm" [], "0", octal(0o777), Boot, Now, Redis, [];
        /// Mark (SO_MARK) for listening and outgoing sockets, for routing and filtering; 0 for none.
        socket_mark_id: u32, "socket-mark-id" [], "0", int(0, U32), Boot, Later, Redis, [];
        /// New connections accepted in one turn of an event loop. Acceptance has a thread of its own here.
        max_new_connections_per_cycle: u32, "max-new-connections-per-cycle" [], "10", int(1, 1000), Live, Inert, Redis74, [];
        /// The same for TLS connections.
        max_new_tls_connections_per_cycle: u32, "max-new-tls-connections-per-cycle" [], "1", int(1, 1000), Live, Inert, Redis74, [];
        /// Group that owns the Unix domain socket.
        unixsocketgroup: String, "unixsocketgroup" [], "", text(), Boot, Later, Valkey, [OMIT_EMPTY];
        /// TCP port for the memcached text protocol; 0 for none.
        memcached_port: u16, "memcached_port" ["memcache_port"], "0", int(0, 65535), Boot, Now, Dragonfly, [];
        /// Longest value that is stored through it.
        memcached_item_size_max: u64, "memcached-item-size-max" [], "1mb", mem(1024, 1 << 30), Live, Now, Everwrite, [];
    }
    "Threads" {
        /// Worker threads, each serving its own clients; 0, unlike KeyDB's 1, takes one per core this process may use.
        server_threads: u32, "server-threads" [], "0", int(0, 1024), Boot, Now, KeyDb, [];
        /// Pin workers to cores: `true`, `false`, or the number of the first core.
        server_thread_affinity: Affinity, "server-thread-affinity" [], "no", own(), Boot, Now, KeyDb, [];
        /// Clients a thread takes before the next is used. Beyond that, new connections go to the worker with the fewest.
        min_clients_per_thread: u32, "min-clients-per-thread" [], "50", int(0, 400), Live, Now, KeyDb, [];
        /// Move clients from a thread that is always busy to one that has time.
        active_client_balancing: bool, "active-client-balancing" [], "yes", yes_no(), Live, Now, KeyDb, [];
        /// How many clients a replica counts for when clients are spread.
        replica_weighting_factor: u32, "replica-weighting-factor" [], "2", int(0, 1000), Live, Inert, KeyDb, [];
        /// Real-time priority for the clock thread; there is none here.
        time_thread_priority: bool, "time-thread-priority" [], "no", yes_no(), Boot, Inert, KeyDb, [];
        /// Fetch table entries ahead of the commands that need them.
        prefetch_enabled: bool, "prefetch-enabled" [], "yes", yes_no(), Live, Inert, KeyDb, [];
        /// Grow tables in the background. Tables grow in small steps here.
        enable_async_rehash: bool, "enable-async-rehash" [], "yes", yes_no(), Live, Inert, KeyDb, [];
        /// Run reads on a snapshot, outside a global lock; there is no global lock here.
        enable_async_commands: bool, "enable-async-commands" [], "no", yes_no(), Live, Inert, KeyDb, [];
        /// Age in ms such a snapshot may have.
        max_snapshot_slip: u32, "max-snapshot-slip" [], "400", int(0, 5000), Live, Inert, KeyDb, [];
        /// Helper threads for reading and writing sockets. Workers do their own; see server-threads.
        io_threads: u32, "io-threads" [], "1", int(1, 128), Boot, Inert, Redis, [];
        /// Whether those helpers read as well.
        io_threads_do_reads: bool, "io-threads-do-reads" [], "no", yes_no(), Boot, Inert, Redis, [];
        /// Events that wake another I/O thread.
        events_per_io_thread: u32, "events-per-io-thread" [], "2", int(0, 2147483647), Live, Inert, Valkey, [];
        /// Keys fetched ahead in one batch.
        prefetch_batch_max_size: u32, "prefetch-batch-max-size" [], "16", int(0, 128), Live, Inert, Valkey, [];
        /// Cores for the workers, as in `0-3,8` or `0-7:2`.
        server_cpulist: String, "server_cpulist" ["server-cpulist"], "", text(), Boot, Later, Redis, [OMIT_EMPTY];
        /// Cores for background threads.
        bio_cpulist: String, "bio_cpulist" ["bio-cpulist"], "", text(), Boot, Later, Redis, [OMIT_EMPTY];
        /// Cores for rewriting the append-only file.
        aof_rewrite_cpulist: String, "aof_rewrite_cpulist" ["aof-rewrite-cpulist"], "", text(), Boot, Later, Redis, [OMIT_EMPTY];
        /// Cores for saving snapshots.
        bgsave_cpulist: String, "bgsave_cpulist" ["bgsave-cpulist"], "", text(), Boot, Later, Redis, [OMIT_EMPTY];
    }
    "General" {
        /// Detach from the terminal and run in the background.
        daemonize: bool, "daemonize" [], "no", yes_no(), Boot, Now, Redis, [];
        /// How to tell the service manager that the node is ready.
        supervised: Supervised, "supervised" [], "no", own(), Boot, Later, Redis, [];
        /// File that holds the process id while the node runs; empty for none.
        pidfile: String, "pidfile" [], "", text(), Boot, Now, Redis, [OMIT_EMPTY];
        /// Least important message that is logged.
        loglevel: LogLevel, "loglevel" [], "notice", own(), Live, Now, Redis, [];
        /// File to append log lines to; empty for standard output.
        logfile: String, "logfile" [], "", text(), Boot, Now, Redis, [];
        /// Shape of a log line.
        log_format: LogFormat, "log-format" [], "legacy", own(), Live, Later, Valkey, [];
        /// Shape of the time in a log line.
        log_timestamp_format: LogTimestamp, "log-timestamp-format" [], "legacy", own(), Live, Later, Valkey, [];
        /// Keep keys and values out of the log. They are never logged here.
        hide_user_data_from_log: bool, "hide-user-data-from-log" [], "no", yes_no(), Live, Inert, Redis74, [];
        /// Send log lines to syslog as well.
        syslog_enabled: bool, "syslog-enabled" [], "no", yes_no(), Boot, Later, Redis, [];
        /// Name under which syslog shows them.
        syslog_ident: String, "syslog-ident" [], "redis", text(), Boot, Later, Redis, [];
        /// Syslog facility they are filed under.
        syslog_facility: SyslogFacility, "syslog-facility" [], "local0", own(), Boot, Later, Redis, [];
        /// Number of databases that SELECT may choose from.
        databases: u32, "databases" ["dbnum"], "16", int(1, I32), Boot, Now, Redis, [];
        /// Print a banner even when the log is not a terminal. There is no banner.
        always_show_logo: bool, "always-show-logo" [], "no", yes_no(), Boot, Inert, Redis, [];
        /// Fetch and print a message of the day. There is none.
        enable_motd: bool, "enable-motd" [], "yes", yes_no(), Boot, Inert, KeyDb, [];
        /// Show the node's state in the process list.
        set_proc_title: bool, "set-proc-title" [], "yes", yes_no(), Boot, Now, Redis, [];
        /// What the process list shows. Variables: {title} {listen-addr} {server-mode} {port} {tls-port} {unixsocket} {config-file}.
        proc_title_template: String, "proc-title-template" [], "{title} {listen-addr} {server-mode}", text_like(title_template), Live, Now, Redis, [];
        /// Housekeeping rounds a second, from 1 to 500.
        hz: u32, "hz" [], "10", int_within(0, I32, 1, 500), Live, Now, Redis, [];
        /// More rounds when there are many clients.
        dynamic_hz: bool, "dynamic-hz" [], "yes", yes_no(), Live, Now, Redis, [];
        /// Write a report when the process crashes.
        crash_log_enabled: bool, "crash-log-enabled" [], "yes", yes_no(), Live, Now, Redis, [];
        /// Test the memory after a crash.
        crash_memcheck_enabled: bool, "crash-memcheck-enabled" [], "yes", yes_no(), Live, Inert, Redis, [];
        /// Switch transparent huge pages off for this process.
        disable_thp: bool, "disable-thp" [], "yes", yes_no(), Boot, Later, Redis, [];
        /// Tell the kernel whom to kill first when memory runs out.
        oom_score_adj: OomScoreAdj, "oom-score-adj" [], "no", own(), Live, Now, Redis, [];
        /// Scores for a master, a replica and a background child, from -2000 to 2000.
        oom_score_adj_values: OomScores, "oom-score-adj-values" [], "0 200 800", own(), Live, Now, Redis, [MULTI_ARG];
        /// Start-up warnings to leave out, such as ARM64-COW-BUG.
        ignore_warnings: String, "ignore-warnings" [], "", text(), Live, Later, Redis, [];
        /// What Ctrl-C does: `default`, or any of save, nosave, now, force.
        shutdown_on_sigint: ShutdownFlags, "shutdown-on-sigint" [], "default", own(), Live, Now, Redis, [MULTI_ARG];
        /// What SIGTERM does, in the same words.
        shutdown_on_sigterm: ShutdownFlags, "shutdown-on-sigterm" [], "default", own(), Live, Now, Redis, [MULTI_ARG];
        /// Seconds a shutdown waits for replicas that lag behind.
        shutdown_timeout: u32, "shutdown-timeout" [], "10", int(0, I32), Live, Now, Redis, [];
        /// On a signal, refuse new clients and exit when the last one has left.
        soft_shutdown: bool, "soft-shutdown" [], "no", yes_no(), Live, Now, KeyDb, [];
        /// Locale for string comparison in Lua and SORT ALPHA; empty takes the environment's.
        locale_collate: String, "locale-collate" [], "", text(), Live, Later, Redis72, [];
        /// Name of the zone this node runs in, for clients that prefer near ones.
        availability_zone: String, "availability-zone" [], "", text(), Live, Now, KeyDb, [OMIT_EMPTY];
        /// Version to report in INFO and HELLO instead of the real one.
        version_override: String, "version-override" [], "", text(), Boot, Now, KeyDb, [OMIT_EMPTY];
        /// Present itself as Redis to clients. Always so here.
        extended_redis_compatibility: bool, "extended-redis-compatibility" [], "yes", yes_no(), Live, Inert, Valkey, [];
    }
    "Clients" {
        /// Clients served at once; more are turned away with an error.
        maxclients: u32, "maxclients" [], "10000", int(1, U32), Live, Now, Redis, [];
        /// Of these, places kept for local clients.
        maxclients_reserved: u32, "maxclients-reserved" [], "0", int(0, 100), Boot, Now, KeyDb, [];
        /// Largest request buffer of one client, in bytes.
        client_query_buffer_limit: usize, "client-query-buffer-limit" [], "1gb", mem(MIB, I64), Live, Now, Redis, [];
        /// Per class (normal, replica, pubsub): disconnect at this many unsent bytes, or at so many for so many seconds. 0 for no limit.
        client_output_buffer_limit: OutputLimits, "client-output-buffer-limit" [], "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60", own(), Live, Now, Redis, [MULTI_ARG];
        /// Largest single argument, in bytes.
        proto_max_bulk_len: u64, "proto-max-bulk-len" [], "512mb", mem(MIB, I64), Live, Now, Redis, [];
        /// Memory for all clients' buffers together, in bytes or as a percentage of maxmemory; the largest are disconnected above it. 0 for no limit.
        maxmemory_clients: MemoryShare, "maxmemory-clients" [], "0", own(), Live, Now, Redis, [];
        /// Keys remembered for client-side caching; 0 for no limit.
        tracking_table_max_keys: usize, "tracking-table-max-keys" [], "1000000", int(0, I64), Live, Now, Redis, [];
        /// Protocol version of a client that sent no HELLO.
        client_default_resp: u32, "client-default-resp" [], "2", int(2, 3), Live, Now, Redis72, [];
        /// Close some of the busiest clients each second in which the process takes more than this of its threads' processor time; 0 for never.
        overload_protect_percent: u32, "overload-protect-percent" [], "0", int(0, 200), Live, Now, KeyDb, [];
    }
    "Security" {
        /// Password of the default user; empty for none.
        requirepass: Secret, "requirepass" [], "", own(), Live, Now, Redis, [SENSITIVE, VOLATILE, OMIT_EMPTY];
        /// File with user lines, for ACL LOAD and ACL SAVE; excludes `user` lines in this file.
        aclfile: String, "aclfile" [], "", text(), Boot, Now, Redis, [];
        /// Refusals kept for ACL LOG.
        acllog_max_len: usize, "acllog-max-len" [], "128", int(0, I64), Live, Now, Redis, [];
        /// Channels a new user may use.
        acl_pubsub_default: AclPubsub, "acl-pubsub-default" [], "resetchannels", own(), Live, Now, Redis, [];
        /// Who may CONFIG SET protected directives: no, yes, or local connections.
        enable_protected_configs: Permission, "enable-protected-configs" [], "no", own(), Boot, Now, Redis, [];
        /// Who may use DEBUG.
        enable_debug_command: Permission, "enable-debug-command" [], "no", own(), Boot, Now, Redis, [];
        /// Who may use MODULE.
        enable_module_command: Permission, "enable-module-command" [], "no", own(), Boot, Now, Redis, [];
        /// Give scripts getfenv and setfenv, which were taken away for safety.
        lua_enable_deprecated_api: bool, "lua-enable-deprecated-api" [], "no", yes_no(), Boot, Now, Redis, [HIDDEN];
        /// Check RESTORE payloads and replicated snapshots in depth: no, yes, or only those that come from clients.
        sanitize_dump_payload: SanitizePayload, "sanitize-dump-payload" [], "no", own(), Live, Now, Redis, [];
    }
    "TLS" {
        /// TCP port for TLS connections; 0 for none.
        tls_port: u16, "tls-port" [], "0", int(0, 65535), Live, Now, Redis, [];
        /// Certificate (PEM) that the node shows.
        tls_cert_file: String, "tls-cert-file" [], "", text(), Live, Now, Redis, [VOLATILE, OMIT_EMPTY];
        /// Its private key.
        tls_key_file: String, "tls-key-file" [], "", text(), Live, Now, Redis, [VOLATILE, OMIT_EMPTY];
        /// Passphrase of that key. Encrypted keys are refused: it must be empty.
        tls_key_file_pass: String, "tls-key-file-pass" [], "", text(), Live, Now, Redis, [OMIT_EMPTY];
        /// Certificate for outgoing connections; empty takes tls-cert-file.
        tls_client_cert_file: String, "tls-client-cert-file" [], "", text(), Live, Now, Redis, [VOLATILE, OMIT_EMPTY];
        /// Its private key.
        tls_client_key_file: String, "tls-client-key-file" [], "", text(), Live, Now, Redis, [VOLATILE, OMIT_EMPTY];
        /// Passphrase of that key. Encrypted keys are refused: it must be empty.
        tls_client_key_file_pass: String, "tls-client-key-file-pass" [], "", text(), Live, Now, Redis, [OMIT_EMPTY];
        /// Diffie-Hellman parameters, for old OpenSSL. Keys are exchanged over elliptic curves here.
        tls_dh_params_file: String, "tls-dh-params-file" [], "", text(), Live, Inert, Redis, [VOLATILE, OMIT_EMPTY];
        /// Authorities that client certificates are checked against.
        tls_ca_cert_file: String, "tls-ca-cert-file" [], "", text(), Live, Now, Redis, [VOLATILE, OMIT_EMPTY];
        /// Directory of such authorities.
        tls_ca_cert_dir: String, "tls-ca-cert-dir" [], "", text(), Live, Now, Redis, [VOLATILE, OMIT_EMPTY];
        /// Whether a client must show a certificate.
        tls_auth_clients: TlsAuthClients, "tls-auth-clients" [], "yes", own(), Live, Now, Redis, [];
        /// Use TLS towards masters and replicas.
        tls_replication: bool, "tls-replication" [], "no", yes_no(), Live, Now, Redis, [];
        /// Use TLS on the cluster bus.
        tls_cluster: bool, "tls-cluster" [], "no", yes_no(), Live, Later, Redis, [];
        /// TLS versions to allow, of TLSv1.2 and TLSv1.3; empty for both.
        tls_protocols: String, "tls-protocols" [], "", text(), Live, Now, Redis, [OMIT_EMPTY];
        /// Ciphers for TLS 1.2.
        tls_ciphers: String, "tls-ciphers" [], "", text(), Live, Now, Redis, [OMIT_EMPTY];
        /// Cipher suites for TLS 1.3.
        tls_ciphersuites: String, "tls-ciphersuites" [], "", text(), Live, Now, Redis, [OMIT_EMPTY];
        /// Prefer the node's order of ciphers to the client's.
        tls_prefer_server_ciphers: bool, "tls-prefer-server-ciphers" [], "no", yes_no(), Live, Now, Redis, [];
        /// Let clients resume sessions.
        tls_session_caching: bool, "tls-session-caching" [], "yes", yes_no(), Live, Now, Redis, [];
        /// Sessions kept; 0 for no limit.
        tls_session_cache_size: u32, "tls-session-cache-size" [], "20480", int(0, I32), Live, Now, Redis, [];
        /// Seconds a session is kept.
        tls_session_cache_timeout: u32, "tls-session-cache-timeout" [], "300", int(0, I32), Live, Now, Redis, [];
        /// Names, with patterns, of which a client's certificate must have one (common name or alternative name); none for any.
        tls_allowlist: Words, "tls-allowlist" [], "", own(), Live, Now, KeyDb, [MULTI_ARG, OMIT_EMPTY];
        /// Certificate names left out of the audit log.
        tls_auditlog_blocklist: Words, "tls-auditlog-blocklist" [], "", own(), Live, Later, KeyDb, [MULTI_ARG, OMIT_EMPTY];
        /// Read certificates again when their files change.
        tls_rotation: bool, "tls-rotation" [], "no", yes_no(), Live, Now, KeyDb, [];
    }
    "Memory" {
        /// Bytes the data may take before keys are evicted or writes refused; 0 for no limit.
        maxmemory: u64, "maxmemory" [], "0", mem(0, U64), Live, Now, Redis, [];
        /// Which keys to evict.
        maxmemory_policy: EvictionPolicy, "maxmemory-policy" [], "noeviction", own(), Live, Now, Redis, [];
        /// Keys looked at to choose one victim.
        maxmemory_samples: u32, "maxmemory-samples" [], "5", int(1, I32), Live, Now, Redis, [];
        /// How long one round of eviction may hold a worker, from 0 to 100.
        maxmemory_eviction_tenacity: u32, "maxmemory-eviction-tenacity" [], "10", int(0, 100), Live, Now, Redis, [];
        /// How slowly the frequency counter grows.
        lfu_log_factor: u32, "lfu-log-factor" [], "10", int(0, I32), Live, Now, Redis, [];
        /// Minutes in which the frequency counter loses one.
        lfu_decay_time: u32, "lfu-decay-time" [], "1", int(0, I32), Live, Now, Redis, [];
        /// Effort for finding expired keys nobody asks for, from 1 to 10.
        active_expire_effort: u32, "active-expire-effort" [], "1", int(1, 10), Live, Now, Redis, [];
        /// Free evicted values in the background.
        lazyfree_lazy_eviction: bool, "lazyfree-lazy-eviction" [], "no", yes_no(), Live, Now, Redis, [];
        /// Free expired values in the background.
        lazyfree_lazy_expire: bool, "lazyfree-lazy-expire" [], "no", yes_no(), Live, Now, Redis, [];
        /// Free values that another command replaces in the background.
        lazyfree_lazy_server_del: bool, "lazyfree-lazy-server-del" [], "no", yes_no(), Live, Now, Redis, [];
        /// Make DEL behave as UNLINK.
        lazyfree_lazy_user_del: bool, "lazyfree-lazy-user-del" [], "no", yes_no(), Live, Now, Redis, [];
        /// Make FLUSHALL, FLUSHDB and SCRIPT FLUSH without an option behave as with ASYNC.
        lazyfree_lazy_user_flush: bool, "lazyfree-lazy-user-flush" [], "no", yes_no(), Live, Now, Redis, [];
        /// Free the old data in the background before loading a master's.
        replica_lazy_flush: bool, "replica-lazy-flush" ["slave-lazy-flush"], "no", yes_no(), Live, Inert, Redis, [];
        /// Spend idle time on growing tables. Tables grow in small steps here.
        activerehashing: bool, "activerehashing" [], "yes", yes_no(), Live, Inert, Redis, [];
        /// Let the allocator purge in a thread of its own.
        jemalloc_bg_thread: bool, "jemalloc-bg-thread" [], "yes", yes_no(), Live, Later, Redis, [];
        /// Move values together to give fragmented memory back.
        activedefrag: bool, "activedefrag" [], "no", yes_no_at_boot(NO_DEFRAG), Live, Later, Redis, [];
        /// Wasted bytes below which nothing is moved.
        active_defrag_ignore_bytes: usize, "active-defrag-ignore-bytes" [], "100mb", mem(1, I64), Live, Later, Redis, [];
        /// Percentage of waste at which moving starts.
        active_defrag_threshold_lower: u32, "active-defrag-threshold-lower" [], "10", int(0, 1000), Live, Later, Redis, [];
        /// Percentage of waste at which effort is greatest.
        active_defrag_threshold_upper: u32, "active-defrag-threshold-upper" [], "100", int(0, 1000), Live, Later, Redis, [];
        /// Least effort, in percent of a core.
        active_defrag_cycle_min: u32, "active-defrag-cycle-min" [], "1", int(1, 99), Live, Later, Redis, [];
        /// Greatest effort, in percent of a core.
        active_defrag_cycle_max: u32, "active-defrag-cycle-max" [], "25", int(1, 99), Live, Later, Redis, [];
        /// Elements above which a collection is moved in steps.
        active_defrag_max_scan_fields: usize, "active-defrag-max-scan-fields" [], "1000", int(1, I64), Live, Later, Redis, [];
        /// Evict as if maxmemory were reached while more than this percentage of the machine's memory is used; 0 for never.
        force_eviction_percent: u32, "force-eviction-percent" [], "0", int(0, 100), Live, Now, KeyDb, [];
        /// Be a cache: with maxmemory and no maxmemory-policy given, evict as allkeys-lfu does.
        cache_mode: bool, "cache_mode" ["cache-mode"], "no", switch(), Boot, Now, Dragonfly, [];
        /// Most keys that KEYS returns; 0, unlike Dragonfly's 8192, for all.
        keys_output_limit: u32, "keys_output_limit" ["keys-output-limit"], "0", int(0, 4294967295), Live, Now, Dragonfly, [];
    }
    "Snapshots (RDB)" {
        /// Save after so many seconds if so many keys changed; pairs, on one line or several. `save ""` for never.
        save: SaveRules, "save" [], "3600 1 300 100 60 10000", own(), Live, Now, Redis, [MULTI_ARG];
        /// Name of the snapshot file.
        dbfilename: String, "dbfilename" [], "dump.rdb", text_like(file_name), Live, Now, Redis, [PROTECTED];
        /// Directory of all data files; the node changes into it.
        dir: DataDir, "dir" [], ".", own(), Live, Now, Redis, [PROTECTED, DENY_LOADING];
        /// Compress strings in snapshots.
        rdbcompression: bool, "rdbcompression" [], "yes", yes_no(), Live, Now, Redis, [];
        /// End snapshots with a checksum, and check it on loading.
        rdbchecksum: bool, "rdbchecksum" [], "yes", yes_no(), Boot, Now, Redis, [];
        /// Flush to disk every few megabytes while saving.
        rdb_save_incremental_fsync: bool, "rdb-save-incremental-fsync" [], "yes", yes_no(), Live, Now, Redis, [];
        /// Delete snapshots that served only replication, when nothing else is persisted.
        rdb_del_sync_files: bool, "rdb-del-sync-files" [], "no", yes_no(), Live, Now, Redis, [];
        /// Refuse writes after a failed save.
        stop_writes_on_bgsave_error: bool, "stop-writes-on-bgsave-error" [], "yes", yes_no(), Live, Now, Redis, [];
        /// Save from a forked child. Snapshots never fork here.
        use_fork: bool, "use-fork" [], "yes", yes_no(), Boot, Inert, KeyDb, [];
        /// Load snapshots with several threads.
        multithread_load_enabled: bool, "multithread-load-enabled" [], "no", yes_no(), Live, Inert, KeyDb, [];
        /// Size tables by the snapshot's hints.
        allow_rdb_resize_op: bool, "allow-rdb-resize-op" [], "yes", yes_no(), Live, Inert, KeyDb, [];
        /// Object (`s3://bucket/key`) that each saved snapshot is sent to as well; a start without a snapshot fetches it from there.
        db_s3_object: String, "db-s3-object" [], "", text_like(s3_object), Boot, Now, KeyDb, [OMIT_EMPTY];
        /// Copies of it that are kept beside it, each under its key with the time of the snapshot behind it; 0 for none.
        db_s3_keep: u32, "db-s3-keep" [], "0", int(0, 10_000), Live, Now, Everwrite, [];
        /// URL of the storage; empty for `AWS_ENDPOINT_URL`, or Amazon's own.
        db_s3_endpoint: String, "db-s3-endpoint" [], "", text(), Boot, Now, Everwrite, [OMIT_EMPTY];
        /// Region of the bucket; empty for `AWS_REGION`.
        db_s3_region: String, "db-s3-region" [], "", text(), Boot, Now, Everwrite, [OMIT_EMPTY];
        /// Access key; empty for `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or the machine's role.
        db_s3_access_key: String, "db-s3-access-key" [], "", text(), Boot, Now, Everwrite, [OMIT_EMPTY];
        /// Its secret.
        db_s3_secret_key: Secret, "db-s3-secret-key" [], "", own(), Boot, Now, Everwrite, [SENSITIVE, OMIT_EMPTY];
    }
    "Append-only file" {
        /// Log every write, to be replayed at start.
        appendonly: bool, "appendonly" [], "no", yes_no(), Live, Now, Redis, [DENY_LOADING];
        /// First part of the log files' names.
        appendfilename: String, "appendfilename" [], "appendonly.aof", text_like(named_file), Boot, Now, Redis, [];
        /// Directory for them, inside dir.
        appenddirname: String, "appenddirname" [], "appendonlydir", text_like(named_dir), Boot, Now, Redis, [];
        /// When a write is forced to disk: before it is acknowledged, every second, or when the system likes.
        appendfsync: AppendFsync, "appendfsync" [], "everysec", own(), Live, Now, Redis, [];
        /// Leave out the forcing while a snapshot or rewrite runs.
        no_appendfsync_on_rewrite: bool, "no-appendfsync-on-rewrite" [], "no", yes_no(), Live, Now, Redis, [];
        /// Growth in percent since the last rewrite that starts another; 0 for never.
        auto_aof_rewrite_percentage: u32, "auto-aof-rewrite-percentage" [], "100", int(0, I32), Live, Now, Redis, [];
        /// Bytes below which growth does not matter.
        auto_aof_rewrite_min_size: u64, "auto-aof-rewrite-min-size" [], "64mb", mem(0, I64), Live, Now, Redis, [];
        /// Start from a log whose end is cut off, as after a power loss.
        aof_load_truncated: bool, "aof-load-truncated" [], "yes", yes_no(), Live, Now, Redis, [];
        /// Write the rewritten base file as a snapshot.
        aof_use_rdb_preamble: bool, "aof-use-rdb-preamble" [], "yes", yes_no(), Live, Now, Redis, [];
        /// Note the time in the log, for restoring up to a moment.
        aof_timestamp_enabled: bool, "aof-timestamp-enabled" [], "no", yes_no(), Live, Now, Redis, [];
        /// Flush to disk every few megabytes while rewriting.
        aof_rewrite_incremental_fsync: bool, "aof-rewrite-incremental-fsync" [], "yes", yes_no(), Live, Now, Redis, [];
        /// Keep log files that are no longer needed.
        aof_disable_auto_gc: bool, "aof-disable-auto-gc" [], "no", yes_no(), Live, Now, Redis, [];
    }
    "Replication" {
        /// Follow the master at this host and port. With multi-master, one line for each.
        replicaof: Masters, "replicaof" ["slaveof"], "", own(), Boot, Now, Redis, [MULTI_ARG];
        /// Password for the master.
        masterauth: Secret, "masterauth" ["primaryauth"], "", own(), Live, Now, Redis, [SENSITIVE, OMIT_EMPTY];
        /// User for the master.
        masteruser: Secret, "masteruser" ["primaryuser"], "", own(), Live, Now, Redis, [SENSITIVE, OMIT_EMPTY];
        /// Answer reads while the master cannot be reached.
        replica_serve_stale_data: bool, "replica-serve-stale-data" ["slave-serve-stale-data"], "yes", yes_no(), Live, Now, Redis, [];
        /// Refuse writes on a replica. active-replica turns it off.
        replica_read_only: bool, "replica-read-only" ["slave-read-only"], "yes", yes_no(), Live, Now, Redis, [];
        /// Order in which Sentinel promotes replicas; 0 for never.
        replica_priority: u32, "replica-priority" ["slave-priority"], "100", int(0, I32), Live, Now, Redis, [];
        /// Let Sentinel list this replica.
        replica_announced: bool, "replica-announced" [], "yes", yes_no(), Live, Now, Redis, [];
        /// Address to report to the master instead of the one it sees.
        replica_announce_ip: String, "replica-announce-ip" ["slave-announce-ip"], "", text(), Live, Now, Redis, [OMIT_EMPTY];
        /// Port to report to it.
        replica_announce_port: u16, "replica-announce-port" ["slave-announce-port"], "0", int(0, 65535), Live, Now, Redis, [];
        /// Leave eviction to the master.
        replica_ignore_maxmemory: bool, "replica-ignore-maxmemory" ["slave-ignore-maxmemory"], "yes", yes_no(), Live, Now, Redis, [];
        /// Go on applying the master's writes though they cannot be saved.
        replica_ignore_disk_write_errors: bool, "replica-ignore-disk-write-errors" [], "no", yes_no(), Live, Later, Redis, [];
        /// Send snapshots to replicas straight from memory.
        repl_diskless_sync: bool, "repl-diskless-sync" [], "yes", yes_no(), Live, Now, Redis, [];
        /// Seconds to wait for further replicas before such a transfer.
        repl_diskless_sync_delay: u32, "repl-diskless-sync-delay" [], "5", int(0, I32), Live, Now, Redis, [];
        /// Number of replicas that ends the wait; 0 for the full delay.
        repl_diskless_sync_max_replicas: u32, "repl-diskless-sync-max-replicas" [], "0", int(0, I32), Live, Now, Redis, [];
        /// Load a master's snapshot without writing it to disk first.
        repl_diskless_load: DisklessLoad, "repl-diskless-load" [], "disabled", own(), Live, Now, Redis, [DENY_LOADING];
        /// Seconds between pings to replicas.
        repl_ping_replica_period: u32, "repl-ping-replica-period" ["repl-ping-slave-period"], "10", int(1, I32), Live, Now, Redis, [];
        /// Seconds of silence after which a replication link is given up.
        repl_timeout: u32, "repl-timeout" [], "60", int(1, I32), Live, Now, Redis, [];
        /// Collect small packets towards replicas: less traffic, more delay.
        repl_disable_tcp_nodelay: bool, "repl-disable-tcp-nodelay" [], "no", yes_no(), Live, Now, Redis, [];
        /// Bytes of stream kept for replicas that come back; at least 16 kB.
        repl_backlog_size: u64, "repl-backlog-size" [], "1mb", mem_at_least(1, I64, 16384), Live, Now, Redis, [];
        /// Seconds the backlog is kept when no replica is left; 0 for ever.
        repl_backlog_ttl: u64, "repl-backlog-ttl" [], "3600", int(0, I64), Live, Now, Redis, [];
        /// Refuse writes with fewer good replicas; 0 for never.
        min_replicas_to_write: u32, "min-replicas-to-write" ["min-slaves-to-write"], "0", int(0, I32), Live, Now, Redis, [];
        /// Lag in seconds up to which a replica is good.
        min_replicas_max_lag: u32, "min-replicas-max-lag" ["min-slaves-max-lag"], "10", int(0, I32), Live, Now, Redis, [];
        /// What to do when a master's command fails here.
        propagation_error_behavior: PropagationError, "propagation-error-behavior" [], "ignore", own(), Live, Now, Redis, [];
        /// Send snapshot and stream over two connections.
        dual_channel_replication_enabled: bool, "dual-channel-replication-enabled" [], "no", yes_no(), Live, Inert, Valkey, [];
        /// Full syncs in KeyDB's own format.
        enable_keydb_fastsync: bool, "enable-keydb-fastsync" [], "no", yes_no(), Live, Inert, KeyDb, [];
        /// Bytes of disk for the backlog to spill to.
        repl_backlog_disk_reserve: u64, "repl-backlog-disk-reserve" [], "0", mem(0, U64), Boot, Later, KeyDb, [];
        /// Keep the backlog on disk only.
        force_backlog_disk_reserve: bool, "force-backlog-disk-reserve" [], "no", yes_no(), Live, Later, KeyDb, [];
    }
    "Active-active" {
        /// Take writes while following others; every node of the mesh says so.
        active_replica: bool, "active-replica" [], "no", yes_no(), Boot, Now, KeyDb, [];
        /// Several replicaof lines add up. Needs active-replica.
        multi_master: bool, "multi-master" [], "no", yes_no(), Boot, Now, KeyDb, [];
        /// Do not pass on what came from a peer; right only in a full mesh.
        multi_master_no_forward: bool, "multi-master-no-forward" [], "no", yes_no(), Live, Now, KeyDb, [];
        /// Milliseconds by which a peer's clock may be ahead: what it wrote further in the future is not taken, and its link is closed.
        max_clock_drift: u64, "max-clock-drift" [], "5000", int(1, 3_600_000), Live, Now, Everwrite, [];
        /// Bytes of writes kept in memory for peers that are away. Older ones go to disk.
        repl_memory_limit: u64, "repl-memory-limit" [], "256mb", mem_at_least(1, I64, 1 << 20), Boot, Now, Everwrite, [];
        /// Bytes of writes kept on disk for peers that are away. Who needs older ones gets all data.
        repl_spill_limit: u64, "repl-spill-limit" [], "8gb", mem(0, I64), Boot, Now, Everwrite, [];
        /// Seconds after which a member of which nothing is heard is waited for no more; 0: never. When it comes back it gets all
        /// data; if both sides wrote meanwhile, they are not linked.
        repl_detach_after: u64, "repl-detach-after" [], "0", int(0, 1 << 32), Live, Now, Everwrite, [];
        /// Conflicts that REPLICATION CONFLICTS can show; the oldest go first.
        conflict_log_max_len: u32, "conflict-log-max-len" [], "128", int(0, 100_000), Live, Now, Everwrite, [];
        /// Compress what peers send each other, but for links within one machine.
        repl_compression: bool, "repl-compression" [], "no", yes_no(), Live, Now, Everwrite, [];
        /// Take writes while a peer's snapshot is merged. A member always does.
        allow_write_during_load: bool, "allow-write-during-load" [], "no", yes_no(), Live, Inert, KeyDb, [];
        /// Nodes named by replicaof to which a member must be linked to serve data, if replica-serve-stale-data is no; -1 for all.
        replica_quorum: i32, "replica-quorum" [], "-1", int(-1, I32), Live, Now, KeyDb, [];
    }
    "Cluster" {
        /// Be a node of a Redis cluster.
        cluster_enabled: bool, "cluster-enabled" [], "no", yes_no(), Boot, Later, Redis, [];
        /// File in which the node keeps what it knows of the cluster.
        cluster_config_file: String, "cluster-config-file" [], "nodes.conf", text(), Boot, Later, Redis, [];
        /// Port of the cluster bus; 0 takes port + 10000.
        cluster_port: u16, "cluster-port" [], "0", int(0, 65535), Boot, Later, Redis, [];
        /// Milliseconds after which a silent node counts as failing.
        cluster_node_timeout: u64, "cluster-node-timeout" [], "15000", int(0, I64), Live, Later, Redis, [];
        /// Address to announce instead of the detected one.
        cluster_announce_ip: String, "cluster-announce-ip" [], "", text(), Live, Later, Redis, [OMIT_EMPTY];
        /// Port to announce.
        cluster_announce_port: u16, "cluster-announce-port" [], "0", int(0, 65535), Live, Later, Redis, [];
        /// TLS port to announce.
        cluster_announce_tls_port: u16, "cluster-announce-tls-port" [], "0", int(0, 65535), Live, Later, Redis, [];
        /// Bus port to announce.
        cluster_announce_bus_port: u16, "cluster-announce-bus-port" [], "0", int(0, 65535), Live, Later, Redis, [];
        /// Host name to announce.
        cluster_announce_hostname: String, "cluster-announce-hostname" [], "", text_like(host_name), Live, Later, Redis, [OMIT_EMPTY];
        /// Name of this node in logs.
        cluster_announce_human_nodename: String, "cluster-announce-human-nodename" [], "", text(), Live, Later, Redis72, [OMIT_EMPTY];
        /// What CLUSTER SLOTS and redirections show as the address.
        cluster_preferred_endpoint_type: EndpointType, "cluster-preferred-endpoint-type" [], "ip", own(), Live, Later, Redis, [];
        /// Stop serving when a slot has no node.
        cluster_require_full_coverage: bool, "cluster-require-full-coverage" [], "yes", yes_no(), Live, Later, Redis, [];
        /// Serve reads even then.
        cluster_allow_reads_when_down: bool, "cluster-allow-reads-when-down" [], "no", yes_no(), Live, Later, Redis, [];
        /// Serve sharded pub/sub even then.
        cluster_allow_pubsubshard_when_down: bool, "cluster-allow-pubsubshard-when-down" [], "yes", yes_no(), Live, Later, Redis, [];
        /// Timeouts a replica may be cut off and still take over; 0 for any.
        cluster_replica_validity_factor: u32, "cluster-replica-validity-factor" ["cluster-slave-validity-factor"], "10", int(0, I32), Live, Later, Redis, [];
        /// Never take over by itself.
        cluster_replica_no_failover: bool, "cluster-replica-no-failover" ["cluster-slave-no-failover"], "no", yes_no(), Live, Later, Redis, [];
        /// Replicas a master keeps when one moves to a master without any.
        cluster_migration_barrier: u32, "cluster-migration-barrier" [], "1", int(0, I32), Live, Later, Redis, [];
        /// Let replicas move at all.
        cluster_allow_replica_migration: bool, "cluster-allow-replica-migration" [], "yes", yes_no(), Live, Later, Redis, [];
        /// Bytes a bus connection may hold unsent; 0 for no limit.
        cluster_link_sendbuf_limit: u64, "cluster-link-sendbuf-limit" [], "0", mem(0, U64), Live, Later, Redis, [];
        /// Milliseconds between pings on the bus.
        cluster_ping_interval: u32, "cluster-ping-interval" [], "1000", int(0, I32), Live, Later, Redis72, [HIDDEN];
        /// Count traffic and processor time per slot.
        cluster_slot_stats_enabled: bool, "cluster-slot-stats-enabled" [], "no", yes_no(), Live, Later, Redis8, [];
        /// Seconds a forgotten node stays forgotten.
        cluster_blacklist_ttl: u32, "cluster-blacklist-ttl" [], "60", int(0, U32), Live, Later, Valkey, [];
        /// IPv4 address to tell clients.
        cluster_announce_client_ipv4: String, "cluster-announce-client-ipv4" [], "", text(), Live, Later, Valkey, [OMIT_EMPTY];
        /// IPv6 address to tell clients.
        cluster_announce_client_ipv6: String, "cluster-announce-client-ipv6" [], "", text(), Live, Later, Valkey, [OMIT_EMPTY];
    }
    "Data types" {
        /// Fields up to which a hash stays compact.
        hash_max_listpack_entries: usize, "hash-max-listpack-entries" ["hash-max-ziplist-entries"], "512", int(0, I64), Live, Now, Redis, [];
        /// Longest field or value in a compact hash.
        hash_max_listpack_value: usize, "hash-max-listpack-value" ["hash-max-ziplist-value"], "64", mem(0, I64), Live, Now, Redis, [];
        /// Elements in one node of a list, or with -1 to -5 its bytes: 4, 8, 16, 32 or 64 kB.
        list_max_listpack_size: i32, "list-max-listpack-size" ["list-max-ziplist-size"], "-2", int(I32_MIN, I32), Live, Now, Redis, [];
        /// Nodes at each end of a list that stay uncompressed; 0 compresses none.
        list_compress_depth: u32, "list-compress-depth" [], "0", int(0, I32), Live, Now, Redis, [];
        /// Members up to which a set of integers stays compact.
        set_max_intset_entries: usize, "set-max-intset-entries" [], "512", int(0, I64), Live, Now, Redis, [];
        /// Members up to which another set stays compact in Redis 7.2 and later. OBJECT ENCODING answers as 7.0 does.
        set_max_listpack_entries: usize, "set-max-listpack-entries" [], "128", int(0, I64), Live, Inert, Redis72, [];
        /// Longest member in such a set.
        set_max_listpack_value: usize, "set-max-listpack-value" [], "64", mem(0, I64), Live, Inert, Redis72, [];
        /// Members up to which a sorted set stays compact.
        zset_max_listpack_entries: usize, "zset-max-listpack-entries" ["zset-max-ziplist-entries"], "128", int(0, I64), Live, Now, Redis, [];
        /// Longest member in a compact sorted set.
        zset_max_listpack_value: usize, "zset-max-listpack-value" ["zset-max-ziplist-value"], "64", mem(0, I64), Live, Now, Redis, [];
        /// Bytes up to which a HyperLogLog stays sparse.
        hll_sparse_max_bytes: usize, "hll-sparse-max-bytes" [], "3000", mem(0, I64), Live, Now, Redis, [];
        /// Bytes in one node of a stream; 0 for no limit.
        stream_node_max_bytes: usize, "stream-node-max-bytes" [], "4kb", mem(0, I64), Live, Now, Redis, [];
        /// Entries in one node of a stream; 0 for no limit.
        stream_node_max_entries: u64, "stream-node-max-entries" [], "100", int(0, I64), Live, Now, Redis, [];
        /// Bucket size of KeyDB's set table.
        semi_ordered_set_bucket_size: u32, "semi-ordered-set-bucket-size" [], "0", int(0, 1024), Live, Inert, KeyDb, [];
        /// Largest count that HRANDFIELD, SRANDMEMBER and ZRANDMEMBER accept.
        max_rand_count: i64, "max-rand-count" [], "4611686018427387903", int(0, I64), Live, Now, KeyDb, [];
    }
    "Events and scripts" {
        /// Keyspace events to publish, as letters; empty for none.
        notify_keyspace_events: NotifyFlags, "notify-keyspace-events" [], "", own(), Live, Now, Redis, [];
        /// Milliseconds after which a running script makes other clients see BUSY; 0 for never.
        busy_reply_threshold: u64, "busy-reply-threshold" ["lua-time-limit"], "5000", int(0, I64), Live, Now, Redis, [];
    }
    "Slow log and latency" {
        /// Microseconds from which a command is logged; 0 logs all, -1 none.
        slowlog_log_slower_than: i64, "slowlog-log-slower-than" ["commandlog-execution-slower-than"], "10000", int(-1, I64), Live, Now, Redis, [];
        /// Entries the slow log keeps.
        slowlog_max_len: usize, "slowlog-max-len" ["commandlog-slow-execution-max-len"], "128", int(0, I64), Live, Now, Redis, [];
        /// Bytes from which a request is logged; -1 logs none.
        commandlog_request_larger_than: i64, "commandlog-request-larger-than" [], "1048576", int(-1, I64), Live, Now, Valkey, [];
        /// Entries that log keeps.
        commandlog_large_request_max_len: usize, "commandlog-large-request-max-len" [], "128", int(0, I64), Live, Now, Valkey, [];
        /// Bytes from which the command of a reply is logged; -1 logs none.
        commandlog_reply_larger_than: i64, "commandlog-reply-larger-than" [], "1048576", int(-1, I64), Live, Now, Valkey, [];
        /// Entries that log keeps.
        commandlog_large_reply_max_len: usize, "commandlog-large-reply-max-len" [], "128", int(0, I64), Live, Now, Valkey, [];
        /// Milliseconds from which an event enters the latency monitor; 0 turns it off.
        latency_monitor_threshold: u64, "latency-monitor-threshold" [], "0", int(0, I64), Live, Now, Redis, [];
        /// Keep a latency histogram for each command.
        latency_tracking: bool, "latency-tracking" [], "yes", yes_no(), Live, Now, Redis, [];
        /// Percentiles that INFO latencystats shows.
        latency_tracking_info_percentiles: Percentiles, "latency-tracking-info-percentiles" [], "50 99 99.9", own(), Live, Now, Redis, [MULTI_ARG];
    }
    "Storage tier" {
        /// Keep values on flash, as in `flash /path`.
        storage_provider: Words, "storage-provider" [], "", own(), Boot, Later, KeyDb, [MULTI_ARG, OMIT_EMPTY];
        /// Options for that store.
        storage_provider_options: String, "storage-provider-options" [], "", text(), Boot, Later, KeyDb, [OMIT_EMPTY];
        /// Write to it at once or later.
        storage_cache_mode: StorageCacheMode, "storage-cache-mode" [], "writethrough", own(), Boot, Later, KeyDb, [];
        /// Milliseconds between flushes to it.
        storage_flush_period: u32, "storage-flush-period" [], "500", int(1, 10000), Live, Later, KeyDb, [];
        /// Bytes it may take; 0 for no limit.
        maxstorage: u64, "maxstorage" [], "0", mem(0, U64), Live, Later, KeyDb, [];
        /// Do not keep its keys in memory.
        flash_disable_key_cache: bool, "flash-disable-key-cache" [], "no", yes_no(), Boot, Later, KeyDb, [];
        /// Evicting deletes from it, too.
        delete_on_evict: bool, "delete-on-evict" [], "no", yes_no(), Live, Later, KeyDb, [];
        /// Keep large values apart in it.
        blob_support: bool, "blob-support" [], "no", yes_no(), Live, Later, KeyDb, [];
        /// Directory for KeyDB's old memory-mapped heap.
        scratch_file_path: String, "scratch-file-path" [], "", text(), Boot, Later, KeyDb, [OMIT_EMPTY];
    }
    "For testing" {
        /// Microseconds to wait after each key loaded; negative: keys for each microsecond.
        key_load_delay: i32, "key-load-delay" [], "0", int(I32_MIN, I32), Live, Now, Redis, [HIDDEN];
        /// The same while saving.
        rdb_key_save_delay: i32, "rdb-key-save-delay" [], "0", int(I32_MIN, I32), Live, Now, Redis, [HIDDEN];
        /// Bytes loaded between two looks at clients.
        loading_process_events_interval_bytes: u64, "loading-process-events-interval-bytes" [], "2097152", int(1024, I32), Live, Inert, Redis, [HIDDEN];
        /// The same, in keys.
        loading_process_events_interval_keys: i64, "loading-process-events-interval-keys" [], "8192", int(0, I64), Live, Inert, KeyDb, [HIDDEN];
        /// Exit quietly instead of crashing loudly.
        use_exit_on_panic: bool, "use-exit-on-panic" [], "no", yes_no(), Live, Later, Redis, [HIDDEN];
        /// Milliseconds after which a stalled event loop is logged.
        watchdog_period: u32, "watchdog-period" [], "0", int(0, I32), Live, Inert, Redis, [HIDDEN];
    }
}
