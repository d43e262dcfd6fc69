//! The names in a certificate: the subject's common name and the alternative names, as KeyDB's `tls-allowlist` compares them.
//!
//! A certificate is DER: nested values of tag, length and content. Only the few that hold names are looked at; a
//! certificate that has been verified is well formed, and from any other no names are taken.

use std::net::{Ipv4Addr, Ipv6Addr};

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const OCTETS: u8 = 0x04;
/// `[3]` of a certificate: its extensions.
const EXTENSIONS: u8 = 0xa3;
/// 2.5.4.3 and 2.5.29.17.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// Of alternative names: mail addresses, DNS names, URIs (all text), IP addresses.
const TEXTS: [u8; 3] = [0x81, 0x82, 0x86];
const IP: u8 = 0x87;

/// The names of a certificate in DER.
pub fn names(certificate: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let Some((_, certificate)) = Values(certificate).next() else { return names };
    let Some((_, body)) = Values(certificate).next() else { return names };
    // Version, serial number, algorithm, issuer, validity, subject, key, extensions: the subject is the fourth sequence.
    let subject = Values(body).filter(|(tag, _)| *tag == SEQUENCE).nth(3);
    for (_, set) in subject.into_iter().flat_map(|(_, content)| Values(content)) {
        for (_, pair) in Values(set) {
            let mut pair = Values(pair);
            if pair.next() == Some((OBJECT_ID, COMMON_NAME)) {
                names.extend(pair.next().map(|(_, text)| String::from_utf8_lossy(text).into_owned()));
            }
        }
    }
    let extensions =
        Values(body).filter(|(tag, _)| *tag == EXTENSIONS).flat_map(|(_, content)| Values(content));
    for (_, extension) in extensions.flat_map(|(_, list)| Values(list)) {
        let mut parts = Values(extension);
        if parts.next() == Some((OBJECT_ID, ALTERNATIVE_NAMES)) {
            // A flag may stand between.
            let octets = parts.find(|(tag, _)| *tag == OCTETS);
            let list = octets.and_then(|(_, octets)| Values(octets).next());
            names.extend(list.into_iter().flat_map(|(_, list)| Values(list)).filter_map(alternative));
        }
    }
    names
}

fn alternative((tag, content): (u8, &[u8])) -> Option<String> {
    if TEXTS.contains(&tag) {
        return Some(String::from_utf8_lossy(content).into_owned());
    }
    match (tag, content.len()) {
        (IP, 4) => Some(Ipv4Addr::from(<[u8; 4]>::try_from(content).ok()?).to_string()),
        (IP, 16) => Some(Ipv6Addr::from(<[u8; 16]>::try_from(content).ok()?).to_string()),
        _ => None,
    }
}

/// The values that stand one after the other, as tag and content. Ends at what is malformed.
struct Values<'a>(&'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (len, rest) = match usize::from(first) {
            len @ 0..=0x7f => (len, rest),
            // As many bytes of length follow.
            long @ 0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(long - 0x80)?;
                (bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((tag, content))
    }
}
