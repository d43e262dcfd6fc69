//! Versions and ciphers, by the names that OpenSSL gives them.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, cipher_suite as suite};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};

use crate::config::Config;

/// Every cipher there is, the strongest first, with OpenSSL's name: those of TLS 1.3, and those of TLS 1.2.
const TLS13: [(&str, SupportedCipherSuite); 3] = [
    ("TLS_AES_256_GCM_SHA384", suite::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", suite::TLS13_CHACHA20_POLY1305_SHA256),
    ("TLS_AES_128_GCM_SHA256", suite::TLS13_AES_128_GCM_SHA256),
];
const TLS12: [(&str, SupportedCipherSuite); 6] = [
    ("ECDHE-ECDSA-AES256-GCM-SHA384", suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
];

/// Cryptography with the ciphers of `tls-ciphers` and `tls-ciphersuites`.
pub fn provider(config: &Config) -> Result<Arc<CryptoProvider>, String> {
    let mut suites = chosen(&config.tls_ciphersuites, &TLS13)
        .ok_or_else(|| none_of("tls-ciphersuites", &config.tls_ciphersuites))?;
    suites.extend(
        chosen(&config.tls_ciphers, &TLS12).ok_or_else(|| none_of("tls-ciphers", &config.tls_ciphers))?,
    );
    Ok(Arc::new(CryptoProvider { cipher_suites: suites, ..ring::default_provider() }))
}

fn none_of(directive: &str, list: &str) -> String {
    format!("{directive}: none of the ciphers in '{list}' is supported")
}

/// The ciphers that a list names, in its order. Words for sets of ciphers (`DEFAULT`, `HIGH`) mean all that are left: there are
/// no weak ones here. `!NAME` and `-NAME` take one out. `None`: nothing is left.
fn chosen(list: &str, known: &[(&str, SupportedCipherSuite)]) -> Option<Vec<SupportedCipherSuite>> {
    let words = list.split([':', ',', ' ']).filter(|word| !word.is_empty());
    let (mut names, mut barred, mut any): (Vec<&str>, Vec<&str>, bool) = (Vec::new(), Vec::new(), false);
    for word in words {
        any = true;
        match word.strip_prefix(['!', '-']) {
            Some(name) => barred.push(name),
            None if ["DEFAULT", "ALL", "HIGH", "COMPLEMENTOFDEFAULT"].contains(&word) => {
                names.extend(known.iter().map(|(name, _)| *name));
            }
            None => names.push(word),
        }
    }
    if !any {
        names.extend(known.iter().map(|(name, _)| *name));
    }
    let mut suites: Vec<SupportedCipherSuite> = Vec::new();
    for name in names.iter().filter(|name| !barred.contains(name)) {
        if let Some((_, suite)) = known.iter().find(|(known, _)| known == name)
            && !suites.contains(suite)
        {
            suites.push(*suite);
        }
    }
    (!suites.is_empty()).then_some(suites)
}

/// The versions of `tls-protocols`.
pub fn versions(config: &Config) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let mut versions = Vec::new();
    for word in config.tls_protocols.split_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" => versions.push(&version::TLS12),
            "tlsv1.3" => versions.push(&version::TLS13),
            "tlsv1" | "tlsv1.1" => {
                return Err(format!("tls-protocols: {word} is not secure, and not supported"));
            }
            _ => {
                return Err(
                    "Invalid tls-protocols specified. Use a combination of 'TLSv1.2' and 'TLSv1.3'.".into()
                );
            }
        }
    }
    if versions.is_empty() {
        versions = vec![&version::TLS12, &version::TLS13];
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Option<Vec<&'static str>> {
        let name = |suite: &SupportedCipherSuite| TLS12.iter().find(|(_, s)| s == suite).unwrap().0;
        Some(chosen(list, &TLS12)?.iter().map(name).collect())
    }

    #[test]
    fn lists_choose_and_bar() {
        assert_eq!(names("").unwrap().len(), 6);
        assert_eq!(names("DEFAULT:!MEDIUM").unwrap().len(), 6);
        assert_eq!(names("HIGH:!ECDHE-RSA-AES128-GCM-SHA256").unwrap().len(), 5);
        let two = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384";
        assert_eq!(names(two).unwrap().join(":"), two);
        assert_eq!(names("RC4-MD5:ECDHE-RSA-AES256-GCM-SHA384").unwrap().len(), 1);
        assert_eq!(names("RC4-MD5"), None);
    }
}
