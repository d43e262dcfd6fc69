//! Certificates and keys, from PEM files.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

/// Reads a certificate, those that vouch for it, and its key.
pub fn certified_key(
    provider: &CryptoProvider,
    cert_file: &str,
    key_file: &str,
) -> Result<Arc<CertifiedKey>, String> {
    let chain = certificates(Path::new(cert_file))?;
    let key = private_key(key_file)?;
    let key = provider.key_provider.load_private_key(key).map_err(|e| format!("{key_file}: {e}"))?;
    let certified = CertifiedKey::new(chain, key);
    // A certificate that can't be looked into (of version 1, say) may be good enough for whoever is shown it.
    if let Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) = certified.keys_match() {
        return Err(format!("{key_file} is not the key of the certificate in {cert_file}"));
    }
    Ok(Arc::new(certified))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|e| format!("{}: {e}", path.display()))?;
    if chain.is_empty() {
        Err(format!("{}: there is no certificate in it", path.display()))
    } else {
        Ok(chain)
    }
}

fn private_key(path: &str) -> Result<PrivateKeyDer<'static>, String> {
    let text = read(Path::new(path))?;
    let encrypted = |mark: &[u8]| memchr::memmem::find(&text, mark).is_some();
    if encrypted(b"ENCRYPTED PRIVATE KEY") || encrypted(b"Proc-Type: 4,ENCRYPTED") {
        return Err(format!(
            "{path}: encrypted private keys are not supported; decrypt it with `openssl pkey`"
        ));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|e| format!("{path}: {e}"))
}

/// Reads the authorities of a file and of all files in a directory, as far as they are named. Files of a directory that are
/// no certificates are passed over.
pub fn authorities(file: &str, dir: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if !file.is_empty() {
        for certificate in certificates(Path::new(file))? {
            roots.add(certificate).map_err(|e| format!("{file}: {e}"))?;
        }
    }
    if !dir.is_empty() {
        let entries = std::fs::read_dir(dir).map_err(|e| format!("{dir}: {}", crate::process::reason(&e)))?;
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()) {
            roots.add_parsable_certificates(certificates(&path).unwrap_or_default());
        }
    }
    if roots.is_empty() {
        Err("tls-ca-cert-file and tls-ca-cert-dir name no authority".into())
    } else {
        Ok(roots)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("{}: {}", path.display(), crate::process::reason(&e)))
}
