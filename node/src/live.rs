//! What happens at once when a directive changes while the server runs. Most directives need nothing here: whoever
//! depends on them reads the configuration, see [`crate::config::store`].

use crate::aof::rewrite;
use crate::config::{Change, choice::OomScoreAdj};
use crate::process;
use crate::server::Server;

/// Directives that make up what clients meet on `tls-port`.
const TLS: &[&str] = &[
    "tls-port",
    "tls-cert-file",
    "tls-key-file",
    "tls-key-file-pass",
    "tls-ca-cert-file",
    "tls-ca-cert-dir",
    "tls-auth-clients",
    "tls-replication",
    "tls-protocols",
    "tls-ciphers",
    "tls-ciphersuites",
    "tls-prefer-server-ciphers",
    "tls-session-caching",
    "tls-session-cache-size",
    "tls-session-cache-timeout",
    "tls-allowlist",
];

/// Registers everything that a change of the configuration entails.
pub fn register(server: &'static Server) {
    let config = &server.config;
    config.on_change(&["crash-log-enabled"], |change| {
        crate::crash::enable(change.new.crash_log_enabled);
        Ok(())
    });
    config.on_change(&["loglevel"], |change| {
        crate::log::set_level(change.new.loglevel.word());
        Ok(())
    });
    config.on_change(&["maxmemory", "replica-ignore-maxmemory"], |change| {
        crate::upstream::set_memory_limit(server, change.new);
        Ok(())
    });
    config.on_change(&["maxmemory-clients", "maxmemory"], |change| {
        server.client_memory.set_limit(change.new);
        server.client_memory.evict(server);
        Ok(())
    });
    config.on_change(&["slowlog-max-len"], |change| {
        server.logs.slow.truncate(change.new.slowlog_max_len);
        Ok(())
    });
    config.on_change(&["commandlog-large-request-max-len", "commandlog-large-reply-max-len"], |change| {
        server.logs.large_requests.truncate(change.new.commandlog_large_request_max_len);
        server.logs.large_replies.truncate(change.new.commandlog_large_reply_max_len);
        Ok(())
    });
    config.on_change(&["requirepass"], |change| {
        server.users.set_default_password(&change.new.requirepass);
        Ok(())
    });
    config.on_change(&["appendonly"], move |change| {
        match change.new.appendonly {
            // A member's log is begun and ended by the mesh's thread.
            _ if server.mesh.is_member(server) => {}
            true if !server.aof.is_on() => rewrite::turn_on(server),
            false if server.aof.is_on() => rewrite::turn_off(server),
            _ => {}
        }
        Ok(())
    });
    config.on_change(&["appendfsync", "aof-timestamp-enabled"], move |change| {
        server.aof.configure(change.new);
        Ok(())
    });
    config.on_change(&["aof-disable-auto-gc"], move |change| {
        if !change.new.aof_disable_auto_gc {
            rewrite::delete_history(server);
        }
        Ok(())
    });
    config.on_change(&["min-replicas-to-write", "min-replicas-max-lag"], |change| {
        server.replicas.count_good(change.new);
        Ok(())
    });
    config.on_change(&["dir"], |change| {
        std::env::set_current_dir(change.new.dir.path()).map_err(|e| process::reason(&e))
    });
    config.on_change(&["maxclients"], maxclients);
    config.on_change(&["oom-score-adj", "oom-score-adj-values"], oom_score);
    config.on_change(&["proc-title-template"], |change| {
        process::set_title(change.new);
        Ok(())
    });
    config.on_change(TLS, |change| {
        server.tls.configure(change.new).map_err(|reason| {
            tracing::warn!("Failed to configure TLS: {reason}");
            "Unable to update TLS configuration. Check server logs.".to_string()
        })
    });
    config.on_change(&["port", "tls-port"], |change| {
        rebind(server, change, "Unable to listen on this port. Check server logs.")
    });
    config.on_change(&["bind"], |change| {
        // A change of both has been carried out for the port already.
        if change.has("port") || change.has("tls-port") {
            return Ok(());
        }
        rebind(server, change, "Failed to bind to specified addresses.")
    });
}

fn rebind(server: &Server, change: Change<'_>, refusal: &str) -> Result<(), String> {
    server.control.rebind(change.old, change.new).map_err(|_| refusal.to_string())?;
    process::set_title(change.new);
    Ok(())
}

/// Every client takes a descriptor, and the system must be willing to give as many.
fn maxclients(change: Change<'_>) -> Result<(), String> {
    if change.new.maxclients <= change.old.maxclients {
        return Ok(());
    }
    let wanted = u64::from(change.new.maxclients) + process::OTHER_FILES;
    crate::system::raise_file_limit(wanted).map_err(|possible| {
        format!(
            "The operating system is not able to handle the specified number of clients, try with {}",
            possible.saturating_sub(process::OTHER_FILES)
        )
    })
}

fn oom_score(change: Change<'_>) -> Result<(), String> {
    if change.new.oom_score_adj == OomScoreAdj::No && change.old.oom_score_adj == OomScoreAdj::No {
        return Ok(());
    }
    process::set_oom_score(change.new)
        .map_err(|_| "Failed to apply new oom_score_adj configuration, check server logs.".to_string())
}
