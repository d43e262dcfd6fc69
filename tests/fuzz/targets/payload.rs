//! What reads stored values: DUMP payloads and packed collections. Hostile ones are refused, without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::listpack::Listpack;
use protocol::{dump, lzf};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(list) = Listpack::from_bytes(bytes.to_vec()) {
        assert_eq!(list.view().iter().count(), list.len());
    }
    let mut out = Vec::new();
    if lzf::decompress(bytes, bytes.len().saturating_mul(4).min(1 << 16), &mut out).is_ok() {
        assert_eq!(out.len(), bytes.len().saturating_mul(4).min(1 << 16));
    }
    if let Ok((kind, reader)) = dump::open(bytes) {
        let mut reader = reader.sanitizing(true);
        let _ = protocol::rdb::read_object(&mut reader, kind);
    }
});
