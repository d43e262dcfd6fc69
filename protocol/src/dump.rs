//! DUMP payloads: one object that can travel on its own.
//!
//! ```text
//! payload = kind:u8  object  version:u16le  crc:u64le          the checksum is over all that comes before it
//! ```

use crate::crc64;
use crate::rdb::{Kind, Reader, goes_with, is_read};

/// Bytes after the object.
const FOOTER: usize = 10;

/// Appends version and checksum to `payload`, which holds the kind and the object.
pub fn seal(payload: &mut Vec<u8>, version: u16) {
    payload.extend_from_slice(&version.to_le_bytes());
    let crc = crc64::checksum(payload);
    payload.extend_from_slice(&crc.to_le_bytes());
}

/// Kind and object, if version and checksum are right ("DUMP payload version or checksum are wrong" if not).
pub fn verify(payload: &[u8]) -> Option<&[u8]> {
    let object = unseal(payload)?;
    let (summed, crc) = payload.split_last_chunk::<8>()?;
    (crc64::checksum(summed) == u64::from_le_bytes(*crc)).then_some(object)
}

/// Kind and object, the checksum not being looked at: for payloads from a trusted link.
pub fn unseal(payload: &[u8]) -> Option<&[u8]> {
    let (object, footer) = payload.split_last_chunk::<FOOTER>()?;
    let version = u16::from_le_bytes([footer[0], footer[1]]);
    (is_read(version) && goes_with(version, *object.first()?)).then_some(object)
}

/// The kind of a verified payload's object, and a reader that is at the object.
pub fn open(object: &[u8]) -> Result<(Kind, Reader<'_>), crate::rdb::Error> {
    let mut reader = Reader::new(object);
    let kind = reader.kind()?;
    Ok((kind, reader))
}
