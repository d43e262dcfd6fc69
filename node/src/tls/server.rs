//! What clients meet that connect to `tls-port`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, StoresServerSessions, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;

use super::sessions::SessionCache;
use super::{Session, material, suites};
use crate::config::Config;
use crate::config::choice::TlsAuthClients;

/// What a new connection is given.
#[derive(Clone)]
pub struct Terms {
    pub config: Arc<ServerConfig>,
    /// Patterns of names (`tls-allowlist`) one of which the client's certificate must have; empty: any will do.
    pub allowed: Arc<[String]>,
}

/// The server's side of TLS, as it is configured now.
#[derive(Default)]
pub struct TlsServer {
    terms: RwLock<Option<Terms>>,
    /// When the files were changed that it was made from.
    files: Mutex<Vec<Option<SystemTime>>>,
}

impl TlsServer {
    /// Takes over the directives, and reads the files that they name. On an error everything stays as it was.
    pub fn configure(&self, config: &Config) -> Result<(), String> {
        let files = changed(config);
        let terms = if config.tls_port == 0 { None } else { Some(terms(config)?) };
        *self.files.lock() = files;
        *self.terms.write() = terms;
        Ok(())
    }

    /// Reads the files again if one has changed. `None`: none has.
    pub fn rotate(&self, config: &Config) -> Option<Result<(), String>> {
        if config.tls_port == 0 || *self.files.lock() == changed(config) {
            return None;
        }
        Some(self.configure(config))
    }

    /// A session for a connection that has just come; `None` if it can't be had.
    pub fn accept(&self) -> Option<Box<Session>> {
        let terms = self.terms.read().clone()?;
        match Session::accept(terms) {
            Ok(session) => Some(Box::new(session)),
            Err(e) => {
                tracing::warn!("Can't begin a TLS session: {e}");
                None
            }
        }
    }
}

/// When the files that count were changed last.
fn changed(config: &Config) -> Vec<Option<SystemTime>> {
    [&config.tls_cert_file, &config.tls_key_file, &config.tls_ca_cert_file, &config.tls_ca_cert_dir]
        .iter()
        .map(|file| std::fs::metadata(file).and_then(|data| data.modified()).ok())
        .collect()
}

fn terms(config: &Config) -> Result<Terms, String> {
    Ok(Terms { config: Arc::new(server_config(config)?), allowed: config.tls_allowlist.0.clone().into() })
}

/// The configuration of rustls that the directives amount to.
pub fn server_config(config: &Config) -> Result<ServerConfig, String> {
    if config.tls_cert_file.is_empty() {
        return Err("No tls-cert-file configured!".into());
    }
    if config.tls_key_file.is_empty() {
        return Err("No tls-key-file configured!".into());
    }
    refuse_passphrases(config)?;
    let provider = suites::provider(config)?;
    let key = material::certified_key(&provider, &config.tls_cert_file, &config.tls_key_file)?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&suites::versions(config)?)
        .map_err(|e| e.to_string())?;
    let builder = match config.tls_auth_clients {
        // Peers are asked for certificates, and must have one, whatever holds for clients.
        TlsAuthClients::No if !config.tls_replication => builder.with_no_client_auth(),
        who => {
            if config.tls_ca_cert_file.is_empty() && config.tls_ca_cert_dir.is_empty() {
                return Err(
                    "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, \
                            tls-replication or tls-auth-clients are enabled!"
                        .into(),
                );
            }
            let roots = material::authorities(&config.tls_ca_cert_file, &config.tls_ca_cert_dir)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match who {
                TlsAuthClients::No | TlsAuthClients::Optional => verifier.allow_unauthenticated(),
                _ => verifier,
            };
            builder.with_client_cert_verifier(verifier.build().map_err(|e| e.to_string())?)
        }
    };
    let mut server = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    server.ignore_client_order = config.tls_prefer_server_ciphers;
    server.session_storage = session_storage(config);
    if !config.tls_session_caching {
        server.send_tls13_tickets = 0;
    }
    Ok(server)
}

/// Keys that need a passphrase can't be read; to say nothing would be found out only much later.
pub fn refuse_passphrases(config: &Config) -> Result<(), String> {
    let set = [
        ("tls-key-file-pass", &config.tls_key_file_pass),
        ("tls-client-key-file-pass", &config.tls_client_key_file_pass),
    ];
    match set.iter().find(|(_, pass)| !pass.is_empty()) {
        Some((name, _)) => Err(format!(
            "{name}: encrypted private keys are not supported; decrypt the key with `openssl pkey` and protect its file"
        )),
        None => Ok(()),
    }
}

fn session_storage(config: &Config) -> Arc<dyn StoresServerSessions> {
    if !config.tls_session_caching {
        return Arc::new(NoServerSessionStorage {});
    }
    let len_max = match config.tls_session_cache_size {
        0 => usize::MAX,
        n => n as usize,
    };
    Arc::new(SessionCache::new(len_max, Duration::from_secs(config.tls_session_cache_timeout.into())))
}
