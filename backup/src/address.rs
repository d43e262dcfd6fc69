//! `s3://bucket/key`.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// An object: its bucket, and its key there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub bucket: String,
    pub key: String,
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Address, Error> {
        let parts = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        let plain = |key: &str| !key.is_empty() && !key.ends_with('/') && !key.contains("//");
        match parts {
            Some((bucket, key)) if !bucket.is_empty() && plain(key) => {
                Ok(Address { bucket: bucket.into(), key: key.into() })
            }
            _ => Err(Error::Address(text.into())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_and_a_key() {
        let address: Address = "s3://backups/eu/dump.rdb".parse().unwrap();
        assert_eq!((&address.bucket[..], &address.key[..]), ("backups", "eu/dump.rdb"));
        assert_eq!(address.to_string(), "s3://backups/eu/dump.rdb");
        for bad in
            ["", "s3://", "s3://b", "s3://b/", "s3:///k", "s3://b/a//b", "s3://b/dir/", "/tmp/dump.rdb"]
        {
            assert!(matches!(bad.parse::<Address>(), Err(Error::Address(_))), "{bad}");
        }
    }
}
